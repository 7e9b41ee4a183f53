//! The random control: a statistic of shuffled scores.
//!
//! Shuffling preserves the regions and the distribution of the scores, and breaks only the association between them. A
//! method that is not better than its random control has found nothing.

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use crate::checks::at_least_one;
use crate::error::Error;

/// Computes the mean of a statistic over `repeats` shuffles of `scores`. Equal seeds give equal shuffles.
///
/// Use a different seed for every case: with one seed, cases of the same size are shuffled alike.
///
/// # Errors
/// Returns [`Error::InvalidSetting`] if `repeats` is 0, and the errors of the statistic.
pub fn random_control(
    scores: &[f64],
    repeats: usize,
    seed: u64,
    mut statistic: impl FnMut(&[f64]) -> Result<f64, Error>,
) -> Result<f64, Error> {
    at_least_one("repeats", repeats)?;
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut shuffled = scores.to_vec();
    let mut sum = 0.0;
    for _ in 0..repeats {
        shuffled.shuffle(&mut rng);
        sum += statistic(&shuffled)?;
    }
    Ok(sum / repeats as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shuffles_permute_the_scores() {
        let scores: Vec<f64> = (0..50).map(f64::from).collect();
        let mut moved = 0;
        let first = |shuffled: &[f64]| {
            let mut sorted = shuffled.to_vec();
            sorted.sort_by(f64::total_cmp);
            assert_eq!(sorted, scores);
            moved += usize::from(shuffled != scores);
            Ok(shuffled[0])
        };
        let mean = random_control(&scores, 400, 3, first).unwrap();
        assert_eq!(moved, 400);
        // The standard error of the mean of 400 uniform draws from 0..50 is 0.72.
        assert!((mean - 24.5).abs() < 4.0, "{mean}");
    }

    #[test]
    fn equal_seeds_give_equal_shuffles() {
        let run = |seed| random_control(&[1.0, 2.0, 3.0, 5.0], 3, seed, |s| Ok(s[0] + 10.0 * s[1])).unwrap();
        assert_eq!(run(1), run(1));
        assert!((0..8).any(|seed| run(seed) != run(1)));
        assert!(matches!(random_control(&[1.0], 0, 0, |_| Ok(0.0)), Err(Error::InvalidSetting { .. })));
    }
}
