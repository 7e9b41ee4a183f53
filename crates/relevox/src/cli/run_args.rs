//! The options of commands on a run.

use std::path::PathBuf;

use clap::Args;
use relevox_experiment::commands::RunRequest;
use relevox_experiment::config::Profile;

/// A run folder and its config.
///
/// A run folder stores its config in run.toml, which applies when neither --profile nor --config is given. Keys given by
/// --set and --seed are intended changes: the stages that depend on them run again, and no others. Any other difference
/// to the folder's config (another cohort, profile or config file, or a --set left out) is rejected unless --update or
/// --fresh is given.
#[derive(Clone, Debug, Args)]
pub struct RunArgs {
    /// Profile to start from [default: the run folder's config, else desk, or scans with --cohort].
    #[arg(long, value_enum)]
    pub profile: Option<Profile>,
    /// TOML file whose keys replace the profile's.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Replaces one key, e.g. classifier.epochs=5 or regions.sequence=flair; may be repeated.
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// BraTS folder or manifest of scans, used in place of the synthetic cohort.
    #[arg(long, value_name = "DIR|MANIFEST.csv")]
    pub cohort: Option<PathBuf>,
    /// Run folder: an existing run, or a new or empty folder outside the scans [default: runs/PROFILE].
    #[arg(long, value_name = "RUN_DIR")]
    pub out: Option<PathBuf>,
    /// Seed of all random numbers.
    #[arg(long)]
    pub seed: Option<u64>,
    /// Deletes the results of earlier runs in the folder first.
    #[arg(long)]
    pub fresh: bool,
    /// Continues the folder under a different config; stages that are not affected are not rerun.
    #[arg(long, conflicts_with = "fresh")]
    pub update: bool,
    /// Refuses a cohort with a case that cannot be used, and lists all of them, instead of leaving them out.
    #[arg(long)]
    pub strict: bool,
}

impl From<RunArgs> for RunRequest {
    fn from(args: RunArgs) -> Self {
        let RunArgs { profile, config, set, cohort, out, seed, fresh, update, strict } = args;
        Self { profile, config, set, cohort, out, seed, fresh, update, strict }
    }
}
