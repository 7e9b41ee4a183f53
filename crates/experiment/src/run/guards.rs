//! Checks that protect other files, scans and earlier work before a run folder is opened.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::artefacts::{CONFIG, LOCK, is_temporary};
use crate::config::{Config, differences};
use crate::failure::invalid_input;

/// Key of the source of the scans.
const COHORT: &str = "cohort.source";

/// Requires a run folder, an empty folder or a new one, so that a run never writes among other files. A command killed
/// before it wrote the configuration leaves only temporary files.
///
/// # Errors
/// Returns an [`InputError`](crate::failure::InputError) that names a file of the folder.
pub(super) fn refuse_other_folders(root: &Path) -> anyhow::Result<()> {
    if root.join(CONFIG).is_file() {
        return Ok(());
    }
    // A missing folder is created, and an unreadable one is an error, when the run is opened.
    let Ok(entries) = fs::read_dir(root) else { return Ok(()) };
    let mut others: Vec<String> = entries
        .filter_map(|entry| Some(entry.ok()?.file_name().to_string_lossy().into_owned()))
        .filter(|name| name != LOCK && !is_temporary(name))
        .collect();
    others.sort();
    let Some(first) = others.first() else { return Ok(()) };
    let more = if others.len() > 1 { format!(" and {} more", others.len() - 1) } else { String::new() };
    Err(invalid_input(format!(
        "{}: expected a run folder (with {CONFIG}), an empty folder or a new one, found {first}{more}; select another folder \
         with --out",
        root.display()
    )))
}

/// Requires a run folder that neither contains the scans, which the run could overwrite or `--fresh` remove, nor lies
/// among them, where its synthetic cases would count as part of the cohort.
///
/// # Errors
/// Returns an [`InputError`](crate::failure::InputError) that names both paths.
pub(super) fn refuse_among_scans(root: &Path, source: &Path) -> anyhow::Result<()> {
    // A missing source is an error when the cohort is read.
    let Ok(scans) = source.canonicalize() else { return Ok(()) };
    let folder = resolve_links(root);
    let relation = if scans == folder {
        "is"
    } else if scans.starts_with(&folder) {
        "contains"
    } else if folder.starts_with(&scans) {
        "is inside"
    } else {
        return Ok(());
    };
    Err(invalid_input(format!(
        "{}: expected a folder separate from the scans, found one that {relation} the cohort {}; select another folder with \
         --out",
        root.display(),
        source.display()
    )))
}

/// Requires that every difference from the stored configuration was set on the command line. A different cohort is
/// always refused, because it invalidates all artefacts.
///
/// # Errors
/// Returns an [`InputError`](crate::failure::InputError) that lists the other differences.
pub(super) fn refuse_unset_differences(
    root: &Path,
    stored: &Config,
    requested: &Config,
    set_keys: &BTreeSet<String>,
) -> anyhow::Result<()> {
    let unset: Vec<String> = differences(stored, requested)?
        .into_iter()
        .filter(|difference| difference.key == COHORT || !set_keys.contains(&difference.key))
        .map(|difference| difference.to_string())
        .collect();
    if unset.is_empty() {
        return Ok(());
    }
    Err(invalid_input(format!(
        "{}: expected the configuration of this run, found one that differs in {}; select another folder with --out, continue \
         with the new configuration with --update, or start over with --fresh",
        root.display(),
        unset.join(", ")
    )))
}

/// Resolves links in a path whose last components may not exist.
pub fn resolve_links(path: &Path) -> PathBuf {
    for existing in path.ancestors() {
        if let (Ok(resolved), Ok(rest)) = (existing.canonicalize(), path.strip_prefix(existing)) {
            return resolved.join(rest);
        }
    }
    path.to_owned()
}
