//! Sidecars: the inputs that an artefact was made from, and whether they still apply.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::inputs::Inputs;
use super::write::remove_file;
use super::written::{Check, Written};
use crate::failure::Unavailable;
use crate::program;
use crate::progress::print_status;

/// Suffix of a sidecar's name, after that of its artefact.
pub const SIDECAR: &str = ".made.json";

/// Contents of a sidecar.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Sidecar {
    /// False while a stage that writes several files is in progress.
    pub complete: bool,
    /// Inputs of the artefact.
    pub inputs: Value,
    /// All files of the artefact as they were written; while a stage is in progress, those that it will not change any more.
    pub files: Vec<Written>,
}

impl Sidecar {
    /// Reads an artefact's sidecar; `None` if there is none.
    ///
    /// # Errors
    /// Returns what was found instead if the sidecar can't be read.
    pub fn read(root: &Path, artefact: &str) -> Result<Option<Self>, String> {
        match fs::read(sidecar_path(root, artefact)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.to_string()),
            Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(|error| error.to_string()),
        }
    }
}

/// State of an artefact with respect to its current inputs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// The artefact or its sidecar does not exist.
    Missing,
    /// The sidecar can't be read, so that what the artefact was made from is unknown; describes what was found.
    Unreadable(String),
    /// The artefact was made from the current inputs, at least in part, but one of its files is missing or was changed since;
    /// describes it.
    Incomplete(String),
    /// The stage was started with the current inputs and has not finished.
    InProgress,
    /// The artefact was made from the current inputs.
    Current,
    /// The artefact was made from other inputs; holds the first difference.
    Stale(String),
}

/// Returns the state of an artefact in a run folder. A file is taken for unchanged if it has its size and is not newer than
/// the sidecar; a newer one is compared by its content, and so are all files of a sidecar from the future: after the clock was
/// set back, changed files are older than it.
pub(super) fn state(root: &Path, artefact: &str, inputs: &Inputs) -> State {
    examine(root, artefact, inputs).0
}

/// Returns the state of an artefact as [`state`] does, and removes the files that were changed since they were made, with a message
/// for each: they then are missing. A sidecar that can't be read is reported too. If files are newer than the sidecar and unchanged, as in a copied folder, the sidecar becomes
/// the newest, so that their content is not compared again. Requires the folder's lock.
///
/// # Errors
/// Returns an error that names the file that can't be removed.
pub(super) fn repair(root: &Path, artefact: &str, inputs: &Inputs) -> anyhow::Result<State> {
    let (state, sidecar) = examine(root, artefact, inputs);
    let path = sidecar_path(root, artefact);
    let made = complete_since(&path);
    match (&state, sidecar) {
        (State::Unreadable(found), _) => print_status(format!(
            "{}: expected the record of what {artefact} was made from, found {found}; making {artefact} again",
            path.display()
        )),
        (State::Incomplete(_), Some(sidecar)) => {
            for (file, found) in damages(root, made, &sidecar) {
                let path = root.join(&file.name);
                if path.exists() {
                    print_status(format!("{}: {found}; making it again", path.display()));
                    remove_file(&path)?;
                }
            }
        }
        (State::Current, Some(sidecar))
            if sidecar.files.iter().any(|file| modified(&root.join(&file.name)) > made) =>
        {
            // Where this fails, contents are compared again next time.
            let _ = File::options()
                .append(true)
                .open(&path)
                .and_then(|file| file.set_modified(SystemTime::now()));
        }
        _ => {}
    }
    Ok(state)
}

/// Returns the state of an artefact with its sidecar, if it has one.
fn examine(root: &Path, artefact: &str, inputs: &Inputs) -> (State, Option<Sidecar>) {
    let sidecar = match Sidecar::read(root, artefact) {
        Ok(Some(sidecar)) => sidecar,
        Ok(None) => return (State::Missing, None),
        Err(found) => return (State::Unreadable(found), None),
    };
    let state = if let Some(difference) = inputs.difference(&sidecar.inputs) {
        State::Stale(difference)
    } else if sidecar.complete && !root.join(artefact).exists() {
        State::Missing
    } else if let Some((file, found)) =
        damages(root, complete_since(&sidecar_path(root, artefact)), &sidecar).next()
    {
        State::Incomplete(format!("{} {found}", file.name))
    } else if sidecar.complete {
        State::Current
    } else {
        State::InProgress
    };
    (state, Some(sidecar))
}

/// Finds the files of an artefact that are missing or were changed since they were made, with what was found.
fn damages<'a>(
    root: &'a Path,
    made: Option<SystemTime>,
    sidecar: &'a Sidecar,
) -> impl Iterator<Item = (&'a Written, String)> {
    sidecar.files.iter().filter_map(move |file| Some((file, file.damage(root, Check::Quick { made })?)))
}

/// Returns the time of a sidecar, at which its files were complete; `None` if it lies in the future.
fn complete_since(sidecar: &Path) -> Option<SystemTime> {
    modified(sidecar).filter(|time| *time <= SystemTime::now())
}

fn modified(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).and_then(|metadata| metadata.modified()).ok()
}

/// Requires a current artefact in a run folder. Does not require the folder's lock.
///
/// # Errors
/// Returns [`Unavailable`], which names the command to run first, if the artefact is missing, incomplete or made from other
/// inputs.
pub fn require(root: &Path, artefact: &str, inputs: &Inputs, command: &str) -> anyhow::Result<()> {
    let path = root.join(artefact);
    let found = match state(root, artefact, inputs) {
        State::Current => return Ok(()),
        State::Missing => return Err(not_found(root, &path, command)),
        State::Unreadable(found) => format!("the record of what it was made from can't be read ({found})"),
        State::Incomplete(damage) => format!("incomplete, {damage}"),
        State::InProgress => "not finished".to_owned(),
        State::Stale(difference) => format!("made from other inputs ({difference})"),
    };
    Err(unavailable(root, &path, &found, command))
}

/// Creates the error for an artefact of a run folder that does not exist, or for a run folder that does not.
pub fn not_found(root: &Path, path: &Path, command: &str) -> anyhow::Error {
    if root.is_dir() {
        return unavailable(root, path, "not found", command);
    }
    unavailable(root, root, "expected a run folder, found none", command)
}

/// Creates the error for an artefact of a run folder that can't be used: its problem, and the command to run first.
pub fn unavailable(root: &Path, path: &Path, problem: &str, command: &str) -> anyhow::Error {
    let (path, name, root) = (path.display(), program::name(), root.display());
    Unavailable(format!("{path}: {problem}; run `{name} {command}` first, with --out {root}")).into()
}

pub(super) fn sidecar_path(root: &Path, artefact: &str) -> PathBuf {
    root.join(format!("{artefact}{SIDECAR}"))
}
