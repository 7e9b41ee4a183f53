//! How far each region moves the classifier.
//!
//! Rajapaksa and Khalvati (2022), section B: each superpixel is scored by "its ability to change the model's
//! confidence on classification"; the scores are "normalized between 0 and 100". Beside the paper's
//! Δprobability stands Δlogit, which does not saturate.

use ndarray::ArrayView4;
use relevox_perturb::Fill;
use slic3d::Supervoxels;

use crate::{Classifier, Error, Progress, RegionLogits};

/// One region's score. Every float is a plain `f64`, so that Rust's shortest decimal form brings it back
/// exactly.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RegionScore {
    /// The region's label value.
    pub id: u32,
    /// The region's voxels.
    pub voxels: usize,
    /// Probability of the positive class for the scan as it is.
    pub p_original: f64,
    /// The same with this region replaced.
    pub p_perturbed: f64,
    /// `p_original − p_perturbed`: above 0 where the region speaks for the positive class.
    pub delta_p: f64,
    /// The same difference of logits.
    pub delta_logit: f64,
    /// |Δp|, min-max scaled to 0..100 over the case's regions.
    pub relevance: f64,
}

/// The scores of a partition, in the order of its ids.
#[derive(Clone, Debug, PartialEq)]
pub struct RegionScores {
    /// One row per region.
    pub rows: Vec<RegionScore>,
    /// No region moves the classifier more than another: every relevance is 0 and ranks nothing.
    pub flat: bool,
}

impl RegionScores {
    /// Scores from logits.
    ///
    /// # Errors
    /// Logits for another number of regions, or logits that are not finite.
    pub fn from_logits(regions: &Supervoxels, logits: &RegionLogits) -> Result<Self, Error> {
        if logits.perturbed.len() != regions.len() {
            return Err(Error::ShapeMismatch {
                what: "the number of region logits",
                expected: vec![regions.len()],
                found: vec![logits.perturbed.len()],
            });
        }
        let original = f64::from(logits.original);
        let mut rows = Vec::with_capacity(regions.len());
        for (region, (&id, &voxels)) in regions.ids().iter().zip(regions.voxel_counts()).enumerate() {
            let perturbed = f64::from(logits.perturbed[region]);
            if !(original - perturbed).is_finite() {
                let input = format!("region {region}");
                return Err(Error::NonFiniteLogit { input, logit: logits.perturbed[region] });
            }
            rows.push(RegionScore {
                id,
                voxels,
                p_original: sigmoid(original),
                p_perturbed: sigmoid(perturbed),
                delta_p: sigmoid_difference(original, perturbed),
                delta_logit: original - perturbed,
                relevance: 0.0,
            });
        }
        Ok(Self::scaled(rows))
    }

    /// Scores read back from where they were written; relevance is taken as it stands.
    pub fn from_rows(rows: Vec<RegionScore>) -> Self {
        let flat = rows.iter().all(|row| row.relevance == 0.0);
        Self { rows, flat }
    }

    /// Sets each row's relevance from its Δp.
    fn scaled(mut rows: Vec<RegionScore>) -> Self {
        let moved: Vec<f64> = rows.iter().map(|row| row.delta_p.abs()).collect();
        let scaled = scale_to_100(&moved);
        let flat = scaled.is_none();
        if let Some(relevance) = scaled {
            for (row, relevance) in rows.iter_mut().zip(relevance) {
                row.relevance = relevance;
            }
        }
        Self { rows, flat }
    }

    /// Mean |Δp| over the regions: how much a fill moves the classifier at all, for comparing fills. 0 where
    /// there is no region.
    pub fn mean_abs_delta_p(&self) -> f64 {
        self.rows.iter().map(|row| row.delta_p.abs()).sum::<f64>() / self.rows.len().max(1) as f64
    }

    /// The relevance column.
    pub fn relevance(&self) -> Vec<f64> {
        self.rows.iter().map(|row| row.relevance).collect()
    }
}

/// Scores each region of a scan by how far its replacement moves the classifier.
///
/// # Shapes
/// `image` is `[c, z, y, x]`, the partition `[z, y, x]`.
///
/// # Errors
/// As [`Classifier::score_regions`].
pub fn score(
    classifier: &dyn Classifier,
    image: ArrayView4<'_, f32>,
    regions: &Supervoxels,
    fill: &dyn Fill,
    progress: Progress<'_>,
) -> Result<RegionScores, Error> {
    RegionScores::from_logits(regions, &classifier.score_regions(image, regions, fill, progress)?)
}

/// Min-max scaling to 0..100; nothing where all values are equal (or there are none).
pub fn scale_to_100(values: &[f64]) -> Option<Vec<f64>> {
    let low = values.iter().copied().fold(f64::INFINITY, f64::min);
    let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    // The division first: (high − low) / (high − low) is exactly 1, and the top exactly 100.
    (high > low).then(|| values.iter().map(|value| (value - low) / (high - low) * 100.0).collect())
}

/// The probability of a logit, without overflow at either end.
pub fn sigmoid(logit: f64) -> f64 {
    if logit >= 0.0 { 1.0 / (1.0 + (-logit).exp()) } else { logit.exp() / (1.0 + logit.exp()) }
}

/// `sigmoid(a) − sigmoid(b)`, without the cancellation that two probabilities near 1 would suffer: those of
/// the other class, near 0, have the same difference.
pub fn sigmoid_difference(a: f64, b: f64) -> f64 {
    if a + b > 0.0 { sigmoid(-b) - sigmoid(-a) } else { sigmoid(a) - sigmoid(b) }
}
