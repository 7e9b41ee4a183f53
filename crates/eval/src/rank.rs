//! Ranks with ties, and Spearman's rank correlation.

use crate::checks::{at_least, paired};
use crate::error::Error;

/// Computes ranks from 1; equal values share the mean of their ranks.
pub(crate) fn mid_ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
    let mut ranks = vec![0.0; values.len()];
    let mut start = 0;
    while start < order.len() {
        let tied = order[start..].iter().take_while(|&&index| values[index] == values[order[start]]).count();
        for &index in &order[start..start + tied] {
            ranks[index] = start as f64 + (tied as f64 + 1.0) / 2.0;
        }
        start += tied;
    }
    ranks
}

/// Computes Spearman's rank correlation, −1 to 1, as Pearson's correlation of the ranks. Ties are allowed.
///
/// Spearman, C., "The proof and measurement of association between two things", American Journal of Psychology
/// 15(1), 1904, doi:10.2307/1412159.
///
/// # Shapes
/// Equally many values in both.
///
/// # Errors
/// Returns [`Error::ShapeMismatch`] if the lengths differ, [`Error::TooFew`] for fewer than two pairs,
/// [`Error::NonFinite`] if a value is NaN or infinite, and [`Error::Constant`] if all values of an input are equal.
pub fn spearman(x: &[f64], y: &[f64]) -> Result<f64, Error> {
    paired(x, y)?;
    at_least("pairs", 2, x.len())?;
    for (what, values) in [("first values", x), ("second values", y)] {
        if values.iter().all(|value| *value == values[0]) {
            return Err(Error::Constant { what, value: values[0] });
        }
    }
    let middle = (x.len() as f64 + 1.0) / 2.0;
    let (x, y) = (mid_ranks(x), mid_ranks(y));
    let product =
        |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| (a - middle) * (b - middle)).sum::<f64>();
    Ok((product(&x, &y) / (product(&x, &x) * product(&y, &y)).sqrt()).clamp(-1.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ties_share_their_mean_rank() {
        assert_eq!(mid_ranks(&[3.0, 1.0, 3.0, 2.0]), [3.5, 1.0, 3.5, 2.0]);
    }

    #[test]
    fn a_constant_is_rejected() {
        assert_eq!(
            spearman(&[1.0, 2.0], &[4.0, 4.0]),
            Err(Error::Constant { what: "second values", value: 4.0 })
        );
        assert!(matches!(spearman(&[1.0], &[4.0]), Err(Error::TooFew { .. })));
        assert!(matches!(spearman(&[1.0, 2.0], &[4.0]), Err(Error::ShapeMismatch { .. })));
    }
}
