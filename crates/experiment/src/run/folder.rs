//! The folder of a run: making, requiring and removing artefacts.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use super::hash::hash_file;
use super::inputs::Inputs;
use super::sidecar::{self, Sidecar, State, sidecar_path};
use super::write::{remove_file, replace, write_error};
use super::written::{Check, Written};
use crate::failure::{Unavailable, invalid_input};
use crate::progress::print_status;
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
        if self.written(artefact).is_some_and(|written| written.sha256 != hash) {
            return Err(invalid_input(format!(
                "{}: was changed since it was made; remove it, and run the same command again",
                path.display()
            )));
        }
        Ok(hash)
    }

    /// Finds a file as it was written, in its own sidecar or in that of one of its folders.
    fn written(&self, file: &str) -> Option<Written> {
        let artefacts = Path::new(file).ancestors().filter_map(Path::to_str).filter(|name| !name.is_empty());
        // A sidecar that can't be read is reported where its artefact is made.
        artefacts
            .filter_map(|artefact| Sidecar::read(&self.root, artefact).ok().flatten())
            .find_map(|sidecar| sidecar.files.into_iter().find(|written| written.name == file))
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
        let mut names = companions;
        if path.is_file() && !names.iter().any(|name| name == artefact) {
            names.insert(0, artefact.to_owned());
        }
        let files = self.describe(names)?;
        self.store(artefact, Sidecar { complete: true, inputs: inputs.to_value(), files })?;
        Ok(true)
    }

    /// Marks the start of a stage that writes several files, or its resumption. The artefact is one of them, or their folder.
    ///
    /// # Errors
    /// Returns an error if the sidecar can't be written.
    pub fn begin(&self, artefact: &str, inputs: &Inputs) -> anyhow::Result<()> {
        let files = self.listed(artefact);
        self.store(artefact, Sidecar { complete: false, inputs: inputs.to_value(), files })
    }

    /// Lists a file that a stage in progress has written and will not write again with other content.
    ///
    /// # Errors
    /// Returns an error if the file can't be read or the sidecar can't be written.
    pub fn list_written(&self, artefact: &str, inputs: &Inputs, file: &str) -> anyhow::Result<()> {
        let mut files = self.listed(artefact);
        files.retain(|written| written.name != file);
        files.push(Written::describe(&self.root, file.to_owned())?);
        self.store(artefact, Sidecar { complete: false, inputs: inputs.to_value(), files })
    }

    /// Marks the end of a stage that writes several files, and lists them: those that it wrote once, and the last content of those
    /// that it wrote `again`. The content is not read back: a former process of the same shard, believed lost, may since have
    /// written what it had not finished, which then counts as changed.
    ///
    /// # Errors
    /// Returns an [`InputError`](crate::failure::InputError) if a file that was written once and listed was changed since, or an
    /// error if the sidecar can't be written.
    pub fn finish(
        &self,
        artefact: &str,
        inputs: &Inputs,
        once: Vec<String>,
        again: Vec<Written>,
    ) -> anyhow::Result<()> {
        // The former process may have listed files of `again` that were not the last yet.
        let is_again = |name: &String| again.iter().any(|written| written.name == *name);
        for written in self.listed(artefact).iter().filter(|written| !is_again(&written.name)) {
            if let Some(damage) = written.damage(&self.root, Check::Content) {
                return Err(invalid_input(format!(
                    "{}: {damage}; run the same command again",
                    self.path(&written.name).display()
                )));
            }
        }
        let mut files = self.describe(once)?;
        files.extend(again);
        self.store(artefact, Sidecar { complete: true, inputs: inputs.to_value(), files })
    }

    fn describe(&self, names: Vec<String>) -> anyhow::Result<Vec<Written>> {
        names.into_iter().map(|name| Written::describe(&self.root, name)).collect()
    }

    fn listed(&self, artefact: &str) -> Vec<Written> {
        Sidecar::read(&self.root, artefact).ok().flatten().map(|sidecar| sidecar.files).unwrap_or_default()
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
            return fs::remove_dir_all(&path).map_err(|error| write_error(&path, error));
        }
        remove_file(&path)
    }

    /// Removes the artefact of a stage that writes several files, because of its state, and says why if work is lost.
    ///
    /// # Errors
    /// As [`Run::discard`].
    pub fn discard_outdated(&self, artefact: &str, state: &State) -> anyhow::Result<()> {
        let path = self.path(artefact);
        let reason = match state {
            State::Stale(difference) => Some(format!("made from other inputs ({difference})")),
            State::Incomplete(damage) => Some(format!("incomplete, {damage}")),
            State::Missing if path.exists() => Some("has no record of what it was made from".to_owned()),
            _ => None,
        };
        if let Some(reason) = reason {
            print_status(format!("{}: {reason}; making it again", path.display()));
        }
        self.discard(artefact)
    }

    fn store(&self, artefact: &str, sidecar: Sidecar) -> anyhow::Result<()> {
        let mut text = serde_json::to_string_pretty(&sidecar)?;
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
    fn files_of_a_folder_are_compared_with_its_sidecar_where_they_are_inputs() {
        let (_folder, run) = run();
        run.begin("stage", &inputs(1)).unwrap();
        replace(&run.path("stage/weights"), b"weights").unwrap();
        run.finish("stage", &inputs(1), vec!["stage/weights".to_owned()], Vec::new()).unwrap();
        run.hash("stage/weights").unwrap();
        replace(&run.path("stage/weights"), b"weight5").unwrap();
        let error = run.hash("stage/weights").unwrap_err().to_string();
        assert!(error.contains("was changed since it was made"), "{error}");
    }

    #[test]
    fn files_are_compared_by_content_if_their_sidecar_is_from_the_future() {
        let (_folder, run) = run();
        let make = || run.make("a.txt", &inputs(1), |path| replace(path, b"scores")).unwrap();
        make();
        let sidecar = run.path("a.txt.made.json");
        let tomorrow = std::time::SystemTime::now() + std::time::Duration::from_secs(86_400);
        File::options().append(true).open(&sidecar).unwrap().set_modified(tomorrow).unwrap();
        // Older than its sidecar.
        fs::write(run.path("a.txt"), b"score5").unwrap();
        assert!(make(), "the changed file was believed");
        File::options().append(true).open(&sidecar).unwrap().set_modified(tomorrow).unwrap();
        assert!(!make(), "an unchanged file was made again");
        let now = fs::metadata(&sidecar).unwrap().modified().unwrap();
        assert!(now < tomorrow, "the sidecar remains in the future");
    }

    #[test]
    fn sidecars_that_cannot_be_read_are_described() {
        let (_folder, run) = run();
        let make = || run.make("a.txt", &inputs(1), |path| replace(path, b"scores")).unwrap();
        make();
        let sidecar = run.path("a.txt.made.json");
        let whole = fs::read(&sidecar).unwrap();
        for damaged in [&whole[..20], b"", b"\xff\xfe"] {
            fs::write(&sidecar, damaged).unwrap();
            let state = run.state("a.txt", &inputs(1)).unwrap();
            assert!(matches!(&state, State::Unreadable(found) if !found.is_empty()), "{state:?}");
            let error = run.require("a.txt", &inputs(1), "score").unwrap_err().to_string();
            assert!(error.contains("can't be read"), "{error}");
            assert!(make() && !make());
            assert_eq!(fs::read(&sidecar).unwrap(), whole);
        }
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
        run.finish("stage", &inputs(1), Vec::new(), vec![Written::of("stage/log.csv".to_owned(), b"x")])
            .unwrap();
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
    fn files_that_a_stage_has_written_are_compared_before_it_is_resumed_and_at_its_end() {
        let (_folder, run) = run();
        let write = |name: &str, bytes: &[u8]| replace(&run.path(name), bytes).unwrap();
        run.begin("stage", &inputs(1)).unwrap();
        for name in ["stage/1", "stage/2"] {
            write(name, b"weights");
            run.list_written("stage", &inputs(1), name).unwrap();
        }
        run.begin("stage", &inputs(1)).unwrap();
        assert_eq!(run.state("stage", &inputs(1)).unwrap(), State::InProgress);
        damage(&run.path("stage/1"), b"weight5");
        let error = run.finish("stage", &inputs(1), vec!["stage/1".to_owned()], Vec::new()).unwrap_err();
        assert_eq!(exit_status(&error), ExitStatus::InvalidInput);
        assert!(error.to_string().contains("stage/1: was changed since it was made"), "{error}");
        let state = run.state("stage", &inputs(1)).unwrap();
        assert_eq!(state, State::Incomplete("stage/1 was changed since it was made".to_owned()));
        assert!(!run.path("stage/1").exists());
    }

    #[test]
    fn a_stage_ends_after_another_process_of_the_same_shard_listed_what_it_had_not_ended() {
        let (_folder, run) = run();
        let write = |history: &[u8]| replace(&run.path("stage/history.csv"), history).unwrap();
        let finish = |history: &[u8]| {
            let again = vec![Written::of("stage/history.csv".to_owned(), history)];
            run.finish("stage", &inputs(1), vec!["stage/1".to_owned()], again)
        };
        run.begin("stage", &inputs(1)).unwrap();
        replace(&run.path("stage/1"), b"weights").unwrap();
        run.list_written("stage", &inputs(1), "stage/1").unwrap();
        // The other process ends while this one is in its first epoch.
        write(b"epoch 1");
        finish(b"epoch 1").unwrap();
        write(b"epochs 1 and 2");
        finish(b"epochs 1 and 2").unwrap();
        assert_eq!(run.state("stage", &inputs(1)).unwrap(), State::Current);
        assert_eq!(
            run.written("stage/history.csv").unwrap().sha256,
            super::super::hash_bytes(b"epochs 1 and 2")
        );
    }

    #[test]
    fn what_another_process_had_not_finished_is_not_taken_for_the_last_content() {
        let (_folder, run) = run();
        let history = || Written::of("stage/history.csv".to_owned(), b"epochs 1 and 2");
        run.begin("stage", &inputs(1)).unwrap();
        replace(&run.path("stage/history.csv"), b"epochs 1 and 2").unwrap();
        // The other process, which is killed then, writes between the last content and the end.
        replace(&run.path("stage/history.csv"), b"epoch 1").unwrap();
        run.finish("stage", &inputs(1), Vec::new(), vec![history()]).unwrap();
        let found = "stage/history.csv has 7 bytes instead of 14".to_owned();
        assert_eq!(run.state("stage", &inputs(1)).unwrap(), State::Incomplete(found));
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

    #[test]
    fn a_run_folder_that_does_not_exist_is_named() {
        let (folder, _run) = run();
        let root = folder.path().join("nope");
        let error = sidecar::require(&root, "w.bin", &inputs(1), "train").unwrap_err().to_string();
        let root = root.display();
        let expected = format!(
            "{root}: expected a run folder, found none; run `relevox train` first, with --out {root}"
        );
        assert_eq!(error, expected);
    }
}
