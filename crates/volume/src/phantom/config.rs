//! What a cohort of phantoms is like.

use serde::{Deserialize, Serialize};

/// The sequences of every phantom, in the order in which they are made.
pub const SEQUENCES: [&str; 4] = ["t1", "t1ce", "t2", "flair"];

/// What a synthetic cohort is like. All lengths are millimetres, so that shape and spacing may change without the
/// anatomy doing so.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct PhantomConfig {
    /// How many cases.
    pub cases: usize,
    /// The share of high-grade cases, strictly between 0 and 1. The grades alternate as evenly as the share allows.
    pub positive: f64,
    /// Voxels along z, y, x: 8 to 512 each. A head that would not fit the field of view is made smaller.
    pub shape: [usize; 3],
    /// Voxel size along z, y, x: 0.5 to 8 mm.
    pub spacing_mm: [f64; 3],
    /// Deviation of the Rician noise, as a share of white matter's value on T1: 0 to 0.3.
    pub noise: f64,
    /// How far the bias field of a sequence leaves 1, at most: 0 to 0.8.
    pub bias: f64,
    /// How far the grades look alike: 0 (textbook cases only) to 1 (mostly undecidable).
    pub overlap: f64,
    /// Amount of what is bright and no tumour, in both grades alike: vessels, sinuses and choroid plexus after
    /// contrast, white-matter hyperintensities on T2 and FLAIR. 0 (none) to 2; 1 is a usual amount.
    pub distractors: f64,
    /// Smallest and largest volume of the whole tumour, as shares of the brain: within 0.005 to 0.3.
    pub tumour_fraction: [f64; 2],
    /// How far a tumour pushes the tissue around it, as a share of its own radius: 0 to 0.5.
    pub mass_effect: f64,
    /// Largest rotation of a head about each axis, in degrees: 0 to 30.
    pub rotation_deg: f64,
    /// Smallest and largest value of white matter on T1 over the cases, drawn on a logarithmic scale: within 50 to 20 000.
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

/// A key of a [`PhantomConfig`] whose value makes no phantom.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("phantom.{key}: expected {expected}, found {found}")]
pub struct BadPhantomConfig {
    /// The key.
    pub key: &'static str,
    /// What its value may be.
    pub expected: &'static str,
    /// What its value is.
    pub found: String,
}

impl PhantomConfig {
    /// Whether case `index` is high-grade.
    pub fn is_positive(&self, index: usize) -> bool {
        let before = (index as f64 * self.positive).floor();
        ((index + 1) as f64 * self.positive).floor() > before
    }

    /// # Errors
    ///
    /// The first key that is out of its range, and cohorts in which a grade is missing.
    pub fn validate(&self) -> Result<(), BadPhantomConfig> {
        let bad = |key, expected, found: &dyn std::fmt::Debug| {
            Err(BadPhantomConfig { key, expected, found: format!("{found:?}") })
        };
        let positives = (0..self.cases.min(100_001)).filter(|&index| self.is_positive(index)).count();
        if !(2..=100_000).contains(&self.cases) {
            bad("cases", "2 to 100000", &self.cases)
        } else if !(self.positive > 0.0 && self.positive < 1.0) || positives == 0 || positives == self.cases {
            bad("positive", "a share that leaves a case of each grade", &self.positive)
        } else if self.shape.iter().any(|n| !(8..=512).contains(n)) {
            bad("shape", "three numbers from 8 to 512", &self.shape)
        } else if !within(&self.spacing_mm, 0.5, 8.0) {
            bad("spacing_mm", "three lengths from 0.5 to 8", &self.spacing_mm)
        } else if !within(&[self.noise], 0.0, 0.3) {
            bad("noise", "0 to 0.3", &self.noise)
        } else if !within(&[self.bias], 0.0, 0.8) {
            bad("bias", "0 to 0.8", &self.bias)
        } else if !within(&[self.overlap], 0.0, 1.0) {
            bad("overlap", "0 to 1", &self.overlap)
        } else if !within(&[self.distractors], 0.0, 2.0) {
            bad("distractors", "0 to 2", &self.distractors)
        } else if !within(&self.tumour_fraction, 0.005, 0.3)
            || self.tumour_fraction[0] > self.tumour_fraction[1]
        {
            bad("tumour_fraction", "two shares from 0.005 to 0.3, the smaller first", &self.tumour_fraction)
        } else if !within(&[self.mass_effect], 0.0, 0.5) {
            bad("mass_effect", "0 to 0.5", &self.mass_effect)
        } else if !within(&[self.rotation_deg], 0.0, 30.0) {
            bad("rotation_deg", "0 to 30", &self.rotation_deg)
        } else if !within(&self.intensity_scale, 50.0, 20_000.0)
            || self.intensity_scale[0] > self.intensity_scale[1]
        {
            bad("intensity_scale", "two values from 50 to 20000, the smaller first", &self.intensity_scale)
        } else {
            Ok(())
        }
    }
}

fn within(values: &[f64], low: f64, high: f64) -> bool {
    values.iter().all(|v| (low..=high).contains(v))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_valid_and_each_bad_key_is_named() {
        assert_eq!(PhantomConfig::default().validate(), Ok(()));
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
        for (key, change) in changes {
            let mut config = PhantomConfig::default();
            change(&mut config);
            let error = config.validate().expect_err(key);
            assert_eq!(error.key, key);
            assert!(error.to_string().starts_with(&format!("phantom.{key}: expected ")), "{error}");
        }
    }

    #[test]
    fn the_share_of_high_grade_cases_is_kept_over_any_stretch() {
        for positive in [0.3, 0.5, 0.6, 0.8] {
            let config = PhantomConfig { positive, ..PhantomConfig::default() };
            for (from, to) in [(0, 10), (7, 57), (100, 200)] {
                let count = (from..to).filter(|&index| config.is_positive(index)).count() as f64;
                assert!((count - positive * (to - from) as f64).abs() <= 1.0);
            }
        }
    }
}
