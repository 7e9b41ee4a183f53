//! Measures of maps other than Dice, by name.

use super::by_name::by_name;

/// Which values of a measure are better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Better {
    /// Lower values, as of a distance.
    Lower,
    /// Higher values.
    Higher,
}

/// A measure of a map: localisation, surface distance or faithfulness.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Measure {
    /// Share of the map's mass inside the tumour.
    ActivationPrecision,
    /// Whether the map's highest voxels lie inside the tumour.
    Pointing,
    /// 95th percentile of the surface distance between mask and tumour, mm.
    Hausdorff95,
    /// Area under the deletion curve.
    Deletion,
    /// Area under the insertion curve.
    Insertion,
    /// Share of the classifier's response to random perturbations that the map does not predict.
    Infidelity,
}

by_name!(Measure, "measure");

impl Measure {
    /// Every measure.
    pub const ALL: [Self; 6] = [
        Self::ActivationPrecision,
        Self::Pointing,
        Self::Hausdorff95,
        Self::Deletion,
        Self::Insertion,
        Self::Infidelity,
    ];

    /// Name, label and direction.
    const fn entry(self) -> (&'static str, &'static str, Better) {
        use Better::{Higher, Lower};
        match self {
            Self::ActivationPrecision => ("activation_precision", "activation precision", Higher),
            Self::Pointing => ("pointing", "pointing game", Higher),
            Self::Hausdorff95 => ("hausdorff95_mm", "Hausdorff 95 of the mask, mm", Lower),
            Self::Deletion => ("deletion", "deletion area", Lower),
            Self::Insertion => ("insertion", "insertion area", Higher),
            Self::Infidelity => ("infidelity", "infidelity", Lower),
        }
    }

    /// Name in tables and JSON.
    pub const fn name(self) -> &'static str {
        self.entry().0
    }

    /// Name for readers.
    pub const fn label(self) -> &'static str {
        self.entry().1
    }

    /// Which of its values are better.
    pub const fn better(self) -> Better {
        self.entry().2
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_parse() {
        for measure in Measure::ALL {
            assert_eq!(measure.name().parse::<Measure>().unwrap(), measure);
        }
        assert!("f1".parse::<Measure>().is_err());
    }
}
