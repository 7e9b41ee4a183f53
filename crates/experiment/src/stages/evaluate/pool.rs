//! The parts of a cross-validation as one: every case of the cohort is tested once, by a network that did not see its
//! patient, and all numbers are over all of them.

use std::path::Path;

use anyhow::Context;
use relevox_eval::Bootstrap;

use super::{CASES, CaseDice, FOUND, SUMMARY, dice, differences, graded, measures, ranks};
use crate::config::Config;
use crate::run::{Inputs, Run, hash_file, replace, stream_seed};
use crate::stages::train::{self, Prediction};
use relevox_report::tables::{
    self, CaseRow, FocusSummary, FoldSummary, Method, Number, Paper, Summary, read_cases,
};

/// What one part left.
struct Part {
    summary: Summary,
    found: Vec<CaseDice>,
    rows: Vec<CaseRow>,
    predictions: Vec<Prediction>,
    brightness: Vec<Prediction>,
}

impl Part {
    fn read(root: &Path) -> anyhow::Result<Self> {
        let read = |name: &str| {
            let path = root.join(name);
            std::fs::read(&path).with_context(|| format!("reading {}", path.display()))
        };
        Ok(Self {
            summary: serde_json::from_slice(&read(SUMMARY)?)?,
            found: serde_json::from_slice(&read(FOUND)?)?,
            rows: read_cases(&read(CASES)?)?,
            predictions: train::predictions(root)?,
            brightness: train::by_brightness(root)?,
        })
    }
}

/// Pools the folders of the parts, in their order, into the folder above them. Says whether there was something to do.
///
/// # Errors
/// A part that was not evaluated.
pub fn run(run: &Run, config: &Config, folders: &[String]) -> anyhow::Result<bool> {
    let evaluate = &config.evaluate;
    let mut inputs = Inputs::new()
        .setting("seed", &config.seed)
        .setting("evaluate", &[evaluate.bootstrap, evaluate.ranks, evaluate.cumulative]);
    for folder in folders {
        for name in [SUMMARY, FOUND, CASES, "classifier/predictions.csv", "classifier/shortcut.csv"] {
            let name = format!("{folder}/{name}");
            inputs = inputs.file(&name, &hash_file(&run.path(&name))?);
        }
    }
    run.make_with(SUMMARY, &inputs, |path| {
        let parts: Vec<Part> =
            folders.iter().map(|folder| Part::read(&run.path(folder))).collect::<anyhow::Result<_>>()?;
        let found: Vec<CaseDice> = parts.iter().flat_map(|part| part.found.iter().cloned()).collect();
        let rows: Vec<CaseRow> = parts.iter().flat_map(|part| part.rows.iter().cloned()).collect();
        let summary = pooled(config, &parts, &found)?;
        let mut left = vec![FOUND.to_owned()];
        for table in tables::all(&summary, &rows)? {
            let name = format!("tables/{}", table.file);
            replace(&run.path(&name), &table.bytes)?;
            left.push(name);
        }
        replace(&run.path(FOUND), serde_json::to_string_pretty(&found)?.as_bytes())?;
        replace(path, summary.to_json()?.as_bytes())?;
        Ok(left)
    })
}

fn pooled(config: &Config, parts: &[Part], found: &[CaseDice]) -> anyhow::Result<Summary> {
    let first = &parts.first().context("a part of the cross-validation")?.summary;
    let evaluate = &config.evaluate;
    let (paper, seed) = (Paper::load()?, stream_seed(config.seed, "bootstrap"));
    let draw = Bootstrap { resamples: evaluate.bootstrap, seed };
    let known: Vec<Method> = first.dice.keys().copied().collect();
    let all = |of: fn(&Part) -> &Vec<Prediction>| -> Vec<Prediction> {
        parts.iter().flat_map(|part| of(part).iter().cloned()).collect()
    };
    let (predictions, brightness) = (all(|part| &part.predictions), all(|part| &part.brightness));
    let mut cohort = first.cohort.clone();
    cohort.test = parts.iter().map(|part| part.summary.cohort.test).sum();
    let own = "each part of the cross-validation has its own";
    Ok(Summary {
        cohort,
        classifier: graded(&predictions, &brightness, (None, first.classifier.networks), &paper, draw)?,
        selected: first.selected.clone(),
        dice: dice(found, &known, &paper, draw),
        ranked: ranks(
            found,
            &known,
            draw,
            |dice| &dice.ranked,
            evaluate.ranks,
            |method, rank| paper.ranked(method, rank),
        ),
        cumulative: ranks(
            found,
            &known,
            draw,
            |dice| &dice.cumulative,
            evaluate.cumulative,
            |method, rank| paper.cumulative(method, rank),
        ),
        grid: Vec::new(),
        focus: FocusSummary { correlation: Number::none(own, None) },
        differences: differences::of(found, draw),
        measure_differences: differences::of_measures(found, draw),
        fill: None,
        measures: measures(found, draw),
        diffusion: None,
        folds: parts
            .iter()
            .enumerate()
            .map(|(index, Part { summary, .. })| FoldSummary {
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
