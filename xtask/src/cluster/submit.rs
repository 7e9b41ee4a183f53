//! Submission of job scripts.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, bail};
use relevox_experiment::failure::invalid_input;
use relevox_experiment::progress::print_status;

use super::scripts::SUBMIT;

/// Submits the scripts of a folder, and returns the numbers of their jobs in the order of the steps.
///
/// # Errors
/// Returns an [`InputError`](relevox_experiment::failure::InputError) if there is no `sbatch`, and an error if it refuses a script.
pub fn submit(folder: &Path) -> anyhow::Result<Vec<String>> {
    let has_slurm =
        Command::new("sbatch").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    if !has_slurm.is_ok_and(|status| status.success()) {
        return Err(invalid_input(format!(
            "--submit: expected sbatch on PATH, found none; the scripts are in {}",
            folder.display()
        )));
    }
    let script = folder.join(SUBMIT);
    let output = Command::new("bash")
        .arg(&script)
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("starting {}", script.display()))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let jobs: Vec<String> = text.lines().map(ToOwned::to_owned).collect();
    if !output.status.success() {
        bail!("{} failed ({}) after the jobs {jobs:?}", script.display(), output.status);
    }
    print_status(format!("submitted the jobs {}", jobs.join(", ")));
    Ok(jobs)
}
