//! Command line: the program's commands, and tools for developers.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use relevox::cli::GlobalArgs;

/// Shows where a 3D image classifier looks, and evaluates the result as a segmentation: the program `relevox`, and tools
/// for its developers.
///
/// The result for programs is one JSON object on the last line of stdout; everything else goes to stderr. Exit codes: 0
/// done, 1 internal error, 2 invalid input, 3 not ready (of a shard), 130 interrupted (run the same command again to resume).
#[derive(Debug, Parser)]
#[command(name = "xtask", bin_name = "cargo xtask", version)]
pub struct Cli {
    /// Options of every command.
    #[command(flatten)]
    pub global: GlobalArgs,
    /// The command.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// The program's own commands.
    #[command(flatten)]
    Relevox(relevox::cli::Command),
    /// Divides a run into jobs of a cluster (docs/CLUSTER.md).
    #[command(subcommand)]
    Cluster(crate::cluster::Cluster),
    /// For developers: updates docs/RESULTS.md and its CSV files from the summaries of finished runs.
    Results(ResultsArgs),
    /// For developers: times parts of this workspace; each command prints one JSON line.
    #[command(subcommand)]
    Bench(Bench),
    /// For developers: runs every check that must pass before a change is committed.
    Ci(CiArgs),
    /// For developers: kills runs of all stages and their shards at random times, resumes them, and compares the result with an
    /// uninterrupted run.
    Torture(TortureArgs),
    /// For developers: updates the list of licences that `relevox --licenses` prints.
    Licenses,
    /// For developers: compares a device with the CPU (operations, training, relevance) and times it.
    DeviceCheck(DeviceCheckArgs),
}

/// Arguments of `ci`.
#[derive(Clone, Debug, Args)]
pub struct CiArgs {
    /// Lints and links the CUDA build instead, without running it (see docs/DEVICES.md for a toolkit).
    #[arg(long)]
    pub cuda: bool,
    /// Tests the viewer page in a browser instead; needs chromium and chromedriver.
    #[arg(long, conflicts_with = "cuda")]
    pub browser: bool,
    /// Builds and tests the Python package instead (docs/PYTHON.md).
    #[arg(long, conflicts_with = "cuda")]
    pub python: bool,
    /// Runs the profile smoke on a Slurm cluster on this host instead; needs root, and Debian's slurm-wlm and munge.
    #[arg(long, conflicts_with_all = ["cuda", "browser", "python"])]
    pub slurm: bool,
    /// An interpreter with PyTorch, Captum and MONAI, for the Python package's tests of networks.
    #[arg(long, value_name = "PYTHON", requires = "python")]
    pub peers: Option<PathBuf>,
}

/// Arguments of `device-check`.
#[derive(Clone, Copy, Debug, Args)]
pub struct DeviceCheckArgs {
    /// Uses tiny networks and volumes: takes seconds on a CPU, and times are not representative.
    #[arg(long)]
    pub quick: bool,
}

/// Arguments of `torture`.
#[derive(Clone, Copy, Debug, Args)]
pub struct TortureArgs {
    /// Number of kills (SIGKILL). Each run is killed and resumed until it completes, then the next is started.
    #[arg(long, default_value_t = 100)]
    pub kills: usize,
    /// Seed of the times of the kills.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Uses runs that take seconds, in place of those of the profile `smoke`.
    #[arg(long)]
    pub quick: bool,
    /// Number of shards of every second run, which work at the same time; 1 for runs of one process only.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..))]
    pub shards: u16,
}

/// Arguments of `results`.
#[derive(Clone, Debug, Args)]
pub struct ResultsArgs {
    /// Run folders whose summaries are stored first; without any, the page is made from the stored summaries.
    #[arg(value_name = "RUN_DIR")]
    pub runs: Vec<PathBuf>,
}

/// Benchmarks.
#[derive(Clone, Debug, Subcommand)]
pub enum Bench {
    /// Times a forward pass of the compiled plan.
    Forward(NetworkBenchArgs),
    /// Times a training step: forward, backward, Adam.
    Train(NetworkBenchArgs),
    /// Times one convolution, as in training.
    Conv(ConvBenchArgs),
    /// Compares all of these with PyTorch and MONAI, in turn, and updates docs/PERFORMANCE.md.
    Models(ModelsBenchArgs),
    /// Compares networks from ONNX files with PyTorch, ONNX Runtime and Captum, in turn, and updates docs/PERFORMANCE.md.
    Networks(NetworksBenchArgs),
    /// Compares supervoxels of a real scan with scikit-image's and SimpleITK's, in turn, and updates docs/PERFORMANCE.md.
    Slic(SlicBenchArgs),
    /// Times a real case's relevance map by layer.
    Regions(RegionsBenchArgs),
    /// Compares relevance of a real case's regions with Captum and MONAI, in turn, and updates docs/PERFORMANCE.md.
    Explain(ExplainBenchArgs),
    /// Measures stages that read all cases, of ever larger cohorts, and updates docs/PERFORMANCE.md.
    Cohort(CohortBenchArgs),
    /// Measures the peak memory of explanations, training, supervoxels and a run, and updates docs/PERFORMANCE.md.
    Memory(MemoryBenchArgs),
    /// Runs models, memory, slic, networks and explain, with as many samples as an hour on two cores allows.
    All(AllBenchArgs),
}

/// Every comparison.
#[derive(Clone, Debug, Args)]
pub struct AllBenchArgs {
    /// Python with the packages of all comparisons (xtask/peers/requirements.txt).
    #[arg(long, value_name = "PYTHON")]
    pub peers: PathBuf,
    /// Folder of a case in BraTS's layout [default: the first in RELEVOX_REAL_DATA].
    #[arg(long, value_name = "DIR")]
    pub case: Option<PathBuf>,
    /// Only cases whose name contains this text, without `explain`; updates no table.
    #[arg(long, default_value = "")]
    pub only: String,
}

/// The measurement of memory.
#[derive(Clone, Debug, Args)]
pub struct MemoryBenchArgs {
    /// Only tasks whose name contains this text.
    #[arg(long, default_value = "")]
    pub only: String,
    /// Measures the task of this number in this process.
    #[arg(long, hide = true)]
    pub step: Option<usize>,
}

/// Sizes of cohorts.
#[derive(Clone, Debug, Args)]
pub struct CohortBenchArgs {
    /// Numbers of cases.
    #[arg(long, value_delimiter = ',', default_value = "250,500,1000,2000")]
    pub cases: Vec<usize>,
}

/// A network and its batch.
#[derive(Clone, Debug, Args)]
pub struct NetworkBenchArgs {
    /// Layers of the residual network: 10, 18, 34 or 50; 0 is the U-Net of the paper profile.
    #[arg(long, default_value_t = 18)]
    pub depth: usize,
    /// Stride of the stem convolution.
    #[arg(long, default_value_t = 2)]
    pub stem_stride: usize,
    /// Channels of the first stage.
    #[arg(long, default_value_t = 64)]
    pub width: usize,
    /// Voxels: one number for a cube, or z,y,x.
    #[arg(long, value_delimiter = ',', default_value = "128")]
    pub size: Vec<usize>,
    /// Scans in a batch.
    #[arg(long, default_value_t = 1)]
    pub batch: usize,
}

/// A convolution and its batch.
#[derive(Clone, Debug, Args)]
pub struct ConvBenchArgs {
    /// Input and output channels.
    #[arg(long, num_args = 2, default_values_t = [64, 64])]
    pub channels: Vec<usize>,
    /// Edge length of the kernel.
    #[arg(long, default_value_t = 3)]
    pub kernel: usize,
    /// Stride.
    #[arg(long, default_value_t = 1)]
    pub stride: usize,
    /// Voxels: one number for a cube, or z,y,x.
    #[arg(long, value_delimiter = ',', default_value = "32")]
    pub size: Vec<usize>,
    /// Volumes in a batch.
    #[arg(long, default_value_t = 1)]
    pub batch: usize,
}

/// The comparison with PyTorch.
#[derive(Clone, Debug, Args)]
pub struct ModelsBenchArgs {
    /// Python with torch and monai.
    #[arg(long, value_name = "PYTHON")]
    pub peers: PathBuf,
    /// Samples per side.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    pub samples: u16,
    /// Only cases whose name contains this text.
    #[arg(long, default_value = "")]
    pub only: String,
}

/// The comparison of other people's networks.
#[derive(Clone, Debug, Args)]
pub struct NetworksBenchArgs {
    /// Python with torch, torchvision, monai, captum, onnx and onnxruntime.
    #[arg(long, value_name = "PYTHON")]
    pub peers: PathBuf,
    /// Folder of a case in BraTS's layout [default: the first in RELEVOX_REAL_DATA].
    #[arg(long, value_name = "DIR")]
    pub case: Option<PathBuf>,
    /// Samples per side.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..))]
    pub samples: u16,
    /// Regions that Captum computes of slow networks.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..))]
    pub peer_regions: u16,
    /// Only cases whose name contains this text.
    #[arg(long, default_value = "")]
    pub only: String,
}

/// The comparison with scikit-image and SimpleITK.
#[derive(Clone, Debug, Args)]
pub struct SlicBenchArgs {
    /// Python with skimage and SimpleITK.
    #[arg(long, value_name = "PYTHON")]
    pub peers: PathBuf,
    /// Folder of a case in BraTS's layout [default: the first in RELEVOX_REAL_DATA].
    #[arg(long, value_name = "DIR")]
    pub case: Option<PathBuf>,
    /// Samples per side.
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u16).range(1..))]
    pub samples: u16,
    /// Only cases whose name contains this text. Updates no table; the next full run reuses these cases.
    #[arg(long, default_value = "")]
    pub only: String,
}

/// A network, a case and its regions.
#[derive(Clone, Debug, Args)]
pub struct RegionsBenchArgs {
    /// Folder of a case in BraTS's layout [default: the first in RELEVOX_REAL_DATA].
    #[arg(long, value_name = "DIR")]
    pub case: Option<PathBuf>,
    /// Layers of the residual network: 10, 18, 34 or 50; 0 is the learned fill's U-Net of the paper profile.
    #[arg(long, default_value_t = 18)]
    pub depth: usize,
    /// Stride of the stem convolution.
    #[arg(long, default_value_t = 2)]
    pub stem_stride: usize,
    /// An ONNX file instead, of a network that takes one channel, which is T2, or all four.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["depth", "stem_stride"])]
    pub model: Option<PathBuf>,
    /// Edge length of the cropped volume, in voxels.
    #[arg(long, default_value_t = 128)]
    pub size: usize,
    /// Requested number of regions.
    #[arg(long, default_value_t = 100)]
    pub regions: usize,
}

/// The comparison with Captum.
#[derive(Clone, Debug, Args)]
pub struct ExplainBenchArgs {
    /// Python with torch, monai and captum.
    #[arg(long, value_name = "PYTHON")]
    pub peers: PathBuf,
    /// Folder of a case in BraTS's layout [default: the first in RELEVOX_REAL_DATA].
    #[arg(long, value_name = "DIR")]
    pub case: Option<PathBuf>,
    /// Samples of our side, and of the peer's if it does not compute all regions.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..))]
    pub samples: u16,
    /// Regions that the peer computes in every case but the first, which it computes completely.
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..))]
    pub peer_regions: u16,
}
