//! Opening a run's folder, and what happens where another config made it.
//!
//! A folder keeps its config. Keys that the command line names (`--set`, `--seed`) are changes
//! that the user means: what depends on them is made again. A difference that comes from elsewhere, another
//! profile or config file or a `--set` that was left out, would throw work away that nobody named: it is refused, unless
//! `--update` or `--fresh` asks for it. So is another cohort, even where it is named: nothing of the run would be left.

use std::collections::BTreeSet;
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

use super::{Run, SIDECAR, replace, unfinished};
use crate::config::layers::Resolved;
use crate::config::{Config, Layers, Source, differences};
use crate::failure::input;
use crate::stages::cohort::PHANTOM;

/// The key that says whose scans a run is about.
const COHORT: &str = "cohort.source";
/// The effective config of a run folder.
pub const CONFIG: &str = "run.toml";
const LOCK: &str = ".lock";

/// What a run leaves beside its config, and what `--fresh` therefore removes.
pub(crate) const LEAVINGS: [&str; 20] = [
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
    "diffusion.json",
    "explained",
    "maps",
    "faithfulness",
    "tables",
    "figures",
    "cases.json",
    "summary.json",
    "spread.json",
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
    /// A bad config, or a folder that another config made, that is no run's, or that is tangled with the scans.
    pub fn find(root: PathBuf, mut layers: Layers, start: Start) -> anyhow::Result<Self> {
        refuse_other_folders(&root)?;
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
        if config.cohort.source != PHANTOM {
            refuse_among_scans(&root, Path::new(&config.cohort.source))?;
        }
        Ok(Self { root, config, start })
    }

    /// A run in a folder below this one's, under its config with some keys changed. What is there goes on under it.
    ///
    /// # Errors
    /// As [`Opening::find`].
    pub fn below(&self, folder: &str, set: Vec<String>) -> anyhow::Result<Self> {
        let base =
            Source { name: self.root.join(CONFIG).display().to_string(), text: self.config.to_toml()? };
        let start = if self.start == Start::Fresh { Start::Fresh } else { Start::Update };
        Self::find(self.root.join(folder), Layers { base: Some(base), set, ..Layers::default() }, start)
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
        for path in leftovers(&run.root)? {
            super::remove(&path)?;
        }
        let text = self.config.to_toml()?;
        if fs::read_to_string(run.path(CONFIG)).ok().as_deref() != Some(&text) {
            replace(&run.path(CONFIG), text.as_bytes())?;
        }
        Ok((run, self.config))
    }
}

/// Names of the files directly in a run's folder while they are written.
fn temporaries() -> impl Iterator<Item = String> {
    let names = LEAVINGS.into_iter().chain([CONFIG]);
    names.flat_map(|name| [format!(".{name}"), format!(".{name}{SIDECAR}")])
}

/// What a killed command left half-written.
fn leftovers(root: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let is_file = |path: &Path| fs::symlink_metadata(path).is_ok_and(|found| found.is_file());
    let is_folder = |path: &Path| fs::symlink_metadata(path).is_ok_and(|found| found.is_dir());
    let mut found: Vec<PathBuf> =
        temporaries().map(|name| root.join(name)).filter(|path| is_file(path)).collect();
    for folder in LEAVINGS.map(|name| root.join(name)).into_iter().filter(|path| is_folder(path)) {
        found.extend(unfinished(&folder)?);
    }
    Ok(found)
}

/// Only an empty folder becomes a run's: what is in any other is somebody's. A command that was killed before its
/// config was in place leaves nothing but temporary files.
fn refuse_other_folders(root: &Path) -> anyhow::Result<()> {
    if root.join(CONFIG).is_file() {
        return Ok(());
    }
    // One that is not there is made, one that can't be read refused, when the folder is taken.
    let Ok(entries) = fs::read_dir(root) else { return Ok(()) };
    let ours: BTreeSet<String> = temporaries().chain([LOCK.to_owned()]).collect();
    let mut others: Vec<String> = entries
        .filter_map(|entry| Some(entry.ok()?.file_name().to_string_lossy().into_owned()))
        .filter(|name| !ours.contains(name))
        .collect();
    others.sort();
    let Some(first) = others.first() else { return Ok(()) };
    let more = if others.len() > 1 { format!(" and {} more", others.len() - 1) } else { String::new() };
    Err(input(format!(
        "{}: expected the folder of a run (with its {CONFIG}), an empty or a new one, found {first}{more}: name another \
         with --out",
        root.display()
    )))
}

/// A run writes, and `--fresh` removes, below its own folder: scans must not lie there. Nor may it lie among them,
/// where its synthetic cases would be found as theirs.
fn refuse_among_scans(root: &Path, source: &Path) -> anyhow::Result<()> {
    // A source that is not there is refused by whoever reads it.
    let Ok(scans) = source.canonicalize() else { return Ok(()) };
    let folder = real(root);
    let tangled = if scans == folder {
        "is"
    } else if scans.starts_with(&folder) {
        "holds"
    } else if folder.starts_with(&scans) {
        "lies in"
    } else {
        return Ok(());
    };
    Err(input(format!(
        "{}: expected a folder apart from the scans, found one that {tangled} the cohort {}: name another with --out",
        root.display(),
        source.display()
    )))
}

/// Where a path leads once links are followed, of which the last parts may not be there yet.
pub fn real(path: &Path) -> PathBuf {
    for there in path.ancestors() {
        if let (Ok(whole), Ok(rest)) = (there.canonicalize(), path.strip_prefix(there)) {
            return whole.join(rest);
        }
    }
    path.to_owned()
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
        // Whoever names other scans may not know that all that was made from the first ones would go.
        .filter(|difference| difference.key == COHORT || !named.contains(&difference.key))
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
    fn another_cohort_is_refused_unless_it_is_meant() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().to_owned();
        made(&root, &[]);
        let find = |start| {
            let cohort = Some(PathBuf::from("/elsewhere/scans"));
            Opening::find(root.clone(), Layers { cohort, ..layers(Some(Profile::Smoke), &[]) }, start)
        };
        let error = find(Start::GoOn).unwrap_err().to_string();
        assert!(error.contains("cohort.source") && error.contains("--update"), "{error}");
        find(Start::Update).unwrap();
    }

    #[test]
    fn folders_that_are_no_runs_are_refused_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("thesis");
        replace(&root.join("figures/own.png"), b"x").unwrap();
        replace(&root.join(".notes"), b"x").unwrap();
        for start in [Start::GoOn, Start::Update, Start::Fresh] {
            let error = Opening::find(root.clone(), layers(Some(Profile::Smoke), &[]), start).unwrap_err();
            assert_eq!(ending(&error), Ending::Input);
            assert!(error.to_string().contains("found .notes and 1 more"), "{error}");
        }
        assert!(root.join("figures/own.png").exists() && root.join(".notes").exists());
    }

    #[test]
    fn a_run_killed_before_its_config_was_there_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().to_owned();
        for name in [".lock", ".run.toml"] {
            fs::write(root.join(name), b"half").unwrap();
        }
        made(&root, &[]);
        assert!(!root.join(".run.toml").exists());
    }

    #[test]
    fn only_what_runs_leave_half_written_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let (root, elsewhere) = (folder.path().join("run"), folder.path().join("mine"));
        made(&root, &[]);
        let gone = [".summary.json", "maps/a/.1-2.nii.gz", "classifier/best.safetensors.part"];
        let kept = [".gitignore", "notes/.hidden", "notes/film.part"];
        for name in gone.iter().chain(&kept) {
            fs::create_dir_all(root.join(name).parent().unwrap()).unwrap();
            fs::write(root.join(name), b"x").unwrap();
        }
        fs::create_dir(&elsewhere).unwrap();
        fs::write(elsewhere.join(".profile"), b"x").unwrap();
        #[cfg(unix)]
        for link in ["scores", "maps/link"] {
            std::os::unix::fs::symlink(&elsewhere, root.join(link)).unwrap();
        }
        made(&root, &[]);
        assert!(gone.iter().all(|name| !root.join(name).exists()));
        assert!(kept.iter().all(|name| root.join(name).exists()));
        assert!(elsewhere.join(".profile").exists());
    }

    #[test]
    fn a_run_stays_apart_from_its_scans() {
        let folder = tempfile::tempdir().unwrap();
        let scans = folder.path().join("scans");
        replace(&scans.join("own/list.csv"), b"x").unwrap();
        let find = |root: &str, cohort: &Path| {
            let cohort = Some(cohort.to_owned());
            let layers = Layers { cohort, ..layers(Some(Profile::Smoke), &[]) };
            // A run is there already, or the folder would be refused for what is in it.
            fs::create_dir_all(folder.path().join(root)).unwrap();
            fs::write(folder.path().join(root).join(CONFIG), b"").unwrap();
            Opening::find(folder.path().join(root), layers, Start::Fresh)
        };
        for (root, what) in [("scans", "is"), ("scans/own/run", "lies in"), ("", "holds")] {
            let error = find(root, &scans).unwrap_err();
            assert_eq!(ending(&error), Ending::Input);
            assert!(error.to_string().contains(&format!("one that {what} the cohort")), "{error}");
        }
        let manifest = scans.join("own/list.csv");
        assert!(find("scans/own", &manifest).unwrap_err().to_string().contains("holds"));
        find("scans/own/another", &manifest).unwrap();
        find("run", &scans).unwrap();
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
