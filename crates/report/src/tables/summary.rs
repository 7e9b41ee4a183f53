//! `summary.json`: every number of a run, for scripts to read. Keys keep their order.

use std::collections::{BTreeMap, BTreeSet};

use relevox_eval::Interval;
use serde::{Deserialize, Serialize};

use super::{Measure, Method, Threshold};

/// A number with its interval over cases and what the paper has in its place.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Number {
    /// The number; `null` if it could not be computed.
    pub mean: Option<f64>,
    /// Its 95 % bootstrap interval.
    pub ci95: Option<[f64; 2]>,
    /// Cases.
    pub n: usize,
    /// The paper's number.
    pub paper: Option<f64>,
    /// Why there is no number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

impl Number {
    /// A computed number.
    pub fn new(interval: Interval, paper: Option<f64>) -> Self {
        Self { mean: Some(interval.mean), ci95: Some(interval.ci95), n: interval.n, paper, why: None }
    }

    /// A number that could not be computed.
    pub fn none(why: impl Into<String>, paper: Option<f64>) -> Self {
        Self { mean: None, ci95: None, n: 0, paper, why: Some(why.into()) }
    }

    /// A number, or why there is none.
    pub fn of(interval: Result<Interval, relevox_eval::Error>, paper: Option<f64>) -> Self {
        match interval {
            Ok(interval) => Self::new(interval, paper),
            Err(error) => Self::none(error.to_string(), paper),
        }
    }

    /// Whether the interval leaves 0 out.
    pub fn excludes_zero(&self) -> bool {
        self.ci95.is_some_and(|ci| ci[0] > 0.0 || ci[1] < 0.0)
    }
}

/// All of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Summary {
    /// Who was looked at.
    pub cohort: CohortSummary,
    /// How well the network grades.
    pub classifier: ClassifierSummary,
    /// The supervoxels that the grid chose on the validation split.
    pub selected: Selected,
    /// Dice by method.
    pub dice: BTreeMap<Method, DiceSummary>,
    /// Table 1 by method: Dice of the region at each rank, alone.
    pub ranked: BTreeMap<Method, Vec<Number>>,
    /// Table 2 by method: Dice of the regions up to each rank.
    pub cumulative: BTreeMap<Method, Vec<Number>>,
    /// Table 3.
    pub grid: Vec<GridCell>,
    /// Figure 3's claim.
    pub focus: FocusSummary,
    /// Paired differences between methods in oracle Dice.
    #[serde(default)]
    pub differences: Vec<Difference>,
    /// Paired differences between methods in each measure.
    #[serde(default)]
    pub measure_differences: Vec<MeasureDifference>,
    /// What the learned fill learned, if it was trained.
    #[serde(default)]
    pub fill: Option<FillSummary>,
    /// By method and name: `activation_precision`, `pointing`, `hausdorff95_mm`, and on the cases that further explainers
    /// explain `deletion`, `insertion` and `infidelity`.
    #[serde(default)]
    pub measures: BTreeMap<Method, BTreeMap<Measure, Number>>,
    /// How scores were diffused, as the validation split chose it.
    #[serde(default)]
    pub diffusion: Option<DiffusionSummary>,
    /// The parts of a cross-validation, of which all other numbers are pooled.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub folds: Vec<FoldSummary>,
}

/// How scores were diffused.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DiffusionSummary {
    /// The fill whose scores they are.
    pub fill: Method,
    /// What was smoothed: `delta_p` or `delta_logit`.
    pub scores: String,
    /// What of the smoothed scores is relevance: `magnitude` or `positive`.
    #[serde(default = "magnitude")]
    pub reading: String,
    /// How strongly.
    pub lambda: f64,
    /// The deviation of likeness, in units of the median distance between neighbours.
    pub scale: f64,
    /// Whether an edge weighs by the length of the border.
    pub border: bool,
    /// Validation cases that chose it.
    pub cases: usize,
}

/// One part of a cross-validation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FoldSummary {
    /// From 1.
    pub fold: usize,
    /// Cases that were tested.
    pub test: usize,
    /// The epoch whose weights were kept.
    pub epoch: Option<usize>,
    /// The supervoxels that were chosen.
    pub selected: Selected,
    /// How scores were diffused.
    pub diffusion: Option<DiffusionSummary>,
    /// Area under the ROC curve on its own test cases.
    pub test_auc: Number,
}

/// Who was looked at.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CohortSummary {
    /// Usable cases.
    pub cases: usize,
    /// Trained on.
    pub train: usize,
    /// Validated on.
    pub validation: usize,
    /// Tested on.
    pub test: usize,
    /// Positive ones, over all splits.
    pub positive: usize,
    /// Found and not used.
    pub left_out: Vec<LeftOut>,
}

/// A case that was found and not used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeftOut {
    /// The case.
    pub case: String,
    /// The reason.
    pub why: String,
}

/// How well the network grades.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassifierSummary {
    /// The epoch whose weights were kept; none where the parts of a cross-validation are pooled, or networks keep
    /// different ones.
    pub epoch: Option<usize>,
    /// Networks whose mean logit decides.
    #[serde(default = "one")]
    pub networks: usize,
    /// Area under the ROC curve on the test split.
    pub test_auc: Number,
    /// Accuracy at p ≥ 0.5 on the test split.
    pub test_accuracy: Number,
    /// Area under the ROC curve on the validation split.
    pub validation_auc: Number,
    /// The control: area under the ROC curve on the test split of a logistic regression on each sequence's mean and
    /// deviation.
    pub brightness_auc: Number,
}

/// Summaries of the time before there were several say nothing.
fn one() -> usize {
    1
}

/// Nor do those of the time before there was another.
fn magnitude() -> String {
    "magnitude".to_owned()
}

/// A choice of supervoxels.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Selected {
    /// The sequence divided.
    pub sequence: String,
    /// Supervoxels asked for.
    pub regions: usize,
    /// SLIC's compactness.
    pub compactness: f64,
}

/// A method's Dice, by how the threshold on its map was found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DiceSummary {
    /// The best threshold for each case, which only the truth can tell.
    pub oracle: Number,
    /// Otsu's threshold on the case's scores.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub otsu: Option<Number>,
    /// The one threshold that is best on the validation split.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation_threshold: Option<Number>,
    /// Otsu's threshold with regions weighted by their volume of brain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub otsu_volume: Option<Number>,
    /// That of a mixture of two normal distributions, weighted so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mixture: Option<Number>,
    /// The highest regions up to the mean volume of the validation split's tumours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub volume: Option<Number>,
    /// The mask that the run leaves: the config's label-free threshold, small islands removed.
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
    /// The sequence divided.
    pub sequence: String,
    /// Supervoxels asked for.
    pub regions: usize,
    /// Supervoxels made, on average over the cases.
    pub made: Option<f64>,
    /// SLIC's compactness.
    pub compactness: f64,
    /// The fill.
    pub fill: Method,
    /// Mean oracle Dice.
    pub mean: Option<f64>,
    /// Its interval.
    pub ci95: Option<[f64; 2]>,
    /// Cases.
    pub n: usize,
    /// The paper's number.
    pub paper: Option<f64>,
    /// Why there is no number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// Figure 3's claim.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FocusSummary {
    /// Rank correlation over epochs of the mean focus with validation loss; the paper expects it below 0.
    pub correlation: Number,
}

/// How much one method is above another, case by case.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Difference {
    /// The one.
    pub method: Method,
    /// The other.
    pub over: Method,
    /// The threshold whose Dice is compared.
    #[serde(default = "oracle")]
    pub dice: Threshold,
    /// Mean of `method − over` over the cases that have both.
    pub difference: Number,
    /// Two-sided p-value of a paired permutation test (signs flipped).
    #[serde(default)]
    pub p: Option<f64>,
    /// Whether the interval lies above 0, and p under 0.05.
    pub beats: bool,
}

/// How much one method is above another in a measure, case by case.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MeasureDifference {
    /// The one.
    pub method: Method,
    /// The other.
    pub over: Method,
    /// The measure, as [`Summary::measures`] names it.
    pub measure: Measure,
    /// Mean of `method − over` over the cases that have both.
    pub difference: Number,
    /// Two-sided p-value of a paired permutation test (signs flipped).
    pub p: Option<f64>,
    /// Whether the interval lies wholly on the better side of 0, and p under 0.05.
    pub better: bool,
}

/// Whether the learned fill is more than a saturated constant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FillSummary {
    /// Mean absolute distance of its values from the `max` fill's, over the voxels of regions, 0 to 1.
    pub distance_from_max: Number,
    /// Mean over regions of the absolute change in probability, by fill.
    pub mean_abs_delta_p: BTreeMap<Method, Number>,
}

fn oracle() -> Threshold {
    Threshold::Oracle
}

impl Summary {
    /// The file's text.
    ///
    /// # Errors
    /// Never for finite numbers.
    pub fn to_json(&self) -> anyhow::Result<String> {
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

/// One case of the test split: a row of `tables/cases.csv`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CaseRow {
    /// The case.
    pub case: String,
    /// Its split.
    pub split: String,
    /// Its class.
    pub positive: bool,
    /// The network's probability of the positive class.
    pub probability: f64,
    /// Supervoxels made.
    pub regions: usize,
    /// Voxels of the expert's outline on the network's grid; none without one.
    pub tumour_voxels: Option<usize>,
    /// Dice by method, control or bound, and threshold.
    pub dice: BTreeMap<Method, BTreeMap<Threshold, f64>>,
    /// Methods whose map of this case is flat.
    pub flat: Vec<Method>,
}
