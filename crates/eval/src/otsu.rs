//! Otsu's threshold over the values themselves, without a histogram.
//!
//! Otsu, "A threshold selection method from gray-level histograms", IEEE Transactions on Systems, Man, and
//! Cybernetics 9(1), 1979, doi:10.1109/TSMC.1979.4310076. A hundred region scores are too few to bin.

use crate::error::{Error, at_least, finite};

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
    at_least("scores", 1, values.len())?;
    finite("scores", values)?;
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let n = sorted.len() as f64;
    let mean = sorted.iter().sum::<f64>() / n;
    let mut best: Option<(f64, f64)> = None;
    let mut below = 0.0; // sum of deviations from the mean, of the lower class
    for cut in 1..sorted.len() {
        below += sorted[cut - 1] - mean;
        if sorted[cut] == sorted[cut - 1] {
            continue;
        }
        // (μ₁ − μ₀)² n₀ n₁ / n² with deviations that sum to 0 over both classes.
        let (lower, upper) = (cut as f64, n - cut as f64);
        let between = below * below / (lower * upper);
        if best.is_none_or(|(variance, _)| between > variance) {
            best = Some((between, sorted[cut]));
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
    fn nothing_stands_out_among_equals() {
        assert_eq!(otsu(&[3.0; 5]), Ok(None));
        assert_eq!(otsu(&[3.0]), Ok(None));
        assert!(matches!(otsu(&[]), Err(Error::TooFew { .. })));
        assert!(matches!(otsu(&[1.0, f64::NAN]), Err(Error::NotFinite { index: 1, .. })));
    }
}
