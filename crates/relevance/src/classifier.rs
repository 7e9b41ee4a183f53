//! The black-box contract: a classifier, and its baseline on one scan.

use ndarray::{Array1, Array2, Array5, ArrayView5, Axis};
use relevox_perturb::{ImageView, Patch};

use crate::{Cam, Class, Error, RelevanceMap, Target};

/// Any 3D image classifier.
///
/// Only [`Classifier::logits`] is required. A closure that returns one logit per image is a classifier, and [`from_fn`]
/// makes one of a closure with several outputs. A classifier that can compute small changes of a scan faster than whole
/// images overrides [`Classifier::baseline`].
pub trait Classifier: Sync {
    /// Returns the number of outputs per image (default 1).
    fn outputs(&self) -> usize {
        1
    }

    /// Computes the outputs of each image in evaluation mode: logits, or plain values. An image's outputs must not depend
    /// on the other images of the batch.
    ///
    /// # Shapes
    /// `batch` is `[n, c, z, y, x]`, the result `[n, k]`.
    ///
    /// # Errors
    /// Returns the classifier's own error, wrapped by [`Error::black_box`].
    fn logits(&self, batch: ArrayView5<'_, f32>) -> Result<Array2<f32>, Error>;

    /// Returns the number of images of this shape `[c, z, y, x]` worth computing in one call. By default as many as fit
    /// into 64 MiB, from 1 to 16.
    fn batch_size(&self, shape: [usize; 4]) -> usize {
        let bytes = shape.iter().product::<usize>() * size_of::<f32>();
        ((64 << 20) / bytes.max(1)).clamp(1, 16)
    }

    /// Computes a scan `[c, z, y, x]` as it is, for explainers to start from. By default a [`DenseBaseline`].
    ///
    /// # Errors
    /// Returns the errors of [`Classifier::logits`], and [`Error::NonFinite`] if the scan's own output is NaN or infinite.
    fn baseline<'a>(&'a self, image: ImageView<'a>) -> Result<Box<dyn Baseline + 'a>, Error> {
        Ok(Box::new(DenseBaseline::new(self, image)?))
    }
}

/// A scan as the classifier sees it: its own outputs, computed once, and those of the scan with changes.
pub trait Baseline: Sync {
    /// Returns the scan, `[c, z, y, x]`.
    fn image(&self) -> ImageView<'_>;

    /// Returns the scan's own outputs, `[k]`.
    fn logits(&self) -> &[f32];

    /// Computes the outputs of the scan under each patch, each patch on its own.
    ///
    /// # Shapes
    /// The result is `[patches, k]`.
    ///
    /// # Errors
    /// Returns the classifier's error, or one that a patch does not fit the scan.
    fn patched(&self, patches: &[Patch]) -> Result<Array2<f32>, Error>;

    /// Returns the number of patches worth computing in one call.
    fn batch_size(&self) -> usize;

    /// Computes the outputs of whole images of the scan's shape, for explainers that change many regions at once.
    ///
    /// # Shapes
    /// `batch` is `[n, c, z, y, x]`, the result `[n, k]`.
    ///
    /// # Errors
    /// As [`Classifier::logits`].
    fn whole(&self, batch: ArrayView5<'_, f32>) -> Result<Array2<f32>, Error>;

    /// Returns the number of whole images worth computing in one call.
    fn whole_batch_size(&self) -> usize;

    /// Computes the map of one side of a target from the last feature map of a network. By default an error: a black box
    /// has none.
    ///
    /// # Shapes
    /// The map is `[z, y, x]`, as the scan.
    ///
    /// # Errors
    /// Returns [`Error::InvalidSetting`] if the classifier is not a network that ends in a global mean and linear layers, and
    /// [`Error::OutOfRange`] if it does not have the target.
    fn class_activation(&self, target: &Target, class: Class, cam: Cam) -> Result<RelevanceMap, Error> {
        let _ = (target, class);
        Err(Error::setting(
            "method",
            "a network, whose feature maps are known",
            format!("{cam} of a black box"),
        ))
    }
}

/// The baseline of any classifier: each patch takes a whole forward pass. It is the oracle of every faster baseline.
pub struct DenseBaseline<'a, C: ?Sized> {
    classifier: &'a C,
    image: ImageView<'a>,
    logits: Vec<f32>,
}

impl<'a, C: Classifier + ?Sized> DenseBaseline<'a, C> {
    /// Computes the scan `[c, z, y, x]` as it is.
    ///
    /// # Errors
    /// As [`Classifier::baseline`].
    pub fn new(classifier: &'a C, image: ImageView<'a>) -> Result<Self, Error> {
        let logits = classifier.logits(image.insert_axis(Axis(0)))?;
        let logits = checked(logits, [1, classifier.outputs()], unperturbed)?;
        Ok(Self { classifier, image, logits: logits.into_raw_vec_and_offset().0 })
    }
}

impl<C: Classifier + ?Sized> Baseline for DenseBaseline<'_, C> {
    fn image(&self) -> ImageView<'_> {
        self.image
    }

    fn logits(&self) -> &[f32] {
        &self.logits
    }

    fn patched(&self, patches: &[Patch]) -> Result<Array2<f32>, Error> {
        let (c, z, y, x) = self.image.dim();
        let outputs = self.logits.len();
        let mut found = Array2::zeros((0, outputs));
        for together in patches.chunks(self.batch_size().max(1)) {
            let mut batch = Array5::zeros((together.len(), c, z, y, x));
            for (mut input, patch) in batch.axis_iter_mut(Axis(0)).zip(together) {
                input.assign(&self.image);
                patch.apply(&mut input).map_err(relevox_perturb::Error::from)?;
            }
            let logits = self.classifier.logits(batch.view())?;
            check_shape(&logits, [together.len(), outputs])?;
            found.append(Axis(0), logits.view()).map_err(|_| mismatch(&logits, [together.len(), outputs]))?;
        }
        Ok(found)
    }

    fn batch_size(&self) -> usize {
        self.classifier.batch_size(self.image.dim().into())
    }

    fn whole(&self, batch: ArrayView5<'_, f32>) -> Result<Array2<f32>, Error> {
        self.classifier.logits(batch)
    }

    fn whole_batch_size(&self) -> usize {
        self.batch_size()
    }
}

impl<F> Classifier for F
where
    F: Fn(ArrayView5<'_, f32>) -> Result<Vec<f32>, Error> + Sync,
{
    fn logits(&self, batch: ArrayView5<'_, f32>) -> Result<Array2<f32>, Error> {
        let logits = self(batch)?;
        Ok(Array1::from_vec(logits).insert_axis(Axis(1)))
    }
}

/// A classifier made by [`from_fn`].
#[derive(Clone, Copy, Debug)]
pub struct FromFn<F> {
    outputs: usize,
    logits: F,
}

/// Creates a classifier with several outputs from a function of a batch `[n, c, z, y, x]` that returns `[n, outputs]`.
pub fn from_fn<F>(outputs: usize, logits: F) -> FromFn<F>
where
    F: Fn(ArrayView5<'_, f32>) -> Result<Array2<f32>, Error> + Sync,
{
    FromFn { outputs, logits }
}

impl<F> Classifier for FromFn<F>
where
    F: Fn(ArrayView5<'_, f32>) -> Result<Array2<f32>, Error> + Sync,
{
    fn outputs(&self) -> usize {
        self.outputs
    }

    fn logits(&self, batch: ArrayView5<'_, f32>) -> Result<Array2<f32>, Error> {
        (self.logits)(batch)
    }
}

/// The name of the scan as it is, in messages.
pub(crate) fn unperturbed(_: usize) -> String {
    "the unperturbed scan".to_owned()
}

/// Validates that outputs have this shape and are finite; `name` names the input of a row.
pub(crate) fn checked(
    logits: Array2<f32>,
    shape: [usize; 2],
    name: impl Fn(usize) -> String,
) -> Result<Array2<f32>, Error> {
    check_shape(&logits, shape)?;
    match logits.indexed_iter().find(|(_, logit)| !logit.is_finite()) {
        Some(((row, _), &value)) => {
            Err(Error::NonFinite { what: format!("the logit of {}", name(row)), value })
        }
        None => Ok(logits.as_standard_layout().into_owned()),
    }
}

fn check_shape(logits: &Array2<f32>, shape: [usize; 2]) -> Result<(), Error> {
    if logits.shape() == shape { Ok(()) } else { Err(mismatch(logits, shape)) }
}

fn mismatch(logits: &Array2<f32>, shape: [usize; 2]) -> Error {
    Error::ShapeMismatch {
        what: "the classifier's logits, [images, outputs]",
        expected: shape.to_vec(),
        found: logits.shape().to_vec(),
    }
}
