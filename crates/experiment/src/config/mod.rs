//! What an experiment is: every setting of a run, one struct a section.
//!
//! `profiles/desk.toml` holds every key with its default and what it means; the other profiles hold what
//! differs. Layers, each over the one before: desk, the profile (or the run folder's own `run.toml`),
//! `--config FILE`, `--set key=value`, `--seed` and `--cohort`. See [`layers`].

use relevox_models::Shortcut;
use relevox_models::train::Schedule;
use relevox_relevance::{ScoreKind, Sign, Weighting};
use relevox_volume::Preprocess;
use relevox_volume::augment::Augment;
use relevox_volume::phantom::PhantomConfig;
use serde::{Deserialize, Serialize};

mod check;
mod difference;
mod keys;
pub mod layers;
mod profiles;

pub use check::FILLS;
pub use difference::{Difference, differences};
pub use layers::{Layers, Source};
pub use profiles::Profile;

/// The whole effective config of a run, as `run.toml` holds it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The one seed that everything drawn comes from.
    pub seed: u64,
    /// Seeds of several whole runs, each in a folder of its own; none means one run, with `seed`.
    pub seeds: Vec<u64>,
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
    /// Scores smoothed over regions that look alike.
    pub diffuse: DiffuseConfig,
    /// Further explainers.
    pub explain: ExplainConfig,
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
    /// Parts of a cross-validation; 0 means that the shares above divide the cohort once.
    pub folds: usize,
    /// The part that a run tests on, from 1; 0 means each in turn, pooled.
    pub fold: usize,
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
    /// Which epoch's weights are kept.
    pub keep: Keep,
    /// Networks that are trained, whose mean logit decides.
    pub networks: usize,
}

/// Which epoch's weights are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Keep {
    /// The best validation accuracy; ties go to the lower validation loss, then to the earlier epoch.
    Accuracy,
    /// The last: for validation splits of a few scans, whose accuracy is a matter of chance.
    Last,
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

/// Scores smoothed over regions that look alike: every combination is tried on the validation split, and the best kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DiffuseConfig {
    /// Whose scores are smoothed, of `evaluate.fills`.
    pub fills: Vec<String>,
    /// What is smoothed.
    pub scores: Vec<ScoreKind>,
    /// What of them is relevance.
    pub readings: Vec<Sign>,
    /// How strongly.
    pub lambdas: Vec<f64>,
    /// Deviations of likeness, in units of the median distance between neighbours.
    pub scales: Vec<f64>,
    /// Whether an edge weighs by the length of the border.
    pub borders: Vec<bool>,
}

/// Further explainers, on some cases.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExplainConfig {
    /// Which.
    pub methods: Vec<String>,
    /// Cases with a tumour of each of the validation and test splits; 0 takes all.
    pub cases: usize,
    /// The fill that regions are replaced by.
    pub fill: String,
    /// LIME's coalitions.
    pub lime_samples: usize,
    /// How they are drawn.
    pub lime_weights: Weighting,
    /// LIME's ridge.
    pub lime_ridge: f64,
    /// RISE's masks.
    pub rise_samples: usize,
    /// The chance that a mask keeps a region or a cell.
    pub rise_keep: f64,
    /// Cells of RISE's own masks along each axis; 0 masks whole regions.
    pub rise_cells: usize,
    /// Voxels along each side of the occluding box.
    pub occlusion_size: usize,
    /// Steps that it takes along each axis until it has left its place.
    pub occlusion_overlap: usize,
    /// Steps of a deletion and of an insertion curve; 0 draws none.
    pub curve_points: usize,
    /// Random perturbations that infidelity is measured on.
    pub infidelity_samples: usize,
}

/// A threshold that needs no label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LabelFree {
    /// Otsu's, each region weighing the same.
    Otsu,
    /// Otsu's, regions weighted by their volume of brain.
    OtsuVolume,
    /// A mixture of two normal distributions, weighted so.
    Mixture,
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
    /// The sequence whose brightness is a control.
    pub intensity: String,
    /// The threshold of the masks that a run leaves.
    pub mask: LabelFree,
    /// Parts of a mask smaller than this share of its largest part are removed.
    pub island: f64,
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
