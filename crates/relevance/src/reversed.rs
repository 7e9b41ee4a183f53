//! Classifiers whose images have their spatial axes in the opposite order.

use ndarray::{Array2, ArrayView4, ArrayView5};
use relevox_perturb::{Box3, ImageView, Patch};

use crate::{Baseline, Cam, Class, Classifier, Error, RelevanceMap, Target};

/// A classifier of images `[c, x, y, z]`, such as a network trained on what MONAI's `LoadImage` returns, as one of images
/// `[c, z, y, x]`.
///
/// ```
/// use ndarray::{Array4, ArrayView5, Axis};
/// use relevox_relevance::{Classifier, Error, ReversedAxes};
///
/// // Depends on the last axis of its images: z.
/// let last = |batch: ArrayView5<'_, f32>| -> Result<Vec<f32>, Error> {
///     Ok(batch.outer_iter().map(|image| image[[0, 0, 0, 2]]).collect())
/// };
/// let image = Array4::from_shape_fn((1, 5, 4, 3), |(_, z, _, _)| z as f32);
/// let logits = ReversedAxes::new(last).logits(image.view().insert_axis(Axis(0)))?;
/// assert_eq!(logits[[0, 0]], 2.0);
/// # Ok::<(), Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct ReversedAxes<C> {
    classifier: C,
}

impl<C> ReversedAxes<C> {
    /// Wraps a classifier of images `[c, x, y, z]`.
    pub fn new(classifier: C) -> Self {
        Self { classifier }
    }

    /// Returns the classifier.
    pub fn classifier(&self) -> &C {
        &self.classifier
    }
}

fn image(view: ArrayView4<'_, f32>) -> ArrayView4<'_, f32> {
    view.permuted_axes([0, 3, 2, 1])
}

fn batch(view: ArrayView5<'_, f32>) -> ArrayView5<'_, f32> {
    view.permuted_axes([0, 1, 4, 3, 2])
}

fn shape([c, z, y, x]: [usize; 4]) -> [usize; 4] {
    [c, x, y, z]
}

fn patch(patch: &Patch) -> Result<Patch, Error> {
    let Box3 { start: [z, y, x], end: [z_end, y_end, x_end] } = patch.bounds();
    let bounds = Box3::new([x, y, z], [x_end, y_end, z_end]);
    Ok(Patch::new(bounds, image(patch.values()).to_owned()).map_err(relevox_perturb::Error::from)?)
}

impl<C: Classifier> Classifier for ReversedAxes<C> {
    fn outputs(&self) -> usize {
        self.classifier.outputs()
    }

    fn logits(&self, images: ArrayView5<'_, f32>) -> Result<Array2<f32>, Error> {
        self.classifier.logits(batch(images))
    }

    fn batch_size(&self, image: [usize; 4]) -> usize {
        self.classifier.batch_size(shape(image))
    }

    fn baseline<'a>(&'a self, scan: ImageView<'a>) -> Result<Box<dyn Baseline + 'a>, Error> {
        Ok(Box::new(ReversedBaseline { image: scan, inner: self.classifier.baseline(image(scan))? }))
    }
}

/// The baseline of the reversed image.
struct ReversedBaseline<'a> {
    image: ImageView<'a>,
    inner: Box<dyn Baseline + 'a>,
}

impl Baseline for ReversedBaseline<'_> {
    fn image(&self) -> ImageView<'_> {
        self.image
    }

    fn logits(&self) -> &[f32] {
        self.inner.logits()
    }

    fn patched(&self, patches: &[Patch]) -> Result<Array2<f32>, Error> {
        let reversed: Vec<Patch> = patches.iter().map(patch).collect::<Result<_, _>>()?;
        self.inner.patched(&reversed)
    }

    fn batch_size(&self) -> usize {
        self.inner.batch_size()
    }

    fn whole(&self, images: ArrayView5<'_, f32>) -> Result<Array2<f32>, Error> {
        self.inner.whole(batch(images))
    }

    fn whole_batch_size(&self) -> usize {
        self.inner.whole_batch_size()
    }

    fn class_activation(&self, target: &Target, class: Class, cam: Cam) -> Result<RelevanceMap, Error> {
        let RelevanceMap { voxels, flat } = self.inner.class_activation(target, class, cam)?;
        Ok(RelevanceMap { voxels: voxels.reversed_axes().as_standard_layout().into_owned(), flat })
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{Array3, Array4, Axis};
    use relevox_perturb::ConstantFill;
    use slic3d::Supervoxels;

    use super::*;
    use crate::{DenseBaseline, region_logits, silent};

    #[test]
    fn patches_and_images_are_reversed_alike() {
        let weigh = |images: ArrayView5<'_, f32>| -> Result<Vec<f32>, Error> {
            let score = |image: ArrayView4<'_, f32>| {
                image
                    .indexed_iter()
                    .map(|((c, i, j, k), v)| v * (1 + c + 2 * i + 5 * j * j + 11 * k) as f32)
                    .sum()
            };
            Ok(images.outer_iter().map(score).collect())
        };
        let scan = Array4::from_shape_fn((2, 5, 4, 3), |(c, z, y, x)| (c + 3 * z + 7 * y + x) as f32);
        let labels = Array3::from_shape_fn((5, 4, 3), |(z, y, _)| (z / 2 * 2 + y / 2) as u32);
        let regions = Supervoxels::from_labels(labels, None).unwrap();
        let fill = ConstantFill::from_values("blank", vec![0.0, 0.0]).unwrap();
        let reversed = ReversedAxes::new(weigh);
        let baseline = reversed.baseline(scan.view()).unwrap();
        let scores = region_logits(&*baseline, &regions, &fill, &silent).unwrap();
        let expected = weigh(batch(scan.view().insert_axis(Axis(0)))).unwrap();
        assert_eq!(scores.original, expected);
        assert_ne!(scores.original, weigh(scan.view().insert_axis(Axis(0))).unwrap());
        let dense = DenseBaseline::new(&reversed, scan.view()).unwrap();
        assert_eq!(scores, region_logits(&dense, &regions, &fill, &silent).unwrap());
    }
}
