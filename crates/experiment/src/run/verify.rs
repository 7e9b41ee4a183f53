//! Verification of a run's folder: every file against its size and hash in the sidecars.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;

use super::artefacts::{CONFIG, STAGES, WITHOUT_SIDECAR};
use super::sidecar::{SIDECAR, Sidecar};
use super::written::Check;
use crate::failure::invalid_input;

/// Result of [`verify`]. Paths start with the folder that was verified.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// Number of files that are as they were written.
    pub intact: usize,
    /// Files that were written and are missing, or were changed since: path and what was found.
    pub damaged: Vec<(PathBuf, String)>,
    /// Artefacts of stages that have not finished.
    pub unfinished: Vec<PathBuf>,
    /// Files that no sidecar lists.
    pub foreign: Vec<PathBuf>,
}

/// Compares every file of a run's folder, and of the runs in its subfolders, with its sidecar.
///
/// # Errors
/// Returns an [`InputError`](crate::failure::InputError) if the folder is not a run's, or an error that names the folder that
/// can't be read.
pub fn verify(root: &Path) -> anyhow::Result<Verified> {
    if !root.join(CONFIG).is_file() {
        return Err(invalid_input(format!(
            "{}: expected the folder of a run, found no {CONFIG} in it",
            root.display()
        )));
    }
    let mut found = Verified::default();
    verify_run(root, &mut found)?;
    Ok(found)
}

fn verify_run(root: &Path, found: &mut Verified) -> anyhow::Result<()> {
    let (mut files, mut runs) = (BTreeSet::new(), Vec::new());
    list(root, "", &mut files, &mut runs)?;
    let mut listed = BTreeSet::new();
    for name in files.iter().filter(|name| name.ends_with(SIDECAR)) {
        let artefact = name.strip_suffix(SIDECAR).unwrap_or(name);
        let sidecar = match Sidecar::read(root, artefact) {
            Ok(Some(sidecar)) => sidecar,
            Ok(None) => continue,
            Err(problem) => {
                found.damaged.push((root.join(name), format!("can't be read ({problem})")));
                continue;
            }
        };
        if !sidecar.complete {
            found.unfinished.push(root.join(artefact));
        }
        for file in &sidecar.files {
            match file.damage(root, Check::Content) {
                Some(damage) => found.damaged.push((root.join(&file.name), damage)),
                None if !listed.contains(&file.name) => found.intact += 1,
                None => {}
            }
            listed.insert(file.name.clone());
        }
    }
    let is_foreign = |name: &&String| {
        let without_sidecar = name.rsplit('/').next().is_some_and(|last| WITHOUT_SIDECAR.contains(&last));
        !name.ends_with(SIDECAR) && !without_sidecar && !listed.contains(*name)
    };
    found.foreign.extend(files.iter().filter(is_foreign).map(|name| root.join(name)));
    runs.sort();
    for run in runs {
        verify_run(&run, found)?;
    }
    Ok(())
}

/// Lists the files below `root/folder` by their names relative to `root`, and the folders of other runs.
fn list(
    root: &Path,
    folder: &str,
    files: &mut BTreeSet<String>,
    runs: &mut Vec<PathBuf>,
) -> anyhow::Result<()> {
    let path = root.join(folder);
    for entry in fs::read_dir(&path).with_context(|| format!("reading the folder {}", path.display()))? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let name = if folder.is_empty() { name } else { format!("{folder}/{name}") };
        if !entry.file_type()?.is_dir() {
            files.insert(name);
        } else if entry.path().join(CONFIG).is_file() {
            runs.push(entry.path());
        } else if name != STAGES {
            list(root, &name, files, runs)?;
        }
    }
    Ok(())
}
