//! From scores and maps to numbers: `summary.json` and `tables/*.csv`.

mod cases;
mod controls;
mod correlation;
mod differences;
mod evidence;
mod fill;
pub mod pool;
pub mod spread;

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context;
use relevox_eval::{Bootstrap, accuracy, roc_auc};
use relevox_volume::Split;

pub use self::cases::CaseDice;
use self::cases::MethodDice;
use super::methods::everywhere;
use super::train::Prediction;
use super::{Partition, Session, Work, diffuse, grid, train};
use crate::run::{replace, stream_seed};
use relevox_report::tables::{
    self, CaseRow, ClassifierSummary, CohortSummary, DiceSummary, DiffusionSummary, FocusSummary, GridCell,
    LeftOut, Measure, Method, Number, Paper, Selected, Summary, Threshold,
};

/// The artefact that all numbers are in.
pub const SUMMARY: &str = "summary.json";
/// Everything that each test case with a tumour says of each method.
pub const FOUND: &str = "cases.json";
/// A row for each test case.
pub const CASES: &str = "tables/cases.csv";
/// Focus and validation loss by epoch.
pub const FOCUS: &str = "tables/focus.csv";

/// Computes every number.
///
/// # Errors
/// Artefacts that are missing or of another config.
pub fn run(session: &Session) -> anyhow::Result<Work> {
    let partition = grid::selected(session)?;
    let inputs = evidence::inputs(session, &partition)?;
    let made = session.run.make_with(SUMMARY, &inputs, |path| {
        let found = cases::test_cases(session, &partition)?;
        let focus = correlation::by_epoch(session)?;
        let summary = summarise(session, &partition, &found, &focus)?;
        let mut left = vec![FOCUS.to_owned()];
        for table in tables::all(&summary, &rows(session, &found)?)? {
            let name = format!("tables/{}", table.file);
            replace(&session.run.path(&name), &table.bytes)?;
            left.push(name);
        }
        let mut table = csv::Writer::from_writer(Vec::new());
        focus.iter().try_for_each(|row| table.serialize(row))?;
        replace(&session.run.path(FOCUS), &table.into_inner()?)?;
        replace(&session.run.path(FOUND), serde_json::to_string_pretty(&found)?.as_bytes())?;
        left.push(FOUND.to_owned());
        replace(path, summary.to_json()?.as_bytes())?;
        Ok(left)
    })?;
    Ok(Work::from_iter([made]))
}

/// Says what to run first where the numbers are not there, or of another config.
///
/// # Errors
/// Numbers that are not current.
pub fn require(session: &Session) -> anyhow::Result<()> {
    let partition = grid::selected(session)?;
    session.run.require(SUMMARY, &evidence::inputs(session, &partition)?, "evaluate")
}

/// The numbers of a run.
///
/// # Errors
/// Numbers that were not computed yet.
pub fn summary(session: &Session) -> anyhow::Result<Summary> {
    let path = session.run.path(SUMMARY);
    let text = std::fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
    serde_json::from_slice(&text).with_context(|| format!("reading {}", path.display()))
}

/// How intervals are drawn: the same cases for every method, so that pairs stay pairs.
fn bootstrap(session: &Session) -> Bootstrap {
    let resamples = session.config.evaluate.bootstrap;
    Bootstrap { resamples, seed: stream_seed(session.config.seed, "bootstrap") }
}

fn mean(draw: Bootstrap, values: &[f64], paper: Option<f64>) -> Number {
    if values.is_empty() {
        return Number::none("no test case has a segmentation with a tumour", paper);
    }
    Number::of(draw.mean(values), paper)
}

fn summarise(
    session: &Session,
    partition: &Partition,
    found: &[CaseDice],
    focus: &[correlation::EpochFocus],
) -> anyhow::Result<Summary> {
    let (paper, draw, known) = (Paper::load()?, bootstrap(session), known(session));
    Ok(Summary {
        cohort: cohort(session),
        classifier: classifier(session, &paper, draw)?,
        selected: Selected {
            sequence: partition.sequence.clone(),
            regions: partition.regions,
            compactness: partition.compactness,
        },
        dice: dice(found, &known, &paper, draw),
        ranked: ranks(
            found,
            &known,
            draw,
            |dice| &dice.ranked,
            session.config.evaluate.ranks,
            |method, rank| paper.ranked(method, rank),
        ),
        cumulative: ranks(
            found,
            &known,
            draw,
            |dice| &dice.cumulative,
            session.config.evaluate.cumulative,
            |method, rank| paper.cumulative(method, rank),
        ),
        grid: grid_cells(session, &paper, draw)?,
        focus: FocusSummary { correlation: correlation::correlation(focus) },
        differences: differences::of(found, draw),
        measure_differences: differences::of_measures(found, draw),
        fill: fill::summary(session, partition, found, draw)?,
        measures: measures(found, draw),
        diffusion: diffusion(session)?,
        folds: Vec::new(),
    })
}

fn diffusion(session: &Session) -> anyhow::Result<Option<DiffusionSummary>> {
    if !diffuse::wanted(&session.config) {
        return Ok(None);
    }
    let diffuse::Diffusion { chosen, cases, .. } = diffuse::read(session)?;
    let scores = serde_json::to_value(chosen.scores)?.as_str().unwrap_or_default().to_owned();
    let reading = serde_json::to_value(chosen.reading)?.as_str().unwrap_or_default().to_owned();
    let diffuse::Setting { fill, lambda, scale, border, .. } = chosen;
    Ok(Some(DiffusionSummary { fill, scores, reading, lambda, scale, border, cases }))
}

fn cohort(session: &Session) -> CohortSummary {
    let scans = &session.scans;
    let [train, validation, test] = Split::ALL.map(|split| scans.split(split).count());
    CohortSummary {
        cases: scans.cases().len(),
        train,
        validation,
        test,
        positive: scans.cases().iter().filter(|case| case.label).count(),
        left_out: scans
            .left_out()
            .iter()
            .map(|case| LeftOut { case: case.case.clone(), why: case.reason.clone() })
            .collect(),
    }
}

fn classifier(session: &Session, paper: &Paper, draw: Bootstrap) -> anyhow::Result<ClassifierSummary> {
    let predictions = train::predictions(session.run.root())?;
    let brightness = train::by_brightness(session.run.root())?;
    let (epoch, networks) = (train::best_epoch(session)?, session.config.classifier.networks);
    graded(&predictions, &brightness, (epoch, networks), paper, draw)
}

/// How well a classifier, of a kept epoch and so many networks, grades, from what it says of each case, and what brightness
/// alone does.
fn graded(
    predictions: &[Prediction],
    brightness: &[Prediction],
    (epoch, networks): (Option<usize>, usize),
    paper: &Paper,
    draw: Bootstrap,
) -> anyhow::Result<ClassifierSummary> {
    let of = |predictions: &[Prediction], split: Split| -> (Vec<f64>, Vec<bool>) {
        let rows = predictions.iter().filter(|row| row.split == split);
        // Logits rank as probabilities do, and do not saturate.
        rows.map(|row: &Prediction| (row.logit, row.label == 1)).unzip()
    };
    let auc = |(logits, labels): &(Vec<f64>, Vec<bool>), paper| match roc_auc(logits, labels) {
        Ok(_) => Number::of(draw.auc(logits, labels), paper),
        Err(error) => Number::none(error.to_string(), paper),
    };
    let (test, validation) = (of(predictions, Split::Test), of(predictions, Split::Validation));
    let right: Vec<f64> = test
        .0
        .iter()
        .zip(&test.1)
        .map(|(&logit, &label)| accuracy(&[logit], &[label], 0.0))
        .collect::<Result<_, _>>()?;
    Ok(ClassifierSummary {
        epoch,
        networks,
        test_auc: auc(&test, Some(paper.classifier.test_auc)),
        test_accuracy: Number::of(draw.mean(&right), None),
        validation_auc: auc(&validation, None),
        brightness_auc: auc(&of(brightness, Split::Test), None),
    })
}

/// Every method of some case, and those that every case should have.
fn methods(found: &[CaseDice], known: &[Method]) -> BTreeSet<Method> {
    found.iter().flat_map(|case| case.methods.keys()).chain(known).copied().collect()
}

/// The methods that every case of a run should have.
fn known(session: &Session) -> Vec<Method> {
    everywhere(session).into_iter().chain([Method::Random, Method::Ceiling]).collect()
}

fn values(found: &[CaseDice], method: Method, of: impl Fn(&MethodDice) -> Option<f64>) -> Vec<f64> {
    found.iter().filter_map(|case| of(case.methods.get(&method)?)).collect()
}

/// Dice by method, over the cases that have it.
fn dice(
    found: &[CaseDice],
    known: &[Method],
    paper: &Paper,
    draw: Bootstrap,
) -> BTreeMap<Method, DiceSummary> {
    let of = |method: Method| {
        let at = |threshold: Threshold| values(found, method, |dice| dice.dice.get(&threshold).copied());
        let other =
            |threshold: Threshold| (method != Method::Ceiling).then(|| mean(draw, &at(threshold), None));
        let summary = DiceSummary {
            oracle: mean(draw, &at(Threshold::Oracle), paper.oracle(method)),
            otsu: other(Threshold::Otsu),
            validation_threshold: other(Threshold::Validation),
            otsu_volume: other(Threshold::OtsuVolume),
            mixture: other(Threshold::Mixture),
            volume: other(Threshold::Volume),
            // Controls that are means over shuffles leave no mask.
            mask: Some(at(Threshold::Mask))
                .filter(|dice| !dice.is_empty())
                .map(|dice| mean(draw, &dice, None)),
        };
        (method, summary)
    };
    methods(found, known).into_iter().map(of).collect()
}

fn measures(found: &[CaseDice], draw: Bootstrap) -> BTreeMap<Method, BTreeMap<Measure, Number>> {
    let mut all: BTreeMap<Method, BTreeMap<Measure, Vec<f64>>> = BTreeMap::new();
    for (method, dice) in found.iter().flat_map(|case| &case.methods) {
        for (&measure, &value) in &dice.measures {
            all.entry(*method).or_default().entry(measure).or_default().push(value);
        }
    }
    let numbers = |measures: BTreeMap<Measure, Vec<f64>>| {
        measures.into_iter().map(|(measure, values)| (measure, mean(draw, &values, None))).collect()
    };
    all.into_iter().map(|(method, measures)| (method, numbers(measures))).collect()
}

fn ranks(
    found: &[CaseDice],
    known: &[Method],
    draw: Bootstrap,
    of: impl Fn(&MethodDice) -> &Vec<Option<f64>>,
    count: usize,
    paper: impl Fn(Method, usize) -> Option<f64>,
) -> BTreeMap<Method, Vec<Number>> {
    let some = |method: Method| {
        let mut cases = found.iter().filter_map(|case| case.methods.get(&method)).peekable();
        cases.peek().is_none() || cases.any(|dice| of(dice).iter().any(Option::is_some))
    };
    methods(found, known)
        .into_iter()
        .filter(|&method| method != Method::GradCam && method != Method::Ceiling && some(method))
        .map(|method| {
            let number = |rank: usize| {
                let values = values(found, method, |dice| of(dice).get(rank - 1).copied().flatten());
                mean(draw, &values, paper(method, rank))
            };
            let numbers = (1..=count).map(number).collect();
            (method, numbers)
        })
        .collect()
}

fn grid_cells(session: &Session, paper: &Paper, draw: Bootstrap) -> anyhow::Result<Vec<GridCell>> {
    if !session.run.path(grid::GRID).exists() {
        return Ok(Vec::new());
    }
    let cells = grid::read(session)?.cells.into_iter().map(|cell| {
        let beside = paper.grid(&cell.partition.sequence, cell.partition.regions, cell.fill);
        let number = match cell.dice.as_slice() {
            [] => Number::none(format!("no {} case has a segmentation with a tumour", cell.split), beside),
            dice => Number::of(draw.mean(dice), beside),
        };
        GridCell {
            made: cell.mean_made(),
            split: cell.split.name().to_owned(),
            sequence: cell.partition.sequence,
            regions: cell.partition.regions,
            compactness: cell.partition.compactness,
            fill: cell.fill,
            mean: number.mean,
            ci95: number.ci95,
            n: number.n,
            paper: number.paper,
            why: number.why,
        }
    });
    Ok(cells.collect())
}

/// A row for each test case, with a tumour or not.
fn rows(session: &Session, found: &[CaseDice]) -> anyhow::Result<Vec<CaseRow>> {
    let partition = grid::selected(session)?;
    let predictions = train::predictions(session.run.root())?;
    let mut rows = Vec::new();
    for prediction in predictions.into_iter().filter(|row| row.split == Split::Test) {
        let study = session.scans.study(&prediction.case)?;
        let case = found.iter().find(|case| case.case == prediction.case);
        let regions = match case {
            Some(case) => case.regions,
            None => partition
                .read(&session.run, &session.scans, &prediction.case, &session.config.regions, "regions")?
                .len(),
        };
        let methods = case.map(|case| &case.methods);
        let dice = methods.into_iter().flatten().map(|(method, dice)| (*method, dice.dice.clone()));
        let flat = methods.into_iter().flatten().filter(|(_, dice)| dice.flat);
        rows.push(CaseRow {
            split: prediction.split.name().to_owned(),
            positive: prediction.label == 1,
            probability: prediction.probability,
            regions,
            tumour_voxels: study
                .tumour
                .as_ref()
                .map(|tumour| tumour.iter().filter(|&&inside| inside).count()),
            dice: dice.collect(),
            flat: flat.map(|(method, _)| *method).collect(),
            case: prediction.case,
        });
    }
    Ok(rows)
}
