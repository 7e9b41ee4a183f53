//! Sizes of the splits.

use crate::Error;

/// Sizes of the splits, unchecked: numbers that add up to the cohort, or fractions that add up to 1. [`Sizes::check`]
/// validates them.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(untagged))]
pub enum Sizes {
    /// Numbers of cases.
    Counts(Counts),
    /// Fractions of the cohort.
    Fractions(Fractions),
}

/// Number of cases per split.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(deny_unknown_fields))]
pub struct Counts {
    /// Training cases.
    pub train: usize,
    /// Validation cases.
    pub validation: usize,
    /// Test cases.
    pub test: usize,
}

/// Fraction of the cohort per split.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(deny_unknown_fields))]
pub struct Fractions {
    /// Fraction of training cases.
    pub train: f64,
    /// Fraction of validation cases.
    pub validation: f64,
    /// Fraction of test cases.
    pub test: f64,
}

impl Sizes {
    /// Validates the sizes. Whether counts add up to the cohort is only known when they are
    /// [assigned](super::assign).
    ///
    /// # Errors
    /// Returns [`Error::InvalidSetting`] if a fraction is outside 0..1, the fractions do not add up to 1, or the counts
    /// overflow.
    pub fn check(self) -> Result<ValidSizes, Error> {
        match self {
            Sizes::Counts(Counts { train, validation, test }) => {
                if train.checked_add(validation).and_then(|sum| sum.checked_add(test)).is_none() {
                    return Err(Error::InvalidSetting {
                        setting: "train, validation and test",
                        expected: "numbers of cases".to_owned(),
                        found: format!("{train}, {validation} and {test}"),
                    });
                }
            }
            Sizes::Fractions(Fractions { train, validation, test }) => {
                let parts = [train, validation, test];
                let sum: f64 = parts.iter().sum();
                if !parts.iter().all(|part| (0.0..=1.0).contains(part)) || (sum - 1.0).abs() > 1e-6 {
                    return Err(Error::InvalidSetting {
                        setting: "train, validation and test",
                        expected: "fractions from 0 to 1 that add up to 1".to_owned(),
                        found: format!("{train}, {validation} and {test}"),
                    });
                }
            }
        }
        Ok(ValidSizes(self))
    }
}

impl From<Counts> for Sizes {
    fn from(counts: Counts) -> Self {
        Self::Counts(counts)
    }
}

impl From<Fractions> for Sizes {
    fn from(fractions: Fractions) -> Self {
        Self::Fractions(fractions)
    }
}

/// Validated [`Sizes`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ValidSizes(Sizes);

impl ValidSizes {
    /// The sizes as they were given.
    pub fn settings(&self) -> &Sizes {
        &self.0
    }

    /// Number of cases per split, out of `cases`.
    pub(super) fn of(&self, cases: usize) -> Result<Vec<usize>, Error> {
        match self.0 {
            Sizes::Counts(Counts { train, validation, test }) => {
                let sum = train + validation + test;
                if sum != cases {
                    return Err(Error::InvalidSetting {
                        setting: "train, validation and test",
                        expected: format!("numbers that add up to the cohort's {cases} cases"),
                        found: format!("{train}, {validation} and {test}, together {sum}"),
                    });
                }
                Ok(vec![train, validation, test])
            }
            Sizes::Fractions(Fractions { train, validation, test }) => {
                Ok(apportion(cases, &[train, validation, test]))
            }
        }
    }
}

impl TryFrom<Sizes> for ValidSizes {
    type Error = Error;

    fn try_from(sizes: Sizes) -> Result<Self, Error> {
        sizes.check()
    }
}

/// Divides `total` into whole numbers in proportion to the weights, by the method of largest remainders; ties go to the
/// first.
pub(super) fn apportion(total: usize, weights: &[f64]) -> Vec<usize> {
    let sum: f64 = weights.iter().sum();
    let exact: Vec<f64> =
        weights.iter().map(|w| if sum > 0.0 { w / sum * total as f64 } else { 0.0 }).collect();
    // A quota that is a rounding error below a whole number counts as that number.
    let mut whole: Vec<usize> = exact.iter().map(|e| (e + 1e-9).floor() as usize).collect();
    let mut order: Vec<usize> = (0..weights.len()).collect();
    let remainder = |i: usize| exact[i] - (exact[i] + 1e-9).floor();
    order.sort_by(|&a, &b| remainder(b).total_cmp(&remainder(a)));
    let missing = total.saturating_sub(whole.iter().sum());
    for &i in order.iter().cycle().take(missing) {
        whole[i] += 1;
    }
    whole
}
