//! From signed attributions to relevance, 0 to 100.

named! {
    /// The part of a signed attribution that counts as relevance.
    pub enum Sign, "sign" {
        /// The magnitude, whichever class the region is evidence for: the paper's reading of Δp.
        Magnitude = "magnitude", "Magnitude";
        /// Evidence for the target; all else is 0.
        Positive = "positive", "Positive";
        /// Evidence against the target; all else is 0.
        Negative = "negative", "Negative";
    }
}

impl Sign {
    /// Returns the part of a signed value that counts, at least 0.
    pub fn of(self, value: f64) -> f64 {
        match self {
            Self::Magnitude => value.abs(),
            Self::Positive => value.max(0.0),
            Self::Negative => (-value).max(0.0),
        }
    }

    /// Returns the part that counts where evidence for the target and against it was added up: `magnitude` is their sum, and
    /// `value` their difference. With `magnitude` = |`value`| it is [`Sign::of`].
    pub fn of_sum(self, value: f64, magnitude: f64) -> f64 {
        match self {
            Self::Magnitude => magnitude,
            Self::Positive => ((magnitude + value) / 2.0).max(0.0),
            Self::Negative => ((magnitude - value) / 2.0).max(0.0),
        }
    }
}

/// Computes the relevance 0..100 of signed values by region, min-max scaled; all 0 if nothing stands out.
pub fn relevance(values: &[f64], sign: Sign) -> Vec<f64> {
    scaled_or_0(values.iter().map(|&value| sign.of(value)).collect())
}

/// Computes the relevance 0..100 of values with [magnitudes of their own](Sign::of_sum), min-max scaled; all 0 if nothing stands
/// out.
pub(crate) fn relevance_of_sums(values: &[f64], magnitudes: &[f64], sign: Sign) -> Vec<f64> {
    let sums = values.iter().zip(magnitudes);
    scaled_or_0(sums.map(|(&value, &magnitude)| sign.of_sum(value, magnitude)).collect())
}

fn scaled_or_0(evidence: Vec<f64>) -> Vec<f64> {
    scale_to_100(&evidence).unwrap_or_else(|| vec![0.0; evidence.len()])
}

/// Scales values linearly so that their minimum becomes 0 and their maximum 100. `None` if all values are equal or there
/// are none.
pub fn scale_to_100(values: &[f64]) -> Option<Vec<f64>> {
    let low = values.iter().copied().fold(f64::INFINITY, f64::min);
    let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    // The division first: (high − low) / (high − low) is exactly 1, and the top exactly 100.
    (high > low).then(|| values.iter().map(|value| (value - low) / (high - low) * 100.0).collect())
}

/// Scales values so that the largest magnitude becomes 100, and keeps their signs; all 0 stay as they are.
pub fn scale_signed_to_100(values: &[f64]) -> Vec<f64> {
    let largest = values.iter().fold(0.0_f64, |largest, value| largest.max(value.abs()));
    values.iter().map(|value| if largest > 0.0 { value / largest * 100.0 } else { 0.0 }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_and_proportions_are_kept() {
        assert_eq!(scale_signed_to_100(&[-4.0, 0.0, 2.0]), [-100.0, 0.0, 50.0]);
        assert_eq!(scale_signed_to_100(&[0.0, 0.0]), [0.0, 0.0]);
        assert!(scale_signed_to_100(&[]).is_empty());
    }

    #[test]
    fn each_sign_scales_its_own_part() {
        let values = [-4.0, 0.0, 2.0];
        assert_eq!(relevance(&values, Sign::Magnitude), [100.0, 0.0, 50.0]);
        assert_eq!(relevance(&values, Sign::Positive), [0.0, 0.0, 100.0]);
        assert_eq!(relevance(&values, Sign::Negative), [100.0, 0.0, 0.0]);
        assert_eq!(relevance(&[1.0, 1.0], Sign::Magnitude), [0.0, 0.0]);
    }
}
