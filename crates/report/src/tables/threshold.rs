//! Thresholds that turn a relevance map into a mask, by name.

use super::by_name::by_name;

/// What a threshold is found from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ThresholdKind {
    /// The case's own expert outline: an upper bound.
    Outline,
    /// The outlines of the validation split.
    Validation,
    /// The case's relevance, without any outline.
    LabelFree,
}

/// How the threshold on a relevance map is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Threshold {
    /// Best threshold for each case.
    Oracle,
    /// One threshold, best on the validation split.
    Validation,
    /// Most relevant regions up to the mean tumour volume of the validation split.
    Volume,
    /// Otsu's threshold, each region counted once.
    Otsu,
    /// Otsu's threshold, regions weighted by their volume of brain.
    OtsuVolume,
    /// Gaussian mixture of two components, regions weighted by their volume of brain.
    Mixture,
    /// The mask that the run writes: a label-free threshold, small connected components removed.
    Mask,
}

by_name! {
    Threshold, "threshold",
    /// Returns what it is found from.
    kind: ThresholdKind {
        Oracle = "oracle", "oracle", Outline;
        Validation = "validation_threshold", "validation threshold", Validation;
        Volume = "volume", "validation volume", Validation;
        Otsu = "otsu", "Otsu", LabelFree;
        OtsuVolume = "otsu_volume", "Otsu by volume", LabelFree;
        Mixture = "mixture", "mixture", LabelFree;
        Mask = "mask", "mask", LabelFree;
    }
}

impl From<relevox_eval::LabelFree> for Threshold {
    fn from(threshold: relevox_eval::LabelFree) -> Self {
        match threshold {
            relevox_eval::LabelFree::Otsu => Self::Otsu,
            relevox_eval::LabelFree::OtsuVolume => Self::OtsuVolume,
            relevox_eval::LabelFree::Mixture => Self::Mixture,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_parse() {
        for threshold in Threshold::ALL {
            assert_eq!(threshold.name().parse::<Threshold>().unwrap(), threshold);
        }
        assert!("median".parse::<Threshold>().is_err());
    }
}
