//! Configuration of the classifier and of the learned fill.

use relevox_models::Shortcut;
use relevox_models::train::Schedule;
use serde::{Deserialize, Serialize};

use super::values::{one_of, within};

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
    pub positive_weight: f64,
    /// Selection of the epoch whose weights are used.
    pub keep: EpochSelection,
    /// Number of networks in the ensemble, whose logits are averaged.
    pub networks: usize,
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

/// The learned fill.
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
}

impl ClassifierConfig {
    pub(super) fn check(&self) -> anyhow::Result<()> {
        one_of("classifier.depth", &self.depth, &[10, 18, 34, 50])?;
        within("classifier.width", self.width, 1..=512)?;
        one_of("classifier.stem_stride", &self.stem_stride, &[1, 2])?;
        within("classifier.epochs", self.epochs, 1..=10_000)?;
        within("classifier.batch", self.batch, 1..=1_024)?;
        within("classifier.learning_rate", self.learning_rate, 1e-8..=10.0)?;
        within("classifier.weight_decay", self.weight_decay, 0.0..=1.0)?;
        within("classifier.networks", self.networks, 1..=100)?;
        within("classifier.positive_weight", self.positive_weight, 1e-3..=1e3)
    }
}

impl FillConfig {
    pub(super) fn check(&self) -> anyhow::Result<()> {
        within("fill.widths (number of levels)", self.widths.len(), 1..=6)?;
        for &width in &self.widths {
            within("fill.widths", width, 1..=1_024)?;
        }
        within("fill.cases", self.cases, 1..=10_000)?;
        within("fill.passes", self.passes, 1..=10_000)?;
        within("fill.batch", self.batch, 1..=1_024)?;
        within("fill.learning_rate", self.learning_rate, 1e-8..=10.0)?;
        within("fill.epsilon", self.epsilon, 1e-12..=1.0)
    }
}
