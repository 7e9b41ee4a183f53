//! Paired permutation test of the difference between two methods on the same cases.
//!
//! Fisher, R. A., The Design of Experiments, Oliver & Boyd, 1935, section 21. Under the null hypothesis, the sign of
//! each case's difference is random; the p-value is the fraction of sign assignments whose mean is at least as far from
//! 0 as the observed one. The test makes no assumption about the distribution of differences. It complements the paired
//! bootstrap interval, which is too narrow for a dozen cases.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::checks::{at_least, at_least_one, paired};
use crate::error::Error;

/// Largest number of differences for which all sign assignments are enumerated.
const MAX_ENUMERATED: usize = 16;

/// Computes the two-sided p-value of the mean of `a − b` over cases by a paired permutation test.
///
/// Up to 16 nonzero differences, all sign assignments are enumerated and the p-value is exact. Beyond that, `draws`
/// random assignments are used together with the observed one. Equal seeds give equal p-values.
///
/// # Shapes
/// `a` and `b` hold the same cases in the same order.
///
/// # Errors
/// Returns [`Error::ShapeMismatch`] if the lengths differ, [`Error::TooFew`] if there are no cases,
/// [`Error::InvalidSetting`] if `draws` is 0, and [`Error::NonFinite`] if a value is NaN or infinite.
pub fn paired_permutation_test(a: &[f64], b: &[f64], draws: usize, seed: u64) -> Result<f64, Error> {
    paired(a, b)?;
    at_least("cases", 1, a.len())?;
    at_least_one("draws", draws)?;
    let differences: Vec<f64> = a.iter().zip(b).map(|(a, b)| a - b).filter(|d| *d != 0.0).collect();
    let observed = differences.iter().sum::<f64>().abs();
    // The tolerance covers rounding: sums of the same numbers in another order differ in their last digits.
    let extreme = observed - 1e-12 * differences.iter().map(|d| d.abs()).sum::<f64>();
    let signed = |mut negative: Box<dyn FnMut(usize) -> bool + '_>| -> f64 {
        differences.iter().enumerate().map(|(i, d)| if negative(i) { -d } else { *d }).sum::<f64>().abs()
    };
    if differences.len() <= MAX_ENUMERATED {
        let all = 1_u64 << differences.len();
        let count = (0..all).filter(|bits| signed(Box::new(move |i| bits >> i & 1 == 1)) >= extreme).count();
        return Ok(count as f64 / all as f64);
    }
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let count = (0..draws).filter(|_| signed(Box::new(|_| rng.random())) >= extreme).count();
    Ok((count + 1) as f64 / (draws + 1) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_cases_are_enumerated() {
        assert_eq!(paired_permutation_test(&[1.0, 2.0], &[1.0, 2.0], 10, 0), Ok(1.0));
        // Of 2⁵ assignments two are as extreme: all signs as observed, and all reversed.
        let (a, b) = ([0.6, 0.7, 0.8, 0.5, 0.9], [0.1, 0.3, 0.2, 0.4, 0.4]);
        assert_eq!(paired_permutation_test(&a, &b, 10, 0), Ok(2.0 / 32.0));
        assert_eq!(paired_permutation_test(&a, &b, 10, 0), paired_permutation_test(&b, &a, 10, 0));
    }

    #[test]
    fn random_assignments_approximate_the_exact_p_value() {
        // 18 differences are too many to be enumerated by the function.
        let differences: Vec<f64> = (0..18).map(|i| f64::from((i * 7) % 11) - 3.5).collect();
        let zero = vec![0.0; 18];
        let observed = differences.iter().sum::<f64>().abs();
        let count = (0..1_u32 << 18).filter(|bits| {
            let sum: f64 =
                differences.iter().enumerate().map(|(i, d)| if bits >> i & 1 == 1 { -d } else { *d }).sum();
            sum.abs() >= observed - 1e-9
        });
        let exact = count.count() as f64 / f64::from(1 << 18);
        let drawn = paired_permutation_test(&differences, &zero, 20_000, 4).unwrap();
        // Four standard errors of a proportion of 20,000 draws are at most 0.0142.
        assert!((drawn - exact).abs() < 0.0142, "{drawn} {exact}");
        assert_eq!(
            paired_permutation_test(&differences, &zero, 500, 4),
            paired_permutation_test(&differences, &zero, 500, 4)
        );
    }

    #[test]
    fn the_observed_assignment_is_one_of_the_draws() {
        // A random assignment of 40 signs is as extreme with a probability of 2⁻³⁹.
        assert_eq!(paired_permutation_test(&[1.0; 40], &[0.0; 40], 99, 0), Ok(0.01));
        // Every assignment of a single difference among equal pairs is as extreme as the observed one.
        let single: Vec<f64> = (0..40).map(|i| f64::from(u8::from(i == 0))).collect();
        assert_eq!(paired_permutation_test(&single, &[0.0; 40], 99, 0), Ok(1.0));
    }

    #[test]
    fn invalid_input_is_rejected() {
        assert!(matches!(paired_permutation_test(&[], &[], 1, 0), Err(Error::TooFew { .. })));
        assert!(matches!(paired_permutation_test(&[1.0], &[], 1, 0), Err(Error::ShapeMismatch { .. })));
        assert!(matches!(paired_permutation_test(&[1.0], &[0.0], 0, 0), Err(Error::InvalidSetting { .. })));
    }
}
