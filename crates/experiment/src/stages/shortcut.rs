//! The control for the classifier: what plain statistics of the scans tell of the label, without looking at a place.
//!
//! A logistic regression on each sequence's mean and deviation, as the network gets them, fitted on the training split.
//! A network that does no better may have learned to weigh brightness, and has nothing to show on a map.

use anyhow::Context;
use ndarray::{Array2, Axis};
use relevox_eval::Logistic;
use relevox_volume::{CohortCase, Split};

use super::train::Prediction;
use super::{Session, Work};
use crate::interrupt;
use crate::progress::Progress;
use crate::run::{Inputs, replace};

/// The regression's predictions.
pub const SHORTCUT: &str = "classifier/shortcut.csv";

/// What the predictions are made from.
///
/// # Errors
/// Scans that can't be read.
pub fn inputs(session: &Session) -> anyhow::Result<Inputs> {
    Ok(session.scans.training_inputs().file("scored", &session.scored_hash()?))
}

/// Fits it, and writes what it says of the validation and test cases.
///
/// # Errors
/// Scans that can't be read.
pub fn run(session: &Session) -> anyhow::Result<Work> {
    let made = session.run.make(SHORTCUT, &inputs(session)?, |path| replace(path, &predictions(session)?))?;
    Ok(Work::from_iter([made]))
}

fn predictions(session: &Session) -> anyhow::Result<Vec<u8>> {
    let train: Vec<&CohortCase> = session.scans.split(Split::Train).collect();
    let scored = session.scored_cases();
    let progress = Progress::start("brightness", train.len() + scored.len(), "cases");
    let labels: Vec<bool> = train.iter().map(|case| case.label).collect();
    let fitted = Logistic::fit(statistics(session, &train, &progress)?.view(), &labels)
        .context("fitting the brightness control")?;
    let logits = fitted.logits(statistics(session, &scored, &progress)?.view())?;
    let mut table = csv::Writer::from_writer(Vec::new());
    for (case, logit) in scored.into_iter().zip(logits) {
        table.serialize(Prediction::new(case, logit)?)?;
    }
    Ok(table.into_inner()?)
}

/// Mean and deviation of each sequence over the crop, `[case, feature]`.
fn statistics(session: &Session, cases: &[&CohortCase], progress: &Progress) -> anyhow::Result<Array2<f64>> {
    let sequences = session.config.preprocess.sequences.len();
    let mut features = Array2::zeros((cases.len(), 2 * sequences));
    for (mut row, case) in features.rows_mut().into_iter().zip(cases) {
        interrupt::check()?;
        let study = session.scans.study(case.id())?;
        for (sequence, voxels) in study.image.axis_iter(Axis(0)).enumerate() {
            let voxels = voxels.mapv(f64::from);
            row[2 * sequence] = voxels.mean().unwrap_or(0.0);
            row[2 * sequence + 1] = voxels.std(0.0);
        }
        progress.advance(1);
    }
    Ok(features)
}
