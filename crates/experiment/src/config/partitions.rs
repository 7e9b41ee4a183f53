//! Configuration of supervoxels and of the grid search over them.

use relevox_report::tables::Method;
use serde::{Deserialize, Serialize};
use slic3d::Slic;

use super::evaluate::constant_fills;
use super::values::{distinct, non_empty, one_of, section, sequence, within};

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
    pub fills: Vec<Method>,
    /// Number of cases of each of the validation and test splits; 0 takes all.
    pub cases: usize,
}

impl RegionsConfig {
    pub(super) fn check(&self, sequences: &[&str], voxels: usize) -> anyhow::Result<()> {
        if self.select == Select::Fixed {
            sequence("regions.sequence", &self.sequence, sequences)?;
        }
        within("regions.count", self.count, 1..=voxels)?;
        section("regions", self.slic(self.count, self.compactness).check())?;
        Ok(())
    }

    /// Returns the settings of SLIC for a partition with this number of regions and compactness.
    pub fn slic(&self, regions: usize, compactness: f64) -> Slic {
        Slic::new(regions)
            .compactness(compactness)
            .sigma(self.sigma)
            .iterations(self.iterations)
            .enforce_connectivity(self.enforce_connectivity)
    }
}

impl GridConfig {
    pub(super) fn check(
        &self,
        regions: &RegionsConfig,
        sequences: &[&str],
        voxels: usize,
    ) -> anyhow::Result<()> {
        for name in &self.sequences {
            sequence("grid.sequences", name, sequences)?;
        }
        distinct("grid.sequences", &self.sequences)?;
        non_empty("grid.counts", !self.counts.is_empty(), "at least one number of regions")?;
        for &count in &self.counts {
            within("grid.counts", count, 1..=voxels)?;
        }
        distinct("grid.counts", &self.counts)?;
        non_empty("grid.compactness", !self.compactness.is_empty(), "at least one compactness")?;
        for &compactness in &self.compactness {
            section("grid", regions.slic(1, compactness).check())?;
        }
        distinct("grid.compactness", &self.compactness)?;
        non_empty("grid.fills", !self.fills.is_empty(), "at least one fill")?;
        for fill in &self.fills {
            one_of("grid.fills", fill, &constant_fills())?;
        }
        distinct("grid.fills", &self.fills)
    }
}
