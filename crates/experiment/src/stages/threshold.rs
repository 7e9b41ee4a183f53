//! Label-free thresholds of a relevance map.

use ndarray::{Array3, ArrayView3};
use relevox_eval::{Error, MapValues, RegionOverlap};
use relevox_volume::Study;
use slic3d::Supervoxels;

/// Returns the values of a map: by region if there is a relevance for each, otherwise by voxel.
///
/// # Errors
/// Returns an error if the partition lies on another grid than the study.
pub fn values_of(
    map: &Array3<f32>,
    study: &Study,
    regions: &Supervoxels,
    relevance: Option<&[f64]>,
) -> Result<MapValues, Error> {
    match relevance {
        Some(values) => Ok(MapValues::by_region(values, &brain_voxels(regions, study.brain.view())?)),
        None => Ok(MapValues::by_voxel(map, &study.brain)),
    }
}

/// Counts the brain voxels of each region.
///
/// # Errors
/// Returns an error if the partition lies on another grid than the brain.
pub fn brain_voxels(regions: &Supervoxels, brain: ArrayView3<'_, bool>) -> Result<Vec<usize>, Error> {
    let overlap = RegionOverlap::count(regions.labels(), regions.ids(), regions.background(), brain)?;
    Ok(overlap.inside().to_vec())
}
