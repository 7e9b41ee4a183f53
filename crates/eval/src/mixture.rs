//! Threshold between the components of a Gaussian mixture, fitted by expectation-maximisation.
//!
//! Dempster, A. P., Laird, N. M. and Rubin, D. B., "Maximum Likelihood from Incomplete Data via the EM Algorithm",
//! Journal of the Royal Statistical Society B 39(1), 1977, doi:10.1111/j.2517-6161.1977.tb01600.x. The fit is
//! initialised with the two classes of Otsu's threshold and is deterministic.
//!
//! If many regions share one score (0, for example) and other scores are close to it, the lower component shrinks to
//! that score and the upper one covers all others. Otsu's threshold is the better choice there.

use crate::checks::weighted;
use crate::error::Error;
use crate::otsu::otsu_weighted;

/// Added to each variance, as a fraction of the variance of all values, so that no component shrinks to a point.
const VARIANCE_FLOOR: f64 = 1e-6;
const MAX_ITERATIONS: usize = 10_000;
/// The fit has converged when the mean log-likelihood increases by less.
const TOLERANCE: f64 = 1e-12;

/// A component of a Gaussian mixture.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Component {
    /// Fraction of the total weight.
    pub share: f64,
    /// Mean.
    pub mean: f64,
    /// Variance.
    pub variance: f64,
}

impl Component {
    fn log_density(&self, value: f64) -> f64 {
        let deviation = value - self.mean;
        self.share.ln()
            - 0.5
                * (deviation * deviation / self.variance
                    + self.variance.ln()
                    + (2.0 * std::f64::consts::PI).ln())
    }
}

/// Fits a mixture of two Gaussians to weighted values. Returns the component with the lower mean first, or `None` if
/// all values are equal.
///
/// # Shapes
/// One weight per value.
///
/// # Errors
/// Returns [`Error::ShapeMismatch`] if the lengths differ, [`Error::TooFew`] if there are no values or no weight is
/// positive, [`Error::NonFinite`] if a value or weight is NaN or infinite, and [`Error::Negative`] if a weight is
/// negative.
pub fn gaussian_mixture(values: &[f64], weight: &[f64]) -> Result<Option<[Component; 2]>, Error> {
    weighted(values, weight)?;
    let Some(cut) = otsu_weighted(values, weight)? else { return Ok(None) };
    let all: f64 = weight.iter().sum();
    let moments = |belongs: &dyn Fn(usize) -> f64, floor: f64| {
        let of = |power: &dyn Fn(f64) -> f64| -> f64 {
            (0..values.len()).map(|i| weight[i] * belongs(i) * power(values[i])).sum()
        };
        // An empty component keeps a negligible weight, so that its mean is defined.
        let part = of(&|_| 1.0).max(all * f64::EPSILON);
        let mean = of(&|value| value) / part;
        let variance = of(&|value| (value - mean) * (value - mean)) / part + floor;
        Component { share: part / all, mean, variance }
    };
    let floor = VARIANCE_FLOOR * moments(&|_| 1.0, 0.0).variance;
    let mut parts =
        [false, true].map(|upper| moments(&|i| f64::from(u8::from((values[i] >= cut) == upper)), floor));
    let mut before = f64::NEG_INFINITY;
    for _ in 0..MAX_ITERATIONS {
        let mut likelihood = 0.0;
        let upper: Vec<f64> = values
            .iter()
            .zip(weight)
            .map(|(&value, &weight)| {
                let [low, high] = parts.map(|part| part.log_density(value));
                let most = low.max(high);
                let both = most + ((low - most).exp() + (high - most).exp()).ln();
                likelihood += weight * both;
                (high - both).exp()
            })
            .collect();
        parts = [moments(&|i| 1.0 - upper[i], floor), moments(&|i| upper[i], floor)];
        let likelihood = likelihood / all;
        if likelihood - before < TOLERANCE {
            break;
        }
        before = likelihood;
    }
    if parts[0].mean > parts[1].mean {
        parts.reverse();
    }
    Ok(Some(parts))
}

/// Returns the lowest value, not below the lower component's mean, that more likely belongs to the upper component, or
/// `None` if there is none or all values are equal. The mask is `value ≥ threshold`.
///
/// # Shapes
/// One weight per value.
///
/// # Errors
/// Those of [`gaussian_mixture`].
pub fn mixture_threshold(values: &[f64], weight: &[f64]) -> Result<Option<f64>, Error> {
    let Some([low, high]) = gaussian_mixture(values, weight)? else { return Ok(None) };
    let above = values.iter().zip(weight).filter(|&(&value, &weight)| {
        // A wide upper component is also the likelier one far below the lower component; such values are not relevant.
        weight > 0.0 && value >= low.mean && high.log_density(value) >= low.log_density(value)
    });
    Ok(above.map(|(value, _)| *value).min_by(f64::total_cmp))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_clusters_are_separated() {
        let values = [1.0, 1.2, 0.8, 1.1, 0.9, 7.0, 7.5, 8.0];
        assert_eq!(mixture_threshold(&values, &[1.0; 8]), Ok(Some(7.0)));
        let [low, high] = gaussian_mixture(&values, &[1.0; 8]).unwrap().unwrap();
        assert!((low.share - 0.625).abs() < 1e-6 && (low.mean - 1.0).abs() < 1e-6);
        assert!((high.mean - 7.5).abs() < 1e-6);
    }

    /// Two clusters that overlap, so that the fit takes many iterations. Values are multiples of 1/8.
    fn overlapping() -> (Vec<f64>, Vec<f64>) {
        let cluster = |from: f64, step: f64| (0..24).map(move |i| from + step * f64::from(i));
        let weight = |i: usize| 1.0 + (i % 24).min(23 - i % 24) as f64;
        (cluster(0.0, 0.125).chain(cluster(2.0, 0.25)).collect(), (0..48).map(weight).collect())
    }

    #[test]
    fn a_mixture_follows_its_values() {
        let (values, weights) = overlapping();
        let fit = |values: &[f64]| gaussian_mixture(values, &weights).unwrap().unwrap();
        let of = |change: &dyn Fn(f64) -> f64| fit(&values.iter().map(|&v| change(v)).collect::<Vec<_>>());
        let close = |found: f64, expected: f64| (found - expected).abs() < 1e-4 * expected.abs().max(1.0);
        let expected = fit(&values);
        // Shifts are exact. Variances are small differences of large numbers if they are computed as mean squares.
        let shift = f64::from(1 << 24);
        for (found, part) in of(&|value| value + shift).iter().zip(&expected) {
            assert!(
                close(found.share, part.share) && close(found.mean - shift, part.mean),
                "{found:?} {part:?}"
            );
            assert!(close(found.variance, part.variance), "{found:?} {part:?}");
        }
        // The mean log-likelihood, which decides when the fit ends, depends on the unit of the values.
        for step in 0..200 {
            let scale = (0.01 * f64::from(step)).exp();
            for (found, part) in of(&|value| value * scale).iter().zip(&expected) {
                assert!(close(found.share, part.share), "{scale}: {found:?} {part:?}");
                assert!(close(found.mean / scale, part.mean), "{scale}: {found:?} {part:?}");
                assert!(
                    close(found.variance / (scale * scale), part.variance),
                    "{scale}: {found:?} {part:?}"
                );
            }
        }
        // The mirror image has the components in the opposite order.
        for (found, part) in of(&|value| -value).iter().rev().zip(&expected) {
            assert!(close(found.share, part.share) && close(-found.mean, part.mean), "{found:?} {part:?}");
            assert!(close(found.variance, part.variance), "{found:?} {part:?}");
        }
    }

    #[test]
    fn equal_values_have_no_threshold() {
        assert_eq!(mixture_threshold(&[2.0; 4], &[1.0; 4]), Ok(None));
        assert!(matches!(mixture_threshold(&[], &[]), Err(Error::TooFew { .. })));
        assert!(matches!(mixture_threshold(&[1.0], &[]), Err(Error::ShapeMismatch { .. })));
    }

    #[test]
    fn many_zeros_leave_all_other_values_above_the_threshold() {
        let values = [0.0, 5.0, 15.0, 25.0, 40.0, 60.0, 100.0];
        let weights = [40.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0];
        assert_eq!(otsu_weighted(&values, &weights), Ok(Some(40.0)));
        assert_eq!(mixture_threshold(&values, &weights), Ok(Some(5.0)));
    }
}
