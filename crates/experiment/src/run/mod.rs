//! A run's folder: what a stage left there, what it was made from, and whether that still holds.
//!
//! Every artefact has a sidecar, `<artefact>.made.json`, with the inputs that it was made from: settings by
//! value, files by content. An artefact is *current* where it is there and its sidecar says the inputs that it would be
//! made from now. Nothing else decides what a command does again, so a command that was killed goes on where
//! it was. Sidecars hold no times: the same inputs leave the same bytes.

mod hash;
mod host;
mod inputs;
mod manifest;
mod open;
mod write;

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use hash::{hash_bytes, hash_file, stream_seed};
pub use host::{Host, available_memory, git_revision, load_average, peak_memory_mib, reset_peak_memory};
pub use inputs::Inputs;
pub use manifest::StageClock;
#[cfg(test)]
pub(crate) use open::LEAVINGS;
pub use open::{CONFIG, Opening, Start, real};
pub use write::{probe, replace, unfinished};

use crate::failure::input;

/// How the name of a sidecar ends, after its artefact's.
pub const SIDECAR: &str = ".made.json";

/// The folder of one run. While it is held no other command can work there.
#[derive(Debug)]
pub struct Run {
    root: PathBuf,
    _lock: File,
}

/// What an artefact was made from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Sidecar {
    /// Whether the artefact is whole; a stage that leaves several files marks its start with `false`.
    complete: bool,
    inputs: Value,
    /// What else was left with the artefact and must be there with it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    beside: Vec<String>,
}

/// How an artefact stands to the inputs that it would be made from now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// Not there.
    Missing,
    /// There, without a file that was left with it: which.
    Torn(String),
    /// Begun from the same inputs.
    Begun,
    /// There, made from the same inputs.
    Current,
    /// There, made from other inputs: which.
    Stale(String),
}

impl Run {
    /// The folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// An artefact's path from its name, which is relative and has `/` between its parts.
    pub fn path(&self, artefact: &str) -> PathBuf {
        self.root.join(artefact)
    }

    /// The content hash of an artefact.
    ///
    /// # Errors
    /// One that is not there.
    pub fn hash(&self, artefact: &str) -> anyhow::Result<String> {
        hash_file(&self.path(artefact))
    }

    /// How an artefact stands to its inputs.
    pub fn state(&self, artefact: &str, inputs: &Inputs) -> State {
        state(&self.root, artefact, inputs)
    }

    /// Whether an artefact is there and was made from these inputs.
    pub fn is_current(&self, artefact: &str, inputs: &Inputs) -> bool {
        self.state(artefact, inputs) == State::Current
    }

    /// Makes one file, unless it is current. `make` writes it in one step (see [`replace`]). Says whether it
    /// was made.
    ///
    /// # Errors
    /// What `make` meets.
    pub fn make(
        &self,
        artefact: &str,
        inputs: &Inputs,
        make: impl FnOnce(&Path) -> anyhow::Result<()>,
    ) -> anyhow::Result<bool> {
        self.make_with(artefact, inputs, |path| make(path).map(|()| Vec::new()))
    }

    /// The same for a file that others are left with. `make` names them; where one is missing all are made again.
    ///
    /// # Errors
    /// What `make` meets.
    pub fn make_with(
        &self,
        artefact: &str,
        inputs: &Inputs,
        make: impl FnOnce(&Path) -> anyhow::Result<Vec<String>>,
    ) -> anyhow::Result<bool> {
        if self.is_current(artefact, inputs) {
            return Ok(false);
        }
        // The old sidecar must not vouch for the new file, should we end between the two.
        remove(&self.sidecar_path(artefact))?;
        let path = self.path(artefact);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(|error| write::failed(parent, error))?;
        }
        let beside = make(&path)?;
        self.vouch(artefact, Sidecar { complete: true, inputs: inputs.to_value(), beside })?;
        Ok(true)
    }

    /// Marks the start of a stage that leaves several files; what stands for it is one of them or their
    /// folder.
    ///
    /// # Errors
    /// A sidecar that can't be written.
    pub fn begin(&self, artefact: &str, inputs: &Inputs) -> anyhow::Result<()> {
        self.vouch(artefact, Sidecar { complete: false, inputs: inputs.to_value(), beside: Vec::new() })
    }

    /// Marks its end, and which files it left.
    ///
    /// # Errors
    /// A sidecar that can't be written.
    pub fn finish(&self, artefact: &str, inputs: &Inputs, left: Vec<String>) -> anyhow::Result<()> {
        self.vouch(artefact, Sidecar { complete: true, inputs: inputs.to_value(), beside: left })
    }

    /// Says what to run first where an artefact that a stage needs is not current.
    ///
    /// # Errors
    /// An artefact that is missing, unfinished or made from other inputs.
    pub fn require(&self, artefact: &str, inputs: &Inputs, command: &str) -> anyhow::Result<()> {
        require(&self.root, artefact, inputs, command)
    }

    /// Removes an artefact (a file or a folder) and its sidecar.
    ///
    /// # Errors
    /// What can't be removed.
    pub fn discard(&self, artefact: &str) -> anyhow::Result<()> {
        remove(&self.sidecar_path(artefact))?;
        let path = self.path(artefact);
        if path.is_dir() {
            return fs::remove_dir_all(&path).with_context(|| format!("removing {}", path.display()));
        }
        remove(&path)
    }

    fn sidecar_path(&self, artefact: &str) -> PathBuf {
        sidecar_path(&self.root, artefact)
    }

    fn vouch(&self, artefact: &str, sidecar: Sidecar) -> anyhow::Result<()> {
        let mut text = serde_json::to_string_pretty(&sidecar)?;
        text.push('\n');
        replace(&self.sidecar_path(artefact), text.as_bytes())
    }
}

/// Whether a run folder holds an artefact that was made from these inputs, for who does not hold the folder.
pub fn current(root: &Path, artefact: &str, inputs: &Inputs) -> bool {
    state(root, artefact, inputs) == State::Current
}

/// The same as [`Run::require`].
///
/// # Errors
/// As [`Run::require`].
pub fn require(root: &Path, artefact: &str, inputs: &Inputs, command: &str) -> anyhow::Result<()> {
    let path = root.join(artefact);
    let what = match state(root, artefact, inputs) {
        State::Current => return Ok(()),
        State::Missing => "is not there".to_owned(),
        State::Torn(lacks) => format!("lacks {lacks}"),
        State::Begun => "is not finished".to_owned(),
        State::Stale(why) => format!("was made from something else ({why})"),
    };
    Err(input(format!("{} {what}: run `{} {command}` first", path.display(), crate::program::name())))
}

fn state(root: &Path, artefact: &str, inputs: &Inputs) -> State {
    let sidecar = fs::read(sidecar_path(root, artefact)).ok();
    let Some(sidecar) = sidecar.and_then(|bytes| serde_json::from_slice::<Sidecar>(&bytes).ok()) else {
        return State::Missing;
    };
    if let Some(why) = inputs.differs_from(&sidecar.inputs) {
        return State::Stale(why);
    }
    if !sidecar.complete {
        return State::Begun;
    }
    if !root.join(artefact).exists() {
        return State::Missing;
    }
    match sidecar.beside.into_iter().find(|name| !root.join(name).exists()) {
        Some(lacking) => State::Torn(lacking),
        None => State::Current,
    }
}

fn sidecar_path(root: &Path, artefact: &str) -> PathBuf {
    root.join(format!("{artefact}{SIDECAR}"))
}

fn remove(path: &Path) -> anyhow::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("removing {}", path.display()))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::{Ending, ending};

    fn run() -> (tempfile::TempDir, Run) {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().to_owned();
        let _lock = File::create(root.join(".lock")).unwrap();
        (folder, Run { root, _lock })
    }

    fn inputs(epochs: usize) -> Inputs {
        Inputs::new().setting("epochs", &epochs)
    }

    #[test]
    fn a_current_artefact_is_made_once() {
        let (_folder, run) = run();
        let make = |path: &Path| replace(path, b"x");
        assert!(run.make("a/b.txt", &inputs(1), make).unwrap());
        assert!(!run.make("a/b.txt", &inputs(1), make).unwrap());
        assert!(run.make("a/b.txt", &inputs(2), make).unwrap());
        fs::remove_file(run.path("a/b.txt")).unwrap();
        assert!(run.make("a/b.txt", &inputs(2), make).unwrap());
    }

    #[test]
    fn what_is_left_with_an_artefact_is_made_again_with_it() {
        let (_folder, run) = run();
        let make = || {
            run.make_with("a.txt", &inputs(1), |path| {
                replace(&path.with_file_name("b.txt"), b"b")?;
                replace(path, b"a")?;
                Ok(vec!["b.txt".to_owned()])
            })
        };
        assert!(make().unwrap() && !make().unwrap());
        fs::remove_file(run.path("b.txt")).unwrap();
        assert!(run.require("a.txt", &inputs(1), "make").unwrap_err().to_string().contains("lacks b.txt"));
        assert!(make().unwrap() && run.path("b.txt").exists());
    }

    #[test]
    fn a_failed_artefact_is_not_vouched_for() {
        let (_folder, run) = run();
        run.make("a.txt", &inputs(1), |path| replace(path, b"old")).unwrap();
        let half = run.make("a.txt", &inputs(2), |path| {
            replace(path, b"new")?;
            anyhow::bail!("killed before the sidecar")
        });
        assert!(half.is_err());
        // Going back to the first inputs must not take the second's file for its own.
        assert_eq!(run.state("a.txt", &inputs(1)), State::Missing);
    }

    #[test]
    fn a_stage_is_begun_until_it_is_finished() {
        let (_folder, run) = run();
        fs::create_dir(run.path("stage")).unwrap();
        run.begin("stage", &inputs(1)).unwrap();
        assert_eq!(run.state("stage", &inputs(1)), State::Begun);
        fs::write(run.path("stage/log.csv"), b"x").unwrap();
        run.finish("stage", &inputs(1), vec!["stage/log.csv".to_owned()]).unwrap();
        assert_eq!(run.state("stage", &inputs(1)), State::Current);
        fs::remove_file(run.path("stage/log.csv")).unwrap();
        assert_eq!(run.state("stage", &inputs(1)), State::Torn("stage/log.csv".to_owned()));
        run.discard("stage").unwrap();
        assert_eq!(run.state("stage", &inputs(1)), State::Missing);
    }

    #[test]
    fn what_is_needed_first_is_said() {
        let (_folder, run) = run();
        let error = run.require("w.bin", &inputs(1), "train").unwrap_err();
        assert_eq!(ending(&error), Ending::Input);
        assert!(error.to_string().contains("run `relevox train` first"), "{error}");
        run.make("w.bin", &inputs(1), |path| replace(path, b"w")).unwrap();
        let error = run.require("w.bin", &inputs(2), "train").unwrap_err();
        assert!(error.to_string().contains("epochs: 1 there, 2 now"), "{error}");
    }
}
