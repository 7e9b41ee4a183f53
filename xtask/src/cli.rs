//! The command line: the program's own commands, and those for developers.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use relevox::cli::GlobalArgs;

/// Shows where a 3D image classifier looks, and what that is worth as a segmentation: the program `relevox`, and tools
/// for its developers.
///
/// The result for programs is one JSON object on the last line of stdout; everything else goes to stderr. Exit codes: 0
/// done, 1 internal error, 2 invalid input, 130 interrupted (run the same command again to resume).
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
    /// For developers: updates docs/RESULTS.md and its CSV files from the summaries of finished runs.
    Results(ResultsArgs),
    /// For developers: times parts of this workspace; each prints one JSON line.
    #[command(subcommand)]
    Bench(Bench),
    /// For developers: runs everything that must pass before a change is done.
    Ci(CiArgs),
    /// For developers: compares a device with the CPU (operations, training, relevance) and times it.
    DeviceCheck(DeviceCheckArgs),
}

/// What must pass.
#[derive(Clone, Copy, Debug, Args)]
pub struct CiArgs {
    /// Instead of all that: type-checks and links the program for CUDA, without running it (docs/DEVICES.md says how to
    /// have a toolkit for it).
    #[arg(long)]
    pub cuda: bool,
}

/// How much of a device to look at.
#[derive(Clone, Copy, Debug, Args)]
pub struct DeviceCheckArgs {
    /// Tiny networks and volumes, and nothing is timed at its own size: seconds on a CPU.
    #[arg(long)]
    pub quick: bool,
}

/// Finished runs.
#[derive(Clone, Debug, Args)]
pub struct ResultsArgs {
    /// Run folders whose summaries are stored first; without any, the page is made from the stored summaries.
    #[arg(value_name = "RUN_DIR")]
    pub runs: Vec<PathBuf>,
}

/// What to time.
#[derive(Clone, Debug, Subcommand)]
pub enum Bench {
    /// A forward pass of the compiled plan.
    Forward(NetworkBenchArgs),
    /// A training step: forward, backward, Adam.
    Train(NetworkBenchArgs),
    /// One convolution, as networks that are trained call it.
    Conv(ConvBenchArgs),
    /// All of these beside PyTorch and MONAI, in turn; renews docs/PERFORMANCE.md.
    Models(ModelsBenchArgs),
    /// Supervoxels of a real scan beside scikit-image's and SimpleITK's, in turn; renews docs/PERFORMANCE.md.
    Slic(SlicBenchArgs),
    /// Where the time of a real case's relevance map goes, layer by layer.
    Regions(RegionsBenchArgs),
    /// Relevance of a real case's regions beside Captum and MONAI, in turn; renews docs/PERFORMANCE.md.
    Explain(ExplainBenchArgs),
}

/// A network and its batch.
#[derive(Clone, Debug, Args)]
pub struct NetworkBenchArgs {
    /// Layers of the residual network: 10, 18, 34 or 50; 0 is the U-Net of the paper profile.
    #[arg(long, default_value_t = 18)]
    pub depth: usize,
    /// Stride of the first convolution.
    #[arg(long, default_value_t = 2)]
    pub stem_stride: usize,
    /// Channels of the first stage.
    #[arg(long, default_value_t = 64)]
    pub width: usize,
    /// Voxels: one number for a cube, or z,y,x.
    #[arg(long, value_delimiter = ',', default_value = "128")]
    pub size: Vec<usize>,
    /// Studies at once.
    #[arg(long, default_value_t = 1)]
    pub batch: usize,
}

/// A convolution and its batch.
#[derive(Clone, Debug, Args)]
pub struct ConvBenchArgs {
    /// Channels read and written.
    #[arg(long, num_args = 2, default_values_t = [64, 64])]
    pub channels: Vec<usize>,
    /// Length of the kernel.
    #[arg(long, default_value_t = 3)]
    pub kernel: usize,
    /// Step between outputs.
    #[arg(long, default_value_t = 1)]
    pub stride: usize,
    /// Voxels: one number for a cube, or z,y,x.
    #[arg(long, value_delimiter = ',', default_value = "32")]
    pub size: Vec<usize>,
    /// Volumes at once.
    #[arg(long, default_value_t = 1)]
    pub batch: usize,
}

/// The comparison with PyTorch.
#[derive(Clone, Debug, Args)]
pub struct ModelsBenchArgs {
    /// A Python that has torch and monai.
    #[arg(long, value_name = "PYTHON")]
    pub peers: PathBuf,
    /// Samples of each side.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    pub samples: u16,
    /// Only the cases whose name holds this.
    #[arg(long, default_value = "")]
    pub only: String,
}

/// The comparison with scikit-image and SimpleITK.
#[derive(Clone, Debug, Args)]
pub struct SlicBenchArgs {
    /// A Python that has skimage and SimpleITK.
    #[arg(long, value_name = "PYTHON")]
    pub peers: PathBuf,
    /// A case's folder, in BraTS's layout [default: the first in the folder that RELEVOX_REAL_DATA names].
    #[arg(long, value_name = "DIR")]
    pub case: Option<PathBuf>,
    /// Samples of each side.
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u16).range(1..))]
    pub samples: u16,
    /// Only the cases whose name holds this.
    #[arg(long, default_value = "")]
    pub only: String,
}

/// A network, a case and its regions.
#[derive(Clone, Debug, Args)]
pub struct RegionsBenchArgs {
    /// A case's folder, in BraTS's layout [default: the first in the folder that RELEVOX_REAL_DATA names].
    #[arg(long, value_name = "DIR")]
    pub case: Option<PathBuf>,
    /// Layers of the residual network: 10, 18, 34 or 50; 0 is the learned fill's U-Net of the paper profile.
    #[arg(long, default_value_t = 18)]
    pub depth: usize,
    /// Stride of the first convolution.
    #[arg(long, default_value_t = 2)]
    pub stem_stride: usize,
    /// Voxels of the cube.
    #[arg(long, default_value_t = 128)]
    pub size: usize,
    /// Regions asked for.
    #[arg(long, default_value_t = 100)]
    pub regions: usize,
}

/// The comparison with Captum.
#[derive(Clone, Debug, Args)]
pub struct ExplainBenchArgs {
    /// A Python that has torch, monai and captum.
    #[arg(long, value_name = "PYTHON")]
    pub peers: PathBuf,
    /// A case's folder, in BraTS's layout [default: the first in the folder that RELEVOX_REAL_DATA names].
    #[arg(long, value_name = "DIR")]
    pub case: Option<PathBuf>,
    /// Samples of our side, and of the peer's where it does not do all regions.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..))]
    pub samples: u16,
    /// Regions that the peer does of all cases but the first, of which it does all.
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..))]
    pub peer_regions: u16,
}
