//! How sure a number is: percentile bootstrap intervals over cases.
//!
//! Efron and Tibshirani, An Introduction to the Bootstrap, Chapman & Hall, 1993, chapter 13. The case is the
//! unit that is drawn, never the voxel: voxels of one scan are not independent.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::error::{Error, at_least, finite, same_shape};
use crate::roc::roc_auc;

/// A number with its 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// The statistic on the cases themselves.
    pub mean: f64,
    /// Its 2.5 and 97.5 percentiles over the resamples.
    pub ci95: [f64; 2],
    /// Cases.
    pub n: usize,
}

impl Interval {
    /// Whether 0 lies outside the interval: of a paired difference, whether one method beats the other.
    pub fn excludes_zero(&self) -> bool {
        self.ci95[0] > 0.0 || self.ci95[1] < 0.0
    }
}

/// How to resample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bootstrap {
    /// Resamples; thousands.
    pub resamples: usize,
    /// The same seed draws the same cases.
    pub seed: u64,
}

impl Bootstrap {
    /// The mean of one value per case.
    ///
    /// # Errors
    /// [`Error::TooFew`] for no case or no resamples, [`Error::NotFinite`].
    pub fn mean(&self, values: &[f64]) -> Result<Interval, Error> {
        at_least("cases", 1, values.len())?;
        finite("values", values)?;
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        let n = values.len();
        let mean = values.iter().sum::<f64>() / n as f64;
        self.interval(mean, n, || Ok((0..n).map(|_| values[rng.random_range(0..n)]).sum::<f64>() / n as f64))
    }

    /// The mean of `a − b` over cases that have both: cases are drawn, so each keeps its pair.
    ///
    /// # Shapes
    /// The same cases in the same order.
    ///
    /// # Errors
    /// [`Error::Shape`], [`Error::TooFew`], [`Error::NotFinite`].
    pub fn paired_difference(&self, a: &[f64], b: &[f64]) -> Result<Interval, Error> {
        same_shape("second values", &[a.len()], &[b.len()])?;
        finite("first values", a)?;
        finite("second values", b)?;
        let differences: Vec<f64> = a.iter().zip(b).map(|(a, b)| a - b).collect();
        self.mean(&differences)
    }

    /// The ROC AUC, positive and negative cases drawn apart, so that each resample has both.
    ///
    /// # Shapes
    /// One label per score.
    ///
    /// # Errors
    /// Those of [`roc_auc`], [`Error::TooFew`] for no resamples.
    pub fn auc(&self, scores: &[f64], labels: &[bool]) -> Result<Interval, Error> {
        let auc = roc_auc(scores, labels)?;
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        let of = |class: bool| -> Vec<f64> {
            scores.iter().zip(labels).filter(|(_, label)| **label == class).map(|(score, _)| *score).collect()
        };
        let classes = [of(true), of(false)];
        let mut sorted: Vec<bool> = vec![true; classes[0].len()];
        sorted.resize(scores.len(), false);
        let mut drawn = Vec::with_capacity(scores.len());
        self.interval(auc, scores.len(), || {
            drawn.clear();
            for class in &classes {
                drawn.extend((0..class.len()).map(|_| class[rng.random_range(0..class.len())]));
            }
            roc_auc(&drawn, &sorted)
        })
    }

    fn interval(
        &self,
        mean: f64,
        n: usize,
        mut draw: impl FnMut() -> Result<f64, Error>,
    ) -> Result<Interval, Error> {
        at_least("resamples", 1, self.resamples)?;
        let mut drawn = (0..self.resamples).map(|_| draw()).collect::<Result<Vec<_>, _>>()?;
        drawn.sort_by(f64::total_cmp);
        Ok(Interval { mean, ci95: [quantile(&drawn, 0.025), quantile(&drawn, 0.975)], n })
    }
}

/// Linear interpolation between order statistics (Hyndman and Fan's type 7, NumPy's default).
pub(crate) fn quantile(sorted: &[f64], q: f64) -> f64 {
    let position = q * (sorted.len() - 1) as f64;
    let (low, share) = (position.floor() as usize, position.fract());
    let high = (low + 1).min(sorted.len() - 1);
    sorted[low] + share * (sorted[high] - sorted[low])
}

#[cfg(test)]
mod tests {
    use super::*;

    const DRAW: Bootstrap = Bootstrap { resamples: 2000, seed: 7 };

    #[test]
    fn quantiles_interpolate() {
        assert_eq!(quantile(&[1.0, 2.0, 4.0], 0.75), 3.0);
        assert_eq!(quantile(&[5.0], 0.975), 5.0);
    }

    #[test]
    fn one_case_has_no_spread() {
        assert_eq!(DRAW.mean(&[0.4]), Ok(Interval { mean: 0.4, ci95: [0.4, 0.4], n: 1 }));
    }

    #[test]
    fn refusals() {
        assert!(matches!(DRAW.mean(&[]), Err(Error::TooFew { found: 0, .. })));
        assert!(matches!(Bootstrap { resamples: 0, seed: 0 }.mean(&[1.0]), Err(Error::TooFew { .. })));
        assert!(matches!(DRAW.paired_difference(&[1.0], &[]), Err(Error::Shape { .. })));
        assert!(matches!(DRAW.auc(&[1.0], &[true]), Err(Error::OneClass { .. })));
    }

    #[test]
    fn a_steady_difference_excludes_zero_where_the_means_overlap() {
        let a: Vec<f64> = (0..20).map(|i| f64::from(i) / 20.0).collect();
        let b: Vec<f64> = a.iter().enumerate().map(|(i, a)| a - 0.02 - 0.001 * (i % 3) as f64).collect();
        assert!(DRAW.paired_difference(&a, &b).unwrap().excludes_zero());
        let (a, b) = (DRAW.mean(&a).unwrap(), DRAW.mean(&b).unwrap());
        assert!(a.ci95[0] < b.ci95[1]);
    }
}
