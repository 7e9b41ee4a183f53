//! Several classifiers as one.

use ndarray::{Array2, ArrayView5, Axis, aview1};
use relevox_perturb::{ImageView, Patch};

use crate::classifier::{checked, unperturbed};
use crate::{Baseline, Cam, Class, Classifier, Error, RelevanceMap, Target};

/// Classifiers that differ by chance only (seeds of training), as one whose outputs are the means of theirs.
///
/// What they agree on stays, what each has by chance shrinks: the mean of `n` independent errors has `1/√n` of their
/// deviation. Averaging networks: B. Lakshminarayanan, A. Pritzel and C. Blundell, "Simple and Scalable Predictive
/// Uncertainty Estimation using Deep Ensembles", NeurIPS 2017, <https://arxiv.org/abs/1612.01474>, who average
/// probabilities; logits are averaged here, since a region's change of the mean logit is the mean of its changes.
pub struct Ensemble<C> {
    members: Vec<C>,
}

impl<C: Classifier> Ensemble<C> {
    /// Creates the ensemble of one classifier or more.
    ///
    /// # Errors
    /// Returns [`Error::InvalidSetting`] if there are none, and [`Error::ShapeMismatch`] if they have different numbers of
    /// outputs.
    pub fn new(members: Vec<C>) -> Result<Self, Error> {
        let Some(first) = members.first() else {
            return Err(Error::setting("ensemble: members", "at least one", 0));
        };
        let expected = first.outputs();
        match members.iter().map(C::outputs).find(|&outputs| outputs != expected) {
            Some(found) => Err(Error::ShapeMismatch {
                what: "the outputs of an ensemble's members",
                expected: vec![expected],
                found: vec![found],
            }),
            None => Ok(Self { members }),
        }
    }

    /// Returns the classifiers.
    pub fn members(&self) -> &[C] {
        &self.members
    }
}

/// Computes the mean of the members' outputs `[n, k]`.
fn mean(
    shape: [usize; 2],
    members: impl ExactSizeIterator<Item = Result<Array2<f32>, Error>>,
) -> Result<Array2<f32>, Error> {
    let count = members.len() as f64;
    let mut sums = Array2::<f64>::zeros(shape);
    for outputs in members {
        let outputs = outputs?;
        if outputs.shape() != shape {
            return Err(Error::ShapeMismatch {
                what: "the classifier's logits, [images, outputs]",
                expected: shape.to_vec(),
                found: outputs.shape().to_vec(),
            });
        }
        sums.zip_mut_with(&outputs, |sum, &output| *sum += f64::from(output));
    }
    Ok(sums.mapv(|sum| (sum / count) as f32))
}

impl<C: Classifier> Classifier for Ensemble<C> {
    fn outputs(&self) -> usize {
        self.members.first().map_or(1, C::outputs)
    }

    fn logits(&self, batch: ArrayView5<'_, f32>) -> Result<Array2<f32>, Error> {
        let shape = [batch.dim().0, self.outputs()];
        mean(shape, self.members.iter().map(|member| member.logits(batch)))
    }

    /// Returns the smallest of the members'.
    fn batch_size(&self, shape: [usize; 4]) -> usize {
        self.members.iter().map(|member| member.batch_size(shape)).min().unwrap_or(1)
    }

    fn baseline<'a>(&'a self, image: ImageView<'a>) -> Result<Box<dyn Baseline + 'a>, Error> {
        let members: Vec<Box<dyn Baseline + 'a>> =
            self.members.iter().map(|member| member.baseline(image)).collect::<Result<_, _>>()?;
        let shape = [1, self.outputs()];
        let own = members.iter().map(|member| Ok(aview1(member.logits()).insert_axis(Axis(0)).to_owned()));
        let logits = checked(mean(shape, own)?, shape, unperturbed)?;
        Ok(Box::new(EnsembleBaseline { image, members, logits: logits.into_raw_vec_and_offset().0 }))
    }
}

/// The members' baselines of a scan. A fill is called once for all of them.
struct EnsembleBaseline<'a> {
    image: ImageView<'a>,
    members: Vec<Box<dyn Baseline + 'a>>,
    logits: Vec<f32>,
}

impl Baseline for EnsembleBaseline<'_> {
    fn image(&self) -> ImageView<'_> {
        self.image
    }

    fn logits(&self) -> &[f32] {
        &self.logits
    }

    fn patched(&self, patches: &[Patch]) -> Result<Array2<f32>, Error> {
        let shape = [patches.len(), self.logits.len()];
        mean(shape, self.members.iter().map(|member| member.patched(patches)))
    }

    fn batch_size(&self) -> usize {
        self.members.iter().map(|member| member.batch_size()).min().unwrap_or(1)
    }

    fn whole(&self, batch: ArrayView5<'_, f32>) -> Result<Array2<f32>, Error> {
        let shape = [batch.dim().0, self.logits.len()];
        mean(shape, self.members.iter().map(|member| member.whole(batch)))
    }

    fn whole_batch_size(&self) -> usize {
        self.members.iter().map(|member| member.whole_batch_size()).min().unwrap_or(1)
    }

    /// Returns the mean of the members' maps, all for the side that the ensemble predicts.
    fn class_activation(&self, target: &Target, class: Class, cam: Cam) -> Result<RelevanceMap, Error> {
        target.check(self.logits.len())?;
        let class = class.of_logit(target.logit(&self.logits));
        match &self.members[..] {
            [single] => single.class_activation(target, class, cam),
            members => {
                let maps = members.iter().map(|member| member.class_activation(target, class, cam));
                RelevanceMap::average(&maps.collect::<Result<Vec<_>, _>>()?)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use ndarray::{Array3, Array4, array, s};
    use relevox_perturb::{ConstantFill, Fill, Result};
    use slic3d::Supervoxels;

    use super::*;
    use crate::{DenseBaseline, from_fn, region_logits, silent};

    fn slabs() -> (Array4<f32>, Supervoxels, ConstantFill) {
        let image = Array4::from_shape_fn((2, 5, 3, 4), |(c, z, y, x)| (c + 2 * z + 3 * y + x) as f32);
        let labels = Array3::from_shape_fn((5, 3, 4), |(z, ..)| z as u32);
        let slabs = Supervoxels::from_labels(labels, None).unwrap();
        (image, slabs, ConstantFill::from_values("blank", vec![0.0, 0.0]).unwrap())
    }

    /// Depends on one slice along z.
    fn slice(z: usize) -> impl Fn(ArrayView5<'_, f32>) -> Result<Vec<f32>, Error> + Sync {
        move |batch| Ok(batch.outer_iter().map(|image| image.slice(s![.., z, .., ..]).sum()).collect())
    }

    #[test]
    fn its_scores_are_the_mean_of_its_members() {
        let (image, slabs, blank) = slabs();
        let (a, b) = (slice(1), slice(4));
        let logits = |classifier: &dyn Classifier| {
            let baseline = classifier.baseline(image.view()).unwrap();
            region_logits(&*baseline, &slabs, &blank, &silent).unwrap()
        };
        let (one, other) = (logits(&a), logits(&b));
        let ensemble = Ensemble::new(vec![a, b]).unwrap();
        let both = logits(&ensemble);
        assert_eq!(both.original, [(one.original[0] + other.original[0]) / 2.0]);
        assert_eq!(both.perturbed, (&one.perturbed + &other.perturbed) / 2.0);
        assert_eq!(both.changed, one.changed);
        let dense = DenseBaseline::new(&ensemble, image.view()).unwrap();
        assert_eq!(both, region_logits(&dense, &slabs, &blank, &silent).unwrap());
        let moved = both.perturbed.mapv(|logit| logit < both.original[0]);
        assert_eq!(moved.column(0).to_vec(), [false, true, false, false, true]);
        let logit = ensemble.logits(image.view().insert_axis(Axis(0))).unwrap();
        assert_eq!(logit, array![[both.original[0]]]);
    }

    /// A fill that counts the regions it replaces.
    struct Counted(ConstantFill, AtomicUsize);

    impl Fill for Counted {
        fn name(&self) -> &str {
            "counted"
        }

        fn patches(
            &self,
            image: ImageView<'_>,
            regions: &Supervoxels,
            batch: &[usize],
        ) -> Result<Vec<Patch>> {
            self.1.fetch_add(batch.len(), Ordering::Relaxed);
            self.0.patches(image, regions, batch)
        }
    }

    #[test]
    fn a_fill_is_called_once_for_each_region() {
        let (image, slabs, blank) = slabs();
        let counted = Counted(blank, AtomicUsize::new(0));
        let ensemble = Ensemble::new((0..3).map(slice).collect()).unwrap();
        let baseline = ensemble.baseline(image.view()).unwrap();
        region_logits(&*baseline, &slabs, &counted, &silent).unwrap();
        assert_eq!(counted.1.into_inner(), slabs.len());
    }

    #[test]
    fn progress_adds_up_to_the_regions_and_breaks_off() {
        let (image, slabs, blank) = slabs();
        let ensemble = Ensemble::new((0..3).map(slice).collect()).unwrap();
        let baseline = ensemble.baseline(image.view()).unwrap();
        let told = AtomicUsize::new(0);
        let count = |done: usize| {
            told.fetch_add(done, Ordering::Relaxed);
            ControlFlow::Continue(())
        };
        region_logits(&*baseline, &slabs, &blank, &count).unwrap();
        assert_eq!(told.into_inner(), slabs.len());
        let stop = |_: usize| ControlFlow::Break(());
        let error = region_logits(&*baseline, &slabs, &blank, &stop).unwrap_err();
        assert!(matches!(error, Error::Cancelled), "{error}");
    }

    #[test]
    fn members_that_do_not_fit_are_refused() {
        let error = Ensemble::new((0..0).map(slice).collect()).err().unwrap();
        assert_eq!(error.to_string(), "ensemble: members: expected at least one, found 0");
        let mute = |_: ArrayView5<'_, f32>| -> Result<Vec<f32>, Error> { Ok(Vec::new()) };
        let (image, ..) = slabs();
        let error = Ensemble::new(vec![mute]).unwrap().logits(image.view().insert_axis(Axis(0))).unwrap_err();
        assert!(matches!(error, Error::ShapeMismatch { .. }), "{error}");
        let zeros = |outputs: usize| {
            from_fn(outputs, move |batch: ArrayView5<'_, f32>| Ok(Array2::zeros((batch.dim().0, outputs))))
        };
        assert!(matches!(Ensemble::new(vec![zeros(1), zeros(2)]), Err(Error::ShapeMismatch { .. })));
    }
}
