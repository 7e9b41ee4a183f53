//! Configuration of evaluation.

use relevox_eval::LabelFree;
use relevox_report::tables::{Method, MethodKind};
use serde::{Deserialize, Serialize};

use super::values::{distinct, non_empty, one_of, sequence, within};

/// Allowed values of `evaluate.fills`.
pub(super) fn fills() -> Vec<Method> {
    Method::of_kind(MethodKind::Fill).collect()
}

/// Allowed values of every other list of fills: learned fills are trained on the partition that the grid search selects.
pub(super) fn constant_fills() -> Vec<Method> {
    Method::of_kind(MethodKind::Fill).filter(|fill| !fill.is_learned()).collect()
}

/// Evaluation of scores and maps.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EvaluateConfig {
    /// Fills that score the selected partition.
    pub fills: Vec<Method>,
    /// Bootstrap resamples of an interval.
    pub bootstrap: usize,
    /// Shuffles of the random control per case.
    pub random_repeats: usize,
    /// Sequence of the intensity control; empty for none.
    pub intensity: String,
    /// Threshold of the written masks.
    pub mask: LabelFree,
    /// Connected components of a mask smaller than this fraction of its largest component are removed.
    pub island: f64,
    /// Number of ranks in Table 1.
    pub ranks: usize,
    /// Number of ranks in Table 2.
    pub cumulative: usize,
    /// Epochs of Figure 3's focus measurement; 0 takes all.
    pub focus_epochs: usize,
    /// Validation cases of the focus measurement.
    pub focus_cases: usize,
    /// Test cases in Figure 2.
    pub figure_cases: usize,
    /// Test cases with a page to look into, those of Figure 2 first; 0 takes all.
    pub page_cases: usize,
}

impl EvaluateConfig {
    pub(super) fn check(&self, sequences: &[&str]) -> anyhow::Result<()> {
        non_empty("evaluate.fills", !self.fills.is_empty(), "at least one fill")?;
        for fill in &self.fills {
            one_of("evaluate.fills", fill, &fills())?;
        }
        distinct("evaluate.fills", &self.fills)?;
        within("evaluate.bootstrap", self.bootstrap, 100..=1_000_000)?;
        within("evaluate.random_repeats", self.random_repeats, 1..=10_000)?;
        if !self.intensity.is_empty() {
            sequence("evaluate.intensity", &self.intensity, sequences)?;
        }
        within("evaluate.island", self.island, 0.0..=1.0)?;
        within("evaluate.ranks", self.ranks, 1..=50)?;
        within("evaluate.cumulative", self.cumulative, 1..=50)?;
        within("evaluate.focus_epochs", self.focus_epochs, 0..=10_000)?;
        within("evaluate.focus_cases", self.focus_cases, 1..=10_000)?;
        within("evaluate.figure_cases", self.figure_cases, 1..=100)?;
        within("evaluate.page_cases", self.page_cases, 0..=100_000)
    }
}
