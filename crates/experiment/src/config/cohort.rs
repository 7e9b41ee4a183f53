//! Configuration of the cohort, of preprocessing and of augmentation.

use relevox_report::tables::Method;
use relevox_volume::augment::{Augment, ValidAugment};
use relevox_volume::split::{Fractions, Sizes, ValidSizes};
use relevox_volume::{Intensity, Preprocess, ValidPreprocess};
use serde::{Deserialize, Serialize};

use super::values::{non_empty, section, within};
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
    /// Validates the settings and returns the sizes of the splits.
    pub(super) fn check(&self) -> anyhow::Result<ValidSizes> {
        non_empty("cohort.source", !self.source.is_empty(), "`phantom` or a path")?;
        within("cohort.min_cases", self.min_cases, 3..=100_000)?;
        let Self { train, validation, test, .. } = *self;
        let sizes = section("cohort", Sizes::Fractions(Fractions { train, validation, test }).check())?;
        if self.folds != 0 {
            within("cohort.folds", self.folds, 3..=100)?;
        }
        within("cohort.fold", self.fold, 0..=self.folds)?;
        Ok(sizes)
    }
}

/// Validates the settings of the preprocessing. Sequences are parts of file names, which restricts their characters.
pub(super) fn check_preprocess(preprocess: &Preprocess) -> anyhow::Result<ValidPreprocess> {
    let valid = section("preprocess", preprocess.clone().check())?;
    for name in &preprocess.sequences {
        if !name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_') {
            return Err(invalid_input(format!(
                "config: preprocess.sequences: expected names of a-z, 0-9 and _, found {name:?}"
            )));
        }
    }
    if let Intensity::Window { low, .. } = preprocess.intensity
        && low < 0.0
        && preprocess.clip_negative
    {
        return Err(invalid_input(format!(
            "config: preprocess.clip_negative: expected false with an intensity window from {low}, found true"
        )));
    }
    within("preprocess.downsample", preprocess.downsample, 1..=16)?;
    let smallest = preprocess.crop.into_iter().min().unwrap_or(0);
    if smallest < 8 {
        return Err(invalid_input(format!(
            "config: preprocess.crop: expected at least 8 voxels along each axis, found {smallest}"
        )));
    }
    Ok(valid)
}

/// Validates the settings of the augmentation. A shift leaves at least half of the image.
pub(super) fn check_augment(augment: Augment, preprocess: &ValidPreprocess) -> anyhow::Result<ValidAugment> {
    let smallest = preprocess.crop().into_iter().min().unwrap_or(0);
    within("augment.shift_voxels", augment.shift_voxels, 0..=smallest / 2)?;
    section("augment", augment.check())
}

/// Requires intensities within 0 to 1 where the augmentation or the learned fill assumes them. A gamma change is not defined
/// for negative values, hiding takes 0 for air, and the U-Net's outputs lie within 0 to 1.
pub(super) fn check_range(
    intensity: Intensity,
    augment: &ValidAugment,
    fills: &[Method],
) -> anyhow::Result<()> {
    if intensity.is_unit_range() {
        return Ok(());
    }
    let kind = intensity.kind();
    let Augment { intensity, hide, empty, .. } = *augment.settings();
    for (key, found) in [("intensity", intensity), ("hide", hide), ("empty", empty)] {
        if found > 0.0 {
            return Err(invalid_input(format!(
                "config: augment.{key}: expected 0 with preprocess.intensity = {kind}, whose values are not within 0 to 1, found \
                 {found}"
            )));
        }
    }
    if let Some(learned) = fills.iter().find(|fill| fill.is_learned()) {
        return Err(invalid_input(format!(
            "config: evaluate.fills: expected no \"{learned}\" with preprocess.intensity = {kind}, whose values are not within 0 to \
             1 as the U-Net's are; select constant fills, such as --set 'evaluate.fills=[\"blank\",\"min\",\"max\",\"mean\"]'"
        )));
    }
    Ok(())
}
