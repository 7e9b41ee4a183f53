//! The folder of a run: making, requiring and removing artefacts.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::Context;

use super::hash::hash_file;
use super::inputs::Inputs;
use super::sidecar::{self, Sidecar, State, sidecar_path};
use super::write::{remove_file, replace, write_error};
use super::written::Written;
use crate::failure::{Unavailable, invalid_input};
use crate::shard::Share;

/// The folder of a run, open for one command: for all of its work, or for a share of it.
#[derive(Debug)]
pub struct Run {
    root: PathBuf,
    /// The share of this command.
    pub share: Share,
    /// Hash of the configuration that stages are recorded with; `None` if they are not recorded.
    pub(super) recorded: Option<String>,
    _lock: Option<File>,
}

impl Run {
    /// Creates a run from its folder and the folder's lock file, which the command has locked.
    pub(super) fn new(root: PathBuf, lock: Option<File>, share: Share) -> Self {
        Self { root, share, recorded: None, _lock: lock }
    }

    /// Returns the path of the folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Returns the path of an artefact. Names of artefacts are relative to the folder and use `/` as separator.
    pub fn path(&self, artefact: &str) -> PathBuf {
        self.root.join(artefact)
    }

    /// Computes the content hash of an artefact.
    ///
    /// # Errors
    /// Returns [`Unavailable`] if the artefact does not exist, and an [`InputError`](crate::failure::InputError) if it can't be
    /// read or is not what was written.
    pub fn hash(&self, artefact: &str) -> anyhow::Result<String> {
        let path = self.path(artefact);
        if !path.exists() {
            return Err(
                Unavailable(format!("{}: not found; an earlier stage makes it", path.display())).into()
            );
        }
        let hash = hash_file(&path)?;
        let written = Sidecar::read(&self.root, artefact)
            .and_then(|sidecar| sidecar.files.into_iter().find(|file| file.name == artefact));
        if written.is_some_and(|written| written.sha256 != hash) {
            return Err(invalid_input(format!(
                "{}: was changed since it was made; remove it, and run the same command again",
                path.display()
            )));
        }
        Ok(hash)
    }

    /// Returns the state of an artefact with respect to its inputs. Files that were changed since they were made are removed,
    /// with a message.
    ///
    /// # Errors
    /// Returns an error that names the file that can't be removed.
    pub fn state(&self, artefact: &str, inputs: &Inputs) -> anyhow::Result<State> {
        sidecar::repair(&self.root, artefact, inputs)
    }

    /// Returns true if an artefact is as it was made from these inputs. As [`Run::state`] otherwise.
    ///
    /// # Errors
    /// As [`Run::state`].
    pub fn is_current(&self, artefact: &str, inputs: &Inputs) -> anyhow::Result<bool> {
        Ok(self.state(artefact, inputs)? == State::Current)
    }

    /// Makes a file unless it is current, and returns true if it was made. `make` must write it atomically (see
    /// [`replace`]).
    ///
    /// # Errors
    /// Returns the error of `make`, or an error if the sidecar can't be written.
    pub fn make(
        &self,
        artefact: &str,
        inputs: &Inputs,
        make: impl FnOnce(&Path) -> anyhow::Result<()>,
    ) -> anyhow::Result<bool> {
        self.make_with(artefact, inputs, |path| make(path).map(|()| Vec::new()))
    }

    /// Makes a file together with further files, whose names `make` returns. If any of them is missing, all are made
    /// again.
    ///
    /// # Errors
    /// As [`Run::make`].
    pub fn make_with(
        &self,
        artefact: &str,
        inputs: &Inputs,
        make: impl FnOnce(&Path) -> anyhow::Result<Vec<String>>,
    ) -> anyhow::Result<bool> {
        if self.is_current(artefact, inputs)? {
            return Ok(false);
        }
        // If the process is killed during `make`, the old sidecar must not describe the new file.
        remove_file(&sidecar_path(&self.root, artefact))?;
        let path = self.path(artefact);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(|error| write_error(parent, error))?;
        }
        let companions = make(&path)?;
        self.write_sidecar(artefact, true, inputs, companions)?;
        Ok(true)
    }

    /// Marks the start of a stage that writes several files. The artefact is one of them, or their folder.
    ///
    /// # Errors
    /// Returns an error if the sidecar can't be written.
    pub fn begin(&self, artefact: &str, inputs: &Inputs) -> anyhow::Result<()> {
        self.write_sidecar(artefact, false, inputs, Vec::new())
    }

    /// Marks the end of a stage that writes several files, and lists them.
    ///
    /// # Errors
    /// Returns an error if the sidecar can't be written.
    pub fn finish(&self, artefact: &str, inputs: &Inputs, files: Vec<String>) -> anyhow::Result<()> {
        self.write_sidecar(artefact, true, inputs, files)
    }

    /// Requires a current artefact.
    ///
    /// # Errors
    /// Returns [`Unavailable`], which names the command to run first, if the artefact is missing, incomplete or made from other
    /// inputs.
    pub fn require(&self, artefact: &str, inputs: &Inputs, command: &str) -> anyhow::Result<()> {
        sidecar::require(&self.root, artefact, inputs, command)
    }

    /// Removes an artefact (a file or a folder) and its sidecar.
    ///
    /// # Errors
    /// Returns an error that names the file or folder that can't be removed.
    pub fn discard(&self, artefact: &str) -> anyhow::Result<()> {
        remove_file(&sidecar_path(&self.root, artefact))?;
        let path = self.path(artefact);
        if path.is_dir() {
            return fs::remove_dir_all(&path).with_context(|| format!("removing {}", path.display()));
        }
        remove_file(&path)
    }

    fn write_sidecar(
        &self,
        artefact: &str,
        complete: bool,
        inputs: &Inputs,
        companions: Vec<String>,
    ) -> anyhow::Result<()> {
        let mut names = companions;
        if complete && self.path(artefact).is_file() && !names.iter().any(|name| name == artefact) {
            names.insert(0, artefact.to_owned());
        }
        let files = names
            .into_iter()
            .map(|name| Written::describe(&self.root, name))
            .collect::<anyhow::Result<Vec<_>>>()?;
        let mut text = serde_json::to_string_pretty(&Sidecar { complete, inputs: inputs.to_value(), files })?;
        text.push('\n');
        replace(&sidecar_path(&self.root, artefact), text.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::{ExitStatus, exit_status};

    fn run() -> (tempfile::TempDir, Run) {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().to_owned();
        (folder, Run::new(root, None, Share::default()))
    }

    fn inputs(epochs: usize) -> Inputs {
        Inputs::new().setting("epochs", &epochs)
    }

    #[test]
    fn current_artefacts_are_not_made_again() {
        let (_folder, run) = run();
        let make = |path: &Path| replace(path, b"x");
        assert!(run.make("a/b.txt", &inputs(1), make).unwrap());
        assert!(!run.make("a/b.txt", &inputs(1), make).unwrap());
        assert!(run.make("a/b.txt", &inputs(2), make).unwrap());
        fs::remove_file(run.path("a/b.txt")).unwrap();
        assert!(run.make("a/b.txt", &inputs(2), make).unwrap());
    }

    #[test]
    fn missing_companions_are_made_again() {
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
        assert!(
            run.require("a.txt", &inputs(1), "make").unwrap_err().to_string().contains("b.txt is missing")
        );
        assert!(make().unwrap() && run.path("b.txt").exists());
    }

    /// Writes to a file in place, as an editor or a failing disk does, later than its sidecar.
    fn damage(path: &Path, bytes: &[u8]) {
        fs::write(path, bytes).unwrap();
        let later = std::time::SystemTime::now() + std::time::Duration::from_secs(10);
        File::options().append(true).open(path).unwrap().set_modified(later).unwrap();
    }

    #[test]
    fn damaged_files_are_made_again() {
        let (_folder, run) = run();
        let make = || run.make("a.txt", &inputs(1), |path| replace(path, b"scores")).unwrap();
        make();
        for damaged in [&b"sco"[..], b"", b"score5", b"scores and more"] {
            damage(&run.path("a.txt"), damaged);
            let error = run.require("a.txt", &inputs(1), "score").unwrap_err().to_string();
            assert!(error.contains("incomplete, a.txt "), "{error}");
            assert!(make(), "{damaged:?} was believed");
            assert_eq!(fs::read(run.path("a.txt")).unwrap(), b"scores");
            assert!(!make());
        }
        damage(&run.path("a.txt"), b"scores");
        assert!(!make(), "a newer file of the same content is intact");
    }

    #[test]
    fn a_change_that_leaves_size_and_time_is_noticed_where_the_file_is_an_input() {
        let (_folder, run) = run();
        run.make("a.txt", &inputs(1), |path| replace(path, b"scores")).unwrap();
        let hash = run.hash("a.txt").unwrap();
        assert_eq!(hash, super::super::hash_bytes(b"scores"));
        let path = run.path("a.txt");
        let before = fs::metadata(&path).unwrap().modified().unwrap();
        fs::write(&path, b"score5").unwrap();
        File::options().append(true).open(&path).unwrap().set_modified(before).unwrap();
        assert!(run.is_current("a.txt", &inputs(1)).unwrap());
        let error = run.hash("a.txt").unwrap_err();
        assert_eq!(exit_status(&error), ExitStatus::InvalidInput);
        assert!(error.to_string().contains("was changed since it was made"), "{error}");
    }

    #[test]
    fn failed_artefacts_have_no_sidecar() {
        let (_folder, run) = run();
        run.make("a.txt", &inputs(1), |path| replace(path, b"old")).unwrap();
        let half = run.make("a.txt", &inputs(2), |path| {
            replace(path, b"new")?;
            anyhow::bail!("killed before the sidecar")
        });
        assert!(half.is_err());
        // The file from the second inputs must not pass for one from the first.
        assert_eq!(run.state("a.txt", &inputs(1)).unwrap(), State::Missing);
    }

    #[test]
    fn stages_are_in_progress_until_they_finish() {
        let (_folder, run) = run();
        fs::create_dir(run.path("stage")).unwrap();
        run.begin("stage", &inputs(1)).unwrap();
        assert_eq!(run.state("stage", &inputs(1)).unwrap(), State::InProgress);
        fs::write(run.path("stage/log.csv"), b"x").unwrap();
        run.finish("stage", &inputs(1), vec!["stage/log.csv".to_owned()]).unwrap();
        assert_eq!(run.state("stage", &inputs(1)).unwrap(), State::Current);
        fs::remove_file(run.path("stage/log.csv")).unwrap();
        assert_eq!(
            run.state("stage", &inputs(1)).unwrap(),
            State::Incomplete("stage/log.csv is missing".to_owned())
        );
        run.discard("stage").unwrap();
        assert_eq!(run.state("stage", &inputs(1)).unwrap(), State::Missing);
    }

    #[test]
    fn require_names_the_command_to_run_first() {
        let (_folder, run) = run();
        let error = run.require("w.bin", &inputs(1), "train").unwrap_err();
        assert_eq!(exit_status(&error), ExitStatus::InvalidInput);
        assert!(error.to_string().contains("run `relevox train` first"), "{error}");
        run.make("w.bin", &inputs(1), |path| replace(path, b"w")).unwrap();
        let error = run.require("w.bin", &inputs(2), "train").unwrap_err();
        assert!(error.to_string().contains("epochs: 1 stored, 2 now"), "{error}");
    }
}
