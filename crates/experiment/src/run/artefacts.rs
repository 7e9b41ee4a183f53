//! Files that a run creates directly in its folder.

use std::fs;
use std::path::{Path, PathBuf};

use super::sidecar::SIDECAR;
use super::write::temporary_files;

/// The effective configuration of a run folder.
pub const CONFIG: &str = "run.toml";
/// The lock file of a run folder.
pub(super) const LOCK: &str = ".lock";

/// Artefacts directly in a run's folder, which `--fresh` removes.
pub(crate) const ARTEFACTS: [&str; 25] = [
    "manifest.json",
    "phantom",
    "cohort.csv",
    "left_out.csv",
    "inspected.csv",
    "classifier",
    "perturbation",
    "perturbation_signed",
    "perturbation_tissue",
    "focus",
    "grid.json",
    "regions",
    "scores",
    "diffusion.json",
    "pooled",
    "explained",
    "maps",
    "faithfulness",
    "tables",
    "figures",
    "pages",
    "cases.json",
    "summary.json",
    "spread.json",
    "report.html",
];

/// Names of files without a sidecar: those that every command writes anew, and the state that only an interrupted training reads.
pub(super) const WITHOUT_SIDECAR: [&str; 5] =
    [CONFIG, LOCK, "manifest.json", "left_out.csv", "last.safetensors"];

/// Names of the temporary files that are created directly in a run's folder.
pub(super) fn temporary_names() -> impl Iterator<Item = String> {
    let names = ARTEFACTS.into_iter().chain([CONFIG]);
    names.flat_map(|name| [format!(".{name}"), format!(".{name}{SIDECAR}")])
}

/// Finds temporary files that a killed command left in a run's folder.
///
/// # Errors
/// Returns an error if a folder can't be read.
pub(super) fn remaining_temporary_files(root: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let is_file = |path: &Path| fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_file());
    let is_folder = |path: &Path| fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_dir());
    let mut found: Vec<PathBuf> =
        temporary_names().map(|name| root.join(name)).filter(|path| is_file(path)).collect();
    for folder in ARTEFACTS.map(|name| root.join(name)).into_iter().filter(|path| is_folder(path)) {
        found.extend(temporary_files(&folder)?);
    }
    Ok(found)
}
