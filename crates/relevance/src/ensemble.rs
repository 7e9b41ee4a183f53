//! Several classifiers as one.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use ndarray::{ArrayView4, ArrayView5};
use relevox_perturb::{Fill, Perturbation};
use slic3d::Supervoxels;

use crate::{Classifier, Error, Progress, RegionLogits};

/// Classifiers that differ by chance alone (seeds of training), as one whose logit is the mean of theirs.
///
/// What they agree on stays, what each has by chance shrinks: the mean of `n` independent errors has `1/√n` of their
/// deviation. Averaging networks: B. Lakshminarayanan, A. Pritzel and C. Blundell, "Simple and Scalable Predictive
/// Uncertainty Estimation using Deep Ensembles", NeurIPS 2017, <https://arxiv.org/abs/1612.01474>, who average
/// probabilities; logits are averaged here, since a region's change of the mean logit is the mean of its changes.
pub struct Ensemble<C> {
    members: Vec<C>,
}

impl<C: Classifier> Ensemble<C> {
    /// Of one classifier or more.
    ///
    /// # Errors
    /// If there are none.
    pub fn new(members: Vec<C>) -> Result<Self, Error> {
        if members.is_empty() {
            return Err(Error::Setting {
                explainer: "ensemble",
                setting: "members",
                expected: "at least one",
                found: 0.0,
            });
        }
        Ok(Self { members })
    }

    /// The classifiers.
    pub fn members(&self) -> &[C] {
        &self.members
    }

    fn mean(&self, sum: f64) -> f32 {
        (sum / self.members.len() as f64) as f32
    }
}

impl<C: Classifier> Classifier for Ensemble<C> {
    fn logits(&self, batch: ArrayView5<'_, f32>) -> Result<Vec<f32>, Error> {
        let expected = batch.dim().0;
        let mut sums = vec![0.0; expected];
        for member in &self.members {
            let logits = member.logits(batch)?;
            if logits.len() != expected {
                return Err(Error::LogitCount { expected, found: logits.len() });
            }
            sums.iter_mut().zip(logits).for_each(|(sum, logit)| *sum += f64::from(logit));
        }
        Ok(sums.into_iter().map(|sum| self.mean(sum)).collect())
    }

    /// The smallest of the members'.
    fn batch_size(&self, shape: [usize; 4]) -> usize {
        self.members.iter().map(|member| member.batch_size(shape)).min().unwrap_or(1)
    }

    /// Each member goes through the partition by the way that it knows.
    fn score_regions(
        &self,
        image: ArrayView4<'_, f32>,
        regions: &Supervoxels,
        fill: &dyn Fill,
        progress: Progress<'_>,
    ) -> Result<RegionLogits, Error> {
        let finished = AtomicUsize::new(0);
        let fill = Remembered { fill, changes: Mutex::default() };
        let (mut original, mut perturbed) = (0.0, vec![0.0; regions.len()]);
        let mut changed = Vec::new();
        for member in &self.members {
            let found = member.score_regions(image, regions, &fill, &|done| {
                // A region is finished once all members have done with it, give or take which.
                let before = finished.fetch_add(done, Ordering::Relaxed);
                let whole = |count: usize| count / self.members.len();
                progress(whole(before + done) - whole(before))
            })?;
            original += f64::from(found.original);
            perturbed.iter_mut().zip(found.perturbed).for_each(|(sum, logit)| *sum += f64::from(logit));
            changed = found.changed;
        }
        Ok(RegionLogits {
            original: self.mean(original),
            perturbed: perturbed.into_iter().map(|sum| self.mean(sum)).collect(),
            changed,
        })
    }
}

/// A fill that is asked about each region once: one that learned takes as long as a member does.
struct Remembered<'a> {
    fill: &'a dyn Fill,
    changes: Mutex<BTreeMap<usize, Perturbation>>,
}

impl Fill for Remembered<'_> {
    fn name(&self) -> &str {
        self.fill.name()
    }

    fn perturb(
        &self,
        image: ArrayView4<'_, f32>,
        regions: &Supervoxels,
        region: usize,
    ) -> Result<Perturbation, relevox_perturb::Error> {
        let mut one = self.perturb_batch(image, regions, &[region])?;
        one.pop().ok_or(relevox_perturb::Error::RegionOutOfRange { region, regions: regions.len() })
    }

    fn perturb_batch(
        &self,
        image: ArrayView4<'_, f32>,
        regions: &Supervoxels,
        batch: &[usize],
    ) -> Result<Vec<Perturbation>, relevox_perturb::Error> {
        let mut known = self.changes.lock().unwrap_or_else(PoisonError::into_inner);
        let new: Vec<usize> = batch.iter().copied().filter(|region| !known.contains_key(region)).collect();
        let found = self.fill.perturb_batch(image, regions, &new)?;
        if found.len() != new.len() {
            return Ok(found);
        }
        known.extend(new.into_iter().zip(found));
        Ok(batch.iter().filter_map(|region| known.get(region).cloned()).collect())
    }
}

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use ndarray::{Array3, Array4, Axis, s};
    use relevox_perturb::ConstantFill;

    use super::*;
    use crate::{dense, silent};

    fn slabs() -> (Array4<f32>, Supervoxels, ConstantFill) {
        let image = Array4::from_shape_fn((2, 5, 3, 4), |(c, z, y, x)| (c + 2 * z + 3 * y + x) as f32);
        let labels = Array3::from_shape_fn((5, 3, 4), |(z, ..)| z as u32);
        let slabs = Supervoxels::from_labels(labels, None).unwrap();
        (image, slabs, ConstantFill::from_values("blank", vec![0.0, 0.0]).unwrap())
    }

    /// Looks at one slice along z.
    fn looks_at(z: usize) -> impl Fn(ArrayView5<'_, f32>) -> Result<Vec<f32>, Error> + Sync {
        move |batch| Ok(batch.outer_iter().map(|image| image.slice(s![.., z, .., ..]).sum()).collect())
    }

    #[test]
    fn its_scores_are_the_mean_of_its_members() {
        let (image, slabs, blank) = slabs();
        let (a, b) = (looks_at(1), looks_at(4));
        let one = a.score_regions(image.view(), &slabs, &blank, &silent).unwrap();
        let other = b.score_regions(image.view(), &slabs, &blank, &silent).unwrap();
        let ensemble = Ensemble::new(vec![a, b]).unwrap();
        let both = ensemble.score_regions(image.view(), &slabs, &blank, &silent).unwrap();
        assert_eq!(both.original, (one.original + other.original) / 2.0);
        for region in 0..slabs.len() {
            assert_eq!(both.perturbed[region], (one.perturbed[region] + other.perturbed[region]) / 2.0);
        }
        assert_eq!(both.changed, one.changed);
        assert_eq!(both, dense(&ensemble, image.view(), &slabs, &blank, &silent).unwrap());
        assert!(both.perturbed[1] < both.original && both.perturbed[4] < both.original);
        assert_eq!(both.perturbed[2], both.original);
        let logit = ensemble.logits(image.view().insert_axis(Axis(0))).unwrap();
        assert_eq!(logit, [both.original]);
    }

    #[test]
    fn a_fill_is_asked_about_each_region_once() {
        struct Counted(ConstantFill, AtomicUsize);
        impl Fill for Counted {
            fn name(&self) -> &str {
                "counted"
            }

            fn perturb(
                &self,
                image: ArrayView4<'_, f32>,
                regions: &Supervoxels,
                region: usize,
            ) -> Result<Perturbation, relevox_perturb::Error> {
                self.1.fetch_add(1, Ordering::Relaxed);
                self.0.perturb(image, regions, region)
            }
        }
        let (image, slabs, blank) = slabs();
        let counted = Counted(blank, AtomicUsize::new(0));
        let ensemble = Ensemble::new((0..3).map(looks_at).collect()).unwrap();
        ensemble.score_regions(image.view(), &slabs, &counted, &silent).unwrap();
        assert_eq!(counted.1.into_inner(), slabs.len());
    }

    #[test]
    fn progress_adds_up_to_the_regions_and_breaks_off() {
        let (image, slabs, blank) = slabs();
        let ensemble = Ensemble::new((0..3).map(looks_at).collect()).unwrap();
        let told = AtomicUsize::new(0);
        let count = |done: usize| {
            told.fetch_add(done, Ordering::Relaxed);
            ControlFlow::Continue(())
        };
        ensemble.score_regions(image.view(), &slabs, &blank, &count).unwrap();
        assert_eq!(told.into_inner(), slabs.len());
        let stop = |_: usize| ControlFlow::Break(());
        let error = ensemble.score_regions(image.view(), &slabs, &blank, &stop).unwrap_err();
        assert!(matches!(error, Error::Cancelled), "{error}");
    }

    #[test]
    fn what_is_no_ensemble_is_refused() {
        let error = Ensemble::new((0..0).map(looks_at).collect()).err().unwrap();
        assert_eq!(error.to_string(), "ensemble: members: expected at least one, found 0");
        let mute = |_: ArrayView5<'_, f32>| -> Result<Vec<f32>, Error> { Ok(Vec::new()) };
        let (image, ..) = slabs();
        let error = Ensemble::new(vec![mute]).unwrap().logits(image.view().insert_axis(Axis(0))).unwrap_err();
        assert!(matches!(error, Error::LogitCount { expected: 1, found: 0 }), "{error}");
    }
}
