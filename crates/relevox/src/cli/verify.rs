//! `verify`: compares the files of a run's folder with what was written.

use std::path::{Path, PathBuf};

use clap::Args;
use relevox_experiment::failure::invalid_input;
use relevox_experiment::progress::print_status;
use relevox_experiment::run;
use serde_json::json;

use super::print_result;

/// Verifies a run's folder.
#[derive(Clone, Debug, Args)]
pub struct VerifyArgs {
    /// The folder of a run; the runs in its subfolders are verified too.
    #[arg(value_name = "RUN")]
    pub folder: PathBuf,
}

/// Prints the number of intact files and lists the others.
///
/// # Errors
/// Returns an [`InputError`](relevox_experiment::failure::InputError) if the folder is not a run's, or a file is missing or was
/// changed.
pub fn run(args: &VerifyArgs) -> anyhow::Result<()> {
    let found = run::verify(&args.folder)?;
    let show = |path: &Path| path.display().to_string();
    for (path, damage) in &found.damaged {
        print_status(format!("{}: {damage}", show(path)));
    }
    for path in &found.unfinished {
        print_status(format!("{}: not finished", show(path)));
    }
    for path in &found.foreign {
        print_status(format!("{}: belongs to no artefact", show(path)));
    }
    print_result(&json!({
        "run": show(&args.folder),
        "intact": found.intact,
        "damaged": found.damaged.iter().map(|(path, found)| json!({ "file": show(path), "found": found })).collect::<Vec<_>>(),
        "unfinished": found.unfinished.iter().map(|path| show(path)).collect::<Vec<_>>(),
        "foreign": found.foreign.iter().map(|path| show(path)).collect::<Vec<_>>(),
    }))?;
    if found.damaged.is_empty() {
        return Ok(());
    }
    Err(invalid_input(format!(
        "{}: expected files as they were written, found {} missing or changed; the command that made them makes them \
         again",
        show(&args.folder),
        found.damaged.len()
    )))
}
