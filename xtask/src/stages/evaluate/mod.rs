//! From scores and maps to numbers: `summary.json` and `tables/*.csv`.

mod cases;
mod correlation;
mod evidence;
mod fill;

use std::collections::BTreeMap;

use anyhow::Context;
use relevox_eval::{Bootstrap, accuracy, roc_auc};
use relevox_volume::Split;

use self::cases::{CEILING, CaseDice, MethodDice, RANDOM};
use super::maps::GRADCAM;
use super::train::Prediction;
use super::{Partition, Session, Work, grid, train};
use crate::run::{replace, stream_seed};
use crate::tables::{
    self, CaseRow, ClassifierSummary, CohortSummary, DiceSummary, Difference, FocusSummary, GridCell,
    LeftOut, Number, Paper, Selected, Summary,
};

/// The artefact that all numbers are in.
pub const SUMMARY: &str = "summary.json";
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
    let (paper, draw) = (Paper::load()?, bootstrap(session));
    Ok(Summary {
        cohort: cohort(session),
        classifier: classifier(session, &paper, draw)?,
        selected: Selected {
            sequence: partition.sequence.clone(),
            regions: partition.regions,
            compactness: partition.compactness,
        },
        dice: dice(session, found, &paper, draw),
        ranked: ranks(
            session,
            found,
            draw,
            |dice| &dice.ranked,
            session.config.evaluate.ranks,
            |method, rank| paper.ranked(method, rank),
        ),
        cumulative: ranks(
            session,
            found,
            draw,
            |dice| &dice.cumulative,
            session.config.evaluate.cumulative,
            |method, rank| paper.cumulative(method, rank),
        ),
        grid: grid_cells(session, &paper, draw)?,
        focus: FocusSummary { correlation: correlation::correlation(focus) },
        differences: differences(session, found, draw),
        fill: fill::summary(session, partition, found, draw)?,
    })
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
            .map(|case| LeftOut { case: case.case.clone(), why: case.why.clone() })
            .collect(),
    }
}

fn classifier(session: &Session, paper: &Paper, draw: Bootstrap) -> anyhow::Result<ClassifierSummary> {
    let of = |predictions: &[Prediction], split: Split| -> (Vec<f64>, Vec<bool>) {
        let rows = predictions.iter().filter(|row| row.split == split);
        // Logits rank as probabilities do, and do not saturate.
        rows.map(|row: &Prediction| (row.logit, row.label == 1)).unzip()
    };
    let auc = |(logits, labels): &(Vec<f64>, Vec<bool>), paper| match roc_auc(logits, labels) {
        Ok(_) => Number::of(draw.auc(logits, labels), paper),
        Err(error) => Number::none(error.to_string(), paper),
    };
    let predictions = train::predictions(session)?;
    let (test, validation) = (of(&predictions, Split::Test), of(&predictions, Split::Validation));
    let brightness = of(&train::by_brightness(session)?, Split::Test);
    let right: Vec<f64> = test
        .0
        .iter()
        .zip(&test.1)
        .map(|(&logit, &label)| accuracy(&[logit], &[label], 0.0))
        .collect::<Result<_, _>>()?;
    Ok(ClassifierSummary {
        epoch: train::best_epoch(session)?,
        test_auc: auc(&test, Some(paper.classifier.test_auc)),
        test_accuracy: Number::of(draw.mean(&right), None),
        validation_auc: auc(&validation, None),
        brightness_auc: auc(&brightness, None),
    })
}

/// Every method of this run.
fn methods(session: &Session) -> Vec<String> {
    let fills = session.config.evaluate.fills.iter().cloned();
    fills.chain([GRADCAM, RANDOM, CEILING].map(str::to_owned)).collect()
}

fn values(found: &[CaseDice], method: &str, of: impl Fn(&MethodDice) -> Option<f64>) -> Vec<f64> {
    found.iter().filter_map(|case| of(case.methods.get(method)?)).collect()
}

fn dice(
    session: &Session,
    found: &[CaseDice],
    paper: &Paper,
    draw: Bootstrap,
) -> BTreeMap<String, DiceSummary> {
    let of = |method: String| {
        let oracle = mean(draw, &values(found, &method, |dice| dice.oracle), paper.oracle(&method));
        let other = |of: fn(&MethodDice) -> Option<f64>| {
            (method != CEILING).then(|| mean(draw, &values(found, &method, of), None))
        };
        let (otsu, validation_threshold) = (other(|dice| dice.otsu), other(|dice| dice.validation));
        (method, DiceSummary { oracle, otsu, validation_threshold })
    };
    methods(session).into_iter().map(of).collect()
}

fn ranks(
    session: &Session,
    found: &[CaseDice],
    draw: Bootstrap,
    of: impl Fn(&MethodDice) -> &Vec<Option<f64>>,
    count: usize,
    paper: impl Fn(&str, usize) -> Option<f64>,
) -> BTreeMap<String, Vec<Number>> {
    let ranked = methods(session).into_iter().filter(|method| method != GRADCAM && method != CEILING);
    ranked
        .map(|method| {
            let number = |rank: usize| {
                let values = values(found, &method, |dice| of(dice).get(rank - 1).copied().flatten());
                mean(draw, &values, paper(&method, rank))
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
        let beside = paper.grid(&cell.partition.sequence, cell.partition.regions, &cell.fill);
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

/// What the better of the paper's two methods, and each of them, is worth beside Grad-CAM and the control.
fn differences(session: &Session, found: &[CaseDice], draw: Bootstrap) -> Vec<Difference> {
    let fills = &session.config.evaluate.fills;
    let mut pairs: Vec<(String, String)> = Vec::new();
    for fill in fills {
        pairs.extend([GRADCAM, RANDOM].map(|other| (fill.clone(), other.to_owned())));
    }
    if ["learned", "blank"].iter().all(|fill| fills.iter().any(|known| known == fill)) {
        pairs.push(("learned".into(), "blank".into()));
    }
    let oracle = |method: &str| values(found, method, |dice| dice.oracle);
    pairs
        .into_iter()
        .map(|(method, over)| {
            let difference = match oracle(&method) {
                values if values.is_empty() => mean(draw, &values, None),
                values => Number::of(draw.paired_difference(&values, &oracle(&over)), None),
            };
            let beats = difference.excludes_zero() && difference.mean.is_some_and(|mean| mean > 0.0);
            Difference { method, over, difference, beats }
        })
        .collect()
}

/// A row for each test case, with a tumour or not.
fn rows(session: &Session, found: &[CaseDice]) -> anyhow::Result<Vec<CaseRow>> {
    let partition = grid::selected(session)?;
    let predictions = train::predictions(session)?;
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
        let dice = methods.into_iter().flatten().map(|(method, dice)| (method.clone(), thresholds(dice)));
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
            flat: flat.map(|(method, _)| method.clone()).collect(),
            case: prediction.case,
        });
    }
    Ok(rows)
}

fn thresholds(dice: &MethodDice) -> BTreeMap<String, f64> {
    [("oracle", dice.oracle), ("otsu", dice.otsu), ("validation_threshold", dice.validation)]
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?)))
        .collect()
}
