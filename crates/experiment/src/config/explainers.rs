//! Configuration of diffused scores and of the additional explainers.

use std::fmt;

use relevox_relevance::{
    Diffused, Diffusion, Error, Hierarchical, Lime, Masks, Occlusion, Rise, ScoreKind, Sign, Weighting,
    relevance,
};
use relevox_report::tables::Method;
use serde::{Deserialize, Serialize};

use super::evaluate::constant_fills;
use super::values::{distinct, non_empty, one_of, within};
use crate::failure::invalid_input;

/// Allowed values of `explain.methods`.
const EXPLAINERS: [Method; 7] = [
    Method::Lime,
    Method::Hierarchical,
    Method::Rise,
    Method::GradCamPlusPlus,
    Method::Occlusion,
    Method::Partitions,
    Method::RandomWeights,
];

/// Conversion of diffused scores to relevance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reading {
    /// Evidence for either class.
    Magnitude,
    /// Evidence for the positive class.
    Positive,
    /// Evidence for one class less evidence for the other, whichever is more: they cancel between neighbours.
    Net,
}

impl fmt::Display for Reading {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str(match self {
            Self::Magnitude => "magnitude",
            Self::Positive => "positive",
            Self::Net => "net",
        })
    }
}

impl Reading {
    /// Computes the relevance 0..100 by region.
    pub fn relevance(self, diffused: &Diffused) -> Vec<f64> {
        match self {
            Self::Magnitude => diffused.relevance(Sign::Magnitude),
            Self::Positive => diffused.relevance(Sign::Positive),
            Self::Net => relevance(&diffused.values, Sign::Magnitude),
        }
    }
}

/// Diffusion of scores over similar neighbouring regions. Every combination is evaluated on the validation split, which
/// selects the best.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DiffuseConfig {
    /// Fills whose scores are diffused, a subset of `evaluate.fills`.
    pub fills: Vec<Method>,
    /// Scores that are diffused.
    pub scores: Vec<ScoreKind>,
    /// Conversions of diffused scores to relevance.
    pub readings: Vec<Reading>,
    /// Strengths of the diffusion.
    pub lambdas: Vec<f64>,
    /// Widths of the similarity kernel, in units of the median distance between neighbours.
    pub scales: Vec<f64>,
    /// Weighting of edges by the area of the common border.
    pub borders: Vec<bool>,
}

/// Additional explainers, on a subset of the cases.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExplainConfig {
    /// The explainers.
    pub methods: Vec<Method>,
    /// Number of cases with a tumour of each of the validation and test splits; 0 takes all.
    pub cases: usize,
    /// Fill that replaces regions.
    pub fill: Method,
    /// Number of LIME's coalitions.
    pub lime_samples: usize,
    /// Sampling and weighting of the coalitions.
    pub lime_weights: Weighting,
    /// Ridge penalty of LIME's regression.
    pub lime_ridge: f64,
    /// Budget of evaluations of hierarchical relevance.
    pub hierarchical_evaluations: usize,
    /// Number of RISE's masks.
    pub rise_samples: usize,
    /// Probability that a mask keeps a region or a cell.
    pub rise_keep: f64,
    /// Cells of RISE's masks along each axis; 0 masks regions instead.
    pub rise_cells: usize,
    /// Edge length of the occluding box, in voxels.
    pub occlusion_size: usize,
    /// Number of strides along each axis per edge length.
    pub occlusion_overlap: usize,
    /// Points of the deletion and insertion curves; 0 skips faithfulness.
    pub curve_points: usize,
    /// Random perturbations for infidelity; 0 skips it.
    pub infidelity_samples: usize,
}

impl DiffuseConfig {
    pub(super) fn check(&self) -> anyhow::Result<()> {
        for fill in &self.fills {
            one_of("diffuse.fills", fill, &constant_fills())?;
        }
        distinct("diffuse.fills", &self.fills)?;
        non_empty("diffuse.scores", !self.scores.is_empty(), "at least one kind of score")?;
        non_empty("diffuse.readings", !self.readings.is_empty(), "\"magnitude\", \"positive\" or \"net\"")?;
        non_empty("diffuse.lambdas", !self.lambdas.is_empty(), "at least one lambda")?;
        non_empty("diffuse.scales", !self.scales.is_empty(), "at least one scale")?;
        for (&lambda, &scale) in self.lambdas.iter().flat_map(|l| self.scales.iter().map(move |s| (l, s))) {
            let checked = Diffusion { lambda, scale, ..Diffusion::default() }.check();
            setting(checked, |name| format!("diffuse.{}s", name.rsplit(": ").next().unwrap_or_default()))?;
        }
        distinct("diffuse.lambdas", &self.lambdas)?;
        distinct("diffuse.scales", &self.scales)?;
        non_empty("diffuse.borders", !self.borders.is_empty(), "false, true or both")
    }
}

impl ExplainConfig {
    pub(super) fn check(&self) -> anyhow::Result<()> {
        for method in &self.methods {
            one_of("explain.methods", method, &EXPLAINERS)?;
        }
        distinct("explain.methods", &self.methods)?;
        one_of("explain.fill", &self.fill, &constant_fills())?;
        let key = |name: &str| format!("explain.{}", name.to_lowercase().replace(": ", "_"));
        setting(self.lime(0).check(), key)?;
        setting(self.hierarchical(0).check(), key)?;
        within("explain.rise_cells", self.rise_cells, 0..=64)?;
        setting(self.rise(0).check(), key)?;
        let overlap = self.occlusion_overlap;
        setting(Occlusion { size: [self.occlusion_size; 3], overlap }.check(), key)?;
        within("explain.curve_points", self.curve_points, 0..=1_000)?;
        within("explain.infidelity_samples", self.infidelity_samples, 0..=100_000)
    }

    /// Returns the settings of LIME.
    pub fn lime(&self, seed: u64) -> Lime {
        let (samples, ridge, weighting) = (self.lime_samples, self.lime_ridge, self.lime_weights);
        Lime { samples, seed, ridge, weighting, ..Lime::default() }
    }

    /// Returns the settings of hierarchical relevance.
    pub fn hierarchical(&self, seed: u64) -> Hierarchical {
        Hierarchical { evaluations: self.hierarchical_evaluations, seed, ..Hierarchical::default() }
    }

    /// Returns the settings of RISE.
    pub fn rise(&self, seed: u64) -> Rise {
        let masks = match self.rise_cells {
            0 => Masks::Regions,
            cells => Masks::Cells([cells; 3]),
        };
        Rise { samples: self.rise_samples, seed, keep: self.rise_keep, masks }
    }

    /// Returns the settings of occlusion for an image of this shape; the box is no larger than the image.
    pub fn occlusion(&self, shape: [usize; 3]) -> Occlusion {
        let size = shape.map(|length| self.occlusion_size.min(length));
        let overlap = self.occlusion_overlap.min(size.into_iter().min().unwrap_or(1));
        Occlusion { size, overlap }
    }
}

/// Converts the error of an explainer's settings to one that names the key.
pub(super) fn setting<T>(checked: Result<T, Error>, key: impl Fn(&str) -> String) -> anyhow::Result<T> {
    checked.map_err(|error| match error {
        Error::InvalidSetting { setting, expected, found } => {
            invalid_input(format!("config: {}: expected {expected}, found {found}", key(setting)))
        }
        other => other.into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readings_take_different_parts_of_diffused_scores() {
        // Evidence for and against of 3 and 3, 2 and 0, 0 and 1.
        let diffused = Diffused { values: vec![0.0, 2.0, -1.0], magnitudes: vec![6.0, 2.0, 1.0] };
        assert_eq!(Reading::Magnitude.relevance(&diffused), [100.0, 20.0, 0.0]);
        assert_eq!(Reading::Positive.relevance(&diffused), [100.0, 2.0 / 3.0 * 100.0, 0.0]);
        assert_eq!(Reading::Net.relevance(&diffused), [0.0, 100.0, 50.0]);
    }
}
