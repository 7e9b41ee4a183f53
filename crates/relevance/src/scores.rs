//! Region scores: how far the replacement of a region moves the classifier.
//!
//! Rajapaksa and Khalvati (2022), section B: each superpixel is scored by "its ability to change the model's confidence on
//! classification"; the scores are "normalized between 0 and 100". Next to the paper's change of the probability stands
//! the change of the logit, which does not saturate.

use std::fmt::Write;

use relevox_perturb::Fill;
use slic3d::Supervoxels;

use crate::attribution::Attribution;
use crate::map::RelevanceMap;
use crate::region_logits::{RegionLogits, region_logits};
use crate::relevance::scale_to_100;
use crate::{Baseline, Error, Progress, Target};

named! {
    /// The score of a region.
    pub enum ScoreKind, "score" {
        /// The signed change of the probability, the paper's score.
        DeltaP = "delta_p", "Δp";
        /// The signed change of the logit.
        DeltaLogit = "delta_logit", "Δlogit";
    }
}

/// The score of one region.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RegionScore {
    /// The region's label value.
    pub id: u32,
    /// Number of voxels of the region.
    pub voxels: usize,
    /// Probability of the target for the scan as it is; of a plain value, the value.
    pub p_original: f64,
    /// The same with this region replaced.
    pub p_perturbed: f64,
    /// `p_original − p_perturbed`: above 0 where the region is evidence for the target.
    pub delta_p: f64,
    /// The same difference of logits.
    pub delta_logit: f64,
    /// |Δp|, min-max scaled to 0..100 over the scan's regions.
    pub relevance: f64,
}

impl RegionScore {
    /// Returns one of its two scores.
    pub fn score(&self, kind: ScoreKind) -> f64 {
        match kind {
            ScoreKind::DeltaP => self.delta_p,
            ScoreKind::DeltaLogit => self.delta_logit,
        }
    }
}

/// The scores of a partition, in the order of its ids.
#[derive(Clone, Debug, PartialEq)]
pub struct RegionScores {
    /// One row per region.
    pub rows: Vec<RegionScore>,
    /// Whether all regions move the classifier equally: every relevance is 0 and ranks nothing.
    pub flat: bool,
    /// The scan's own outputs, `[k]`; empty if the scores were read from a table.
    pub original: Vec<f32>,
}

impl RegionScores {
    /// Columns of the table that [`RegionScores::to_csv`] returns.
    pub const COLUMNS: [&'static str; 7] =
        ["region", "voxels", "p_original", "p_perturbed", "delta_p", "delta_logit", "relevance"];

    /// Computes the scores of a target from a classifier's outputs.
    ///
    /// # Errors
    /// Returns [`Error::ShapeMismatch`] if there are outputs for another number of regions, [`Error::OutOfRange`] or
    /// [`Error::InvalidSetting`] if the classifier does not have the target, and [`Error::NonFinite`] if a difference of
    /// logits is not finite.
    pub fn from_logits(regions: &Supervoxels, logits: &RegionLogits, target: &Target) -> Result<Self, Error> {
        if logits.perturbed.nrows() != regions.len() {
            return Err(Error::ShapeMismatch {
                what: "the number of region logits",
                expected: vec![regions.len()],
                found: vec![logits.perturbed.nrows()],
            });
        }
        target.check(logits.original.len())?;
        let original = target.logit(&logits.original);
        let mut rows = Vec::with_capacity(regions.len());
        for (region, (&id, &voxels)) in regions.ids().iter().zip(regions.voxel_counts()).enumerate() {
            let perturbed = target.logit(&logits.perturbed.row(region).to_vec());
            if !(original - perturbed).is_finite() {
                let what = format!("the logit of region {region}");
                return Err(Error::NonFinite { what, value: perturbed as f32 });
            }
            rows.push(RegionScore {
                id,
                voxels,
                p_original: target.probability(original),
                p_perturbed: target.probability(perturbed),
                delta_p: target.probability_difference(original, perturbed),
                delta_logit: original - perturbed,
                relevance: 0.0,
            });
        }
        Ok(Self { original: logits.original.clone(), ..Self::scaled(rows) })
    }

    /// Creates scores from the rows of a table; relevance is taken as it stands.
    pub fn from_rows(rows: Vec<RegionScore>) -> Self {
        let flat = rows.iter().all(|row| row.relevance == 0.0);
        Self { rows, flat, original: Vec::new() }
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
        Self { rows, flat, original: Vec::new() }
    }

    /// Computes the mean |Δp| over the regions, to compare fills. 0 if there is no region.
    pub fn mean_abs_delta_p(&self) -> f64 {
        self.rows.iter().map(|row| row.delta_p.abs()).sum::<f64>() / self.rows.len().max(1) as f64
    }

    /// Returns the relevance column.
    pub fn relevance(&self) -> Vec<f64> {
        self.rows.iter().map(|row| row.relevance).collect()
    }

    /// Returns one of the two scores by region.
    pub fn values(&self, kind: ScoreKind) -> Vec<f64> {
        self.rows.iter().map(|row| row.score(kind)).collect()
    }

    /// Returns one of the two scores as an attribution.
    pub fn attribution(&self, kind: ScoreKind, target: &Target) -> Attribution {
        let ids = self.rows.iter().map(|row| row.id).collect();
        let voxels = self.rows.iter().map(|row| row.voxels).collect();
        Attribution::of_values(ids, voxels, self.values(kind), self.original.clone(), *target)
    }

    /// Gives each voxel its region's relevance; background gets 0.
    ///
    /// # Errors
    /// Returns [`Error::ShapeMismatch`] or [`Error::OtherPartition`] if the scores belong to another partition.
    pub fn map(&self, regions: &Supervoxels) -> Result<RelevanceMap, Error> {
        let ids: Vec<u32> = self.rows.iter().map(|score| score.id).collect();
        RelevanceMap::check_ids(regions, &ids)?;
        Ok(RelevanceMap { flat: self.flat, ..RelevanceMap::paint(regions, &self.relevance())? })
    }

    /// Returns the scores as CSV with the columns [`RegionScores::COLUMNS`], floats in the shortest decimal form that
    /// reads back exactly.
    pub fn to_csv(&self) -> String {
        let mut table = Self::COLUMNS.join(",") + "\n";
        for row in &self.rows {
            let RegionScore { id, voxels, p_original, p_perturbed, delta_p, delta_logit, relevance } = row;
            let line =
                format!("{id},{voxels},{p_original},{p_perturbed},{delta_p},{delta_logit},{relevance}");
            // Writing to a string cannot fail.
            let _ = writeln!(table, "{line}");
        }
        table
    }
}

/// Scores each region of a scan by how far its replacement moves the target: [`region_logits`] and
/// [`RegionScores::from_logits`].
///
/// # Errors
/// As both functions.
pub fn score(
    baseline: &dyn Baseline,
    regions: &Supervoxels,
    fill: &dyn Fill,
    target: &Target,
    progress: Progress<'_>,
) -> Result<RegionScores, Error> {
    target.check(baseline.logits().len())?;
    RegionScores::from_logits(regions, &region_logits(baseline, regions, fill, progress)?, target)
}
