//! Confidence intervals over cases by the percentile bootstrap.
//!
//! Efron, B. and Tibshirani, R., An Introduction to the Bootstrap, Chapman & Hall, 1993, chapter 13. Cases are
//! resampled, not voxels, since the voxels of one scan are not independent.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::checks::{at_least, at_least_one, finite, paired};
use crate::error::Error;
use crate::quantile::quantile;
use crate::roc::roc_auc;

/// A statistic with its 95 % confidence interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// The statistic of the sample.
    pub mean: f64,
    /// The 2.5th and the 97.5th percentile of the statistic over the resamples; of one case, the statistic itself, which is
    /// no interval to report.
    pub ci95: [f64; 2],
    /// Number of cases.
    pub n: usize,
}

impl Interval {
    /// Returns whether the interval excludes 0. For a paired difference, this means that one method is better.
    pub fn excludes_zero(&self) -> bool {
        self.ci95[0] > 0.0 || self.ci95[1] < 0.0
    }
}

/// Settings of a bootstrap, not yet validated.
///
/// [`check`](Bootstrap::check) returns the [`ValidBootstrap`] that computes intervals; the other methods do both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bootstrap {
    /// Number of resamples, at least 1; use thousands.
    pub resamples: usize,
    /// Seed of the random numbers. Equal seeds give equal intervals.
    pub seed: u64,
}

impl Bootstrap {
    /// Validates the settings.
    ///
    /// # Errors
    /// Returns [`Error::InvalidSetting`] if `resamples` is 0.
    pub fn check(self) -> Result<ValidBootstrap, Error> {
        at_least_one("resamples", self.resamples)?;
        Ok(ValidBootstrap { settings: self })
    }

    /// Validates the settings and calls [`ValidBootstrap::mean`].
    ///
    /// # Errors
    /// Those of [`check`](Bootstrap::check) and [`ValidBootstrap::mean`].
    pub fn mean(&self, values: &[f64]) -> Result<Interval, Error> {
        self.check()?.mean(values)
    }

    /// Validates the settings and calls [`ValidBootstrap::paired_difference`].
    ///
    /// # Errors
    /// Those of [`check`](Bootstrap::check) and [`ValidBootstrap::paired_difference`].
    pub fn paired_difference(&self, a: &[f64], b: &[f64]) -> Result<Interval, Error> {
        self.check()?.paired_difference(a, b)
    }

    /// Validates the settings and calls [`ValidBootstrap::auc`].
    ///
    /// # Errors
    /// Those of [`check`](Bootstrap::check) and [`ValidBootstrap::auc`].
    pub fn auc(&self, scores: &[f64], labels: &[bool]) -> Result<Interval, Error> {
        self.check()?.auc(scores, labels)
    }
}

/// Settings of a bootstrap that were validated by [`Bootstrap::check`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ValidBootstrap {
    settings: Bootstrap,
}

impl ValidBootstrap {
    /// Computes the mean of one value per case with its interval.
    ///
    /// # Errors
    /// Returns [`Error::TooFew`] if there are no cases and [`Error::NonFinite`] if a value is NaN or infinite.
    pub fn mean(&self, values: &[f64]) -> Result<Interval, Error> {
        at_least("cases", 1, values.len())?;
        finite("values", values)?;
        let mut rng = self.rng();
        let n = values.len();
        let mean = values.iter().sum::<f64>() / n as f64;
        self.interval(mean, n, || Ok((0..n).map(|_| values[rng.random_range(0..n)]).sum::<f64>() / n as f64))
    }

    /// Computes the mean of `a − b` over paired cases with its interval. Cases are resampled with both values.
    ///
    /// # Shapes
    /// `a` and `b` hold the same cases in the same order.
    ///
    /// # Errors
    /// Returns [`Error::ShapeMismatch`] if the lengths differ, [`Error::TooFew`] if there are no cases and
    /// [`Error::NonFinite`] if a value is NaN or infinite.
    pub fn paired_difference(&self, a: &[f64], b: &[f64]) -> Result<Interval, Error> {
        paired(a, b)?;
        let differences: Vec<f64> = a.iter().zip(b).map(|(a, b)| a - b).collect();
        self.mean(&differences)
    }

    /// Computes the ROC AUC with its interval. Positive and negative cases are resampled separately, so that each
    /// resample contains both.
    ///
    /// # Shapes
    /// One label per score.
    ///
    /// # Errors
    /// Those of [`roc_auc`].
    pub fn auc(&self, scores: &[f64], labels: &[bool]) -> Result<Interval, Error> {
        let auc = roc_auc(scores, labels)?;
        let mut rng = self.rng();
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

    fn rng(&self) -> ChaCha8Rng {
        ChaCha8Rng::seed_from_u64(self.settings.seed)
    }

    fn interval(
        &self,
        mean: f64,
        n: usize,
        mut draw: impl FnMut() -> Result<f64, Error>,
    ) -> Result<Interval, Error> {
        let mut drawn = (0..self.settings.resamples).map(|_| draw()).collect::<Result<Vec<_>, _>>()?;
        drawn.sort_by(f64::total_cmp);
        Ok(Interval { mean, ci95: [quantile(&drawn, 0.025), quantile(&drawn, 0.975)], n })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOOTSTRAP: Bootstrap = Bootstrap { resamples: 2000, seed: 7 };

    #[test]
    fn the_interval_of_one_case_is_a_point() {
        assert_eq!(BOOTSTRAP.mean(&[0.4]), Ok(Interval { mean: 0.4, ci95: [0.4, 0.4], n: 1 }));
    }

    #[test]
    fn invalid_input_is_rejected() {
        assert!(matches!(BOOTSTRAP.mean(&[]), Err(Error::TooFew { found: 0, .. })));
        let none = Bootstrap { resamples: 0, seed: 0 };
        assert_eq!(none.mean(&[1.0]).unwrap_err().to_string(), "resamples: expected at least 1, found 0");
        assert!(matches!(BOOTSTRAP.paired_difference(&[1.0], &[]), Err(Error::ShapeMismatch { .. })));
        assert!(matches!(BOOTSTRAP.auc(&[1.0], &[true]), Err(Error::OneClass { .. })));
    }

    #[test]
    fn an_interval_excludes_zero_on_either_side() {
        let excludes = |low: f64, high: f64| Interval { mean: 0.0, ci95: [low, high], n: 9 }.excludes_zero();
        assert!(excludes(0.1, 0.2) && excludes(-0.2, -0.1));
        assert!(!excludes(-0.1, 0.1) && !excludes(0.0, 0.1) && !excludes(-0.1, 0.0));
    }

    #[test]
    fn the_auc_of_separated_classes_is_certain() {
        let scores = [0.1, 0.2, 0.3, 0.8, 0.9];
        for (labels, auc) in
            [([false, false, false, true, true], 1.0), ([true, true, true, false, false], 0.0)]
        {
            assert_eq!(BOOTSTRAP.auc(&scores, &labels), Ok(Interval { mean: auc, ci95: [auc; 2], n: 5 }));
        }
    }

    #[test]
    fn a_consistent_difference_excludes_zero_although_the_means_overlap() {
        let a: Vec<f64> = (0..20).map(|i| f64::from(i) / 20.0).collect();
        let b: Vec<f64> = a.iter().enumerate().map(|(i, a)| a - 0.02 - 0.001 * (i % 3) as f64).collect();
        assert!(BOOTSTRAP.paired_difference(&a, &b).unwrap().excludes_zero());
        let (a, b) = (BOOTSTRAP.mean(&a).unwrap(), BOOTSTRAP.mean(&b).unwrap());
        assert!(a.ci95[0] < b.ci95[1]);
    }
}
