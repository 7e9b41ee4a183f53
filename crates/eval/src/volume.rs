//! Threshold for a lesion whose volume is known.

use crate::checks::{at_least, with_voxels};
use crate::error::Error;

/// Computes the threshold whose mask has the volume nearest to `volume`, for a lesion of known size but unknown
/// location.
///
/// The mask is `score ≥ threshold` and holds at least the highest score; of two masks that are equally near, it is the
/// smaller one. Returns `None` if all scores are equal.
///
/// # Shapes
/// One number of voxels per score; `volume` is in voxels.
///
/// # Errors
/// Returns [`Error::ShapeMismatch`] if the lengths differ, [`Error::TooFew`] if there are no scores and
/// [`Error::NonFinite`] if a score or `volume` is NaN or infinite.
pub fn top_by_volume(scores: &[f64], voxels: &[usize], volume: f64) -> Result<Option<f64>, Error> {
    with_voxels(scores, voxels)?;
    at_least("scores", 1, scores.len())?;
    if !volume.is_finite() {
        return Err(Error::NonFinite { what: "volume".into(), value: volume as f32 });
    }
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
    if scores[order[0]] == scores[order[order.len() - 1]] {
        return Ok(None);
    }
    let mut best: Option<(f64, f64)> = None;
    let mut marked = 0;
    for (rank, &region) in order.iter().enumerate() {
        marked += voxels[region];
        if order.get(rank + 1).is_some_and(|&next| scores[next] == scores[region]) {
            continue;
        }
        let error = (marked as f64 - volume).abs();
        if best.is_none_or(|(least, _)| error < least) {
            best = Some((error, scores[region]));
        }
    }
    Ok(best.map(|(_, threshold)| threshold))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_volume_is_chosen() {
        let (scores, voxels) = ([5.0, 9.0, 1.0, 5.0], [10, 4, 100, 6]);
        // Possible masks have 4, 20 and 120 voxels.
        for (volume, threshold) in
            [(0.0, 9.0), (11.0, 9.0), (12.0, 9.0), (13.0, 5.0), (69.0, 5.0), (70.0, 5.0), (71.0, 1.0)]
        {
            assert_eq!(top_by_volume(&scores, &voxels, volume), Ok(Some(threshold)), "{volume}");
        }
    }

    #[test]
    fn invalid_input_is_rejected() {
        assert_eq!(top_by_volume(&[2.0, 2.0], &[1, 1], 1.0), Ok(None));
        assert!(matches!(top_by_volume(&[], &[], 1.0), Err(Error::TooFew { .. })));
        assert!(matches!(top_by_volume(&[1.0], &[], 1.0), Err(Error::ShapeMismatch { .. })));
        assert!(matches!(top_by_volume(&[1.0], &[1], f64::NAN), Err(Error::NonFinite { .. })));
    }
}
