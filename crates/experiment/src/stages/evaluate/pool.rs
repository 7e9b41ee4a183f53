//! Pooling of the folds of a cross-validation: every case of the cohort is tested once, by a network that was not
//! trained on its patient, and all results are computed over all cases.

use std::path::Path;

use anyhow::Context;
use relevox_eval::Bootstrap;
use relevox_report::tables::{
    CaseRow, FocusSummary, FoldSummary, Method, Number, Paper, Summary, read_cases,
};

use super::aggregate::{Aggregate, classifier_summary};
use super::cases::CaseDice;
use super::differences;
use super::files::{CASES, FOUND, SUMMARY, write_tables};
use crate::config::Config;
use crate::run::{Inputs, Run, hash_file, replace, stream_seed};
use crate::stages::predict::PREDICTIONS;
use crate::stages::predictions::{self, Prediction};
use crate::stages::shortcut::SHORTCUT;

/// Results of one fold.
struct Fold {
    summary: Summary,
    found: Vec<CaseDice>,
    rows: Vec<CaseRow>,
    predictions: Vec<Prediction>,
    brightness: Vec<Prediction>,
}

impl Fold {
    fn read(root: &Path) -> anyhow::Result<Self> {
        let read = |name: &str| {
            let path = root.join(name);
            std::fs::read(&path).with_context(|| format!("reading {}", path.display()))
        };
        Ok(Self {
            summary: serde_json::from_slice(&read(SUMMARY)?)?,
            found: serde_json::from_slice(&read(FOUND)?)?,
            rows: read_cases(&read(CASES)?)?,
            predictions: predictions::read(root, PREDICTIONS)?,
            brightness: predictions::read(root, SHORTCUT)?,
        })
    }
}

/// Pools the folders of the folds, in order, into the folder above them. Returns true if the results were not current.
///
/// # Errors
/// Returns an error if a fold was not evaluated.
pub fn run(run: &Run, config: &Config, folders: &[String]) -> anyhow::Result<bool> {
    let evaluate = &config.evaluate;
    let mut inputs = Inputs::new()
        .setting("seed", &config.seed)
        .setting("evaluate", &[evaluate.bootstrap, evaluate.ranks, evaluate.cumulative]);
    for folder in folders {
        for name in [SUMMARY, FOUND, CASES, PREDICTIONS, SHORTCUT] {
            let name = format!("{folder}/{name}");
            inputs = inputs.file(&name, &hash_file(&run.path(&name))?);
        }
    }
    run.make_with(SUMMARY, &inputs, |path| {
        let folds: Vec<Fold> =
            folders.iter().map(|folder| Fold::read(&run.path(folder))).collect::<anyhow::Result<_>>()?;
        let found: Vec<CaseDice> = folds.iter().flat_map(|fold| fold.found.iter().cloned()).collect();
        let rows: Vec<CaseRow> = folds.iter().flat_map(|fold| fold.rows.iter().cloned()).collect();
        let summary = pool(config, &folds, &found)?;
        let mut companions = vec![FOUND.to_owned()];
        companions.extend(write_tables(run, &summary, &rows)?);
        replace(&run.path(FOUND), serde_json::to_string_pretty(&found)?.as_bytes())?;
        replace(path, summary.to_json()?.as_bytes())?;
        Ok(companions)
    })
}

fn pool(config: &Config, folds: &[Fold], found: &[CaseDice]) -> anyhow::Result<Summary> {
    let first = &folds.first().context("a cross-validation without folds")?.summary;
    let evaluate = &config.evaluate;
    let (paper, seed) = (Paper::load()?, stream_seed(config.seed, "bootstrap"));
    let bootstrap = Bootstrap { resamples: evaluate.bootstrap, seed };
    let expected: Vec<Method> = first.dice.keys().copied().collect();
    let aggregate = Aggregate { found, expected: &expected, paper: &paper, bootstrap };
    let all = |of: fn(&Fold) -> &Vec<Prediction>| -> Vec<Prediction> {
        folds.iter().flat_map(|fold| of(fold).iter().cloned()).collect()
    };
    let (predictions, brightness) = (all(|fold| &fold.predictions), all(|fold| &fold.brightness));
    let networks = first.classifier.networks;
    let mut cohort = first.cohort.clone();
    cohort.test = folds.iter().map(|fold| fold.summary.cohort.test).sum();
    Ok(Summary {
        cohort,
        classifier: classifier_summary(&predictions, &brightness, (None, networks), &paper, bootstrap)?,
        selected: first.selected.clone(),
        dice: aggregate.dice(),
        ranked: aggregate.ranked(evaluate.ranks),
        cumulative: aggregate.cumulative(evaluate.cumulative),
        grid: Vec::new(),
        focus: FocusSummary {
            correlation: Number::none("each part of the cross-validation has its own", None),
        },
        differences: differences::of(found, bootstrap),
        measure_differences: differences::of_measures(found, bootstrap),
        fill: None,
        measures: aggregate.measures(),
        diffusion: None,
        folds: folds
            .iter()
            .enumerate()
            .map(|(index, Fold { summary, .. })| FoldSummary {
                fold: index + 1,
                test: summary.cohort.test,
                epoch: summary.classifier.epoch,
                selected: summary.selected.clone(),
                diffusion: summary.diffusion.clone(),
                test_auc: summary.classifier.test_auc.clone(),
            })
            .collect(),
    })
}
