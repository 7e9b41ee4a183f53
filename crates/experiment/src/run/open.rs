//! Opening of a run folder, and the checks for a folder that another configuration made.
//!
//! A folder keeps its configuration. Keys set on the command line (`--set`, `--seed`) are intended changes: the stages
//! that depend on them run again. Any other difference, from another profile or file or from a `--set` that was left
//! out, would silently discard work; it is refused unless `--update` or `--fresh` is given. A different cohort is
//! refused even if it is set on the command line, because it invalidates the whole run.
//!
//! A command for all of a run locks the folder, if its file system has locks. Shards need none: they change neither the
//! configuration nor what another shard owns. They share the lock, so that on one host no other command disturbs them.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

pub use super::artefacts::CONFIG;
use super::artefacts::{ARTEFACTS, LOCK, remaining_temporary_files};
use super::folder::Run;
use super::guards::{refuse_among_scans, refuse_other_folders, refuse_unset_differences};
use super::hash::hash_bytes;
use super::write::{remove_file, replace};
use crate::config::{Layers, PHANTOM, Resolved, Source, ValidConfig};
use crate::failure::{Unavailable, invalid_input};
use crate::program;
use crate::progress::print_status;
use crate::shard::Share;

/// Treatment of the existing contents of a run folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenMode {
    /// Resume the run; refuse differences from its configuration that were not set on the command line.
    Resume,
    /// Continue the run with the requested configuration.
    Update,
    /// Remove all artefacts.
    Fresh,
}

/// Treatment of cases whose files can't be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unusable {
    /// Refuse the cohort and list them.
    Refuse,
    /// Leave them out, but refuse the cohort if the run was made from one of them: without it, the splits are others, and
    /// the training would start again.
    RefuseIfUsed,
    /// Leave them out.
    LeaveOut,
}

/// Folder and configuration of a run, validated before anything is written.
#[derive(Debug)]
pub struct RunSpec {
    /// The folder.
    pub root: PathBuf,
    /// The effective configuration.
    pub config: ValidConfig,
    mode: OpenMode,
    unusable: Unusable,
    /// The share of the command.
    pub share: Share,
    recorded: bool,
}

impl RunSpec {
    /// Resolves the effective configuration of a run folder: `layers`, on top of the folder's own configuration if they
    /// contain neither a profile nor a file.
    ///
    /// # Errors
    /// Returns an [`InputError`](crate::failure::InputError) for an invalid configuration, a folder that is not a run's
    /// or that overlaps with the scans, or differences that [`OpenMode::Resume`] refuses.
    pub fn resolve(root: PathBuf, mut layers: Layers, mode: OpenMode) -> anyhow::Result<Self> {
        refuse_other_folders(&root)?;
        let stored = match mode {
            OpenMode::Fresh => None,
            OpenMode::Resume | OpenMode::Update => stored_config(&root)?,
        };
        if layers.base.is_none() && layers.file.is_none() {
            layers.base.clone_from(&stored);
        }
        let Resolved { config, set_keys, followed } = layers.resolve()?;
        followed.iter().for_each(print_status);
        if let (Some(stored), OpenMode::Resume) = (stored, mode) {
            let stored = Layers { base: Some(stored), ..Layers::default() }.resolve()?.config;
            refuse_unset_differences(&root, &stored, &config, &set_keys)?;
        }
        if config.cohort.source != PHANTOM {
            refuse_among_scans(&root, Path::new(&config.cohort.source))?;
        }
        let unusable = match mode {
            OpenMode::Resume => Unusable::RefuseIfUsed,
            OpenMode::Update | OpenMode::Fresh => Unusable::LeaveOut,
        };
        Ok(Self { root, config, mode, unusable, share: Share::default(), recorded: false })
    }

    /// Sets whether the cohort is refused if it has a case that can't be used.
    #[must_use]
    pub fn strict(self, strict: bool) -> Self {
        if strict { Self { unusable: Unusable::Refuse, ..self } } else { self }
    }

    /// Sets the share of the command, and has its stages recorded in the folder.
    #[must_use]
    pub fn recorded(self, share: Share) -> Self {
        Self { share, recorded: true, ..self }
    }

    /// Treatment of cases whose files can't be used.
    pub fn unusable(&self) -> Unusable {
        self.unusable
    }

    /// Resolves a run in a subfolder, with some keys of this run's configuration replaced; `position` is its position among them.
    ///
    /// # Errors
    /// As [`RunSpec::resolve`].
    pub fn subrun(&self, position: usize, folder: &str, set: Vec<String>) -> anyhow::Result<Self> {
        let base =
            Source { name: self.root.join(CONFIG).display().to_string(), text: self.config.to_toml()? };
        let mode = if self.mode == OpenMode::Fresh { OpenMode::Fresh } else { OpenMode::Update };
        let layers = Layers { base: Some(base), set, ..Layers::default() };
        let run = Self::resolve(self.root.join(folder), layers, mode)?;
        let share = Share { run: position, ..self.share };
        Ok(Self { unusable: self.unusable, share, recorded: self.recorded, ..run })
    }

    /// Opens the folder. For all of the run: creates and locks it, removes temporary files (and with [`OpenMode::Fresh`] all
    /// artefacts), and writes the configuration. For a shard: requires the configuration, and changes nothing.
    ///
    /// # Errors
    /// Returns an [`InputError`](crate::failure::InputError) if the folder can't be written to or another command has
    /// locked it, and [`Unavailable`] if a shard finds no run in it or one with another configuration.
    pub fn open(self) -> anyhow::Result<(Run, ValidConfig)> {
        let text = self.config.to_toml()?;
        let is_whole = self.share.is_whole();
        if !is_whole {
            self.require_config(&text)?;
        }
        let lock = self.lock()?;
        let mut run = Run::new(self.root, lock, self.share);
        run.recorded = self.recorded.then(|| hash_bytes(text.as_bytes()));
        if !is_whole {
            return Ok((run, self.config));
        }
        if self.mode == OpenMode::Fresh {
            for artefact in ARTEFACTS {
                run.discard(artefact)?;
            }
        }
        for path in remaining_temporary_files(run.root())? {
            remove_file(&path)?;
        }
        if fs::read_to_string(run.path(CONFIG)).ok().as_deref() != Some(&text) {
            replace(&run.path(CONFIG), text.as_bytes())?;
        }
        Ok((run, self.config))
    }

    /// Requires that the folder's configuration is this one, to the byte.
    fn require_config(&self, text: &str) -> anyhow::Result<()> {
        let path = self.root.join(CONFIG);
        let found = match fs::read_to_string(&path) {
            Ok(stored) if stored == text => return Ok(()),
            Ok(_) => {
                "expected the configuration of this command, found another, which a shard does not change"
            }
            Err(_) => "not found",
        };
        let (path, name) = (path.display(), program::name());
        Err(Unavailable(format!("{path}: {found}; run `{name} reproduce --stage cohort` first")).into())
    }

    /// Locks the folder: alone for all of the run, together with others for a shard. Returns `None` where the file system has no
    /// locks.
    fn lock(&self) -> anyhow::Result<Option<File>> {
        let unwritable = |error: io::Error| {
            invalid_input(format!("{}: expected a writable folder: {error}", self.root.display()))
        };
        fs::create_dir_all(&self.root).map_err(unwritable)?;
        let file = File::create(self.root.join(LOCK)).map_err(unwritable)?;
        let locked = if self.share.is_whole() { file.try_lock() } else { file.try_lock_shared() };
        match locked {
            Ok(()) => Ok(Some(file)),
            Err(TryLockError::WouldBlock) => {
                let root = self.root.display();
                Err(invalid_input(format!("{root}: another command is using this run folder")))
            }
            Err(TryLockError::Error(error)) if has_no_locks(&error) => {
                if self.share.is_whole() {
                    let root = self.root.display();
                    print_status(format!(
                        "{root}: the file system has no locks; make sure that no other command uses this run folder"
                    ));
                }
                Ok(None)
            }
            Err(TryLockError::Error(error)) => Err(unwritable(error)),
        }
    }
}

/// Returns true for the error of a file system without locks, such as Lustre's or NFS's without them.
fn has_no_locks(error: &io::Error) -> bool {
    const ENOLCK: i32 = 37;
    error.kind() == io::ErrorKind::Unsupported
        || (cfg!(target_os = "linux") && error.raw_os_error() == Some(ENOLCK))
}

fn stored_config(root: &Path) -> anyhow::Result<Option<Source>> {
    let path = root.join(CONFIG);
    if path.exists() { Source::read_run(&path).map(Some) } else { Ok(None) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Profile;
    use crate::failure::{ExitStatus, exit_status};

    fn layers(profile: Option<Profile>, set: &[&str]) -> Layers {
        Layers {
            base: profile.map(Source::profile),
            set: set.iter().map(ToString::to_string).collect(),
            ..Layers::default()
        }
    }

    fn create(root: &Path, set: &[&str]) {
        let layers = layers(Some(Profile::Smoke), set);
        RunSpec::resolve(root.to_owned(), layers, OpenMode::Update).unwrap().open().unwrap();
    }

    #[test]
    fn folders_keep_their_configuration() {
        let folder = tempfile::tempdir().unwrap();
        create(folder.path(), &["evaluate.bootstrap=321"]);
        let spec = RunSpec::resolve(folder.path().to_owned(), layers(None, &[]), OpenMode::Resume).unwrap();
        assert_eq!(spec.config.evaluate.bootstrap, 321);
    }

    #[test]
    fn differences_not_set_on_the_command_line_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().to_owned();
        create(&root, &["evaluate.bootstrap=321"]);
        let find =
            |set: &[&str], mode| RunSpec::resolve(root.clone(), layers(Some(Profile::Smoke), set), mode);
        let error = find(&[], OpenMode::Resume).unwrap_err();
        assert_eq!(exit_status(&error), ExitStatus::InvalidInput);
        assert!(error.to_string().contains("evaluate.bootstrap (321 stored, "), "{error}");
        find(&["evaluate.bootstrap=321"], OpenMode::Resume).unwrap();
        find(&["evaluate.bootstrap=400"], OpenMode::Resume).unwrap();
        find(&[], OpenMode::Update).unwrap();
        find(&[], OpenMode::Fresh).unwrap();
    }

    #[test]
    fn another_cohort_is_refused_without_update() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().to_owned();
        create(&root, &[]);
        let find = |mode| {
            let cohort = Some(PathBuf::from("/elsewhere/scans"));
            RunSpec::resolve(root.clone(), Layers { cohort, ..layers(Some(Profile::Smoke), &[]) }, mode)
        };
        let error = find(OpenMode::Resume).unwrap_err().to_string();
        assert!(error.contains("cohort.source") && error.contains("--update"), "{error}");
        find(OpenMode::Update).unwrap();
    }

    #[test]
    fn folders_of_other_files_are_refused_and_left_unchanged() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("thesis");
        replace(&root.join("figures/own.png"), b"x").unwrap();
        replace(&root.join(".notes"), b"x").unwrap();
        for mode in [OpenMode::Resume, OpenMode::Update, OpenMode::Fresh] {
            let error = RunSpec::resolve(root.clone(), layers(Some(Profile::Smoke), &[]), mode).unwrap_err();
            assert_eq!(exit_status(&error), ExitStatus::InvalidInput);
            assert!(error.to_string().contains("found .notes and 1 more"), "{error}");
        }
        assert!(root.join("figures/own.png").exists() && root.join(".notes").exists());
    }

    #[test]
    fn runs_killed_before_writing_the_configuration_resume() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().to_owned();
        let temporary = ".run.toml.host-7-0123456789abcdef.tmp";
        for name in [".lock", temporary] {
            fs::write(root.join(name), b"half").unwrap();
        }
        create(&root, &[]);
        assert!(!root.join(temporary).exists());
    }

    #[test]
    fn only_temporary_files_of_runs_are_removed() {
        let folder = tempfile::tempdir().unwrap();
        let (root, elsewhere) = (folder.path().join("run"), folder.path().join("mine"));
        create(&root, &[]);
        let removed =
            [".summary.json.host-7-0.tmp", "maps/a/.1-2.nii.gz", "classifier/best.safetensors.part"];
        let other = [".gitignore", "notes/.hidden", "notes/film.part"];
        for name in removed.iter().chain(&other) {
            fs::create_dir_all(root.join(name).parent().unwrap()).unwrap();
            fs::write(root.join(name), b"x").unwrap();
        }
        fs::create_dir(&elsewhere).unwrap();
        fs::write(elsewhere.join(".profile"), b"x").unwrap();
        #[cfg(unix)]
        for link in ["scores", "maps/link"] {
            std::os::unix::fs::symlink(&elsewhere, root.join(link)).unwrap();
        }
        create(&root, &[]);
        assert!(removed.iter().all(|name| !root.join(name).exists()));
        assert!(other.iter().all(|name| root.join(name).exists()));
        assert!(elsewhere.join(".profile").exists());
    }

    #[test]
    fn run_folders_are_separate_from_scans() {
        let folder = tempfile::tempdir().unwrap();
        let scans = folder.path().join("scans");
        replace(&scans.join("own/list.csv"), b"x").unwrap();
        let find = |root: &str, cohort: &Path| {
            let cohort = Some(cohort.to_owned());
            let layers = Layers { cohort, ..layers(Some(Profile::Smoke), &[]) };
            // With a configuration; otherwise the folder would be refused because of its files.
            fs::create_dir_all(folder.path().join(root)).unwrap();
            fs::write(folder.path().join(root).join(CONFIG), b"").unwrap();
            RunSpec::resolve(folder.path().join(root), layers, OpenMode::Fresh)
        };
        for (root, what) in [("scans", "is"), ("scans/own/run", "is inside"), ("", "contains")] {
            let error = find(root, &scans).unwrap_err();
            assert_eq!(exit_status(&error), ExitStatus::InvalidInput);
            assert!(error.to_string().contains(&format!("one that {what} the cohort")), "{error}");
        }
        let manifest = scans.join("own/list.csv");
        assert!(find("scans/own", &manifest).unwrap_err().to_string().contains("contains"));
        find("scans/own/another", &manifest).unwrap();
        find("run", &scans).unwrap();
    }

    #[test]
    fn folders_are_locked() {
        let folder = tempfile::tempdir().unwrap();
        let open = || {
            RunSpec::resolve(folder.path().to_owned(), layers(Some(Profile::Smoke), &[]), OpenMode::Resume)
                .unwrap()
                .open()
        };
        let first = open().unwrap();
        let error = open().unwrap_err();
        assert!(error.to_string().contains("another command"), "{error}");
        drop(first);
        open().unwrap();
    }

    #[test]
    fn shards_share_a_folder_and_change_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("run");
        let open = |set: &[&str], shard: &str| {
            let share = Share { shard: Some(shard.parse().unwrap()), run: 0 };
            let layers = layers(Some(Profile::Smoke), set);
            RunSpec::resolve(root.clone(), layers, OpenMode::Resume).unwrap().recorded(share).open()
        };
        let error = open(&[], "1/2").unwrap_err();
        assert!(error.is::<Unavailable>() && error.to_string().contains("not found"), "{error}");
        assert!(!root.exists());

        create(&root, &[]);
        let temporary = root.join(".summary.json.host-7-0.tmp");
        fs::write(&temporary, b"of another shard").unwrap();
        let shards = [open(&[], "1/2").unwrap(), open(&[], "2/2").unwrap()];
        assert!(temporary.exists());
        let error = open(&["evaluate.bootstrap=321"], "1/2").unwrap_err();
        assert!(error.to_string().contains("which a shard does not change"), "{error}");
        let whole = || {
            RunSpec::resolve(root.clone(), layers(Some(Profile::Smoke), &[]), OpenMode::Resume)
                .unwrap()
                .open()
        };
        assert!(whole().unwrap_err().to_string().contains("another command"));
        drop(shards);
        drop(whole().unwrap());
        assert!(!temporary.exists());
    }

    #[test]
    fn file_systems_without_locks_are_recognised() {
        // ENOSYS of Lustre, ENOLCK of NFS, EOPNOTSUPP; EACCES is another matter.
        for (code, expected) in [(38, true), (37, true), (95, true), (13, false)] {
            assert_eq!(has_no_locks(&io::Error::from_raw_os_error(code)), expected, "{code}");
        }
    }

    #[test]
    fn fresh_removes_only_artefacts() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().to_owned();
        create(&root, &[]);
        for name in ["tables/table1.csv", "notes.txt"] {
            replace(&root.join(name), b"x").unwrap();
        }
        RunSpec::resolve(root.clone(), layers(Some(Profile::Smoke), &[]), OpenMode::Fresh)
            .unwrap()
            .open()
            .unwrap();
        assert!(!root.join("tables").exists());
        assert!(root.join("notes.txt").exists());
        assert!(root.join("run.toml").exists());
    }
}
