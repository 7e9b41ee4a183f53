//! The result of an explainer: one signed value per region.

use std::fmt::Write;

use slic3d::Supervoxels;

use crate::map::RelevanceMap;
use crate::relevance::{Sign, relevance_of_sums};
use crate::{Baseline, Convergence, Error, Target};

/// A signed value for each region of a partition, in the order of its ids, and the scan's own outputs.
#[derive(Clone, Debug, PartialEq)]
pub struct Attribution {
    /// Label values of the regions.
    pub ids: Vec<u32>,
    /// Number of voxels of each region.
    pub voxels: Vec<usize>,
    /// Above 0 where the region is evidence for the target, in units of its logit (of its probability, from
    /// [`Perturbation`](crate::Perturbation) by [`ScoreKind::DeltaP`](crate::ScoreKind::DeltaP)).
    pub values: Vec<f64>,
    /// Magnitudes that are the relevance: those of the values, or larger where evidence for the target and against it was added
    /// up ([`Diffusion`](crate::Diffusion)).
    pub magnitudes: Vec<f64>,
    /// The scan's own outputs, `[k]`.
    pub original: Vec<f32>,
    /// The explained output.
    pub target: Target,
    /// The change of the values as samples came in; empty for an explainer that does not sample.
    pub convergence: Vec<Convergence>,
}

impl Attribution {
    /// Columns of the table that [`Attribution::to_csv`] returns.
    pub const COLUMNS: [&'static str; 4] = ["region", "voxels", "value", "relevance"];

    /// Creates the attribution of values by region.
    ///
    /// # Errors
    /// Returns [`Error::ShapeMismatch`] if there is another number of values than of regions.
    pub fn new(
        baseline: &dyn Baseline,
        regions: &Supervoxels,
        target: &Target,
        values: Vec<f64>,
    ) -> Result<Self, Error> {
        if values.len() != regions.len() {
            return Err(Error::ShapeMismatch {
                what: "the number of attributed values",
                expected: vec![regions.len()],
                found: vec![values.len()],
            });
        }
        let (ids, voxels) = (regions.ids().to_vec(), regions.voxel_counts().to_vec());
        Ok(Self::of_values(ids, voxels, values, baseline.logits().to_vec(), *target))
    }

    /// Creates the attribution of values to the regions with these ids and numbers of voxels, whose magnitudes are its own. There must be
    /// as many of each.
    pub fn of_values(
        ids: Vec<u32>,
        voxels: Vec<usize>,
        values: Vec<f64>,
        original: Vec<f32>,
        target: Target,
    ) -> Self {
        let magnitudes = values.iter().map(|value| value.abs()).collect();
        Self { ids, voxels, values, magnitudes, original, target, convergence: Vec::new() }
    }

    /// Returns the target's logit for the scan as it is.
    pub fn logit(&self) -> f64 {
        self.target.logit(&self.original)
    }

    /// Returns the target's probability for the scan as it is; of a plain value, the value.
    pub fn probability(&self) -> f64 {
        self.target.probability(self.logit())
    }

    /// Computes the relevance 0..100 by region, min-max scaled; all 0 if nothing stands out.
    pub fn relevance(&self, sign: Sign) -> Vec<f64> {
        relevance_of_sums(&self.values, &self.magnitudes, sign)
    }

    /// Gives each voxel its region's relevance.
    ///
    /// # Errors
    /// Returns [`Error::ShapeMismatch`] or [`Error::OtherPartition`] if the values belong to another partition.
    pub fn map(&self, regions: &Supervoxels, sign: Sign) -> Result<RelevanceMap, Error> {
        RelevanceMap::check_ids(regions, &self.ids)?;
        RelevanceMap::paint(regions, &self.relevance(sign))
    }

    /// Returns the values and their relevance as CSV with the columns [`Attribution::COLUMNS`], floats in the shortest
    /// decimal form that reads back exactly.
    pub fn to_csv(&self, sign: Sign) -> String {
        let mut table = Self::COLUMNS.join(",") + "\n";
        let columns = self.ids.iter().zip(&self.voxels).zip(&self.values).zip(self.relevance(sign));
        for (((id, voxels), value), relevance) in columns {
            // Writing to a string cannot fail.
            let _ = writeln!(table, "{id},{voxels},{value},{relevance}");
        }
        table
    }
}
