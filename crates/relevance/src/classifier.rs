//! The black-box contract: images in, one logit each out.

use std::ops::ControlFlow;

use ndarray::{Array5, ArrayView4, ArrayView5, Axis};
use relevox_perturb::{Fill, Perturbation};
use slic3d::Supervoxels;

use crate::Error;

/// Told how many regions were finished since the last call (it adds up to the partition's count), possibly
/// from several threads; `Break` ends the work with [`Error::Cancelled`].
pub type Progress<'a> = &'a (dyn Fn(usize) -> ControlFlow<()> + Sync);

/// A [`Progress`] that nobody looks at.
pub fn silent(_: usize) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

/// The classifier's answers for a scan and for each of its perturbed forms.
#[derive(Clone, Debug, PartialEq)]
pub struct RegionLogits {
    /// Logit of the scan as it is.
    pub original: f32,
    /// Logit with the region replaced, by region. Where nothing changed it is `original`, to the bit.
    pub perturbed: Vec<f32>,
    /// Voxels that the fill changed, by region.
    pub changed: Vec<usize>,
}

/// Any 3D image classifier with two classes.
///
/// Only [`Classifier::logits`] is needed. A closure is a classifier too. A classifier that knows a faster way
/// through a whole partition overrides [`Classifier::score_regions`]; callers don't know the difference.
pub trait Classifier: Sync {
    /// The logit of the positive class, image by image, in evaluation mode: an image's logit must not depend
    /// on its companions in the batch.
    ///
    /// # Shapes
    /// `batch` is `[n, c, z, y, x]`; `n` logits come back.
    ///
    /// # Errors
    /// Whatever the classifier meets; [`Error::black_box`] wraps it.
    fn logits(&self, batch: ArrayView5<'_, f32>) -> Result<Vec<f32>, Error>;

    /// How many images of this shape `[c, z, y, x]` go into one call of [`Classifier::logits`]. By default as
    /// many as fit into 64 MiB, from 1 to 16.
    fn batch_size(&self, shape: [usize; 4]) -> usize {
        let bytes = shape.iter().product::<usize>() * size_of::<f32>();
        ((64 << 20) / bytes.max(1)).clamp(1, 16)
    }

    /// The logits of a scan with each region replaced in turn.
    ///
    /// By default dense: a forward pass per region, in batches; a region that the fill leaves as it is takes
    /// none.
    ///
    /// # Shapes
    /// `image` is `[c, z, y, x]`, the partition `[z, y, x]`.
    ///
    /// # Errors
    /// What the classifier or the fill meets, a fill that doesn't fit the scan, a logit that is not finite,
    /// and [`Error::Cancelled`].
    fn score_regions(
        &self,
        image: ArrayView4<'_, f32>,
        regions: &Supervoxels,
        fill: &dyn Fill,
        progress: Progress<'_>,
    ) -> Result<RegionLogits, Error> {
        dense(self, image, regions, fill, progress)
    }
}

/// The plain way through a partition, and the oracle of every faster one: [`Classifier::score_regions`] as it
/// is by default.
///
/// # Errors
/// As [`Classifier::score_regions`].
pub fn dense<C: Classifier + ?Sized>(
    classifier: &C,
    image: ArrayView4<'_, f32>,
    regions: &Supervoxels,
    fill: &dyn Fill,
    progress: Progress<'_>,
) -> Result<RegionLogits, Error> {
    check_grid(image, regions)?;
    let shape: [usize; 4] = image.dim().into();
    let original =
        checked_logits(classifier, image.insert_axis(Axis(0)), |_| "the unperturbed scan".into())?[0];
    let mut batch = Array5::<f32>::zeros((0, shape[0], shape[1], shape[2], shape[3]));
    let size = classifier.batch_size(shape).max(1);
    walk(image, regions, fill, progress, original, size, &mut |changes| {
        if batch.dim().0 != changes.len() {
            batch = Array5::zeros((changes.len(), shape[0], shape[1], shape[2], shape[3]));
        }
        for (mut input, change) in batch.axis_iter_mut(Axis(0)).zip(changes) {
            input.assign(&image);
            change.apply(&mut input);
        }
        checked_logits(classifier, batch.view(), |i| format!("region {}", changes[i].region))
    })
}

/// The logits of a scan after each of some changes.
pub(crate) type Answer<'a> = &'a mut dyn FnMut(&[Perturbation]) -> Result<Vec<f32>, Error>;

/// Asks a fill for every region and a network for the logits of what it changed, `size` changes at a time. A region
/// that the fill leaves as it is has the scan's own logit.
pub(crate) fn walk(
    image: ArrayView4<'_, f32>,
    regions: &Supervoxels,
    fill: &dyn Fill,
    progress: Progress<'_>,
    original: f32,
    size: usize,
    logits: Answer<'_>,
) -> Result<RegionLogits, Error> {
    let shape: [usize; 4] = image.dim().into();
    let mut result =
        RegionLogits { original, perturbed: vec![original; regions.len()], changed: vec![0; regions.len()] };
    let all: Vec<usize> = (0..regions.len()).collect();
    let mut waiting: Vec<Perturbation> = Vec::with_capacity(2 * size);
    for asked in all.chunks(size) {
        let found = fill.perturb_batch(image, regions, asked)?;
        if found.len() != asked.len() {
            return Err(Error::ShapeMismatch {
                what: "the regions that a fill answers for",
                expected: vec![asked.len()],
                found: vec![found.len()],
            });
        }
        let mut finished = 0;
        for (change, &region) in found.into_iter().zip(asked) {
            change.check(fill.name(), shape)?;
            result.changed[region] = change.changed;
            if change.changed == 0 {
                finished += 1;
            } else {
                waiting.push(Perturbation { region, ..change });
            }
        }
        let last = asked.last() == all.last();
        while waiting.len() >= size || (last && !waiting.is_empty()) {
            let now: Vec<Perturbation> = waiting.drain(..size.min(waiting.len())).collect();
            for (change, logit) in now.iter().zip(logits(&now)?) {
                result.perturbed[change.region] = logit;
            }
            finished += now.len();
        }
        if finished > 0 && progress(finished).is_break() {
            return Err(Error::Cancelled);
        }
    }
    Ok(result)
}

/// Makes sure that a partition lies on the image's grid.
pub(crate) fn check_grid(image: ArrayView4<'_, f32>, regions: &Supervoxels) -> Result<(), Error> {
    let labels = regions.labels();
    if labels.shape() == &image.shape()[1..] {
        return Ok(());
    }
    Err(Error::ShapeMismatch {
        what: "the shape of the partition",
        expected: image.shape()[1..].to_vec(),
        found: labels.shape().to_vec(),
    })
}

fn checked_logits<C: Classifier + ?Sized>(
    classifier: &C,
    batch: ArrayView5<'_, f32>,
    name: impl Fn(usize) -> String,
) -> Result<Vec<f32>, Error> {
    let expected = batch.dim().0;
    let logits = classifier.logits(batch)?;
    if logits.len() != expected {
        return Err(Error::LogitCount { expected, found: logits.len() });
    }
    finite(&logits, name)?;
    Ok(logits)
}

/// Makes sure that all logits are numbers; `name` says whose each is.
pub(crate) fn finite(logits: &[f32], name: impl Fn(usize) -> String) -> Result<(), Error> {
    match logits.iter().enumerate().find(|(_, logit)| !logit.is_finite()) {
        Some((i, &logit)) => Err(Error::NonFiniteLogit { input: name(i), logit }),
        None => Ok(()),
    }
}

impl<F> Classifier for F
where
    F: Fn(ArrayView5<'_, f32>) -> Result<Vec<f32>, Error> + Sync,
{
    fn logits(&self, batch: ArrayView5<'_, f32>) -> Result<Vec<f32>, Error> {
        self(batch)
    }
}
