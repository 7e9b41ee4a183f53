//! Configuration of the classifier and of the learned fills.

use relevox_models::adam::AdamConfig;
use relevox_models::train::{Schedule, TrainConfig};
use relevox_models::{ResNetConfig, Shortcut, UNetConfig};
use relevox_perturb::learned::Variant;
use relevox_perturb::learned::train::FillConfig as FillTraining;
use serde::{Deserialize, Serialize};

use super::positive_weight::PositiveWeight;
use super::values::{one_of, section, within};

/// The classifier and its training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassifierConfig {
    /// Number of layers of the residual network.
    pub depth: usize,
    /// Channels of the first residual stage.
    pub width: usize,
    /// Stride of the 7×7×7 stem convolution.
    pub stem_stride: usize,
    /// Shortcut type where a stage changes shape.
    pub shortcut: Shortcut,
    /// Number of training epochs.
    pub epochs: usize,
    /// Batch size.
    pub batch: usize,
    /// Learning rate of Adam.
    pub learning_rate: f64,
    /// Learning rate schedule over the epochs.
    pub schedule: Schedule,
    /// Decoupled weight decay.
    pub weight_decay: f64,
    /// Weight of a positive scan in the loss; a negative scan has weight 1.
    pub positive_weight: PositiveWeight,
    /// Selection of the epoch whose weights are used.
    pub keep: EpochSelection,
    /// Number of networks in the ensemble, whose logits are averaged.
    pub networks: usize,
    /// Trains on labels that are shuffled among the cases of a split, as a control.
    pub shuffle_labels: bool,
}

/// Selection of the epoch whose weights are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EpochSelection {
    /// The highest validation accuracy; ties are broken by the lower validation loss, then by the earlier epoch.
    Accuracy,
    /// The last epoch, for validation splits of a few scans, whose accuracy is mostly noise.
    Last,
}

/// The learned fills.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FillConfig {
    /// Channels of each level of the U-Net.
    pub widths: Vec<usize>,
    /// Number of training cases.
    pub cases: usize,
    /// Passes over the regions of these cases.
    pub passes: usize,
    /// Regions per step.
    pub batch: usize,
    /// Learning rate of Adam.
    pub learning_rate: f64,
    /// ε of the loss Σ 1 / (|p − p′| + ε).
    pub epsilon: f64,
    /// Leaves regions that are 0 in all sequences unchanged.
    pub keep_air: bool,
    /// Number of tissues that `learned_tissue` selects from.
    pub tissues: usize,
    /// Number of training cases in which `learned_control` puts the values.
    pub control_cases: usize,
}

impl ClassifierConfig {
    pub(super) fn check(&self) -> anyhow::Result<()> {
        section("classifier", self.network(1).check())?;
        one_of("classifier.stem_stride", &self.stem_stride, &[1, 2])?;
        within("classifier.weight_decay", self.weight_decay, 0.0..=1.0)?;
        let given = if let PositiveWeight::Given(weight) = self.positive_weight { weight } else { 1.0 };
        section("classifier", self.training(0, given).check())?;
        within("classifier.networks", self.networks, 1..=100)
    }

    /// Returns the configuration of the network for a number of input channels.
    pub fn network(&self, in_channels: usize) -> ResNetConfig {
        let Self { depth, width, stem_stride, shortcut, .. } = *self;
        ResNetConfig {
            depth,
            in_channels,
            width,
            stem_stride: [stem_stride; 3],
            shortcut,
            ..ResNetConfig::default()
        }
    }

    /// Returns the settings of the training of one network.
    pub fn training(&self, seed: u64, positive_weight: f64) -> TrainConfig {
        let Self { epochs, batch, learning_rate, schedule, weight_decay, .. } = *self;
        let adam = AdamConfig { weight_decay, ..AdamConfig::default() };
        TrainConfig { epochs, batch, learning_rate, schedule, adam, positive_weight, seed }
    }
}

impl FillConfig {
    pub(super) fn check(&self) -> anyhow::Result<()> {
        section("fill", self.network(1, Variant::Paper).check())?;
        within("fill.cases", self.cases, 1..=10_000)?;
        within("fill.passes", self.passes, 1..=10_000)?;
        section("fill", self.training(0, Variant::Paper).check())?;
        within("fill.tissues", self.tissues, 2..=64)?;
        within("fill.control_cases", self.control_cases, 1..=1_000)
    }

    /// Returns the configuration of a variant's U-Net for a number of sequences.
    pub fn network(&self, sequences: usize, variant: Variant) -> UNetConfig {
        let out_channels = match variant {
            Variant::Paper | Variant::Signed => sequences,
            Variant::Tissue => self.tissues,
        };
        UNetConfig { in_channels: sequences, out_channels, widths: self.widths.clone() }
    }

    /// Returns the settings of a variant's training.
    pub fn training(&self, seed: u64, variant: Variant) -> FillTraining {
        let Self { passes, batch, learning_rate, epsilon, .. } = *self;
        FillTraining { variant, passes, batch, learning_rate, epsilon, seed, ..FillTraining::default() }
    }
}
