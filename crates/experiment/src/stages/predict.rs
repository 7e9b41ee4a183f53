//! Predictions of the trained classifier for the scored cases, and for the same cases without any structure.
//!
//! An empty scan has each sequence's mean in place of its brain. Removal of a region is meant to remove evidence: a network that
//! takes the empty scan for the finding responds to the fill itself, and maps of its scores show little else.

use anyhow::Context;
use ndarray::{Array4, Axis};
use relevox_perturb::{ConstantFill, FillKind};
use relevox_volume::Study;

use super::network::Network;
use super::predictions::{Prediction, to_csv};
use super::session::Session;
use crate::interrupt;
use crate::progress::{Progress, print_status};
use crate::run::{Inputs, replace};

/// Artefact with the predictions.
pub const PREDICTIONS: &str = "classifier/predictions.csv";

/// Artefact with the predictions for empty scans.
pub const EMPTY: &str = "classifier/empty.csv";

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
        let rows = predictions(session, "predict", |study| Ok(study.image.clone()))?;
        replace(path, &to_csv(&rows)?)
    })
}

/// Makes the predictions for empty scans unless they are current, says how many are positive, and returns true if they were made.
///
/// # Errors
/// As [`make`].
pub fn make_empty(session: &Session, classifier: &str) -> anyhow::Result<bool> {
    session.run.make(EMPTY, &inputs(session, classifier)?, |path| {
        let rows = predictions(session, "empty", empty)?;
        let positive = rows.iter().filter(|row| row.logit > 0.0).count();
        let mean = rows.iter().map(|row| row.logit).sum::<f64>() / rows.len() as f64;
        print_status(format!(
            "empty: {positive} of {} scans whose brain is set to the mean of each sequence are predicted positive, mean logit {mean:.2}",
            rows.len()
        ));
        replace(path, &to_csv(&rows)?)
    })
}

/// Returns the scan with each sequence's mean in place of its brain, `[c, z, y, x]`.
fn empty(study: &Study) -> anyhow::Result<Array4<f32>> {
    let mean = ConstantFill::new(FillKind::Mean, study.image.view(), study.brain.view())?;
    let mut image = study.image.clone();
    for (mut sequence, &value) in image.outer_iter_mut().zip(mean.values()) {
        sequence.zip_mut_with(&study.brain, |voxel, &inside| {
            if inside {
                *voxel = value;
            }
        });
    }
    Ok(image)
}

fn predictions(
    session: &Session,
    name: &str,
    image: impl Fn(&Study) -> anyhow::Result<Array4<f32>>,
) -> anyhow::Result<Vec<Prediction>> {
    let network = Network::selected(session)?;
    let cases = session.scored_cases();
    let progress = Progress::start(name, cases.len(), "cases");
    let mut rows = Vec::with_capacity(cases.len());
    for case in cases {
        interrupt::check()?;
        let image = image(&*session.scans.study(case.id())?)?;
        let logits = network.classifier().logits(image.view().insert_axis(Axis(0)))?;
        let logit = f64::from(*logits.first().context("a network without outputs")?);
        rows.push(Prediction::new(case, logit)?);
        progress.advance(1);
    }
    Ok(rows)
}
