//! What an experiment is: every setting of a run, one struct a section.
//!
//! `profiles/desk.toml` holds every key with its default and what it means; the other profiles hold what
//! differs. Layers, each over the one before: desk, the profile (or the run folder's own `run.toml`),
//! `--config FILE`, `--set key=value`, `--seed` and `--cohort`. See [`layers`].

use relevox_models::Shortcut;
use relevox_models::train::Schedule;
use relevox_volume::Preprocess;
use relevox_volume::augment::Augment;
use relevox_volume::phantom::PhantomConfig;
use serde::{Deserialize, Serialize};

mod check;
mod difference;
mod keys;
pub mod layers;
mod profiles;

pub use difference::{Difference, differences};
pub use layers::{Layers, Source};
pub use profiles::Profile;

/// The whole effective config of a run, as `run.toml` holds it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The one seed that everything drawn comes from.
    pub seed: u64,
    /// Whose scans, and which split.
    pub cohort: CohortConfig,
    /// The synthetic cohort, where that is the source.
    pub phantom: PhantomConfig,
    /// From a scan to the network's input.
    pub preprocess: Preprocess,
    /// The network that grades, and its training.
    pub classifier: ClassifierConfig,
    /// How training images vary.
    pub augment: Augment,
    /// Supervoxels.
    pub regions: RegionsConfig,
    /// The learned fill.
    pub fill: FillConfig,
    /// The search over partitions and fills (Table 3).
    pub grid: GridConfig,
    /// What is computed from scores and maps.
    pub evaluate: EvaluateConfig,
}

/// Whose scans, and which split.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CohortConfig {
    /// `phantom`, or the path of a BraTS folder or manifest.
    pub source: String,
    /// Fewest cases that a run goes on with.
    pub min_cases: usize,
    /// Positive cases drawn from the source; 0 takes all.
    pub draw_positive: usize,
    /// Negative cases drawn from the source; 0 takes all.
    pub draw_negative: usize,
    /// Share of the training split.
    pub train: f64,
    /// Share of the validation split.
    pub validation: f64,
    /// Share of the test split.
    pub test: f64,
}

/// The network that grades, and its training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassifierConfig {
    /// Layers of the residual network.
    pub depth: usize,
    /// Channels of the first residual stage.
    pub width: usize,
    /// Stride of the 7³ stem.
    pub stem_stride: usize,
    /// Shortcut where a stage changes shape.
    pub shortcut: Shortcut,
    /// Passes over the training split.
    pub epochs: usize,
    /// Scans per step.
    pub batch: usize,
    /// Adam's learning rate.
    pub learning_rate: f64,
    /// How it goes over the epochs.
    pub schedule: Schedule,
    /// Share of a weight, times the learning rate, that each step takes away.
    pub weight_decay: f64,
    /// Weight of a positive scan in the loss, where a negative one has 1.
    pub positive_weight: f64,
}

/// How a partition is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Select {
    /// The best of the grid on the validation split.
    Grid,
    /// The one that the config names.
    Fixed,
}

/// Supervoxels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegionsConfig {
    /// Whether the grid chooses sequence, count and compactness.
    pub select: Select,
    /// Sequence to segment, where `select` is `fixed`.
    pub sequence: String,
    /// Regions asked for, where `select` is `fixed`.
    pub count: usize,
    /// SLIC's compactness, where `select` is `fixed`.
    pub compactness: f64,
    /// Width of the Gaussian beforehand, voxels.
    pub sigma: f64,
    /// Most iterations of k-means.
    pub iterations: usize,
    /// Whether only the brain is divided.
    pub masked: bool,
    /// Whether regions are made connected.
    pub enforce_connectivity: bool,
}

/// The learned fill.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FillConfig {
    /// Channels of the U-Net's levels.
    pub widths: Vec<usize>,
    /// Training cases that it learns from.
    pub cases: usize,
    /// Passes over their regions.
    pub passes: usize,
    /// Regions per step.
    pub batch: usize,
    /// Adam's learning rate.
    pub learning_rate: f64,
    /// The loss is Σ 1 / (|p − p′| + ε).
    pub epsilon: f64,
    /// Whether regions without any signal stay as they are.
    pub keep_air: bool,
}

/// The search over partitions and fills.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GridConfig {
    /// Sequences to segment; none means all.
    pub sequences: Vec<String>,
    /// Regions asked for.
    pub counts: Vec<usize>,
    /// Values of SLIC's compactness.
    pub compactness: Vec<f64>,
    /// Fills that score.
    pub fills: Vec<String>,
    /// Cases per split, validation and test; 0 takes all.
    pub cases: usize,
}

/// What is computed from scores and maps.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EvaluateConfig {
    /// Fills that score the selected partition.
    pub fills: Vec<String>,
    /// Bootstrap samples of an interval.
    pub bootstrap: usize,
    /// Shuffles of the random control, per case.
    pub random_repeats: usize,
    /// Ranks of Table 1.
    pub ranks: usize,
    /// Ranks of Table 2.
    pub cumulative: usize,
    /// Epochs that Figure 3's claim is tested on; 0 takes all.
    pub focus_epochs: usize,
    /// Validation cases that it is tested on.
    pub focus_cases: usize,
    /// Test cases that Figure 2 shows.
    pub figure_cases: usize,
}

impl Config {
    /// The sequences that the grid segments.
    pub fn grid_sequences(&self) -> &[String] {
        if self.grid.sequences.is_empty() { &self.preprocess.sequences } else { &self.grid.sequences }
    }

    /// The run's `run.toml`.
    ///
    /// # Errors
    /// None that a valid config causes.
    pub fn to_toml(&self) -> anyhow::Result<String> {
        Ok(toml::to_string(self)?)
    }

    /// The same as a table.
    ///
    /// # Errors
    /// None that a valid config causes.
    pub fn to_table(&self) -> anyhow::Result<toml::Table> {
        Ok(toml::Table::try_from(self)?)
    }
}
