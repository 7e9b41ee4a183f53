//! Relevance on the voxel grid, and back to regions.

use ndarray::{Array3, ArrayView3, Zip};
use slic3d::Supervoxels;

use crate::Error;
use crate::components::remove_small_components;

/// The relevance of each voxel, from 0 to 100 (the highest of the scan).
#[derive(Clone, Debug, PartialEq)]
pub struct RelevanceMap {
    /// Relevance by voxel, `[z, y, x]`, 0..100.
    pub voxels: Array3<f32>,
    /// Whether the map is 0 everywhere because nothing stood out.
    pub flat: bool,
}

impl RelevanceMap {
    /// Validates that rows belong to a partition.
    pub(crate) fn check_ids(regions: &Supervoxels, ids: &[u32]) -> Result<(), Error> {
        if ids.len() != regions.len() {
            return Err(Error::ShapeMismatch {
                what: "the number of region scores",
                expected: vec![regions.len()],
                found: vec![ids.len()],
            });
        }
        match ids.iter().zip(regions.ids()).enumerate().find(|(_, (found, expected))| found != expected) {
            Some((row, (&found, &expected))) => Err(Error::OtherPartition { row, expected, found }),
            None => Ok(()),
        }
    }

    /// Gives each voxel its region's relevance, 0..100 by region in the order of the ids; background gets 0.
    ///
    /// # Errors
    /// Returns [`Error::ShapeMismatch`] if there is another number of values than of regions.
    pub fn paint(regions: &Supervoxels, relevance: &[f64]) -> Result<Self, Error> {
        if relevance.len() != regions.len() {
            return Err(Error::ShapeMismatch {
                what: "the number of region scores",
                expected: vec![regions.len()],
                found: vec![relevance.len()],
            });
        }
        let voxels = regions.labels().mapv(|label| {
            if Some(label) == regions.background() {
                return 0.0;
            }
            regions.index_of(label).map_or(0.0, |region| relevance[region] as f32)
        });
        Ok(Self { voxels, flat: relevance.iter().all(|value| *value == 0.0) })
    }

    /// Computes the mean of several maps of one scan, of other partitions or fills, scaled to 0..100 again. Flat maps are
    /// left out.
    ///
    /// # Errors
    /// Returns [`Error::ShapeMismatch`] if there is no map or the maps lie on different grids.
    pub fn average(maps: &[Self]) -> Result<Self, Error> {
        let shape = maps.first().map(|map| map.voxels.dim());
        let mismatch = |found: &[usize]| Error::ShapeMismatch {
            what: "the grids of maps to be averaged",
            expected: shape.map_or_else(|| vec![1], |(z, y, x)| vec![z, y, x]),
            found: found.to_vec(),
        };
        let Some(shape) = shape else { return Err(mismatch(&[0])) };
        if let Some(other) = maps.iter().find(|map| map.voxels.dim() != shape) {
            return Err(mismatch(other.voxels.shape()));
        }
        let mut sum = Array3::zeros(shape);
        maps.iter().filter(|map| !map.flat).for_each(|map| sum += &map.voxels);
        Self::from_values(sum)
    }

    /// Creates a map from any finite values, min-max scaled to 0..100. Equal values everywhere make a flat map of zeros.
    ///
    /// # Errors
    /// Returns [`Error::NonFinite`] if a value is NaN or infinite.
    pub fn from_values(values: Array3<f32>) -> Result<Self, Error> {
        if let Some(((z, y, x), &value)) = values.indexed_iter().find(|(_, value)| !value.is_finite()) {
            let what = format!("voxel {:?} (z, y, x) of a relevance map", [z, y, x]);
            return Err(Error::NonFinite { what, value });
        }
        let low = values.iter().copied().fold(f32::INFINITY, f32::min);
        let high = values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let flat = low >= high;
        let range = f64::from(high) - f64::from(low);
        let voxels = if flat {
            Array3::zeros(values.dim())
        } else {
            values.mapv(|value| ((f64::from(value) - f64::from(low)) / range * 100.0) as f32)
        };
        Ok(Self { voxels, flat })
    }

    /// Returns the mask of the voxels from `threshold` on, without the connected components that have fewer than `share`
    /// of the largest one's voxels: [`remove_small_components`]. Without a threshold it is empty.
    pub fn mask(&self, threshold: Option<f64>, share: f64) -> Array3<bool> {
        let marked = self.voxels.mapv(|value| threshold.is_some_and(|cut| value >= cut as f32));
        remove_small_components(marked.view(), share)
    }
}

/// Computes the mean of a voxel map over each region, in the order of the ids.
///
/// # Shapes
/// Map and partition are `[z, y, x]`.
///
/// # Errors
/// Returns [`Error::ShapeMismatch`] if the map lies on another grid.
pub fn mean_by_region<T: Copy + Into<f64>>(
    regions: &Supervoxels,
    map: ArrayView3<'_, T>,
) -> Result<Vec<f64>, Error> {
    if map.shape() != regions.labels().shape() {
        return Err(Error::ShapeMismatch {
            what: "the shape of the map",
            expected: regions.labels().shape().to_vec(),
            found: map.shape().to_vec(),
        });
    }
    let mut sums = vec![0.0; regions.len()];
    Zip::from(regions.labels()).and(map).for_each(|&label, &value| {
        if Some(label) != regions.background()
            && let Some(region) = regions.index_of(label)
        {
            sums[region] += value.into();
        }
    });
    Ok(sums.iter().zip(regions.voxel_counts()).map(|(sum, &voxels)| sum / voxels as f64).collect())
}
