//! Brightness control of the classifier: a prediction from global intensity statistics, without spatial information.
//!
//! A logistic regression on the mean and standard deviation of each preprocessed sequence, fitted on the training
//! split. A network that is not better may rely on a brightness shortcut; its maps then show no localized evidence.

use anyhow::Context;
use ndarray::{Array2, Axis};
use relevox_eval::Logistic;
use relevox_volume::{CohortCase, Split};

use super::predictions::{Prediction, to_csv};
use super::session::Session;
use super::work::Work;
use crate::interrupt;
use crate::progress::Progress;
use crate::run::{Inputs, replace};

/// Artefact with the predictions of the regression.
pub const SHORTCUT: &str = "classifier/shortcut.csv";

/// Returns the inputs of the predictions.
///
/// # Errors
/// Returns an error if a case is not in the cohort.
pub fn inputs(session: &Session) -> anyhow::Result<Inputs> {
    Ok(session.scans.training_inputs().file("scored", &session.scored_hash()?))
}

/// Fits the regression and writes its predictions for the validation and test cases.
///
/// # Errors
/// Returns an error if a scan can't be read.
pub fn run(session: &Session) -> anyhow::Result<Work> {
    let made = session
        .run
        .make(SHORTCUT, &inputs(session)?, |path| replace(path, &to_csv(&predictions(session)?)?))?;
    Ok(Work::from_iter([made]))
}

fn predictions(session: &Session) -> anyhow::Result<Vec<Prediction>> {
    let train: Vec<&CohortCase> = session.scans.split(Split::Train).collect();
    let scored = session.scored_cases();
    let progress = Progress::start("brightness", train.len() + scored.len(), "cases");
    let labels: Vec<bool> = train.iter().map(|case| case.label).collect();
    let fitted = Logistic::fit(statistics(session, &train, &progress)?.view(), &labels)
        .context("fitting the brightness control")?;
    let logits = fitted.logits(statistics(session, &scored, &progress)?.view())?;
    scored.into_iter().zip(logits).map(|(case, logit)| Prediction::new(case, logit)).collect()
}

/// Computes mean and standard deviation of each sequence over the crop, `[case, feature]`.
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
