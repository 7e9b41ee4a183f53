//! Label-free thresholds of a relevance map.

use ndarray::{Array3, ArrayView3, Zip};
use relevox_eval::{mixture_threshold, otsu, otsu_weighted};
use relevox_volume::Study;
use slic3d::Supervoxels;

use crate::config::LabelFree;

/// Values from which a label-free threshold is computed, each with its brain volume.
#[derive(Clone, Debug, PartialEq)]
pub struct Values {
    /// Relevance by region, or by voxel for a map without regions.
    pub values: Vec<f64>,
    /// Number of brain voxels with each value.
    pub brain: Vec<f64>,
}

/// Number of histogram bins of a map by voxel for the Gaussian mixture.
const BINS: usize = 256;

impl Values {
    /// Returns the values of a map: by region if there is a relevance for each, otherwise by voxel.
    pub fn of_map(
        map: &Array3<f32>,
        study: &Study,
        regions: &Supervoxels,
        relevance: Option<&[f64]>,
    ) -> Self {
        match relevance {
            Some(values) => {
                Self { values: values.to_vec(), brain: brain_voxels(regions, study.brain.view()) }
            }
            None => Self {
                values: map.iter().map(|&value| f64::from(value)).collect(),
                brain: study.brain.iter().map(|&inside| f64::from(u8::from(inside))).collect(),
            },
        }
    }

    /// Computes a threshold; `None` if all values are equal.
    ///
    /// # Errors
    /// Returns an error if a value is not finite.
    pub fn threshold(&self, kind: LabelFree) -> Result<Option<f64>, relevox_eval::Error> {
        if kind == LabelFree::Otsu || self.brain.iter().sum::<f64>() == 0.0 {
            return otsu(&self.values);
        }
        match kind {
            LabelFree::Mixture if self.values.len() > BINS * 4 => {
                // Relevance is between 0 and 100.
                let (bins, last) = (BINS as f64, BINS - 1);
                let bin = |value: f64| (value / 100.0 * bins).floor().min(last as f64) as usize;
                let mut counts = vec![0.0; BINS];
                self.values.iter().zip(&self.brain).for_each(|(value, brain)| counts[bin(*value)] += brain);
                let levels: Vec<f64> = (0..BINS).map(|bin| bin as f64 * 100.0 / bins).collect();
                mixture_threshold(&levels, &counts)
            }
            LabelFree::Mixture => mixture_threshold(&self.values, &self.brain),
            _ => otsu_weighted(&self.values, &self.brain),
        }
    }
}

/// Counts the brain voxels of each region.
pub fn brain_voxels(regions: &Supervoxels, brain: ArrayView3<'_, bool>) -> Vec<f64> {
    let mut counts = vec![0.0; regions.len()];
    Zip::from(regions.labels()).and(brain).for_each(|&id, &inside| {
        if inside
            && Some(id) != regions.background()
            && let Some(region) = regions.index_of(id)
        {
            counts[region] += 1.0;
        }
    });
    counts
}
