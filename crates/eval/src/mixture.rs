//! A threshold from two overlapping populations: a mixture of two normal distributions, fitted by expectation and
//! maximisation.
//!
//! A. P. Dempster, N. M. Laird and D. B. Rubin, "Maximum Likelihood from Incomplete Data via the EM Algorithm", Journal of
//! the Royal Statistical Society B 39(1), 1977, doi:10.1111/j.2517-6161.1977.tb01600.x. It begins with the two classes of
//! Otsu's threshold, so that it draws nothing at random. Where a heap of regions has one and the same
//! score (0, say) and the others reach down to it, the lower population shrinks to the heap and all others are the upper
//! one: Otsu's threshold is the better choice there.

use crate::error::{Error, at_least, finite, same_shape, weights};
use crate::otsu::otsu_weighted;

/// Added to each variance, as a share of the variance of all values: a population can't shrink to a point.
const FLOOR: f64 = 1e-6;
const MOST_STEPS: usize = 10_000;
/// An increase of the mean log-likelihood that counts as none.
const STILL: f64 = 1e-12;

/// A normal distribution among others.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Component {
    /// Its share of the weight.
    pub share: f64,
    /// Its mean.
    pub mean: f64,
    /// Its variance.
    pub variance: f64,
}

impl Component {
    fn log_density(&self, value: f64) -> f64 {
        let away = value - self.mean;
        self.share.ln()
            - 0.5 * (away * away / self.variance + self.variance.ln() + (2.0 * std::f64::consts::PI).ln())
    }
}

/// The lower and the upper population of weighted values; `None` if all values are equal.
///
/// # Shapes
/// One weight per value.
///
/// # Errors
/// [`Error::Shape`], [`Error::TooFew`] for no values, [`Error::NotFinite`], [`Error::Negative`] for a weight.
pub fn two_components(values: &[f64], weight: &[f64]) -> Result<Option<[Component; 2]>, Error> {
    same_shape("weights", &[values.len()], &[weight.len()])?;
    at_least("scores", 1, values.len())?;
    finite("scores", values)?;
    weights(weight)?;
    let Some(cut) = otsu_weighted(values, weight)? else { return Ok(None) };
    let all: f64 = weight.iter().sum();
    let moments = |belongs: &dyn Fn(usize) -> f64, floor: f64| {
        let of = |power: &dyn Fn(f64) -> f64| -> f64 {
            (0..values.len()).map(|i| weight[i] * belongs(i) * power(values[i])).sum()
        };
        // A population that nothing belongs to keeps a trace of itself.
        let part = of(&|_| 1.0).max(all * f64::EPSILON);
        let mean = of(&|value| value) / part;
        let variance = of(&|value| (value - mean) * (value - mean)) / part + floor;
        Component { share: part / all, mean, variance }
    };
    let floor = FLOOR * moments(&|_| 1.0, 0.0).variance;
    let mut parts =
        [false, true].map(|upper| moments(&|i| f64::from(u8::from((values[i] >= cut) == upper)), floor));
    let mut before = f64::NEG_INFINITY;
    for _ in 0..MOST_STEPS {
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
        if likelihood - before < STILL {
            break;
        }
        before = likelihood;
    }
    if parts[0].mean > parts[1].mean {
        parts.reverse();
    }
    Ok(Some(parts))
}

/// The lowest of the values, from the lower population's mean up, that more likely belongs to the upper one: a mask is
/// `value ≥ threshold`. `None` if all values are equal, or none belongs there.
///
/// # Shapes
/// One weight per value.
///
/// # Errors
/// As [`two_components`].
pub fn mixture_threshold(values: &[f64], weight: &[f64]) -> Result<Option<f64>, Error> {
    let Some([low, high]) = two_components(values, weight)? else { return Ok(None) };
    let above = values.iter().zip(weight).filter(|&(&value, &weight)| {
        // A wide upper population also takes what lies far below the lower one: that is not what stands out.
        weight > 0.0 && value >= low.mean && high.log_density(value) >= low.log_density(value)
    });
    Ok(above.map(|(value, _)| *value).min_by(f64::total_cmp))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_clusters_are_told_apart() {
        let values = [1.0, 1.2, 0.8, 1.1, 0.9, 7.0, 7.5, 8.0];
        assert_eq!(mixture_threshold(&values, &[1.0; 8]), Ok(Some(7.0)));
        let [low, high] = two_components(&values, &[1.0; 8]).unwrap().unwrap();
        assert!((low.share - 0.625).abs() < 1e-6 && (low.mean - 1.0).abs() < 1e-6);
        assert!((high.mean - 7.5).abs() < 1e-6);
    }

    #[test]
    fn nothing_stands_out_among_equals() {
        assert_eq!(mixture_threshold(&[2.0; 4], &[1.0; 4]), Ok(None));
        assert!(matches!(mixture_threshold(&[], &[]), Err(Error::TooFew { .. })));
        assert!(matches!(mixture_threshold(&[1.0], &[]), Err(Error::Shape { .. })));
    }

    #[test]
    fn a_heap_at_zero_leaves_all_else_above() {
        let values = [0.0, 5.0, 15.0, 25.0, 40.0, 60.0, 100.0];
        let weights = [40.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0];
        assert_eq!(otsu_weighted(&values, &weights), Ok(Some(40.0)));
        assert_eq!(mixture_threshold(&values, &weights), Ok(Some(5.0)));
    }
}
