//! Predictions of the trained classifier for the scored cases.

use anyhow::Context;
use ndarray::Axis;

use super::network::Network;
use super::predictions::{Prediction, to_csv};
use super::session::Session;
use crate::interrupt;
use crate::progress::Progress;
use crate::run::{Inputs, replace};

/// Artefact with the predictions.
pub const PREDICTIONS: &str = "classifier/predictions.csv";

/// Returns the inputs of the predictions. `classifier` is the hash of its weights.
///
/// # Errors
/// Returns an error if a case is not in the cohort.
pub fn inputs(session: &Session, classifier: &str) -> anyhow::Result<Inputs> {
    Ok(Inputs::new().file("classifier", classifier).file("cases", &session.scored_hash()?))
}

/// Makes the predictions unless they are current, and returns true if they were made.
///
/// # Errors
/// Returns an error if a scan can't be read or the network fails.
pub fn make(session: &Session, classifier: &str) -> anyhow::Result<bool> {
    session.run.make(PREDICTIONS, &inputs(session, classifier)?, |path| {
        replace(path, &to_csv(&predictions(session)?)?)
    })
}

fn predictions(session: &Session) -> anyhow::Result<Vec<Prediction>> {
    let network = Network::selected(session)?;
    let cases = session.scored_cases();
    let progress = Progress::start("predict", cases.len(), "cases");
    let mut rows = Vec::with_capacity(cases.len());
    for case in cases {
        interrupt::check()?;
        let study = session.scans.study(case.id())?;
        let logits = network.classifier().logits(study.image.view().insert_axis(Axis(0)))?;
        let logit = f64::from(*logits.first().context("a network without outputs")?);
        rows.push(Prediction::new(case, logit)?);
        progress.advance(1);
    }
    Ok(rows)
}
