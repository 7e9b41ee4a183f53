//! Relevance on the voxel grid, and back to regions.

use ndarray::{Array3, ArrayView3, Zip};
use slic3d::Supervoxels;

use crate::{Error, RegionScores};

/// How much each voxel matters to the classifier, 0 (not at all) to 100 (the most in this case).
#[derive(Clone, Debug, PartialEq)]
pub struct RelevanceMap {
    /// Relevance by voxel, `[z, y, x]`, 0..100.
    pub voxels: Array3<f32>,
    /// The map is 0 everywhere because nothing stood out, not because nothing was looked at.
    pub flat: bool,
}

impl RelevanceMap {
    /// Gives each voxel its region's relevance; background gets 0.
    ///
    /// # Errors
    /// Scores of another partition.
    pub fn paint(regions: &Supervoxels, scores: &RegionScores) -> Result<Self, Error> {
        if scores.rows.len() != regions.len() {
            return Err(Error::ShapeMismatch {
                what: "the number of region scores",
                expected: vec![regions.len()],
                found: vec![scores.rows.len()],
            });
        }
        for (row, (score, &expected)) in scores.rows.iter().zip(regions.ids()).enumerate() {
            if score.id != expected {
                return Err(Error::OtherPartition { row, expected, found: score.id });
            }
        }
        Ok(Self { flat: scores.flat, ..Self::paint_relevance(regions, &scores.relevance())? })
    }

    /// Gives each voxel its region's relevance, 0..100 by region in the order of the ids; background gets 0.
    ///
    /// # Errors
    /// Another number of values than there are regions.
    pub fn paint_relevance(regions: &Supervoxels, relevance: &[f64]) -> Result<Self, Error> {
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

    /// The mean of several maps of one scan, of other partitions or fills, scaled to 0..100 again. A flat map says
    /// nothing and does not count.
    ///
    /// # Errors
    /// No map, or maps on other grids.
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

    /// Min-max scales any finite values to 0..100. Equal values everywhere make a flat map of zeros.
    ///
    /// # Errors
    /// A value that is not finite.
    pub fn from_values(values: Array3<f32>) -> Result<Self, Error> {
        if let Some(((z, y, x), &value)) = values.indexed_iter().find(|(_, value)| !value.is_finite()) {
            return Err(Error::NonFiniteMap { voxel: [z, y, x], value });
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
}

/// The mean of a voxel map over each region, in the order of the ids.
///
/// # Shapes
/// Both are `[z, y, x]`.
///
/// # Errors
/// A map on another grid.
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
