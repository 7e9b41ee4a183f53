//! Sidecars: the inputs that an artefact was made from, and whether they still apply.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::inputs::Inputs;
use crate::failure::invalid_input;
use crate::program;

/// Suffix of a sidecar's name, after that of its artefact.
pub const SIDECAR: &str = ".made.json";

/// Contents of a sidecar.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Sidecar {
    /// False while a stage that writes several files is in progress.
    pub complete: bool,
    /// Inputs of the artefact.
    pub inputs: Value,
    /// Further files that belong to the artefact.
    #[serde(rename = "beside", default, skip_serializing_if = "Vec::is_empty")]
    pub companions: Vec<String>,
}

/// State of an artefact with respect to its current inputs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// The artefact or its sidecar does not exist.
    Missing,
    /// The artefact was made from the current inputs, but this file that belongs to it is missing.
    Incomplete(String),
    /// The stage was started with the current inputs and has not finished.
    InProgress,
    /// The artefact was made from the current inputs.
    Current,
    /// The artefact was made from other inputs; holds the first difference.
    Stale(String),
}

/// Returns the state of an artefact in a run folder.
pub(super) fn state(root: &Path, artefact: &str, inputs: &Inputs) -> State {
    let sidecar = fs::read(sidecar_path(root, artefact)).ok();
    let Some(sidecar) = sidecar.and_then(|bytes| serde_json::from_slice::<Sidecar>(&bytes).ok()) else {
        return State::Missing;
    };
    if let Some(difference) = inputs.difference(&sidecar.inputs) {
        return State::Stale(difference);
    }
    if !sidecar.complete {
        return State::InProgress;
    }
    if !root.join(artefact).exists() {
        return State::Missing;
    }
    match sidecar.companions.into_iter().find(|name| !root.join(name).exists()) {
        Some(missing) => State::Incomplete(missing),
        None => State::Current,
    }
}

/// Returns true if a run folder contains an artefact made from these inputs. Does not require the folder's lock.
pub fn is_current(root: &Path, artefact: &str, inputs: &Inputs) -> bool {
    state(root, artefact, inputs) == State::Current
}

/// Requires a current artefact in a run folder. Does not require the folder's lock.
///
/// # Errors
/// Returns an [`InputError`](crate::failure::InputError) that names the command to run first if the artefact is
/// missing, incomplete or made from other inputs.
pub fn require(root: &Path, artefact: &str, inputs: &Inputs, command: &str) -> anyhow::Result<()> {
    let path = root.join(artefact);
    let found = match state(root, artefact, inputs) {
        State::Current => return Ok(()),
        State::Missing => "not found".to_owned(),
        State::Incomplete(missing) => format!("incomplete, {missing} is missing"),
        State::InProgress => "not finished".to_owned(),
        State::Stale(difference) => format!("made from other inputs ({difference})"),
    };
    Err(unavailable(&path, &found, command))
}

/// Creates the [`InputError`](crate::failure::InputError) for an artefact that can't be used: its problem, and the
/// command to run first.
pub fn unavailable(path: &Path, problem: &str, command: &str) -> anyhow::Error {
    invalid_input(format!("{}: {problem}; run `{} {command}` first", path.display(), program::name()))
}

pub(super) fn sidecar_path(root: &Path, artefact: &str) -> PathBuf {
    root.join(format!("{artefact}{SIDECAR}"))
}
