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
pub use host::{Host, available_memory, git_revision, load_average};
pub use inputs::Inputs;
pub use manifest::StageClock;
pub use open::{CONFIG, Opening, Start};
pub use write::{replace, replace_derived, unfinished};

use crate::failure::input;

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
}

/// How an artefact stands to the inputs that it would be made from now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// Not there.
    Missing,
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
        if self.is_current(artefact, inputs) {
            return Ok(false);
        }
        // The old sidecar must not vouch for the new file, should we end between the two.
        remove(&self.sidecar_path(artefact))?;
        let path = self.path(artefact);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).with_context(|| format!("making the folder {}", parent.display()))?;
        }
        make(&path)?;
        self.vouch(artefact, inputs, true)?;
        Ok(true)
    }

    /// Marks the start of a stage that leaves several files; what stands for it is one of them or their
    /// folder.
    ///
    /// # Errors
    /// A sidecar that can't be written.
    pub fn begin(&self, artefact: &str, inputs: &Inputs) -> anyhow::Result<()> {
        self.vouch(artefact, inputs, false)
    }

    /// Marks its end.
    ///
    /// # Errors
    /// A sidecar that can't be written.
    pub fn finish(&self, artefact: &str, inputs: &Inputs) -> anyhow::Result<()> {
        self.vouch(artefact, inputs, true)
    }

    /// Says what to run first where an artefact that a stage needs is not current.
    ///
    /// # Errors
    /// An artefact that is missing, unfinished or made from other inputs.
    pub fn require(&self, artefact: &str, inputs: &Inputs, command: &str) -> anyhow::Result<()> {
        let path = self.path(artefact);
        let what = match self.state(artefact, inputs) {
            State::Current => return Ok(()),
            State::Missing => "is not there".to_owned(),
            State::Begun => "is not finished".to_owned(),
            State::Stale(why) => format!("was made from something else ({why})"),
        };
        Err(input(format!("{} {what}: run `cargo xtask {command}` first", path.display())))
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

    fn vouch(&self, artefact: &str, inputs: &Inputs, complete: bool) -> anyhow::Result<()> {
        let sidecar = Sidecar { complete, inputs: inputs.to_value() };
        let mut text = serde_json::to_string_pretty(&sidecar)?;
        text.push('\n');
        replace_derived(&self.sidecar_path(artefact), text.as_bytes())
    }
}

/// Whether a run folder holds an artefact that was made from these inputs, for who does not hold the folder.
pub fn current(root: &Path, artefact: &str, inputs: &Inputs) -> bool {
    state(root, artefact, inputs) == State::Current
}

fn state(root: &Path, artefact: &str, inputs: &Inputs) -> State {
    let sidecar = fs::read(sidecar_path(root, artefact)).ok();
    let Some(sidecar) = sidecar.and_then(|bytes| serde_json::from_slice::<Sidecar>(&bytes).ok()) else {
        return State::Missing;
    };
    if let Some(why) = inputs.differs_from(&sidecar.inputs) {
        return State::Stale(why);
    }
    match sidecar.complete && root.join(artefact).exists() {
        true => State::Current,
        false if sidecar.complete => State::Missing,
        false => State::Begun,
    }
}

fn sidecar_path(root: &Path, artefact: &str) -> PathBuf {
    root.join(format!("{artefact}.made.json"))
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
        run.finish("stage", &inputs(1)).unwrap();
        assert_eq!(run.state("stage", &inputs(1)), State::Current);
        run.discard("stage").unwrap();
        assert_eq!(run.state("stage", &inputs(1)), State::Missing);
    }

    #[test]
    fn what_is_needed_first_is_said() {
        let (_folder, run) = run();
        let error = run.require("w.bin", &inputs(1), "train").unwrap_err();
        assert_eq!(ending(&error), Ending::Input);
        assert!(error.to_string().contains("run `cargo xtask train` first"), "{error}");
        run.make("w.bin", &inputs(1), |path| replace(path, b"w")).unwrap();
        let error = run.require("w.bin", &inputs(2), "train").unwrap_err();
        assert!(error.to_string().contains("epochs: 1 there, 2 now"), "{error}");
    }
}
