//! Configuration of a synthetic cohort.

use std::fmt::Debug;
use std::ops::RangeInclusive;

use crate::Error;

/// Names of the sequences of every phantom, in order.
pub const SEQUENCES: [&str; 4] = ["t1", "t1ce", "t2", "flair"];

const CASES: RangeInclusive<usize> = 2..=100_000;

/// Configuration of a synthetic cohort, unchecked. [`PhantomConfig::check`] validates it.
///
/// Anatomy is defined in millimetres: shape and spacing do not affect it.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
pub struct PhantomConfig {
    /// Number of cases: 2 to 100 000.
    pub cases: usize,
    /// Fraction of high-grade cases, strictly between 0 and 1. The grades alternate as evenly as possible.
    pub positive: f64,
    /// Number of voxels along z, y, x: 8 to 512 each. A head larger than the field of view is scaled down.
    pub shape: [usize; 3],
    /// Voxel size along z, y, x: 0.5 to 8 mm.
    pub spacing_mm: [f64; 3],
    /// Standard deviation of the Rician noise, relative to white matter on T1: 0 to 0.3.
    pub noise: f64,
    /// Largest deviation of a sequence's bias field from 1: 0 to 0.8.
    pub bias: f64,
    /// Similarity of the grades: 0 (textbook cases only) to 1 (mostly undecidable).
    pub overlap: f64,
    /// Amount of bright structures other than the tumour, the same in both grades: vessels, sinuses and choroid plexus
    /// after contrast agent, white-matter hyperintensities on T2 and FLAIR. 0 (none) to 2; 1 is typical.
    pub distractors: f64,
    /// Smallest and largest volume of the whole tumour, as fractions of the brain: within 0.005 to 0.3.
    pub tumour_fraction: [f64; 2],
    /// Displacement of the tissue around a tumour, as a fraction of the tumour's radius: 0 to 0.5.
    pub mass_effect: f64,
    /// Largest rotation of a head about each axis, in degrees: 0 to 30.
    pub rotation_deg: f64,
    /// Smallest and largest intensity of white matter on T1 over the cases, drawn log-uniformly: within 50 to 20 000.
    pub intensity_scale: [f64; 2],
}

impl Default for PhantomConfig {
    fn default() -> Self {
        Self {
            cases: 160,
            positive: 0.5,
            shape: [80, 96, 80],
            spacing_mm: [2.0; 3],
            noise: 0.03,
            bias: 0.15,
            overlap: 0.4,
            distractors: 0.5,
            tumour_fraction: [0.05, 0.18],
            mass_effect: 0.2,
            rotation_deg: 7.0,
            intensity_scale: [100.0, 10_000.0],
        }
    }
}

impl PhantomConfig {
    /// Returns whether case `index` is high-grade.
    pub fn is_positive(&self, index: usize) -> bool {
        let before = (index as f64 * self.positive).floor();
        ((index + 1) as f64 * self.positive).floor() > before
    }

    /// Validates the configuration.
    ///
    /// # Errors
    /// Returns [`Error::InvalidSetting`] for the first setting that is out of its range, and for a fraction of
    /// high-grade cases with which the cohort lacks a grade.
    pub fn check(self) -> Result<ValidPhantomConfig, Error> {
        require("cases", CASES.contains(&self.cases), "2 to 100000", &self.cases)?;
        let positives = (0..self.cases).filter(|&index| self.is_positive(index)).count();
        let both = self.positive > 0.0 && self.positive < 1.0 && positives > 0 && positives < self.cases;
        require("positive", both, "a fraction that leaves a case of each grade", &self.positive)?;
        let shape = self.shape.iter().all(|n| (8..=512).contains(n));
        require("shape", shape, "three numbers from 8 to 512", &self.shape)?;
        let spacing = within(&self.spacing_mm, 0.5, 8.0);
        require("spacing_mm", spacing, "three lengths from 0.5 to 8", &self.spacing_mm)?;
        require("noise", within(&[self.noise], 0.0, 0.3), "0 to 0.3", &self.noise)?;
        require("bias", within(&[self.bias], 0.0, 0.8), "0 to 0.8", &self.bias)?;
        require("overlap", within(&[self.overlap], 0.0, 1.0), "0 to 1", &self.overlap)?;
        require("distractors", within(&[self.distractors], 0.0, 2.0), "0 to 2", &self.distractors)?;
        let [smallest, largest] = self.tumour_fraction;
        let fractions = within(&self.tumour_fraction, 0.005, 0.3) && smallest <= largest;
        let expected = "two fractions from 0.005 to 0.3, the smaller first";
        require("tumour_fraction", fractions, expected, &self.tumour_fraction)?;
        require("mass_effect", within(&[self.mass_effect], 0.0, 0.5), "0 to 0.5", &self.mass_effect)?;
        require("rotation_deg", within(&[self.rotation_deg], 0.0, 30.0), "0 to 30", &self.rotation_deg)?;
        let [lowest, highest] = self.intensity_scale;
        let scale = within(&self.intensity_scale, 50.0, 20_000.0) && lowest <= highest;
        let expected = "two values from 50 to 20000, the smaller first";
        require("intensity_scale", scale, expected, &self.intensity_scale)?;
        Ok(ValidPhantomConfig(self))
    }
}

/// Validated [`PhantomConfig`].
#[derive(Clone, Debug, PartialEq)]
pub struct ValidPhantomConfig(PhantomConfig);

impl ValidPhantomConfig {
    /// The settings as they were given.
    pub fn settings(&self) -> &PhantomConfig {
        &self.0
    }
}

impl TryFrom<PhantomConfig> for ValidPhantomConfig {
    type Error = Error;

    fn try_from(config: PhantomConfig) -> Result<Self, Error> {
        config.check()
    }
}

fn require(setting: &'static str, holds: bool, expected: &str, found: &dyn Debug) -> Result<(), Error> {
    if holds {
        return Ok(());
    }
    Err(Error::InvalidSetting { setting, expected: expected.to_owned(), found: format!("{found:?}") })
}

fn within(values: &[f64], low: f64, high: f64) -> bool {
    values.iter().all(|v| (low..=high).contains(v))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_valid_and_each_invalid_setting_is_named() {
        assert!(PhantomConfig::default().check().is_ok());
        type Change = fn(&mut PhantomConfig);
        let changes: [(&str, Change); 13] = [
            ("cases", |c| c.cases = 1),
            ("positive", |c| c.positive = 1.0),
            ("positive", |c| c.positive = 0.001),
            ("shape", |c| c.shape[1] = 4),
            ("spacing_mm", |c| c.spacing_mm[0] = 0.0),
            ("noise", |c| c.noise = f64::NAN),
            ("bias", |c| c.bias = 1.0),
            ("overlap", |c| c.overlap = -0.1),
            ("distractors", |c| c.distractors = 3.0),
            ("tumour_fraction", |c| c.tumour_fraction = [0.2, 0.1]),
            ("mass_effect", |c| c.mass_effect = 0.6),
            ("rotation_deg", |c| c.rotation_deg = 90.0),
            ("intensity_scale", |c| c.intensity_scale = [1.0, 100.0]),
        ];
        for (name, change) in changes {
            let mut config = PhantomConfig::default();
            change(&mut config);
            let error = config.check().expect_err(name);
            assert!(matches!(error, Error::InvalidSetting { setting, .. } if setting == name), "{error}");
            assert!(error.to_string().starts_with(&format!("{name}: expected ")), "{error}");
        }
    }

    #[test]
    fn every_stretch_of_cases_has_the_fraction_of_high_grade_cases() {
        for positive in [0.3, 0.5, 0.6, 0.8] {
            let config = PhantomConfig { positive, ..PhantomConfig::default() };
            for (from, to) in [(0, 10), (7, 57), (100, 200)] {
                let count = (from..to).filter(|&index| config.is_positive(index)).count() as f64;
                assert!((count - positive * (to - from) as f64).abs() <= 1.0);
            }
        }
    }
}
