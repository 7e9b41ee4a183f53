//! Otsu's threshold over the values themselves, without a histogram.
//!
//! Otsu, "A threshold selection method from gray-level histograms", IEEE Transactions on Systems, Man, and
//! Cybernetics 9(1), 1979, doi:10.1109/TSMC.1979.4310076. A hundred region scores are too few to bin.

use crate::error::{Error, at_least, finite, same_shape, weights};

/// The threshold `t` for which `value ≥ t` and `value < t` have the largest variance between their means,
/// each value weighing the same. `t` is one of the values; ties go to the lowest. `None` if all values are equal: nothing
/// stands out, and nothing should be marked.
///
/// scikit-image's `threshold_otsu` returns the other side of the same cut, for `value > t`, from a histogram
/// (exact on integers).
///
/// # Errors
/// [`Error::TooFew`] for no values, [`Error::NotFinite`].
pub fn otsu(values: &[f64]) -> Result<Option<f64>, Error> {
    otsu_weighted(values, &vec![1.0; values.len()])
}

/// [`otsu`] with each value as often as its weight says: of region scores weighted by the regions' volumes, the threshold
/// of the painted map's voxels. A value without weight is not there.
///
/// # Shapes
/// One weight per value.
///
/// # Errors
/// [`Error::Shape`], [`Error::TooFew`] for no values, [`Error::NotFinite`], [`Error::Negative`] for a weight.
pub fn otsu_weighted(values: &[f64], weight: &[f64]) -> Result<Option<f64>, Error> {
    same_shape("weights", &[values.len()], &[weight.len()])?;
    at_least("scores", 1, values.len())?;
    finite("scores", values)?;
    weights(weight)?;
    let pairs = values.iter().copied().zip(weight.iter().copied());
    let mut sorted: Vec<(f64, f64)> = pairs.filter(|pair| pair.1 > 0.0).collect();
    sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
    let all: f64 = sorted.iter().map(|pair| pair.1).sum();
    let mean = sorted.iter().map(|(value, weight)| value * weight).sum::<f64>() / all;
    let mut best: Option<(f64, f64)> = None;
    let (mut lower, mut below) = (0.0, 0.0); // weight, and sum of deviations from the mean, of the lower class
    for cut in 1..sorted.len() {
        lower += sorted[cut - 1].1;
        below += (sorted[cut - 1].0 - mean) * sorted[cut - 1].1;
        if sorted[cut].0 == sorted[cut - 1].0 {
            continue;
        }
        // (μ₁ − μ₀)² n₀ n₁ / n² with deviations that sum to 0 over both classes.
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
    fn parts_two_clusters() {
        assert_eq!(otsu(&[0.0, 0.1, 0.05, 9.0, 10.0]), Ok(Some(9.0)));
        assert_eq!(otsu(&[0.0, 0.0, 0.0, 4.0]), Ok(Some(4.0)));
    }

    #[test]
    fn weights_are_repetitions() {
        let values = [0.0, 10.0, 14.0, 40.0];
        assert_eq!(otsu_weighted(&values, &[1.0, 1.0, 1.0, 0.0]), otsu(&values[..3]));
        let often = [0.0, 10.0, 10.0, 10.0, 10.0, 14.0, 14.0, 40.0];
        assert_eq!(otsu_weighted(&values, &[1.0, 4.0, 2.0, 1.0]), otsu(&often));
        assert_ne!(
            otsu_weighted(&[0.0, 5.0, 9.0], &[1.0, 1.0, 50.0]),
            otsu_weighted(&[0.0, 5.0, 9.0], &[50.0, 1.0, 1.0])
        );
        assert!(matches!(otsu_weighted(&values, &[1.0]), Err(Error::Shape { .. })));
        assert!(matches!(otsu_weighted(&[1.0], &[-1.0]), Err(Error::Negative { .. })));
    }

    #[test]
    fn nothing_stands_out_among_equals() {
        assert_eq!(otsu(&[3.0; 5]), Ok(None));
        assert_eq!(otsu(&[3.0]), Ok(None));
        assert!(matches!(otsu(&[]), Err(Error::TooFew { .. })));
        assert!(matches!(otsu(&[1.0, f64::NAN]), Err(Error::NotFinite { index: 1, .. })));
    }
}
