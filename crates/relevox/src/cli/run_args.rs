//! The options of commands on a run.

use std::path::PathBuf;

use clap::Args;
use relevox_experiment::commands::RunRequest;
use relevox_experiment::config::Profile;

/// Which run, and its config.
///
/// A run folder keeps its config in run.toml, which holds where neither --profile nor --config is given. Keys
/// named by --set and --seed are changes that you mean: the stages that depend on them run again, and no other.
/// Any other difference to the folder's config (another cohort, another profile, another config file, a --set
/// left out) is refused, unless --update or --fresh is given.
#[derive(Clone, Debug, Args)]
pub struct RunArgs {
    /// The config to start from [default: that of the run folder, else desk, or scans with --cohort].
    #[arg(long, value_enum)]
    pub profile: Option<Profile>,
    /// A TOML file whose keys replace the profile's.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Replaces one key: classifier.epochs=5, or regions.sequence=flair.
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// A BraTS folder or a manifest of scans, instead of the synthetic cohort.
    #[arg(long, value_name = "DIR|MANIFEST.csv")]
    pub cohort: Option<PathBuf>,
    /// The run's folder, its own or an empty or new one apart from the scans [default: the profile in runs/].
    #[arg(long, value_name = "RUN_DIR")]
    pub out: Option<PathBuf>,
    /// The seed of everything drawn.
    #[arg(long)]
    pub seed: Option<u64>,
    /// Removes what an earlier run left in the folder.
    #[arg(long)]
    pub fresh: bool,
    /// Takes the folder over under another config; stages that it does not touch are kept.
    #[arg(long, conflicts_with = "fresh")]
    pub update: bool,
}

impl From<RunArgs> for RunRequest {
    fn from(args: RunArgs) -> Self {
        let RunArgs { profile, config, set, cohort, out, seed, fresh, update } = args;
        Self { profile, config, set, cohort, out, seed, fresh, update }
    }
}
