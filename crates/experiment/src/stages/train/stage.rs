//! The stage: training, predictions and the brightness control.

use std::fs;
use std::path::Path;

use anyhow::Context;

use super::epochs::train_member;
use super::member::{FOLDER, Member, folder_of};
use super::weights::selected_hash;
use crate::run::{Inputs, Run, SIDECAR, State, unavailable};
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
    if folder.exists() { Ok(()) } else { Err(unavailable(&folder, "not found", "train")) }
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
        discard_others(run, &members)?;
    }
    for member in run.share.of(&members) {
        work.count(train(session, member)?);
    }
    if !run.share.is_whole() {
        return Ok(work);
    }
    let hash = selected_hash(session)?;
    work.count(predict::make(session, &hash)?);
    work.count(predict::make_empty(session, &hash)?);
    Ok(work + shortcut::run(session)?)
}

/// Trains a network unless it is current, and returns true if it was trained.
fn train(session: &Session, member: &Member) -> anyhow::Result<bool> {
    let (run, inputs, folder) = (&session.run, inputs(session), member.folder());
    let state = run.state(&folder, &inputs)?;
    if state == State::Current {
        return Ok(false);
    }
    let epochs = session.config.classifier.epochs;
    // Other files than the checkpoints can be restored from the trainer's state.
    let restorable = matches!(state, State::Incomplete(_))
        && (1..=epochs).all(|epoch| run.path(&member.epoch(epoch)).exists())
        && run.path(&member.last()).exists();
    if state != State::InProgress && !restorable {
        run.discard(&folder)?;
    }
    run.begin(&folder, &inputs)?;
    train_member(session, member)?;
    run.finish(&folder, &inputs, member.files(epochs))?;
    Ok(true)
}

/// Removes networks that an earlier configuration had: with another number of networks, they are others' files.
fn discard_others(run: &Run, members: &[Member]) -> anyhow::Result<()> {
    let folder = run.path(FOLDER);
    if !folder.is_dir() {
        return Ok(());
    }
    let single = format!("{FOLDER}{SIDECAR}");
    if members.len() > 1 && run.path(&single).exists() {
        return run.discard(FOLDER);
    }
    let entries = fs::read_dir(&folder).with_context(|| format!("reading {}", folder.display()))?;
    for entry in entries {
        let name = entry?.file_name().to_string_lossy().into_owned();
        let Some(number) = name.strip_prefix("network-").and_then(|number| number.parse::<usize>().ok())
        else {
            continue;
        };
        if members.len() == 1 || number > members.len() {
            run.discard(&folder_of(number))?;
        }
    }
    Ok(())
}
