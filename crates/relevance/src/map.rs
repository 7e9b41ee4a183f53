//! Relevance on the voxel grid.

use ndarray::Array3;
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
        let voxels = regions.labels().mapv(|label| {
            if Some(label) == regions.background() {
                return 0.0;
            }
            regions.index_of(label).map_or(0.0, |region| scores.rows[region].relevance as f32)
        });
        Ok(Self { voxels, flat: scores.flat })
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
