//! The outputs of a scan with each of its regions replaced in turn.

use ndarray::{Array2, ArrayView1, Axis};
use rayon::prelude::*;
use relevox_perturb::{Fill, ImageView, Patch, check_patch};
use slic3d::Supervoxels;

use crate::classifier::checked;
use crate::{Baseline, Error, Progress};

/// A classifier's outputs for a scan and for the scan with each region replaced.
#[derive(Clone, Debug, PartialEq)]
pub struct RegionLogits {
    /// Outputs of the scan as it is, `[k]`.
    pub original: Vec<f32>,
    /// Outputs with the region replaced, `[regions, k]`. If the fill changes nothing, they are `original`, to the bit.
    pub perturbed: Array2<f32>,
    /// Number of voxels that the fill changes, by region.
    pub changed: Vec<usize>,
}

/// Computes the outputs of a scan with each region replaced in turn.
///
/// The fill is called for [`Baseline::batch_size`] regions at a time; a region that it does not change is not computed.
/// `progress` is called with the number of finished regions.
///
/// # Shapes
/// The partition is `[z, y, x]`, the scan `[c, z, y, x]`.
///
/// # Errors
/// Returns [`Error::ShapeMismatch`] if the partition lies on another grid or the classifier returns another number of
/// outputs, [`Error::NonFinite`] if an output is NaN or infinite, [`Error::Fill`] if the fill fails or its patches do not
/// fit, [`Error::Cancelled`] if `progress` breaks, and the classifier's own error.
pub fn region_logits(
    baseline: &dyn Baseline,
    regions: &Supervoxels,
    fill: &dyn Fill,
    progress: Progress<'_>,
) -> Result<RegionLogits, Error> {
    let image = baseline.image();
    check_grid(image, regions)?;
    let (size, original) = (baseline.batch_size().max(1), baseline.logits().to_vec());
    let mut perturbed = Array2::zeros((regions.len(), original.len()));
    perturbed.rows_mut().into_iter().for_each(|mut row| row.assign(&ArrayView1::from(&original)));
    let mut result = RegionLogits { original, perturbed, changed: vec![0; regions.len()] };
    let all: Vec<usize> = (0..regions.len()).collect();
    let mut waiting: Vec<Patch> = Vec::with_capacity(2 * size);
    let mut whose: Vec<usize> = Vec::with_capacity(2 * size);
    for asked in all.chunks(size) {
        let mut finished = 0;
        let patches = patches(fill, image, regions, asked)?;
        let changed: Vec<Result<usize, _>> =
            patches.par_iter().map(|patch| check_patch(fill.name(), image, patch)).collect();
        for ((patch, changed), &region) in patches.into_iter().zip(changed).zip(asked) {
            result.changed[region] = changed?;
            if result.changed[region] == 0 {
                finished += 1;
            } else {
                waiting.push(patch);
                whose.push(region);
            }
        }
        let last = asked.last() == all.last();
        while waiting.len() >= size || (last && !waiting.is_empty()) {
            let count = size.min(waiting.len());
            let shape = [count, result.original.len()];
            let name = |row: usize| format!("region {}", whose[row]);
            let logits = checked(baseline.patched(&waiting[..count])?, shape, name)?;
            for (row, &region) in logits.rows().into_iter().zip(&whose) {
                result.perturbed.index_axis_mut(Axis(0), region).assign(&row);
            }
            waiting.drain(..count);
            whose.drain(..count);
            finished += count;
        }
        if finished > 0 && progress(finished).is_break() {
            return Err(Error::Cancelled);
        }
    }
    Ok(result)
}

/// Replaces several regions; validates the number of patches.
pub(crate) fn patches(
    fill: &dyn Fill,
    image: ImageView<'_>,
    regions: &Supervoxels,
    batch: &[usize],
) -> Result<Vec<Patch>, Error> {
    let patches = fill.patches(image, regions, batch)?;
    if patches.len() == batch.len() {
        return Ok(patches);
    }
    Err(Error::ShapeMismatch {
        what: "the patches that a fill returns",
        expected: vec![batch.len()],
        found: vec![patches.len()],
    })
}

/// Validates that a partition lies on the image's grid.
pub(crate) fn check_grid(image: ImageView<'_>, regions: &Supervoxels) -> Result<(), Error> {
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
