//! The stage: training, predictions and the brightness control.

use std::path::Path;

use super::epochs::train_member;
use super::member::{FOLDER, Member};
use super::weights::selected_hash;
use crate::run::{Inputs, State, unavailable};
use crate::stages::session::Session;
use crate::stages::work::Work;
use crate::stages::{predict, shortcut};

fn inputs(session: &Session) -> Inputs {
    let config = &session.config;
    session
        .scans
        .training_inputs()
        .setting("seed", &config.seed)
        .setting("classifier", &config.classifier)
        .setting("augment", &config.augment)
}

/// Requires a trained classifier of this configuration, with its predictions.
///
/// # Errors
/// Returns an [`InputError`](crate::failure::InputError) if the classifier is missing or was trained with other inputs.
pub fn require(session: &Session) -> anyhow::Result<()> {
    session.run.require(FOLDER, &inputs(session), "train")?;
    let hash = selected_hash(session)?;
    session.run.require(predict::PREDICTIONS, &predict::inputs(session, &hash)?, "train")?;
    session.run.require(shortcut::SHORTCUT, &shortcut::inputs(session)?, "train")
}

/// Requires that training was started in a run folder. Does not require the folder's lock.
///
/// # Errors
/// Returns an [`InputError`](crate::failure::InputError) if the folder contains no classifier.
pub fn require_started(root: &Path) -> anyhow::Result<()> {
    let folder = root.join(FOLDER);
    if folder.exists() { Ok(()) } else { Err(unavailable(&folder, "not found", "train")) }
}

/// Trains the classifier, resuming after the last completed epoch, and computes predictions.
///
/// # Errors
/// Returns an error if a scan can't be read, the loss is not finite, or a file can't be written.
pub fn run(session: &Session) -> anyhow::Result<Work> {
    let (run, inputs) = (&session.run, inputs(session));
    let mut work = Work::default();
    let state = run.state(FOLDER, &inputs)?;
    if state == State::Current {
        work.count(false);
    } else {
        let members = Member::all(&session.config);
        let epochs = 1..=session.config.classifier.epochs;
        let checkpoints: Vec<String> =
            members.iter().flat_map(|member| epochs.clone().map(|epoch| member.epoch(epoch))).collect();
        // Other files than the checkpoints can be restored from the trainer's state.
        let restorable = matches!(state, State::Incomplete(_))
            && checkpoints.iter().all(|weights| run.path(weights).exists())
            && members.iter().all(|member| run.path(&member.last()).exists());
        if state != State::InProgress && !restorable {
            run.discard_outdated(FOLDER, &state)?;
        }
        run.begin(FOLDER, &inputs)?;
        for member in &members {
            train_member(session, member, &inputs)?;
        }
        let others = members.iter().flat_map(|member| [member.best(), member.history()]);
        run.finish(FOLDER, &inputs, checkpoints.into_iter().chain(others).collect())?;
        work.count(true);
    }
    let hash = selected_hash(session)?;
    Ok(work + predict::run(session, &hash)? + shortcut::run(session)?)
}
