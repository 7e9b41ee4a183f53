//! Configuration of supervoxels and of the grid search over them.

use serde::{Deserialize, Serialize};

use super::evaluate::FILLS;
use super::ranges::{distinct, non_empty, one_of, within};

/// Selection of the partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Select {
    /// The best partition of the grid search on the validation split.
    Grid,
    /// The partition of the configuration.
    Fixed,
}

/// Supervoxels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegionsConfig {
    /// Selection of sequence, number of regions and compactness.
    pub select: Select,
    /// Segmented sequence, if `select` is `fixed`.
    pub sequence: String,
    /// Requested number of regions, if `select` is `fixed`.
    pub count: usize,
    /// Compactness of SLIC, if `select` is `fixed`.
    pub compactness: f64,
    /// Width of the Gaussian smoothing before segmentation, in voxels.
    pub sigma: f64,
    /// Maximum number of k-means iterations.
    pub iterations: usize,
    /// Restricts the segmentation to the brain.
    pub masked: bool,
    /// Merges small and disconnected components into their neighbours.
    pub enforce_connectivity: bool,
}

/// Grid search over partitions and fills.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GridConfig {
    /// Segmented sequences; empty for all.
    pub sequences: Vec<String>,
    /// Requested numbers of regions.
    pub counts: Vec<usize>,
    /// Values of SLIC's compactness.
    pub compactness: Vec<f64>,
    /// Fills.
    pub fills: Vec<String>,
    /// Number of cases of each of the validation and test splits; 0 takes all.
    pub cases: usize,
}

impl RegionsConfig {
    pub(super) fn check(&self, sequences: &[&str], voxels: usize) -> anyhow::Result<()> {
        if self.select == Select::Fixed {
            one_of("regions.sequence", &self.sequence.as_str(), sequences)?;
        }
        within("regions.count", self.count, 1..=voxels)?;
        within("regions.compactness", self.compactness, 1e-6..=1e6)?;
        within("regions.sigma", self.sigma, 0.0..=100.0)?;
        within("regions.iterations", self.iterations, 1..=1_000)
    }
}

impl GridConfig {
    pub(super) fn check(&self, sequences: &[&str], voxels: usize) -> anyhow::Result<()> {
        for sequence in &self.sequences {
            one_of("grid.sequences", &sequence.as_str(), sequences)?;
        }
        distinct("grid.sequences", &self.sequences)?;
        non_empty("grid.counts", !self.counts.is_empty(), "at least one number of regions")?;
        for &count in &self.counts {
            within("grid.counts", count, 1..=voxels)?;
        }
        distinct("grid.counts", &self.counts)?;
        non_empty("grid.compactness", !self.compactness.is_empty(), "at least one compactness")?;
        for &compactness in &self.compactness {
            within("grid.compactness", compactness, 1e-6..=1e6)?;
        }
        distinct("grid.compactness", &self.compactness)?;
        non_empty("grid.fills", !self.fills.is_empty(), "at least one fill")?;
        for fill in &self.fills {
            // The learned fill is trained on the partition that the grid search selects.
            one_of("grid.fills", &fill.as_str(), &FILLS[1..])?;
        }
        distinct("grid.fills", &self.fills)
    }
}
