//! Configuration of relevance that is pooled over cases and averaged over partitions.

use relevox_relevance::{LabelTest, Pooling};
use relevox_report::tables::Method;
use serde::{Deserialize, Serialize};

use super::evaluate::EvaluateConfig;
use super::explainers::{DiffuseConfig, setting};
use super::partitions::RegionsConfig;
use super::values::{distinct, one_of, section, sequence, within};
use crate::failure::invalid_input;

/// Allowed values of `pool.methods`.
pub const POOLED: [Method; 7] = [
    Method::Pooled,
    Method::PooledLabel,
    Method::Averaged,
    Method::AveragedPooled,
    Method::PooledRandom,
    Method::PooledLabelRandom,
    Method::PooledIntensity,
];

/// Relevance pooled over cases, and averaged over partitions. It starts from the diffused scores.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PoolConfig {
    /// The methods; empty for none.
    pub methods: Vec<Method>,
    /// Partitions that are averaged with the selected one.
    pub partitions: Vec<PoolPartition>,
    /// Learns from the training cases too, which are scored for it.
    pub training: bool,
    /// Number of trees of the forest.
    pub trees: usize,
    /// Smallest number of regions in a leaf; of a small cohort fewer.
    pub leaf: usize,
    /// Number of parts of the cross-fitting.
    pub parts: usize,
    /// Number of regions that evidence for labels is the mean over.
    pub label_neighbours: usize,
    /// Evidence for labels of fewer standard deviations than this counts as none.
    pub label_errors: f64,
}

/// A further partition, of the selected compactness.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PoolPartition {
    /// Segmented sequence.
    pub sequence: String,
    /// Requested number of regions.
    pub count: usize,
}

impl PoolConfig {
    pub(super) fn check(
        &self,
        regions: &RegionsConfig,
        sequences: &[&str],
        voxels: usize,
        evaluate: &EvaluateConfig,
        diffuse: &DiffuseConfig,
    ) -> anyhow::Result<()> {
        for method in &self.methods {
            one_of("pool.methods", method, &POOLED)?;
        }
        distinct("pool.methods", &self.methods)?;
        let diffused = evaluate.fills.iter().any(|fill| diffuse.fills.contains(fill));
        if !self.methods.is_empty() && !diffused {
            return Err(invalid_input(
                "config: pool.methods: expected none without diffused scores, which they start from; include a fill of \
                 evaluate.fills in diffuse.fills",
            ));
        }
        if self.methods.contains(&Method::PooledIntensity) && evaluate.intensity.is_empty() {
            return Err(invalid_input(format!(
                "config: pool.methods: expected no {} without a sequence in evaluate.intensity",
                Method::PooledIntensity
            )));
        }
        let averages = [Method::Averaged, Method::AveragedPooled];
        if self.partitions.is_empty() && self.methods.iter().any(|method| averages.contains(method)) {
            return Err(invalid_input(
                "config: pool.partitions: expected at least one partition to average with the selected one, found none",
            ));
        }
        // Without methods the partitions are not used, and may be of sequences that the cohort lacks.
        let used = if self.methods.is_empty() { &[][..] } else { &self.partitions };
        for (index, partition) in used.iter().enumerate() {
            sequence("pool.partitions", &partition.sequence, sequences)?;
            within("pool.partitions", partition.count, 1..=voxels)?;
            section("pool", regions.slic(partition.count, regions.compactness).check())?;
            if self.partitions[..index].contains(partition) {
                let PoolPartition { sequence, count } = partition;
                return Err(invalid_input(format!(
                    "config: pool.partitions: expected distinct partitions, found {sequence} with {count} regions twice"
                )));
            }
        }
        let last = |name: &str| name.rsplit(": ").next().unwrap_or_default().to_owned();
        setting(self.pooling(0).check(), |name| format!("pool.{}", last(name)))?;
        setting(self.label_test().check(), |name| format!("pool.label_{}", last(name)))?;
        Ok(())
    }

    /// Returns the settings of the pooling.
    pub fn pooling(&self, seed: u64) -> Pooling {
        Pooling { trees: self.trees, leaf: self.leaf, parts: self.parts, seed }
    }

    /// Returns the settings of evidence for labels.
    pub fn label_test(&self) -> LabelTest {
        LabelTest { neighbours: self.label_neighbours, errors: self.label_errors }
    }
}
