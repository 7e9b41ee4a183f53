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

by_name!(Threshold, "threshold");

impl Threshold {
    /// Every threshold, in the order of tables.
    pub const ALL: [Self; 7] = [
        Self::Oracle,
        Self::Validation,
        Self::Volume,
        Self::Otsu,
        Self::OtsuVolume,
        Self::Mixture,
        Self::Mask,
    ];

    /// Name, label and kind.
    const fn entry(self) -> (&'static str, &'static str, ThresholdKind) {
        use ThresholdKind::{LabelFree, Outline, Validation};
        match self {
            Self::Oracle => ("oracle", "oracle", Outline),
            Self::Validation => ("validation_threshold", "validation threshold", Validation),
            Self::Volume => ("volume", "validation volume", Validation),
            Self::Otsu => ("otsu", "Otsu", LabelFree),
            Self::OtsuVolume => ("otsu_volume", "Otsu by volume", LabelFree),
            Self::Mixture => ("mixture", "mixture", LabelFree),
            Self::Mask => ("mask", "mask", LabelFree),
        }
    }

    /// Name in tables, JSON and config.
    pub const fn name(self) -> &'static str {
        self.entry().0
    }

    /// Name for readers.
    pub const fn label(self) -> &'static str {
        self.entry().1
    }

    /// What it is found from.
    pub const fn kind(self) -> ThresholdKind {
        self.entry().2
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
