//! Options of `cluster`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use relevox::cli::RunArgs;

use super::resources::{Memory, TimeLimit};

/// Batch systems.
#[derive(Clone, Debug, Subcommand)]
pub enum Cluster {
    /// Writes job scripts for Slurm: an array of jobs for each step that shards divide, each after the step before it.
    ///
    /// Also submits them (--submit), and reads from the run's folder what is done, failed and left (--status). Scripts and logs are
    /// next to the run, in RUN_DIR-jobs. Jobs may be killed, requeued and submitted again at any time.
    Slurm(SlurmArgs),
}

/// A run, its shards and what each job asks for.
#[derive(Clone, Debug, Args)]
pub struct SlurmArgs {
    /// The run.
    #[command(flatten)]
    pub run: RunArgs,
    /// Shards of each step; training has at most one for each network.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..))]
    pub shards: u16,
    /// Processors of a job.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..))]
    pub cpus: u16,
    /// Memory of a job, such as 8G, or of the jobs of one step: train=16G; may be repeated [defaults: docs/CLUSTER.md].
    #[arg(long, value_name = "[STEP=]SIZE")]
    pub memory: Vec<Memory>,
    /// Time limit of a job, such as 2:00:00, or of the jobs of one step: train=12:00:00; may be repeated [defaults: docs/CLUSTER.md].
    #[arg(long, value_name = "[STEP=]H:MM:SS")]
    pub time: Vec<TimeLimit>,
    /// A finished or partial run of the same profile: memory and time follow from what its manifest measured.
    #[arg(long, value_name = "RUN_DIR")]
    pub measured: Option<PathBuf>,
    /// A further option of sbatch for every job, such as --sbatch=--account=lab; may be repeated.
    #[arg(long, value_name = "OPTION", allow_hyphen_values = true)]
    pub sbatch: Vec<String>,
    /// Folder for scripts and logs [default: RUN_DIR-jobs].
    #[arg(long, value_name = "DIR")]
    pub scripts: Option<PathBuf>,
    /// Submits the scripts too.
    #[arg(long)]
    pub submit: bool,
    /// Only prints what is done, failed and left; needs no Slurm.
    #[arg(long, conflicts_with = "submit")]
    pub status: bool,
}
