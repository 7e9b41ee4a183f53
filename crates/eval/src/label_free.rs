//! Thresholds that need no labels, selected by name.

use std::fmt::{Display, Formatter};
use std::str::FromStr;

use crate::error::Error;
use crate::mixture::mixture_threshold;
use crate::otsu::{otsu, otsu_weighted};

/// A threshold of region scores that needs no labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(try_from = "String", into = "&'static str"))]
pub enum LabelFree {
    /// [`otsu`]: every region has the same weight.
    Otsu,
    /// [`otsu_weighted`]: regions are weighted by their volume.
    OtsuVolume,
    /// [`mixture_threshold`]: regions are weighted by their volume.
    Mixture,
}

impl LabelFree {
    /// All thresholds.
    pub const ALL: [LabelFree; 3] = [LabelFree::Otsu, LabelFree::OtsuVolume, LabelFree::Mixture];

    /// Returns the name in files and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            LabelFree::Otsu => "otsu",
            LabelFree::OtsuVolume => "otsu_volume",
            LabelFree::Mixture => "mixture",
        }
    }

    /// Returns the label in tables and figures.
    pub const fn label(self) -> &'static str {
        match self {
            LabelFree::Otsu => "Otsu",
            LabelFree::OtsuVolume => "Otsu by volume",
            LabelFree::Mixture => "Gaussian mixture",
        }
    }

    /// Computes the threshold of scores whose regions have these volumes; `None` if all scores are equal.
    ///
    /// # Errors
    /// Those of [`otsu_weighted`]; [`Otsu`](LabelFree::Otsu) ignores the volumes.
    pub fn threshold(self, scores: &[f64], volumes: &[f64]) -> Result<Option<f64>, Error> {
        match self {
            LabelFree::Otsu => otsu(scores),
            LabelFree::OtsuVolume => otsu_weighted(scores, volumes),
            LabelFree::Mixture => mixture_threshold(scores, volumes),
        }
    }
}

impl Display for LabelFree {
    fn fmt(&self, f: &mut Formatter) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for LabelFree {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        LabelFree::ALL.into_iter().find(|threshold| threshold.name() == name).ok_or_else(|| {
            let expected = LabelFree::ALL.map(LabelFree::name).join(", ");
            Error::UnknownName {
                what: "threshold",
                expected: format!("one of {expected}"),
                found: name.into(),
            }
        })
    }
}

impl TryFrom<String> for LabelFree {
    type Error = Error;

    fn try_from(name: String) -> Result<Self, Error> {
        name.parse()
    }
}

impl From<LabelFree> for &'static str {
    fn from(threshold: LabelFree) -> Self {
        threshold.name()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_parsed_and_unknown_ones_are_rejected() {
        for threshold in LabelFree::ALL {
            assert_eq!(threshold.to_string().parse(), Ok(threshold));
            #[cfg(feature = "serde")]
            assert_eq!(serde_json::to_value(threshold).unwrap(), threshold.name());
        }
        let error = "median".parse::<LabelFree>().unwrap_err();
        assert_eq!(error.to_string(), "threshold: expected one of otsu, otsu_volume, mixture, found median");
    }

    #[test]
    fn names_and_labels_tell_thresholds_apart() {
        for of in [LabelFree::name, LabelFree::label] {
            let words: std::collections::BTreeSet<&str> = LabelFree::ALL.into_iter().map(of).collect();
            assert!(words.len() == LabelFree::ALL.len() && !words.contains(""), "{words:?}");
        }
    }

    #[test]
    fn each_threshold_is_that_of_its_function() {
        let (scores, volumes) = ([0.0, 5.0, 15.0, 25.0, 60.0, 100.0], [40.0, 1.0, 1.0, 1.0, 1.0, 1.0]);
        let found = LabelFree::ALL.map(|threshold| threshold.threshold(&scores, &volumes));
        let expected =
            [otsu(&scores), otsu_weighted(&scores, &volumes), mixture_threshold(&scores, &volumes)];
        assert_eq!(found, expected);
    }
}
