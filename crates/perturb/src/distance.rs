//! The distance between two fills.
//!
//! A learned fill that equals `max` everywhere has learned nothing that a constant could not do: report its distance
//! from `max` with its scores.

use relevox_grid::ImageView;
use slic3d::Supervoxels;

use crate::{Error, Fill};

/// Computes the mean absolute difference between two fills' values over all voxels of all regions and all channels, in
/// the image's units.
///
/// # Shapes
/// `image` is `[c, z, y, x]`, the partition `[z, y, x]`.
///
/// # Errors
/// Returns [`Error::OutOfRange`] if the partition has no region, and the errors of [`Fill::patches`].
pub fn distance(
    a: &dyn Fill,
    b: &dyn Fill,
    image: ImageView<'_>,
    regions: &Supervoxels,
) -> Result<f64, Error> {
    /// Regions in one call of a fill: bounds the memory, whatever the partition.
    const TOGETHER: usize = 16;
    let channels = image.dim().0;
    let voxels: usize = regions.voxel_counts().iter().sum();
    if voxels * channels == 0 {
        return Err(Error::OutOfRange { what: "region", len: regions.len(), found: 0 });
    }
    let all: Vec<usize> = (0..regions.len()).collect();
    let mut sum = 0.0;
    for together in all.chunks(TOGETHER) {
        let (left, right) = (a.patches(image, regions, together)?, b.patches(image, regions, together)?);
        for (left, right) in left.iter().zip(&right) {
            // Outside the region both patches carry the scan's own values.
            let pairs = left.as_slice().iter().zip(right.as_slice());
            sum += pairs.map(|(l, r)| f64::from((l - r).abs())).sum::<f64>();
        }
    }
    Ok(sum / (voxels * channels) as f64)
}
