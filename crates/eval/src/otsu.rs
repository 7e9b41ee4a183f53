//! Otsu's threshold, computed exactly without a histogram.
//!
//! Otsu, N., "A threshold selection method from gray-level histograms", IEEE Transactions on Systems, Man, and
//! Cybernetics 9(1), 1979, doi:10.1109/TSMC.1979.4310076. A hundred region scores are too few for a histogram.

use crate::checks::weighted;
use crate::error::Error;

/// Computes the threshold that maximises the variance between the classes `value ≥ t` and `value < t`.
///
/// The threshold is one of the values, the lowest if several are equally good, or `None` if all values are equal.
/// `threshold_otsu` of scikit-image returns the lower side of the same cut, for `value > t`, from a histogram (exact
/// for integers).
///
/// # Errors
/// Returns [`Error::TooFew`] if there are no values and [`Error::NonFinite`] if a value is NaN or infinite.
pub fn otsu(values: &[f64]) -> Result<Option<f64>, Error> {
    otsu_weighted(values, &vec![1.0; values.len()])
}

/// Computes the threshold of [`otsu`] for weighted values.
///
/// With region scores weighted by volume, this is the threshold of the voxels of the relevance map. Values of weight 0
/// are ignored.
///
/// # Shapes
/// One weight per value.
///
/// # Errors
/// Returns [`Error::ShapeMismatch`] if the lengths differ, [`Error::TooFew`] if there are no values or no weight is
/// positive, [`Error::NonFinite`] if a value or weight is NaN or infinite, and [`Error::Negative`] if a weight is
/// negative.
pub fn otsu_weighted(values: &[f64], weight: &[f64]) -> Result<Option<f64>, Error> {
    weighted(values, weight)?;
    let pairs = values.iter().copied().zip(weight.iter().copied());
    let mut sorted: Vec<(f64, f64)> = pairs.filter(|pair| pair.1 > 0.0).collect();
    sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
    let all: f64 = sorted.iter().map(|pair| pair.1).sum();
    let mean = sorted.iter().map(|(value, weight)| value * weight).sum::<f64>() / all;
    let mut best: Option<(f64, f64)> = None;
    let (mut lower, mut below) = (0.0, 0.0); // weight of the lower class, and sum of its deviations from the mean
    for cut in 1..sorted.len() {
        lower += sorted[cut - 1].1;
        below += (sorted[cut - 1].0 - mean) * sorted[cut - 1].1;
        if sorted[cut].0 == sorted[cut - 1].0 {
            continue;
        }
        // (μ₁ − μ₀)² n₀ n₁ / n², given that deviations sum to 0 over both classes.
        let between = below * below / (lower * (all - lower));
        if best.is_none_or(|(variance, _)| between > variance) {
            best = Some((between, sorted[cut].0));
        }
    }
    Ok(best.map(|(_, threshold)| threshold))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_clusters_are_separated() {
        assert_eq!(otsu(&[0.0, 0.1, 0.05, 9.0, 10.0]), Ok(Some(9.0)));
        assert_eq!(otsu(&[0.0, 0.0, 0.0, 4.0]), Ok(Some(4.0)));
    }

    #[test]
    fn weights_act_as_repetitions() {
        let values = [0.0, 10.0, 14.0, 40.0];
        assert_eq!(otsu_weighted(&values, &[1.0, 1.0, 1.0, 0.0]), otsu(&values[..3]));
        let often = [0.0, 10.0, 10.0, 10.0, 10.0, 14.0, 14.0, 40.0];
        assert_eq!(otsu_weighted(&values, &[1.0, 4.0, 2.0, 1.0]), otsu(&often));
        assert_ne!(
            otsu_weighted(&[0.0, 5.0, 9.0], &[1.0, 1.0, 50.0]),
            otsu_weighted(&[0.0, 5.0, 9.0], &[50.0, 1.0, 1.0])
        );
        assert!(matches!(otsu_weighted(&values, &[1.0]), Err(Error::ShapeMismatch { .. })));
        assert!(matches!(otsu_weighted(&[1.0], &[-1.0]), Err(Error::Negative { .. })));
        assert!(matches!(otsu_weighted(&[1.0, 2.0], &[0.0; 2]), Err(Error::TooFew { .. })));
    }

    #[test]
    fn the_lowest_of_equally_good_thresholds_is_chosen() {
        // Both cuts of three equidistant values separate a mean of 0 or 10 from one 7.5 away.
        assert_eq!(otsu(&[0.0, 5.0, 10.0]), Ok(Some(5.0)));
    }

    #[test]
    fn equal_values_have_no_threshold() {
        assert_eq!(otsu(&[3.0; 5]), Ok(None));
        assert_eq!(otsu(&[3.0]), Ok(None));
        assert!(matches!(otsu(&[]), Err(Error::TooFew { .. })));
        assert!(matches!(otsu(&[1.0, f64::NAN]), Err(Error::NonFinite { .. })));
    }
}
