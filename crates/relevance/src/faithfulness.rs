//! Asking the classifier whether a ranking of regions says what it does: deletion, insertion, random drops.
//!
//! V. Petsiuk, A. Das and K. Saenko, "RISE", BMVC 2018, <https://doi.org/10.48550/arXiv.1806.07421>: the class's score as the
//! most relevant parts are taken away, or put back first. C.-K. Yeh et al., "On the (In)fidelity and Sensitivity of
//! Explanations", NeurIPS 2019, <https://doi.org/10.48550/arXiv.1901.09392>: how far the score falls when random parts are
//! taken away, beside what a map foretells.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::{Coalitions, Error};

/// A classifier's logit as regions go or come.
#[derive(Clone, Debug, PartialEq)]
pub struct Curve {
    /// The share of the regions that the fill changes which are gone (deletion) or back (insertion), from 0 to 1.
    pub shares: Vec<f64>,
    /// The logit at each.
    pub logits: Vec<f64>,
}

/// The logit as regions are taken away in this order; `points` steps after the whole scan.
///
/// # Errors
/// What [`Coalitions::logits`] meets; a ranking of other regions.
pub fn deletion(coalitions: &Coalitions<'_>, ranking: &[usize], points: usize) -> Result<Curve, Error> {
    curve(coalitions, ranking, points, true)
}

/// The logit as regions are put back in this order into a scan of which all are replaced.
///
/// # Errors
/// As [`deletion`].
pub fn insertion(coalitions: &Coalitions<'_>, ranking: &[usize], points: usize) -> Result<Curve, Error> {
    curve(coalitions, ranking, points, false)
}

fn curve(
    coalitions: &Coalitions<'_>,
    ranking: &[usize],
    points: usize,
    whole_first: bool,
) -> Result<Curve, Error> {
    let regions = coalitions.regions();
    let mut seen = vec![false; regions];
    for &region in ranking {
        if region >= regions || std::mem::replace(&mut seen[region], true) {
            return Err(Error::ShapeMismatch {
                what: "the regions of a ranking, each once",
                expected: vec![regions],
                found: vec![region],
            });
        }
    }
    let mut moves = vec![false; regions];
    coalitions.players().iter().for_each(|&region| moves[region] = true);
    let ranking: Vec<usize> = ranking.iter().copied().filter(|&region| moves[region]).collect();
    let points = points.clamp(1, ranking.len().max(1));
    let mut counts: Vec<usize> = (0..=points).map(|point| ranking.len() * point / points).collect();
    counts.dedup();
    let kept: Vec<Vec<bool>> = counts
        .iter()
        .map(|&count| {
            let mut kept: Vec<bool> = (0..regions).map(|region| whole_first || !moves[region]).collect();
            ranking[..count].iter().for_each(|&region| kept[region] = !whole_first);
            kept
        })
        .collect();
    let logits = coalitions.logits(&kept)?;
    let all = ranking.len().max(1) as f64;
    Ok(Curve { shares: counts.iter().map(|&count| count as f64 / all).collect(), logits })
}

/// Random regions taken away, and how far the logit fell.
#[derive(Clone, Debug, PartialEq)]
pub struct Drop {
    /// The regions that went.
    pub removed: Vec<usize>,
    /// The logit of the whole scan less that without them.
    pub fell: f64,
}

/// Drops for infidelity: of each, a share drawn between 0 and 1 of the regions goes.
///
/// # Errors
/// What [`Coalitions::logits`] meets.
pub fn random_drops(coalitions: &Coalitions<'_>, samples: usize, seed: u64) -> Result<Vec<Drop>, Error> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut asked = vec![vec![true; coalitions.regions()]; samples + 1];
    for kept in &mut asked[1..] {
        let share = rng.random::<f64>();
        for &region in coalitions.players() {
            kept[region] = !rng.random_bool(share);
        }
    }
    let logits = coalitions.logits(&asked)?;
    let gone = |kept: &Vec<bool>| (0..kept.len()).filter(|&region| !kept[region]).collect();
    let drops = asked[1..].iter().zip(&logits[1..]);
    Ok(drops.map(|(kept, logit)| Drop { removed: gone(kept), fell: logits[0] - logit }).collect())
}
