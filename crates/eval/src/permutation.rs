//! Whether two methods differ on the same cases: a permutation test.
//!
//! R. A. Fisher, The Design of Experiments, 1935, section 21. If the methods are alike, each case's difference could as
//! well have had the other sign: the test asks how often signs drawn at random give a mean at least as far from 0. It
//! assumes nothing of how differences are distributed, and stands beside the paired bootstrap interval, which is optimistic
//! on a dozen cases.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::error::{Error, at_least, finite, same_shape};

/// Up to so many cases all assignments of signs are gone through.
const ALL_SIGNS: usize = 16;

/// The two-sided p-value of the mean of `a − b` over cases, by flipping signs: all of them up to 16 cases (equal pairs do
/// not count), else `draws` seeded ones, of which the observed one is one more.
///
/// # Shapes
/// The same cases in the same order.
///
/// # Errors
/// [`Error::Shape`], [`Error::TooFew`] without a case or a draw, [`Error::NotFinite`].
pub fn sign_flip(a: &[f64], b: &[f64], draws: usize, seed: u64) -> Result<f64, Error> {
    same_shape("second values", &[a.len()], &[b.len()])?;
    at_least("cases", 1, a.len())?;
    at_least("draws", 1, draws)?;
    finite("first values", a)?;
    finite("second values", b)?;
    let differences: Vec<f64> = a.iter().zip(b).map(|(a, b)| a - b).filter(|d| *d != 0.0).collect();
    let observed = differences.iter().sum::<f64>().abs();
    // Sums of the same numbers in other orders differ in their last digits.
    let enough = observed - 1e-12 * differences.iter().map(|d| d.abs()).sum::<f64>();
    let signed = |mut negative: Box<dyn FnMut(usize) -> bool + '_>| -> f64 {
        differences.iter().enumerate().map(|(i, d)| if negative(i) { -d } else { *d }).sum::<f64>().abs()
    };
    if differences.len() <= ALL_SIGNS {
        let all = 1_u64 << differences.len();
        let far = (0..all).filter(|bits| signed(Box::new(move |i| bits >> i & 1 == 1)) >= enough).count();
        return Ok(far as f64 / all as f64);
    }
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let far = (0..draws).filter(|_| signed(Box::new(|_| rng.random())) >= enough).count();
    Ok((far + 1) as f64 / (draws + 1) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_alike_and_all_one_way() {
        assert_eq!(sign_flip(&[1.0, 2.0], &[1.0, 2.0], 10, 0), Ok(1.0));
        // Of 2⁵ assignments two are as far: all as they are, and all turned.
        let (a, b) = ([0.6, 0.7, 0.8, 0.5, 0.9], [0.1, 0.3, 0.2, 0.4, 0.4]);
        assert_eq!(sign_flip(&a, &b, 10, 0), Ok(2.0 / 32.0));
        assert_eq!(sign_flip(&a, &b, 10, 0), sign_flip(&b, &a, 10, 0));
    }

    #[test]
    fn draws_are_near_what_all_signs_say() {
        // 18 cases are drawn: their exact p is by going through all.
        let differences: Vec<f64> = (0..18).map(|i| f64::from((i * 7) % 11) - 3.5).collect();
        let zero = vec![0.0; 18];
        let observed = differences.iter().sum::<f64>().abs();
        let far = (0..1_u32 << 18).filter(|bits| {
            let sum: f64 =
                differences.iter().enumerate().map(|(i, d)| if bits >> i & 1 == 1 { -d } else { *d }).sum();
            sum.abs() >= observed - 1e-9
        });
        let exact = far.count() as f64 / f64::from(1 << 18);
        let drawn = sign_flip(&differences, &zero, 20_000, 4).unwrap();
        // Four standard errors of a share from 20,000 draws are at most 0.0142.
        assert!((drawn - exact).abs() < 0.0142, "{drawn} {exact}");
        assert_eq!(sign_flip(&differences, &zero, 500, 4), sign_flip(&differences, &zero, 500, 4));
    }

    #[test]
    fn refusals() {
        assert!(matches!(sign_flip(&[], &[], 1, 0), Err(Error::TooFew { .. })));
        assert!(matches!(sign_flip(&[1.0], &[], 1, 0), Err(Error::Shape { .. })));
        assert!(matches!(sign_flip(&[1.0], &[0.0], 0, 0), Err(Error::TooFew { .. })));
    }
}
