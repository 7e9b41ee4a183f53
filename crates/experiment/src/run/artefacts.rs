//! Files that a run creates directly in its folder.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;

use super::sidecar::SIDECAR;
use super::write::{is_temporary_name_of, temporary_files};

/// The effective configuration of a run folder.
pub const CONFIG: &str = "run.toml";
/// Version, device, machine and cost of a run.
pub const MANIFEST: &str = "manifest.json";
/// The lock file of a run folder.
pub(super) const LOCK: &str = ".lock";
/// Folder with the records of stages, of commands that run some stages or a share of them.
pub(super) const STAGES: &str = "stages";

/// Artefacts directly in a run's folder, which `--fresh` removes.
pub(crate) const ARTEFACTS: [&str; 26] = [
    MANIFEST,
    STAGES,
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
pub(super) const WITHOUT_SIDECAR: [&str; 5] = [CONFIG, LOCK, MANIFEST, "left_out.csv", "last.safetensors"];

/// Returns true for the name of a temporary file that is created directly in a run's folder.
pub(super) fn is_temporary(name: &str) -> bool {
    ARTEFACTS.into_iter().chain([CONFIG]).any(|artefact| {
        is_temporary_name_of(artefact, name) || is_temporary_name_of(&format!("{artefact}{SIDECAR}"), name)
    })
}

/// Finds temporary files that a killed command left in a run's folder.
///
/// # Errors
/// Returns an error if a folder can't be read.
pub(super) fn remaining_temporary_files(root: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let is_folder = |path: &Path| fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_dir());
    let mut found = Vec::new();
    for entry in fs::read_dir(root).with_context(|| format!("reading the folder {}", root.display()))? {
        let entry = entry?;
        if entry.file_type()?.is_file() && is_temporary(&entry.file_name().to_string_lossy()) {
            found.push(entry.path());
        }
    }
    for folder in ARTEFACTS.map(|name| root.join(name)).into_iter().filter(|path| is_folder(path)) {
        found.extend(temporary_files(&folder)?);
    }
    Ok(found)
}
