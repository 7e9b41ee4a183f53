//! Summary of a run's results.

use relevox_eval::Bootstrap;
use relevox_report::tables::{
    CaseRow, ClassifierSummary, CohortSummary, DiffusionSummary, FocusSummary, GridCell, LeftOut, Method,
    Number, Paper, Selected, Summary,
};
use relevox_volume::Split;

use super::aggregate::{Aggregate, classifier_summary};
use super::cases::CaseDice;
use super::{correlation, differences, fill};
use crate::run::stream_seed;
use crate::stages::methods::of_every_case;
use crate::stages::partition::Partition;
use crate::stages::session::Session;
use crate::stages::{diffuse, grid, predict, predictions, shortcut, train};

/// Aggregates the measurements of the test cases.
///
/// # Errors
/// Returns an error if an artefact can't be read.
pub fn summarise(
    session: &Session,
    partition: &Partition,
    found: &[CaseDice],
    focus: &[correlation::EpochFocus],
) -> anyhow::Result<Summary> {
    let (paper, evaluate) = (Paper::load()?, &session.config.evaluate);
    let seed = stream_seed(session.config.seed, "bootstrap");
    let bootstrap = Bootstrap { resamples: evaluate.bootstrap, seed };
    let expected: Vec<Method> =
        of_every_case(session).into_iter().chain([Method::Random, Method::Ceiling]).collect();
    let aggregate = Aggregate { found, expected: &expected, paper: &paper, bootstrap };
    Ok(Summary {
        cohort: cohort(session),
        classifier: classifier(session, &paper, bootstrap)?,
        selected: Selected {
            sequence: partition.sequence.clone(),
            regions: partition.regions,
            compactness: partition.compactness,
        },
        dice: aggregate.dice(),
        ranked: aggregate.ranked(evaluate.ranks),
        cumulative: aggregate.cumulative(evaluate.cumulative),
        grid: grid_cells(session, &paper, bootstrap)?,
        focus: FocusSummary { correlation: correlation::correlation(focus) },
        differences: differences::of(found, bootstrap),
        measure_differences: differences::of_measures(found, bootstrap),
        fill: fill::summary(session, partition, found, bootstrap)?,
        measures: aggregate.measures(),
        diffusion: diffusion(session)?,
        folds: Vec::new(),
    })
}

fn diffusion(session: &Session) -> anyhow::Result<Option<DiffusionSummary>> {
    if !diffuse::is_enabled(&session.config) {
        return Ok(None);
    }
    let diffuse::Diffusion { chosen, cases, .. } = diffuse::read(session)?;
    let (scores, reading) = (chosen.scores.to_string(), chosen.reading.to_string());
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
        findings: scans.findings(),
    }
}

fn classifier(session: &Session, paper: &Paper, bootstrap: Bootstrap) -> anyhow::Result<ClassifierSummary> {
    let predictions = predictions::read(session.run.root(), predict::PREDICTIONS)?;
    let brightness = predictions::read(session.run.root(), shortcut::SHORTCUT)?;
    let (epoch, networks) = (train::selected_epoch(session)?, session.config.classifier.networks);
    classifier_summary(&predictions, &brightness, (epoch, networks), paper, bootstrap)
}

fn grid_cells(session: &Session, paper: &Paper, bootstrap: Bootstrap) -> anyhow::Result<Vec<GridCell>> {
    if !session.run.path(grid::GRID).exists() {
        return Ok(Vec::new());
    }
    let cells = grid::read(session)?.cells.into_iter().map(|cell| {
        let published = paper.grid(&cell.partition.sequence, cell.partition.regions, cell.fill);
        let number = match cell.dice.as_slice() {
            [] => Number::none(format!("no {} case has a segmentation with a tumour", cell.split), published),
            dice => Number::of(bootstrap.mean(dice), published),
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

/// Returns a row for each test case, with or without a tumour.
///
/// # Errors
/// Returns an error if predictions or a scan can't be read.
pub fn case_rows(session: &Session, found: &[CaseDice]) -> anyhow::Result<Vec<CaseRow>> {
    let partition = grid::selected(session)?;
    let predictions = predictions::read(session.run.root(), predict::PREDICTIONS)?;
    let mut rows = Vec::new();
    for prediction in predictions.into_iter().filter(|row| row.split == Split::Test) {
        let study = session.scans.study(&prediction.case)?;
        let case = found.iter().find(|case| case.case == prediction.case);
        let regions = match case {
            Some(case) => case.regions,
            None => partition.regions(session, &prediction.case)?.len(),
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
