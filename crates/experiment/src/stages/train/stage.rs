//! The stage: training, predictions and the brightness control.

use std::path::Path;

use super::epochs::train_member;
use super::former::discard_former;
use super::member::{FOLDER, Member};
use super::weights::selected_hash;
use crate::run::{Inputs, State, not_found};
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
    let made = inputs(session);
    for member in Member::all(&session.config) {
        session.run.require(&member.folder(), &made, "train")?;
    }
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
    if folder.exists() { Ok(()) } else { Err(not_found(root, &folder, "train")) }
}

/// Trains the networks of the command's share, each resumed after its last completed epoch; without a shard, then computes
/// predictions.
///
/// # Errors
/// Returns an error if a scan can't be read, the loss is not finite, or a file can't be written.
pub fn run(session: &Session) -> anyhow::Result<Work> {
    let (run, members) = (&session.run, Member::all(&session.config));
    let mut work = Work::default();
    if run.share.is_whole() {
        discard_former(run, &members)?;
    }
    for member in run.share.of(&members) {
        work.count(train(session, member)?);
    }
    if !run.share.is_whole() {
        return Ok(work);
    }
    let hash = selected_hash(session)?;
    Ok(work + predict::run(session, &hash)? + shortcut::run(session)?)
}

/// Trains a network unless it is current, and returns true if it was trained.
fn train(session: &Session, member: &Member) -> anyhow::Result<bool> {
    let (run, inputs, folder) = (&session.run, inputs(session), member.folder());
    let state = run.state(&folder, &inputs)?;
    if state == State::Current {
        return Ok(false);
    }
    let epochs = 1..=session.config.classifier.epochs;
    let checkpoints: Vec<String> = epochs.map(|epoch| member.epoch(epoch)).collect();
    // Other files than the checkpoints can be restored from the trainer's state.
    let restorable = matches!(state, State::Incomplete(_))
        && checkpoints.iter().all(|weights| run.path(weights).exists())
        && run.path(&member.last()).exists();
    if state != State::InProgress && !restorable {
        run.discard_outdated(&folder, &state)?;
    }
    run.begin(&folder, &inputs)?;
    let last = train_member(session, member, &inputs)?;
    run.finish(&folder, &inputs, checkpoints, last)?;
    Ok(true)
}
