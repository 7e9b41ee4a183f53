//! The options of commands on a run.

use std::path::PathBuf;

use clap::Args;
use relevox_experiment::commands::{Part, RunRequest};
use relevox_experiment::config::Profile;
use relevox_experiment::shard::Shard;
use relevox_experiment::stage::Stage;

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

/// A run, and the part of it to run.
///
/// Several processes, also on several hosts, can work in one run folder: each is given a share of a stage with --shard. docs/CLUSTER.md
/// describes the order.
#[derive(Clone, Debug, Args)]
pub struct ReproduceArgs {
    /// The run.
    #[command(flatten)]
    pub run: RunArgs,
    /// Runs only these stages, in their order; several are separated by commas.
    #[arg(long = "stage", value_enum, value_delimiter = ',', value_name = "STAGE,…")]
    pub stages: Vec<Stage>,
    /// Runs share I of N of these stages: of their cases, networks or learned fills. Other shares may run at the same time.
    #[arg(long, value_name = "I/N", requires = "stages", conflicts_with_all = ["fresh", "update"])]
    pub shard: Option<Shard>,
}

impl ReproduceArgs {
    /// Returns the run and the part of it.
    pub fn split(self) -> (RunRequest, Part) {
        (self.run.into(), Part { stages: self.stages, shard: self.shard })
    }
}

impl From<RunArgs> for RunRequest {
    fn from(args: RunArgs) -> Self {
        let RunArgs { profile, config, set, cohort, out, seed, fresh, update, strict } = args;
        Self { profile, config, set, cohort, out, seed, fresh, update, strict }
    }
}
