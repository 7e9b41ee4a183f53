//! `summary.json`: every number of a run, for scripts to read. Keys keep their order.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::measure::Measure;
use super::method::Method;
use super::number::Number;
use super::threshold::Threshold;
use crate::error::Error;

/// Every number of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Summary {
    /// Cases and splits.
    pub cohort: CohortSummary,
    /// Performance of the classifier.
    pub classifier: ClassifierSummary,
    /// Supervoxels selected by the grid on the validation split.
    pub selected: Selected,
    /// Dice by method.
    pub dice: BTreeMap<Method, DiceSummary>,
    /// Table 1: Dice of the region at each rank, by method.
    pub ranked: BTreeMap<Method, Vec<Number>>,
    /// Table 2: Dice of the union of regions up to each rank, by method.
    pub cumulative: BTreeMap<Method, Vec<Number>>,
    /// Table 3.
    pub grid: Vec<GridCell>,
    /// Claim of Figure 3.
    pub focus: FocusSummary,
    /// Paired differences in Dice between methods.
    #[serde(default)]
    pub differences: Vec<Difference>,
    /// Paired differences in measures between methods.
    #[serde(default)]
    pub measure_differences: Vec<MeasureDifference>,
    /// Comparison of the learned fill with `max`, if the fill was trained.
    #[serde(default)]
    pub fill: Option<FillSummary>,
    /// Measures by method; deletion, insertion and infidelity only on the cases of `explain.cases`.
    #[serde(default)]
    pub measures: BTreeMap<Method, BTreeMap<Measure, Number>>,
    /// Diffusion settings chosen on the validation split.
    #[serde(default)]
    pub diffusion: Option<DiffusionSummary>,
    /// Folds of a cross-validation, which all other numbers are pooled over.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub folds: Vec<FoldSummary>,
}

/// Settings of the diffusion.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DiffusionSummary {
    /// Fill whose scores are diffused.
    pub fill: Method,
    /// Scores that are diffused: `delta_p` or `delta_logit`.
    pub scores: String,
    /// How diffused scores become relevance: `magnitude`, `positive` or `net`.
    #[serde(default = "magnitude")]
    pub reading: String,
    /// Strength of the smoothing.
    pub lambda: f64,
    /// Standard deviation of the similarity kernel, in units of the median distance between neighbours.
    pub scale: f64,
    /// Whether edges are weighted by the length of the shared border.
    pub border: bool,
    /// Number of validation cases that the settings were chosen on.
    pub cases: usize,
}

/// One fold of a cross-validation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FoldSummary {
    /// Number of the fold, from 1.
    pub fold: usize,
    /// Number of test cases.
    pub test: usize,
    /// Selected epoch.
    pub epoch: Option<usize>,
    /// Selected supervoxels.
    pub selected: Selected,
    /// Diffusion settings.
    pub diffusion: Option<DiffusionSummary>,
    /// Area under the ROC curve on the fold's test cases.
    pub test_auc: Number,
}

/// Cases and splits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CohortSummary {
    /// Number of usable cases.
    pub cases: usize,
    /// Number of training cases.
    pub train: usize,
    /// Number of validation cases.
    pub validation: usize,
    /// Number of test cases.
    pub test: usize,
    /// Number of positive cases over all splits.
    pub positive: usize,
    /// Cases that were excluded.
    pub left_out: Vec<LeftOut>,
    /// What was found in the files and done to fit them to the network's input, counted over the cases: one line each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<String>,
}

/// An excluded case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeftOut {
    /// Name of the case.
    pub case: String,
    /// Reason for the exclusion.
    pub why: String,
}

/// Performance of the classifier.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassifierSummary {
    /// Selected epoch; none for pooled folds, and for networks with different epochs.
    pub epoch: Option<usize>,
    /// Number of networks whose logits are averaged.
    #[serde(default = "one")]
    pub networks: usize,
    /// Area under the ROC curve on the test split.
    pub test_auc: Number,
    /// Accuracy at p ≥ 0.5 on the test split.
    pub test_accuracy: Number,
    /// Area under the ROC curve on the validation split.
    pub validation_auc: Number,
    /// Control: area under the ROC curve on the test split of a logistic regression on each sequence's mean and standard
    /// deviation.
    pub brightness_auc: Number,
}

/// Default of summaries without the key.
fn one() -> usize {
    1
}

/// Default of summaries without the key.
fn magnitude() -> String {
    "magnitude".to_owned()
}

/// Default of summaries without the key.
fn oracle() -> Threshold {
    Threshold::Oracle
}

/// A choice of supervoxels.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Selected {
    /// Sequence that is segmented.
    pub sequence: String,
    /// Requested number of supervoxels.
    pub regions: usize,
    /// SLIC's compactness.
    pub compactness: f64,
}

/// Dice of a method by threshold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DiceSummary {
    /// [`Threshold::Oracle`].
    pub oracle: Number,
    /// [`Threshold::Otsu`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub otsu: Option<Number>,
    /// [`Threshold::Validation`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation_threshold: Option<Number>,
    /// [`Threshold::OtsuVolume`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub otsu_volume: Option<Number>,
    /// [`Threshold::Mixture`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mixture: Option<Number>,
    /// [`Threshold::Volume`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub volume: Option<Number>,
    /// [`Threshold::Mask`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mask: Option<Number>,
}

impl DiceSummary {
    /// Dice at a threshold, if it was computed.
    pub fn get(&self, threshold: Threshold) -> Option<&Number> {
        match threshold {
            Threshold::Oracle => Some(&self.oracle),
            Threshold::Otsu => self.otsu.as_ref(),
            Threshold::Validation => self.validation_threshold.as_ref(),
            Threshold::OtsuVolume => self.otsu_volume.as_ref(),
            Threshold::Mixture => self.mixture.as_ref(),
            Threshold::Volume => self.volume.as_ref(),
            Threshold::Mask => self.mask.as_ref(),
        }
    }
}

/// A cell of Table 3.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GridCell {
    /// `validation` or `test`.
    pub split: String,
    /// Sequence that is segmented.
    pub sequence: String,
    /// Requested number of supervoxels.
    pub regions: usize,
    /// Mean number of supervoxels over the cases.
    pub made: Option<f64>,
    /// SLIC's compactness.
    pub compactness: f64,
    /// Fill.
    pub fill: Method,
    /// Mean oracle Dice.
    pub mean: Option<f64>,
    /// 95 % bootstrap interval.
    pub ci95: Option<[f64; 2]>,
    /// Number of cases.
    pub n: usize,
    /// The paper's number.
    pub paper: Option<f64>,
    /// Reason for a missing mean.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

impl GridCell {
    /// Oracle Dice of the cell.
    pub fn number(&self) -> Number {
        Number { mean: self.mean, ci95: self.ci95, n: self.n, paper: self.paper, why: self.why.clone() }
    }
}

/// Claim of Figure 3.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FocusSummary {
    /// Rank correlation over epochs of the mean focus with the validation loss; the paper expects it below 0.
    pub correlation: Number,
}

/// Paired difference in Dice between two methods.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Difference {
    /// First method.
    pub method: Method,
    /// Method that it is compared with.
    pub over: Method,
    /// Threshold of both masks.
    #[serde(default = "oracle")]
    pub dice: Threshold,
    /// Mean of `method − over` over the cases that have both.
    pub difference: Number,
    /// Two-sided p-value of a paired permutation test.
    #[serde(default)]
    pub p: Option<f64>,
    /// Whether the interval lies above 0 and p is below 0.05.
    pub beats: bool,
}

/// Paired difference in a measure between two methods.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MeasureDifference {
    /// First method.
    pub method: Method,
    /// Method that it is compared with.
    pub over: Method,
    /// Measure that is compared.
    pub measure: Measure,
    /// Mean of `method − over` over the cases that have both.
    pub difference: Number,
    /// Two-sided p-value of a paired permutation test.
    pub p: Option<f64>,
    /// Whether the interval lies on the better side of 0 and p is below 0.05.
    pub better: bool,
}

/// Comparison of the learned fill with the constant fill `max`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FillSummary {
    /// Mean absolute distance from the values of `max` over the voxels of regions, 0 to 1.
    pub distance_from_max: Number,
    /// Mean over regions of the absolute change in probability, by fill.
    pub mean_abs_delta_p: BTreeMap<Method, Number>,
}

impl Summary {
    /// Returns the text of `summary.json`.
    ///
    /// # Errors
    /// Returns [`Error::Json`] if a value can't be written as JSON.
    pub fn to_json(&self) -> Result<String, Error> {
        let mut text = serde_json::to_string_pretty(self)?;
        text.push('\n');
        Ok(text)
    }

    /// Measures that any method has, in the order of their names.
    pub fn measure_names(&self) -> Vec<Measure> {
        let names: BTreeSet<Measure> = self.measures.values().flat_map(BTreeMap::keys).copied().collect();
        names.into_iter().collect()
    }

    /// Entries of a table by method, in the order of [`Method::ALL`].
    pub fn ordered<T>(table: &BTreeMap<Method, T>) -> Vec<(Method, &T)> {
        Method::ALL.into_iter().filter_map(|method| Some((method, table.get(&method)?))).collect()
    }
}
