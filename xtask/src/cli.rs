//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use relevox_models::Precision;

use crate::config::Profile;

/// Where a 3D classifier looks, and what that is worth as a segmentation: the experiment.
///
/// Results meant for a program are one JSON object, the last line of stdout; all else goes to stderr. Exit
/// codes: 0 done, 1 our fault, 2 the input's, 130 interrupted (the same command goes on).
#[derive(Debug, Parser)]
#[command(name = "xtask", bin_name = "cargo xtask", version)]
pub struct Cli {
    /// Where networks run: cpu, cuda, cuda:N or metal.
    #[arg(long, global = true, default_value = "cpu")]
    pub device: String,
    /// How CUDA computes the products of convolutions: f32 (as the CPU does), tf32 or bf16.
    #[arg(long, global = true, default_value = "f32", value_name = "f32|tf32|bf16")]
    pub precision: Precision,
    /// Threads; all of the machine's by default. Results do not depend on it.
    #[arg(long, global = true, value_parser = clap::value_parser!(u16).range(1..))]
    pub threads: Option<u16>,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// The whole experiment: every stage below that is not done yet, then the report.
    Reproduce(RunArgs),
    /// Makes the synthetic cohort, in BraTS's layout.
    Phantom(RunArgs),
    /// Trains the classifier on the cohort.
    Train(RunArgs),
    /// Scores partitions of many kinds (Table 3) and selects one on the validation split.
    Grid(RunArgs),
    /// Makes the selected partition of each case.
    Regions(RunArgs),
    /// Trains the learned fill on the selected partition.
    PerturbTrain(RunArgs),
    /// Scores the selected partition under every fill and explainer, makes the relevance maps, and asks how faithful they are.
    Score(RunArgs),
    /// Computes tables and summary.json from scores and maps.
    Evaluate(RunArgs),
    /// Draws the figures and writes report.html.
    Report(RunArgs),
    /// Divides one NIfTI volume into supervoxels; needs no run.
    Slic(SlicArgs),
    /// Scores the regions of one case with given weights; needs no run.
    Explain(ExplainArgs),
    /// Renews docs/RESULTS.md from the summaries of finished runs.
    Results(ResultsArgs),
    /// Times parts of this workspace; each prints one JSON line.
    #[command(subcommand)]
    Bench(Bench),
    /// Everything that must pass before a change is done: format, lints, docs, tests, the smoke profile.
    Ci(CiArgs),
    /// Compares the device with the CPU (operations, training, relevance) and times it; one JSON line a figure.
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

/// Finished runs.
#[derive(Clone, Debug, Args)]
pub struct ResultsArgs {
    /// Folders of runs; each makes the section of its name.
    #[arg(required = true, value_name = "RUN_DIR")]
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

/// Supervoxels of one volume. Defaults are scikit-image's.
#[derive(Clone, Debug, Args)]
pub struct SlicArgs {
    /// A 3D NIfTI volume.
    pub input: PathBuf,
    /// Where the labels go.
    pub output: PathBuf,
    /// Regions asked for.
    #[arg(long, default_value_t = 100)]
    pub regions: usize,
    /// Weight of nearness against likeness.
    #[arg(long, default_value_t = 10.0)]
    pub compactness: f64,
    /// Most iterations of k-means.
    #[arg(long, default_value_t = 10)]
    pub iterations: usize,
    /// Another channel, on the same grid; may be given several times. A region's compactness weighs all of them.
    #[arg(long, value_name = "VOLUME.nii.gz")]
    pub channel: Vec<PathBuf>,
    /// Gaussian smoothing beforehand: one width, or z,y,x in voxels.
    #[arg(long, value_delimiter = ',', default_value = "0", conflicts_with_all = ["kernel_z", "kernel_y", "kernel_x"])]
    pub sigma: Vec<f64>,
    /// Smoothing along z by these weights, symmetric and odd in number, in place of a Gaussian's.
    #[arg(long, value_delimiter = ',', value_name = "WEIGHTS")]
    pub kernel_z: Vec<f64>,
    /// Smoothing along y.
    #[arg(long, value_delimiter = ',', value_name = "WEIGHTS")]
    pub kernel_y: Vec<f64>,
    /// Smoothing along x.
    #[arg(long, value_delimiter = ',', value_name = "WEIGHTS")]
    pub kernel_x: Vec<f64>,
    /// Distance between voxels: z,y,x, or `header` for the file's.
    #[arg(long, default_value = "1,1,1")]
    pub spacing: String,
    /// Only where this volume is not 0; ids then start at 1.
    #[arg(long, value_name = "MASK.nii.gz")]
    pub mask: Option<PathBuf>,
    /// Only where the input itself, or another channel, is not 0.
    #[arg(long, conflicts_with = "mask")]
    pub masked: bool,
    /// Leaves disconnected and small parts as they are.
    #[arg(long)]
    pub no_connectivity: bool,
    /// Parts under this share of the mean size are merged.
    #[arg(long, default_value_t = 0.5)]
    pub min_size_factor: f64,
    /// Parts are cut at this multiple of the mean size.
    #[arg(long, default_value_t = 3.0)]
    pub max_size_factor: f64,
    /// SLIC-zero: compactness adapts to each region.
    #[arg(long)]
    pub slic_zero: bool,
    /// The first id [default: 0, with a mask 1].
    #[arg(long)]
    pub start_label: Option<u32>,
    /// Beyond scikit-image: every region is one 6-connected part.
    #[arg(long)]
    pub strict_connectivity: bool,
    /// Beyond scikit-image: as many regions as asked for, or the nearest number that the mask's parts allow.
    #[arg(long)]
    pub exact_count: bool,
    /// Beyond scikit-image: seeds and search windows laid out in the units of --spacing, for voxels that are no cubes.
    #[arg(long)]
    pub physical_windows: bool,
}

/// Relevance of one case's regions. Network, crop and downsampling come from the checkpoint's metadata; the
/// options say them for weights that carry none.
#[derive(Clone, Debug, Args)]
pub struct ExplainArgs {
    /// A case's folder, in BraTS's layout.
    pub case: PathBuf,
    /// The classifier's weights. Given several times, the mean of the networks' logits decides.
    #[arg(long, required = true, value_name = "W.safetensors")]
    pub weights: Vec<PathBuf>,
    /// The folder for scores.csv and relevance.nii.gz.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Regions as a label volume on the crop's grid, in the stored order of axes; its affine is ignored. SLIC
    /// makes them otherwise.
    #[arg(long, value_name = "L.nii.gz")]
    pub labels: Option<PathBuf>,
    /// The label that is no region.
    #[arg(long, requires = "labels")]
    pub background: Option<u32>,
    /// What replaces a region: blank, min, max or mean.
    #[arg(long, default_value = "blank", value_parser = ["blank", "min", "max", "mean"])]
    pub fill: String,
    /// The sequence that SLIC divides.
    #[arg(long, default_value = "t2", conflicts_with = "labels")]
    pub sequence: String,
    /// Regions that SLIC is asked for.
    #[arg(long, default_value_t = 100, conflicts_with = "labels")]
    pub regions: usize,
    /// SLIC's compactness.
    #[arg(long, default_value_t = 10.0, conflicts_with = "labels")]
    pub compactness: f64,
    /// The network's depth: 10, 18, 34 or 50.
    #[arg(long)]
    pub depth: Option<usize>,
    /// The stem's stride.
    #[arg(long)]
    pub stem_stride: Option<usize>,
    /// Channels of the first residual stage.
    #[arg(long)]
    pub width: Option<usize>,
    /// The centre crop in scan voxels: z,y,x.
    #[arg(long, value_delimiter = ',', value_name = "Z,Y,X")]
    pub crop: Option<Vec<usize>>,
    /// The downsampling factor.
    #[arg(long)]
    pub downsample: Option<usize>,
    /// Also perturbs one sequence at a time, which tells what contrast carries a region: scores-SEQUENCE.csv and
    /// relevance-SEQUENCE.nii.gz, on one scale for all sequences, and each one's mean |Δlogit| in the result.
    #[arg(long)]
    pub by_sequence: bool,
    /// A whole forward pass for each region, where only what a region reaches would be computed.
    #[arg(long)]
    pub dense: bool,
    /// Mebibytes that the layers kept of a scan and the regions at work may take [default: 1280]; on a GPU, a batch of whole
    /// scans [default: 8192]. Layers that do not fit are computed again around each region.
    #[arg(long, value_name = "MIB", value_parser = clap::value_parser!(u32).range(1..))]
    pub memory: Option<u32>,
}
