//! Means and intervals over test cases.

use std::collections::{BTreeMap, BTreeSet};

use relevox_eval::{Bootstrap, accuracy, roc_auc};
use relevox_report::tables::{ClassifierSummary, DiceSummary, Measure, Method, Number, Paper, Threshold};
use relevox_volume::Split;

use super::cases::{CaseDice, MethodDice};
use crate::stages::predictions::Prediction;

/// Computes the mean of some test cases with its interval.
pub fn mean(bootstrap: Bootstrap, values: &[f64], paper: Option<f64>) -> Number {
    if values.is_empty() {
        return Number::none("no test case has a segmentation with a tumour inside the crop", paper);
    }
    Number::of(bootstrap.mean(values), paper)
}

/// Computes the performance of a classifier, given its selected epoch and number of networks, and of the brightness
/// control.
///
/// # Errors
/// Returns an error if a logit is not finite.
pub fn classifier_summary(
    predictions: &[Prediction],
    brightness: &[Prediction],
    (epoch, networks): (Option<usize>, usize),
    paper: &Paper,
    bootstrap: Bootstrap,
) -> anyhow::Result<ClassifierSummary> {
    let of = |predictions: &[Prediction], split: Split| -> (Vec<f64>, Vec<bool>) {
        let rows = predictions.iter().filter(|row| row.split == split);
        // Logits have the same order as probabilities, and do not saturate.
        rows.map(|row: &Prediction| (row.logit, row.label == 1)).unzip()
    };
    let auc = |(logits, labels): &(Vec<f64>, Vec<bool>), paper| match roc_auc(logits, labels) {
        Ok(_) => Number::of(bootstrap.auc(logits, labels), paper),
        Err(error) => Number::none(error.to_string(), paper),
    };
    let (test, validation) = (of(predictions, Split::Test), of(predictions, Split::Validation));
    let correct: Vec<f64> = test
        .0
        .iter()
        .zip(&test.1)
        .map(|(&logit, &label)| accuracy(&[logit], &[label], 0.0))
        .collect::<Result<_, _>>()?;
    Ok(ClassifierSummary {
        epoch,
        networks,
        test_auc: auc(&test, Some(paper.classifier.test_auc)),
        test_accuracy: Number::of(bootstrap.mean(&correct), None),
        validation_auc: auc(&validation, None),
        brightness_auc: auc(&of(brightness, Split::Test), None),
    })
}

/// Test cases to aggregate.
pub struct Aggregate<'a> {
    /// Measurements of each case.
    pub found: &'a [CaseDice],
    /// Methods that are listed even if no case has them.
    pub expected: &'a [Method],
    /// Results of the paper.
    pub paper: &'a Paper,
    /// Resampling of cases. All methods have the same resamples, which keeps comparisons paired.
    pub bootstrap: Bootstrap,
}

impl Aggregate<'_> {
    fn methods(&self) -> BTreeSet<Method> {
        self.found.iter().flat_map(|case| case.methods.keys()).chain(self.expected).copied().collect()
    }

    fn values(&self, method: Method, of: impl Fn(&MethodDice) -> Option<f64>) -> Vec<f64> {
        self.found.iter().filter_map(|case| of(case.methods.get(&method)?)).collect()
    }

    fn mean(&self, values: &[f64], paper: Option<f64>) -> Number {
        if values.is_empty() && !self.found.is_empty() {
            return Number::none("not computed for this method", paper);
        }
        mean(self.bootstrap, values, paper)
    }

    /// Dice by method, over the cases that have the method.
    pub fn dice(&self) -> BTreeMap<Method, DiceSummary> {
        let of = |method: Method| {
            let at = |threshold: Threshold| self.values(method, |dice| dice.dice.get(&threshold).copied());
            let other =
                |threshold: Threshold| (method != Method::Ceiling).then(|| self.mean(&at(threshold), None));
            let summary = DiceSummary {
                oracle: self.mean(&at(Threshold::Oracle), self.paper.oracle(method)),
                otsu: other(Threshold::Otsu),
                validation_threshold: other(Threshold::Validation),
                otsu_volume: other(Threshold::OtsuVolume),
                mixture: other(Threshold::Mixture),
                volume: other(Threshold::Volume),
                // Controls that average over shuffles have no mask.
                mask: Some(at(Threshold::Mask))
                    .filter(|dice| !dice.is_empty())
                    .map(|dice| self.mean(&dice, None)),
            };
            (method, summary)
        };
        self.methods().into_iter().map(of).collect()
    }

    /// Measures by method.
    pub fn measures(&self) -> BTreeMap<Method, BTreeMap<Measure, Number>> {
        let mut all: BTreeMap<Method, BTreeMap<Measure, Vec<f64>>> = BTreeMap::new();
        for (method, dice) in self.found.iter().flat_map(|case| &case.methods) {
            for (&measure, &value) in &dice.measures {
                all.entry(*method).or_default().entry(measure).or_default().push(value);
            }
        }
        let numbers = |measures: BTreeMap<Measure, Vec<f64>>| {
            measures.into_iter().map(|(measure, values)| (measure, self.mean(&values, None))).collect()
        };
        all.into_iter().map(|(method, measures)| (method, numbers(measures))).collect()
    }

    /// Dice of the region of each rank, by method (Table 1).
    pub fn ranked(&self, count: usize) -> BTreeMap<Method, Vec<Number>> {
        self.by_rank(count, |dice| &dice.ranked, |method, rank| self.paper.ranked(method, rank))
    }

    /// Dice of the regions up to each rank, by method (Table 2).
    pub fn cumulative(&self, count: usize) -> BTreeMap<Method, Vec<Number>> {
        self.by_rank(count, |dice| &dice.cumulative, |method, rank| self.paper.cumulative(method, rank))
    }

    fn by_rank(
        &self,
        count: usize,
        of: impl Fn(&MethodDice) -> &Vec<Option<f64>>,
        paper: impl Fn(Method, usize) -> Option<f64>,
    ) -> BTreeMap<Method, Vec<Number>> {
        let has_ranks = |method: Method| {
            let mut cases = self.found.iter().filter_map(|case| case.methods.get(&method)).peekable();
            cases.peek().is_none() || cases.any(|dice| of(dice).iter().any(Option::is_some))
        };
        self.methods()
            .into_iter()
            .filter(|&method| method != Method::GradCam && method != Method::Ceiling && has_ranks(method))
            .map(|method| {
                let number = |rank: usize| {
                    let values = self.values(method, |dice| of(dice).get(rank - 1).copied().flatten());
                    self.mean(&values, paper(method, rank))
                };
                (method, (1..=count).map(number).collect())
            })
            .collect()
    }
}
