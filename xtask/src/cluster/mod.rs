//! `cargo xtask cluster`: a run on a cluster. Shards of its steps are jobs of a batch system; the run's folder is all that they share.

mod args;
mod resources;
mod scripts;
mod status;
mod submit;

use std::path::{Path, PathBuf};

use anyhow::Context;
use relevox::cli::print_result;
use relevox_experiment::commands::RunRequest;
use relevox_experiment::config::Config;
use relevox_experiment::device::DeviceOptions;
use relevox_experiment::failure::invalid_input;
use relevox_experiment::progress::print_status;
use relevox_experiment::steps::{Step, steps};
use serde_json::json;

pub use args::Cluster;
use args::SlurmArgs;

/// Runs the command.
///
/// # Errors
/// Returns an error if the configuration is invalid, a file can't be read or written, or `sbatch` fails.
pub fn run(command: Cluster, device: &DeviceOptions) -> anyhow::Result<()> {
    let Cluster::Slurm(args) = command;
    slurm(args, device)
}

/// A run whose steps are divided into shards.
struct Job {
    root: PathBuf,
    config: Config,
    steps: Vec<Step>,
}

fn slurm(args: SlurmArgs, device: &DeviceOptions) -> anyhow::Result<()> {
    if args.run.fresh || args.run.update {
        return Err(invalid_input(
            "--fresh and --update: expected neither for jobs, which may be started again at any time; run `reproduce --stage \
             cohort` with it first",
        ));
    }
    // All jobs but the first take the configuration from the folder.
    let first = scripts::run_options(&args.run)?;
    let spec = RunRequest::from(args.run.clone()).resolve()?;
    let (root, config) = (spec.root, (*spec.config).clone());
    let steps = steps(&config, usize::from(args.shards));
    let job = Job { root, config, steps };
    if args.status {
        return status::print(&job);
    }
    let folder = match &args.scripts {
        Some(folder) => std::path::absolute(folder)?,
        None => beside(&job.root)?,
    };
    let written = scripts::write(&job, &args, device, &first, &folder)?;
    print_status(format!("wrote {} scripts to {}", written.len(), folder.display()));
    let jobs = if args.submit { submit::submit(&folder)? } else { Vec::new() };
    print_result(&json!({
        "run": job.root.display().to_string(),
        "scripts": written.iter().map(|path| path.display().to_string()).collect::<Vec<_>>(),
        "jobs": jobs,
    }))
}

/// Returns the folder for scripts and logs: next to the run's, which contains nothing but the run.
fn beside(root: &Path) -> anyhow::Result<PathBuf> {
    let name =
        root.file_name().with_context(|| format!("{}: a run folder without a name", root.display()))?;
    Ok(root.with_file_name(format!("{}-jobs", name.to_string_lossy())))
}
