//! LIME on supervoxels, and KernelSHAP: a linear model of the logit over the presence of regions.
//!
//! M. T. Ribeiro, S. Singh and C. Guestrin, "'Why Should I Trust You?': Explaining the Predictions of Any Classifier",
//! KDD 2016, <https://doi.org/10.1145/2939672.2939778>: random coalitions of regions, weighted by their proximity to the
//! whole scan, and a ridge regression on them. S. M. Lundberg and S.-I. Lee, "A Unified Approach to Interpreting Model
//! Predictions", NeurIPS 2017, <https://doi.org/10.48550/arXiv.1705.07874>: the weights under which the same regression
//! gives Shapley values.
//!
//! **What it finds.** A sum over regions exactly; an AND or an OR shared evenly between its parts, where one region at a
//! time shows nothing of an OR. With far fewer samples than regions the ridge decides: see
//! [`Attribution::convergence`].

use ndarray::{Array1, Array2, Axis};
use rand::seq::index;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::coalition::Coalitions;
use crate::convergence::{Track, checkpoints};
use crate::explainer::{CoalitionExplainer, Inputs};
use crate::linear::solve;
use crate::{Attribution, Error, Progress};

named! {
    /// The distribution and the weights of coalitions.
    pub enum Weighting, "weighting" {
        /// LIME's: each region is kept with probability one half; a coalition has weight `exp(−d² / 2 width²)`, where `d`
        /// is its cosine distance from the whole scan.
        Lime = "lime", "LIME";
        /// KernelSHAP's: sizes are drawn by its weights, each coalition with its complement; the values add up to the
        /// logit of the scan less that of the scan with every region replaced.
        KernelShap = "kernel_shap", "KernelSHAP";
    }
}

/// Settings of LIME and KernelSHAP.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields, default))]
pub struct Lime {
    /// Number of coalitions, at least 1.
    pub samples: usize,
    /// Seed of the coalitions.
    pub seed: u64,
    /// Strength of the ridge, in units of one coalition of weight 1, above 0; LIME's own default is 1.
    pub ridge: f64,
    /// Distribution and weights of the coalitions.
    pub weighting: Weighting,
    /// Width of LIME's proximity kernel, above 0; its own default for images is 0.25.
    pub width: f64,
}

impl Default for Lime {
    fn default() -> Self {
        Self { samples: 1000, seed: 0, ridge: 1.0, weighting: Weighting::Lime, width: 0.25 }
    }
}

checked! {
    /// Valid settings of [`Lime`].
    pub struct ValidLime(Lime);
}

impl Lime {
    /// Validates the settings.
    ///
    /// # Errors
    /// Returns [`Error::InvalidSetting`] with the first setting that is out of range.
    pub fn check(self) -> Result<ValidLime, Error> {
        if self.samples == 0 {
            return Err(Error::setting("LIME: samples", "at least 1", 0));
        }
        for (setting, value) in [("LIME: ridge", self.ridge), ("LIME: width", self.width)] {
            if !(value.is_finite() && value > 0.0) {
                return Err(Error::setting(setting, "a number above 0", value));
            }
        }
        Ok(ValidLime(self))
    }
}

/// A region that the fill does not change has exactly 0 and is no part of the model.
impl CoalitionExplainer for ValidLime {
    fn explain_coalitions(
        &self,
        inputs: &Inputs<'_>,
        coalitions: &Coalitions<'_>,
        progress: Progress<'_>,
    ) -> Result<Attribution, Error> {
        let Inputs { baseline, regions, target, .. } = *inputs;
        let settings = &self.0;
        let players = coalitions.players();
        if players.is_empty() {
            return Attribution::new(baseline, regions, target, vec![0.0; regions.len()]);
        }
        let drawn = draw(players.len(), settings);
        let ends = coalitions.logits(&[vec![true; regions.len()], vec![false; regions.len()]])?;
        let mut answers = Vec::with_capacity(drawn.len());
        let mut track = Track::default();
        let mut all = checkpoints(drawn.len());
        if all.is_empty() {
            // The ends alone determine the value.
            all.push(0);
        }
        for checkpoint in all {
            while answers.len() < checkpoint {
                let part = &drawn[answers.len()..checkpoint.min(answers.len() + coalitions.batch_size())];
                let asked: Vec<Vec<bool>> =
                    part.iter().map(|kept| spread(kept, players, regions.len())).collect();
                answers.extend(coalitions.logits(&asked)?);
                if progress(part.len()).is_break() {
                    return Err(Error::Cancelled);
                }
            }
            let drawn = &drawn[..checkpoint];
            let fitted = match settings.weighting {
                Weighting::Lime => ridge(drawn, &answers, ends[0], settings.width, settings.ridge),
                Weighting::KernelShap => shapley(drawn, &answers, [ends[0], ends[1]], settings.ridge),
            };
            let mut values = vec![0.0; regions.len()];
            for (&region, &value) in players.iter().zip(&fitted) {
                values[region] = value;
            }
            track.record(checkpoint, &values);
        }
        let (values, convergence) = track.finish();
        Ok(Attribution { convergence, ..Attribution::new(baseline, regions, target, values)? })
    }
}

/// Draws coalitions of the players.
fn draw(players: usize, settings: &Lime) -> Vec<Vec<bool>> {
    let mut rng = ChaCha8Rng::seed_from_u64(settings.seed);
    let mut drawn: Vec<Vec<bool>> = Vec::with_capacity(settings.samples);
    match settings.weighting {
        Weighting::Lime => {
            drawn.extend((0..settings.samples).map(|_| (0..players).map(|_| rng.random::<bool>()).collect()));
        }
        // One player has one value, the difference between the ends.
        Weighting::KernelShap if players == 1 => {}
        Weighting::KernelShap => {
            // Over all coalitions of a size: (M − 1) / (s (M − s)).
            let weights: Vec<f64> =
                (1..players).map(|size| 1.0 / (size as f64 * (players - size) as f64)).collect();
            let total: f64 = weights.iter().sum();
            while drawn.len() < settings.samples {
                let mut at = rng.random::<f64>() * total;
                let size = 1 + weights[..players - 2]
                    .iter()
                    .take_while(|&&w| {
                        at -= w;
                        at >= 0.0
                    })
                    .count();
                let mut kept = vec![false; players];
                index::sample(&mut rng, players, size).into_iter().for_each(|player| kept[player] = true);
                let complement = kept.iter().map(|kept| !kept).collect();
                drawn.extend([kept, complement]);
            }
            drawn.truncate(settings.samples);
        }
    }
    drawn
}

/// Extends a coalition of players to all regions: the others are kept.
fn spread(kept: &[bool], players: &[usize], regions: usize) -> Vec<bool> {
    let mut all = vec![true; regions];
    for (&region, &kept) in players.iter().zip(kept) {
        all[region] = kept;
    }
    all
}

/// Returns coalitions as rows of zeros and ones.
fn matrix(drawn: &[Vec<bool>]) -> Array2<f64> {
    let players = drawn.first().map_or(0, Vec::len);
    Array2::from_shape_fn((drawn.len(), players), |(i, player)| f64::from(u8::from(drawn[i][player])))
}

/// Weighted ridge regression with an intercept that is not penalised; the whole scan is a sample of weight 1.
fn ridge(drawn: &[Vec<bool>], answers: &[f64], whole: f64, width: f64, ridge: f64) -> Vec<f64> {
    let players = drawn[0].len();
    let mut rows = drawn.to_vec();
    rows.push(vec![true; players]);
    let rows = matrix(&rows);
    let mut targets = Array1::from_iter(answers.iter().copied().chain([whole]));
    let weights: Array1<f64> = rows
        .rows()
        .into_iter()
        .map(|row| {
            let distance = 1.0 - (row.sum() / players as f64).sqrt();
            (-distance * distance / (2.0 * width * width)).exp()
        })
        .collect();
    let total = weights.sum();
    let mean = (&rows * &weights.view().insert_axis(Axis(1))).sum_axis(Axis(0)) / total;
    let level = targets.dot(&weights) / total;
    targets -= level;
    let centred = rows - &mean;
    let weighted = &centred * &weights.insert_axis(Axis(1));
    let gram = weighted.t().dot(&centred) + Array2::<f64>::eye(players) * ridge;
    solve(gram, weighted.t().dot(&targets)).map_or_else(|| vec![0.0; players], |found| found.to_vec())
}

/// Least squares through both ends: `f(nothing)` is the intercept, and the values add up to the rest.
fn shapley(drawn: &[Vec<bool>], answers: &[f64], [whole, nothing]: [f64; 2], ridge: f64) -> Vec<f64> {
    let Some(players) = drawn.first().map(Vec::len) else { return vec![whole - nothing] };
    let rows = matrix(drawn);
    let targets = Array1::from_iter(answers.iter().map(|answer| answer - nothing));
    let gram = rows.t().dot(&rows) + Array2::<f64>::eye(players) * ridge;
    let solved = |right: Array1<f64>| solve(gram.clone(), right).unwrap_or_else(|| Array1::zeros(players));
    let (free, ones) = (solved(rows.t().dot(&targets)), solved(Array1::ones(players)));
    // Lagrange's multiplier of the sum.
    let excess = (free.sum() - (whole - nothing)) / ones.sum();
    (free - ones * excess).to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All coalitions of three players but the ends.
    fn every_coalition() -> Vec<Vec<bool>> {
        (1..7_u32).map(|bits| (0..3).map(|player| bits >> player & 1 == 1).collect()).collect()
    }

    #[test]
    fn all_coalitions_give_shapley_values() {
        // v = 4·a·b + c, v(∅) = 0.5: the Shapley values are 2, 2 and 1.
        let game = |kept: &Vec<bool>| {
            let [a, b, c] = [0, 1, 2].map(|player| f64::from(u8::from(kept[player])));
            0.5 + 4.0 * a * b + c
        };
        let drawn = every_coalition(); // with three players all sizes have the same weight
        let answers: Vec<f64> = drawn.iter().map(game).collect();
        let found = shapley(&drawn, &answers, [5.5, 0.5], 1e-9);
        for (value, expected) in found.iter().zip([2.0, 2.0, 1.0]) {
            assert!((value - expected).abs() < 1e-6, "{found:?}");
        }
    }

    #[test]
    fn sizes_are_drawn_by_the_weights_of_kernel_shap() {
        let settings = Lime { samples: 20_000, weighting: Weighting::KernelShap, ..Lime::default() };
        let drawn = draw(5, &settings);
        let mut counts = [0.0_f64; 6];
        drawn.iter().for_each(|kept| counts[kept.iter().filter(|kept| **kept).count()] += 1.0);
        assert_eq!((counts[0], counts[5]), (0.0, 0.0));
        // 1 / (s (5 − s)) over s = 1..4: 1/4, 1/6, 1/6, 1/4.
        let expected = [0.3, 0.2, 0.2, 0.3].map(|share| share * 20_000.0);
        for (count, expected) in counts[1..5].iter().zip(expected) {
            // Pairs are drawn 10,000 times: four standard errors are under 370.
            assert!((count - expected).abs() < 370.0, "{counts:?}");
        }
    }

    #[test]
    fn the_ridge_is_at_its_minimum() {
        let settings = Lime { samples: 40, seed: 3, ..Lime::default() };
        let drawn = draw(6, &settings);
        let answers: Vec<f64> = (0..40).map(|i| ((i * 29) % 17) as f64 / 5.0).collect();
        let (whole, width, penalty) = (2.0, 0.25, 0.7);
        let found = ridge(&drawn, &answers, whole, width, penalty);
        let loss = |values: &[f64]| {
            let rows: Vec<(f64, f64, f64)> = drawn
                .iter()
                .cloned()
                .zip(answers.iter().copied())
                .chain([(vec![true; 6], whole)])
                .map(|(kept, answer)| {
                    let size = kept.iter().filter(|kept| **kept).count() as f64;
                    let distance = 1.0 - (size / 6.0).sqrt();
                    let predicted: f64 =
                        kept.iter().zip(values).filter(|(kept, _)| **kept).map(|(_, v)| v).sum();
                    ((-distance * distance / (2.0 * width * width)).exp(), predicted, answer)
                })
                .collect();
            let total: f64 = rows.iter().map(|row| row.0).sum();
            let intercept =
                rows.iter().map(|(w, predicted, answer)| w * (answer - predicted)).sum::<f64>() / total;
            let errors = rows
                .iter()
                .map(|(w, predicted, answer)| w * (answer - predicted - intercept).powi(2))
                .sum::<f64>();
            errors + penalty * values.iter().map(|v| v * v).sum::<f64>()
        };
        let least = loss(&found);
        for player in 0..6 {
            for step in [-1e-3, 1e-3] {
                let mut other = found.clone();
                other[player] += step;
                assert!(loss(&other) > least);
            }
        }
    }
}
