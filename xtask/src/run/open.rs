//! Opening a run's folder, and what happens where another config made it.
//!
//! A folder keeps its config. Keys that the command line names (`--set`, `--seed`, `--cohort`) are changes
//! that the user means: what depends on them is made again. A difference that comes from elsewhere, another
//! profile or config file or a `--set` that was left out, would throw work away that nobody named: it is refused, unless
//! `--update` or `--fresh` asks for it.

use std::collections::BTreeSet;
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

use super::{Run, replace, unfinished};
use crate::config::layers::Resolved;
use crate::config::{Config, Layers, Source, differences};
use crate::failure::input;

/// The effective config of a run folder.
pub const CONFIG: &str = "run.toml";
const LOCK: &str = ".lock";

/// What a run leaves, and what `--fresh` therefore removes.
const LEAVINGS: [&str; 16] = [
    CONFIG,
    "manifest.json",
    "phantom",
    "cohort.csv",
    "left_out.csv",
    "classifier",
    "perturbation",
    "focus",
    "grid.json",
    "regions",
    "scores",
    "maps",
    "tables",
    "figures",
    "summary.json",
    "report.html",
];

/// What to do with what is there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// Go on with it; refuse differences that nobody named.
    GoOn,
    /// Go on with it under the config as it is now.
    Update,
    /// Remove it.
    Fresh,
}

/// A run folder and its config, checked, before anything is written.
#[derive(Debug)]
pub struct Opening {
    /// The folder.
    pub root: PathBuf,
    /// The effective config.
    pub config: Config,
    start: Start,
}

impl Opening {
    /// Finds the effective config of a run folder: `layers`, over the folder's own config where the command
    /// line gives neither profile nor config file.
    ///
    /// # Errors
    /// A bad config, or a folder that another config made.
    pub fn find(root: PathBuf, mut layers: Layers, start: Start) -> anyhow::Result<Self> {
        let there = match start {
            Start::Fresh => None,
            Start::GoOn | Start::Update => own_config(&root)?,
        };
        if layers.base.is_none() && layers.file.is_none() {
            layers.base.clone_from(&there);
        }
        let Resolved { config, named } = layers.resolve()?;
        if let (Some(there), Start::GoOn) = (there, start) {
            let there = Layers { base: Some(there), ..Layers::default() }.resolve()?.config;
            refuse_unnamed(&root, &there, &config, &named)?;
        }
        Ok(Self { root, config, start })
    }

    /// Makes the folder and takes it, so that no other command can work there meanwhile.
    ///
    /// # Errors
    /// A folder that can't be made or written to, or that another command works in.
    pub fn take(self) -> anyhow::Result<(Run, Config)> {
        let unwritable = |error: std::io::Error| {
            input(format!("{}: expected a folder that can be written to: {error}", self.root.display()))
        };
        fs::create_dir_all(&self.root).map_err(unwritable)?;
        let lock = File::create(self.root.join(LOCK)).map_err(unwritable)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let root = self.root.display();
                return Err(input(format!("{root}: another command works in this run folder")));
            }
            Err(TryLockError::Error(error)) => return Err(unwritable(error)),
        }
        let run = Run { root: self.root, _lock: lock };
        if self.start == Start::Fresh {
            for artefact in LEAVINGS {
                run.discard(artefact)?;
            }
        }
        for path in unfinished(&run.root)? {
            if path != run.path(LOCK) {
                super::remove(&path)?;
            }
        }
        let text = self.config.to_toml()?;
        if fs::read_to_string(run.path(CONFIG)).ok().as_deref() != Some(&text) {
            replace(&run.path(CONFIG), text.as_bytes())?;
        }
        Ok((run, self.config))
    }
}

fn own_config(root: &Path) -> anyhow::Result<Option<Source>> {
    let path = root.join(CONFIG);
    if path.exists() { Source::read(&path).map(Some) } else { Ok(None) }
}

fn refuse_unnamed(
    root: &Path,
    there: &Config,
    here: &Config,
    named: &BTreeSet<String>,
) -> anyhow::Result<()> {
    let unnamed: Vec<String> = differences(there, here)?
        .into_iter()
        .filter(|difference| !named.contains(&difference.key))
        .map(|difference| difference.to_string())
        .collect();
    if unnamed.is_empty() {
        return Ok(());
    }
    Err(input(format!(
        "{}: this run was made by another config, which differs in {}; name another folder with --out, go on \
         under this config with --update, or begin again with --fresh",
        root.display(),
        unnamed.join(", ")
    )))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Profile;
    use crate::failure::{Ending, ending};

    fn layers(profile: Option<Profile>, set: &[&str]) -> Layers {
        Layers {
            base: profile.map(Source::profile),
            set: set.iter().map(ToString::to_string).collect(),
            ..Layers::default()
        }
    }

    fn made(root: &Path, set: &[&str]) {
        let layers = layers(Some(Profile::Smoke), set);
        Opening::find(root.to_owned(), layers, Start::Update).unwrap().take().unwrap();
    }

    #[test]
    fn a_folder_keeps_its_config() {
        let folder = tempfile::tempdir().unwrap();
        made(folder.path(), &["evaluate.bootstrap=321"]);
        let opening = Opening::find(folder.path().to_owned(), layers(None, &[]), Start::GoOn).unwrap();
        assert_eq!(opening.config.evaluate.bootstrap, 321);
    }

    #[test]
    fn differences_that_nobody_named_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().to_owned();
        made(&root, &["evaluate.bootstrap=321"]);
        let find =
            |set: &[&str], start| Opening::find(root.clone(), layers(Some(Profile::Smoke), set), start);
        let error = find(&[], Start::GoOn).unwrap_err();
        assert_eq!(ending(&error), Ending::Input);
        assert!(error.to_string().contains("evaluate.bootstrap (321 there, "), "{error}");
        find(&["evaluate.bootstrap=321"], Start::GoOn).unwrap();
        find(&["evaluate.bootstrap=400"], Start::GoOn).unwrap();
        find(&[], Start::Update).unwrap();
        find(&[], Start::Fresh).unwrap();
    }

    #[test]
    fn a_folder_is_taken_once() {
        let folder = tempfile::tempdir().unwrap();
        let open = || {
            Opening::find(folder.path().to_owned(), layers(Some(Profile::Smoke), &[]), Start::GoOn)
                .unwrap()
                .take()
        };
        let first = open().unwrap();
        let error = open().unwrap_err();
        assert!(error.to_string().contains("another command"), "{error}");
        drop(first);
        open().unwrap();
    }

    #[test]
    fn fresh_removes_what_a_run_leaves_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().to_owned();
        made(&root, &[]);
        for name in ["tables/table1.csv", "notes.txt"] {
            replace(&root.join(name), b"x").unwrap();
        }
        Opening::find(root.clone(), layers(Some(Profile::Smoke), &[]), Start::Fresh).unwrap().take().unwrap();
        assert!(!root.join("tables").exists());
        assert!(root.join("notes.txt").exists());
        assert!(root.join("run.toml").exists());
    }
}
