//! Outputs must not replace what a command reads.

use std::path::Path;

use relevox_experiment::failure::invalid_input;
use relevox_experiment::run::{self, resolve_links};

/// Rejects an output file that is one of the input files, under whatever path.
///
/// # Errors
/// Returns an input error that names the file.
pub(super) fn refuse_overwriting<'a>(
    output: &Path,
    inputs: impl IntoIterator<Item = &'a Path>,
) -> anyhow::Result<()> {
    let Ok(existing) = output.canonicalize() else { return Ok(()) };
    match inputs.into_iter().find(|input| input.canonicalize().is_ok_and(|input| input == existing)) {
        None => Ok(()),
        Some(input) => Err(invalid_input(format!(
            "{}: expected an output other than the input {}",
            output.display(),
            input.display()
        ))),
    }
}

/// Rejects an output folder that is a run's.
///
/// # Errors
/// Returns an input error that names the folder.
pub(super) fn refuse_run(output: &Path) -> anyhow::Result<()> {
    if output.join(run::MANIFEST).is_file() {
        return Err(invalid_input(format!(
            "--out {}: expected a folder of its own, found that of a run",
            output.display()
        )));
    }
    Ok(())
}

/// Rejects an output folder that is the folder of the scans or lies inside it.
///
/// # Errors
/// Returns an input error that names both folders, or an error if the working directory is not available.
pub(super) fn refuse_inside(output: &Path, scans: &Path) -> anyhow::Result<()> {
    // Missing scans are an error when they are read.
    let Ok(scans_folder) = scans.canonicalize() else { return Ok(()) };
    if resolve_links(&std::path::absolute(output)?).starts_with(&scans_folder) {
        return Err(invalid_input(format!(
            "--out {}: expected a folder outside the scans' folder {}",
            output.display(),
            scans.display()
        )));
    }
    Ok(())
}
