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

by_name! {
    Measure, "measure",
    /// Returns which of its values are better.
    better: Better {
        ActivationPrecision = "activation_precision", "activation precision", Higher;
        Pointing = "pointing", "pointing game", Higher;
        Hausdorff95 = "hausdorff95_mm", "Hausdorff 95 of the mask, mm", Lower;
        Deletion = "deletion", "deletion area", Lower;
        Insertion = "insertion", "insertion area", Higher;
        Infidelity = "infidelity", "infidelity", Lower;
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
