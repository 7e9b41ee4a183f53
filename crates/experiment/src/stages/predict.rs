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
use super::work::Work;
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

/// Makes the predictions, and those for empty scans, unless they are current, and says how many empty scans are positive.
///
/// # Errors
/// Returns an error if a scan can't be read or the network fails.
pub fn run(session: &Session, classifier: &str) -> anyhow::Result<Work> {
    let inputs = inputs(session, classifier)?;
    // Loaded where something has to be made.
    let mut loaded = None;
    let mut work = Work::default();
    work.count(session.run.make(PREDICTIONS, &inputs, |path| {
        let network = selected(session, &mut loaded)?;
        let rows = predictions(session, network, "predict", |study| Ok(study.image.clone()))?;
        replace(path, &to_csv(&rows)?)
    })?);
    work.count(session.run.make(EMPTY, &inputs, |path| {
        let rows = predictions(session, selected(session, &mut loaded)?, "empty", empty)?;
        let positive = rows.iter().filter(|row| row.logit > 0.0).count();
        let mean = rows.iter().map(|row| row.logit).sum::<f64>() / rows.len() as f64;
        print_status(format!(
            "empty: {positive} of {} scans whose brain is set to the mean of each sequence are predicted positive, mean logit {mean:.2}",
            rows.len()
        ));
        replace(path, &to_csv(&rows)?)
    })?);
    Ok(work)
}

/// Returns the selected network, loaded once.
fn selected<'a>(session: &Session, loaded: &'a mut Option<Network>) -> anyhow::Result<&'a Network> {
    match loaded {
        Some(network) => Ok(network),
        none => Ok(none.insert(Network::selected(session)?)),
    }
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
    network: &Network,
    name: &str,
    image: impl Fn(&Study) -> anyhow::Result<Array4<f32>>,
) -> anyhow::Result<Vec<Prediction>> {
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
