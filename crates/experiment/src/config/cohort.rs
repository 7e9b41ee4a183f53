//! Configuration of the cohort, of preprocessing and of augmentation.

use relevox_volume::Preprocess;
use relevox_volume::augment::Augment;
use serde::{Deserialize, Serialize};

use super::ranges::{non_empty, within};
use crate::failure::invalid_input;

/// Value of `cohort.source` that selects the synthetic cohort.
pub const PHANTOM: &str = "phantom";

/// Source of the scans, and their splits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CohortConfig {
    /// [`PHANTOM`], or the path of a BraTS folder or a manifest.
    pub source: String,
    /// Minimum number of usable cases.
    pub min_cases: usize,
    /// Positive cases drawn from the source; 0 takes all.
    pub draw_positive: usize,
    /// Negative cases drawn from the source; 0 takes all.
    pub draw_negative: usize,
    /// Fraction of cases in the training split.
    pub train: f64,
    /// Fraction of cases in the validation split.
    pub validation: f64,
    /// Fraction of cases in the test split.
    pub test: f64,
    /// Number of cross-validation folds; 0 divides the cohort once by the fractions above.
    pub folds: usize,
    /// Test fold of this run, from 1; 0 runs all folds and pools them.
    pub fold: usize,
}

impl CohortConfig {
    pub(super) fn check(&self) -> anyhow::Result<()> {
        non_empty("cohort.source", !self.source.is_empty(), "`phantom` or a path")?;
        within("cohort.min_cases", self.min_cases, 3..=100_000)?;
        for (key, fraction) in [("train", self.train), ("validation", self.validation), ("test", self.test)] {
            within(&format!("cohort.{key}"), fraction, 0.01..=0.98)?;
        }
        let sum = self.train + self.validation + self.test;
        if (sum - 1.0).abs() > 1e-6 {
            return Err(invalid_input(format!(
                "config: cohort.train, cohort.validation and cohort.test: expected fractions that add up to 1, found {sum}"
            )));
        }
        if self.folds != 0 {
            within("cohort.folds", self.folds, 3..=100)?;
        }
        within("cohort.fold", self.fold, 0..=self.folds)
    }
}

pub(super) fn check_preprocess(preprocess: &Preprocess) -> anyhow::Result<()> {
    non_empty("preprocess.sequences", !preprocess.sequences.is_empty(), "at least one sequence")?;
    for (i, name) in preprocess.sequences.iter().enumerate() {
        let plain = !name.is_empty()
            && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
        if !plain || preprocess.sequences[..i].contains(name) {
            return Err(invalid_input(format!(
                "config: preprocess.sequences: expected distinct names of a-z, 0-9 and _, found {name:?}"
            )));
        }
    }
    within("preprocess.downsample", preprocess.downsample, 1..=16)?;
    for size in preprocess.crop {
        within("preprocess.crop", size, 8..=1024)?;
        if size % preprocess.downsample != 0 {
            return Err(invalid_input(format!(
                "config: preprocess.crop: expected multiples of preprocess.downsample = {}, found {size}",
                preprocess.downsample
            )));
        }
    }
    Ok(())
}

pub(super) fn check_augment(augment: &Augment, preprocess: &Preprocess) -> anyhow::Result<()> {
    let smallest = preprocess.crop.into_iter().min().unwrap_or(0);
    within("augment.shift_voxels", augment.shift_voxels, 0..=smallest / 2)?;
    within("augment.intensity", f64::from(augment.intensity), 0.0..=1.0)
}
