//! Faithfulness of a ranking of regions: deletion and insertion curves, and random ablations for infidelity.
//!
//! V. Petsiuk, A. Das and K. Saenko, "RISE", BMVC 2018, <https://doi.org/10.48550/arXiv.1806.07421>: the class's score as the
//! most relevant parts are removed, or restored first. C.-K. Yeh et al., "On the (In)fidelity and Sensitivity of
//! Explanations", NeurIPS 2019, <https://doi.org/10.48550/arXiv.1901.09392>: the drop of the score when random parts are
//! removed, compared with what a map predicts.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::{Coalitions, Error};

/// The target's logit as regions are removed or restored.
#[derive(Clone, Debug, PartialEq)]
pub struct Curve {
    /// Share of the regions that the fill changes which are removed (deletion) or restored (insertion), from 0 to 1.
    pub shares: Vec<f64>,
    /// The logit at each share.
    pub logits: Vec<f64>,
}

/// Computes the logit as regions are removed in the order of `ranking`, at `points` steps after the whole scan.
///
/// # Errors
/// Returns [`Error::OutOfRange`] or [`Error::InvalidSetting`] if the ranking holds an unknown region or one twice, and
/// the errors of [`Coalitions::logits`].
pub fn deletion(coalitions: &Coalitions<'_>, ranking: &[usize], points: usize) -> Result<Curve, Error> {
    curve(coalitions, ranking, points, true)
}

/// Computes the logit as regions are restored in the order of `ranking` into a scan of which all are replaced.
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
        if region >= regions {
            return Err(Error::OutOfRange { what: "a ranking's region", len: regions, found: region });
        }
        if std::mem::replace(&mut seen[region], true) {
            return Err(Error::setting("ranking", "each region once", format!("region {region} twice")));
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

/// Random regions removed, and the drop of the logit.
#[derive(Clone, Debug, PartialEq)]
pub struct Ablation {
    /// The removed regions.
    pub removed: Vec<usize>,
    /// The logit of the whole scan minus that without them.
    pub drop: f64,
}

/// Computes ablations for infidelity: each removes a share of the regions that is drawn between 0 and 1.
///
/// # Errors
/// Returns the errors of [`Coalitions::logits`].
pub fn random_ablations(
    coalitions: &Coalitions<'_>,
    samples: usize,
    seed: u64,
) -> Result<Vec<Ablation>, Error> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut asked = vec![vec![true; coalitions.regions()]; samples + 1];
    for kept in &mut asked[1..] {
        let share = rng.random::<f64>();
        for &region in coalitions.players() {
            kept[region] = !rng.random_bool(share);
        }
    }
    let logits = coalitions.logits(&asked)?;
    let removed = |kept: &Vec<bool>| (0..kept.len()).filter(|&region| !kept[region]).collect();
    let ablations = asked[1..].iter().zip(&logits[1..]);
    Ok(ablations.map(|(kept, logit)| Ablation { removed: removed(kept), drop: logits[0] - logit }).collect())
}
