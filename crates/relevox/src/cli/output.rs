//! Outputs must not replace what a command reads.

use std::path::Path;

use relevox_experiment::failure::invalid_input;

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

/// Rejects an output folder that is the folder of the scans or lies inside it.
///
/// # Errors
/// Returns an input error that names both folders.
pub(super) fn refuse_inside(output: &Path, scans: &Path) -> anyhow::Result<()> {
    let Ok(scans_folder) = scans.canonicalize() else { return Ok(()) };
    // The output, or the nearest folder above it that exists.
    let existing = output.ancestors().find_map(|folder| match folder.as_os_str().is_empty() {
        true => Path::new(".").canonicalize().ok(),
        false => folder.canonicalize().ok(),
    });
    if existing.is_some_and(|folder| folder.starts_with(&scans_folder)) {
        return Err(invalid_input(format!(
            "--out {}: expected a folder outside the scans' folder {}",
            output.display(),
            scans.display()
        )));
    }
    Ok(())
}
