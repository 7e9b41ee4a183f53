//! How far two fills are from each other.
//!
//! A learned fill that equals `max` everywhere has learned nothing that a constant could not do: its distance
//! from `max` belongs beside its scores.

use ndarray::ArrayView4;
use slic3d::Supervoxels;

use crate::{Error, Fill};

/// Mean absolute difference of what two fills put into a scan's regions, over all regions' voxels and all
/// sequences, in the image's units.
///
/// # Shapes
/// `image` is `[c, z, y, x]`, the partition `[z, y, x]`.
///
/// # Errors
/// What either fill meets; a partition without a region.
pub fn distance(
    a: &dyn Fill,
    b: &dyn Fill,
    image: ArrayView4<'_, f32>,
    regions: &Supervoxels,
) -> Result<f64, Error> {
    /// Regions asked for at once: bounds what is held, whatever the partition.
    const TOGETHER: usize = 16;
    let channels = image.dim().0;
    let voxels: usize = regions.voxel_counts().iter().sum();
    if voxels * channels == 0 {
        return Err(Error::RegionOutOfRange { region: 0, regions: regions.len() });
    }
    let all: Vec<usize> = (0..regions.len()).collect();
    let mut sum = 0.0;
    for together in all.chunks(TOGETHER) {
        let (left, right) =
            (a.perturb_batch(image, regions, together)?, b.perturb_batch(image, regions, together)?);
        for (left, right) in left.iter().zip(&right) {
            // Outside the region both boxes are the scan's own and differ by nothing.
            let pairs = left.values.iter().zip(&right.values);
            sum += pairs.map(|(l, r)| f64::from((l - r).abs())).sum::<f64>();
        }
    }
    Ok(sum / (voxels * channels) as f64)
}
