//! The threshold that marks a volume known beforehand.

use crate::error::{Error, at_least, finite, same_shape};

/// The threshold whose mask, of the highest-scored regions, has the volume nearest to `volume`: what is marked when the
/// usual size of a target is known and its place is not. At least the highest score is marked; `None` where all scores
/// are equal, and nothing stands out.
///
/// # Shapes
/// One count of voxels per score.
///
/// # Errors
/// [`Error::Shape`], [`Error::TooFew`] for no scores, [`Error::NotFinite`].
pub fn top_by_volume(scores: &[f64], voxels: &[usize], volume: f64) -> Result<Option<f64>, Error> {
    same_shape("voxels", &[scores.len()], &[voxels.len()])?;
    at_least("scores", 1, scores.len())?;
    finite("scores", scores)?;
    finite("volume", &[volume])?;
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
    if scores[order[0]] == scores[order[order.len() - 1]] {
        return Ok(None);
    }
    let mut best: Option<(f64, f64)> = None;
    let mut marked = 0;
    for (place, &region) in order.iter().enumerate() {
        marked += voxels[region];
        if order.get(place + 1).is_some_and(|&next| scores[next] == scores[region]) {
            continue;
        }
        let off = (marked as f64 - volume).abs();
        if best.is_none_or(|(least, _)| off < least) {
            best = Some((off, scores[region]));
        }
    }
    Ok(best.map(|(_, threshold)| threshold))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_volume_is_marked() {
        let (scores, voxels) = ([5.0, 9.0, 1.0, 5.0], [10, 4, 100, 6]);
        // Masks that can be: 4, 20 and 120 voxels.
        for (volume, threshold) in [(0.0, 9.0), (11.0, 9.0), (13.0, 5.0), (69.0, 5.0), (71.0, 1.0)] {
            assert_eq!(top_by_volume(&scores, &voxels, volume), Ok(Some(threshold)), "{volume}");
        }
    }

    #[test]
    fn refusals() {
        assert_eq!(top_by_volume(&[2.0, 2.0], &[1, 1], 1.0), Ok(None));
        assert!(matches!(top_by_volume(&[], &[], 1.0), Err(Error::TooFew { .. })));
        assert!(matches!(top_by_volume(&[1.0], &[], 1.0), Err(Error::Shape { .. })));
        assert!(matches!(top_by_volume(&[1.0], &[1], f64::NAN), Err(Error::NotFinite { .. })));
    }
}
