//! Options of `explain`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use relevox_relevance::Answer;
use relevox_volume::OutputKind;

use super::super::labels::Background;
use super::super::scans::ScansArgs;
use super::methods::MethodArgs;
use crate::Runtime;

/// Explains cases: computes relevance maps and masks on the scans' own grids, tables, pictures and an interactive viewer page.
///
/// By default the relevance is that of single regions of the brain, replaced by the brain's mean and smoothed over similar
/// neighbouring regions.
///
/// The network's input is described by a contract: in the checkpoint's metadata (of weights trained by this program), in
/// MODEL.input.toml next to the model, or in the file of --input. A model without one is refused, with an example. Properties that
/// cannot be read from weights (stem stride, max pool) are in the contract's table `network`.
#[derive(Clone, Debug, Args)]
pub struct ExplainArgs {
    /// The scans of the case.
    #[command(flatten)]
    pub scans: ScansArgs,
    /// The classifier: an ONNX file, or weights. If repeated, the mean of the networks' logits is explained.
    #[arg(
        help_heading = "Network",
        long = "model",
        visible_alias = "weights",
        required_unless_present = "command",
        conflicts_with = "command",
        value_name = "W.onnx|W.pth|W.safetensors"
    )]
    pub weights: Vec<PathBuf>,
    /// External program in place of weights, which classifies batches in files: docs/COMMAND.md describes the protocol. Split
    /// into words as by a shell, but run without one. Scans need the contract of --input.
    #[arg(
        help_heading = "Network",
        long,
        value_name = "CMD",
        conflicts_with_all = ["depth", "stem_stride", "max_pool", "width", "dense", "memory"]
    )]
    pub command: Option<String>,
    /// What computes the network of an ONNX file: relevox, onnxruntime (every region is a whole forward pass), or auto: relevox,
    /// and ONNX Runtime for networks with operators that Relevox does not have. docs/RUNTIME.md tells how its library is found.
    #[arg(
        help_heading = "Network",
        long,
        value_name = "auto|relevox|onnxruntime",
        default_value = "auto",
        conflicts_with = "command"
    )]
    pub runtime: Runtime,
    /// Time limit of --command for each batch, the first of which includes its start.
    #[arg(
        help_heading = "Network",
        long,
        value_name = "SECONDS",
        default_value = "600",
        conflicts_with = "weights",
        value_parser = seconds
    )]
    pub command_timeout: Duration,
    /// The preprocessed tensor that your own pipeline passes to the network, in place of scans: floats [c, z, y, x] or [1, c, z, y, x] in the network's own
    /// order of the axes. Nothing is assumed about its preprocessing. Of an archive of several arrays, FILE.npz#NAME. Also writes
    /// METHOD.npy.
    #[arg(
        help_heading = "Scans",
        long,
        value_name = "X.npy|X.npz",
        conflicts_with_all = ["cases", "cohort", "scan", "crop", "downsample", "bids_derivatives"]
    )]
    pub tensor: Option<String>,
    /// The network's outputs on the unperturbed scan or tensor, as your own program computes them. Others are refused: the guard
    /// against a wrong contract.
    #[arg(
        help_heading = "Network",
        long,
        value_delimiter = ',',
        value_name = "A,B,…",
        allow_hyphen_values = true
    )]
    pub expect: Option<Vec<f64>>,
    /// Output folder. For each method METHOD.nii.gz (relevance, 0 to 100), METHOD-mask.nii.gz and METHOD.csv (by region);
    /// overview.png, index.html (an interactive viewer page, for any browser) and explanation.json.
    #[arg(help_heading = "Output", long, value_name = "DIR")]
    pub out: PathBuf,
    /// The methods and their settings.
    #[command(flatten)]
    pub methods: MethodArgs,
    /// Contract of the network's input [default: MODEL.input.toml next to the model, else the checkpoint's metadata].
    #[arg(help_heading = "Network's input", long, value_name = "I.toml")]
    pub input: Option<PathBuf>,
    /// Replaces one key of the contract, e.g. intensity=zscore, orientation=RAS or network.stem_stride=1; may be
    /// repeated.
    #[arg(help_heading = "Network's input", long, value_name = "KEY=VALUE")]
    pub input_set: Vec<String>,
    /// Meaning of the outputs: logit, sigmoid, softmax or value, as the contract's output.kind [default: the contract's; of a
    /// tensor's network without one, logit or softmax].
    #[arg(help_heading = "Network", long, value_name = "KIND")]
    pub output: Option<OutputKind>,
    /// Class to explain, by the contract's name or by index [default: the contract's target, else the predicted class].
    #[arg(help_heading = "Network", long, value_name = "CLASS")]
    pub target: Option<String>,
    /// Regions as a label volume in the scanner's coordinates: on the scan's grid, the crop's, or any other, of which the
    /// nearest label is taken; of a tensor, an array or volume of its shape [default: computed by SLIC].
    #[arg(help_heading = "Regions", long, value_name = "L.nii.gz|L.npy")]
    pub labels: Option<PathBuf>,
    /// Label of voxels outside all regions, or none: every label is a region [default: 0].
    #[arg(help_heading = "Regions", long, requires = "labels", value_name = "LABEL|none")]
    pub background: Option<Background>,
    /// Sequence that SLIC segments [default: the contract's or the run's, else t2]; of a tensor, a channel by index or name
    /// [default: 0].
    #[arg(help_heading = "Regions", long, conflicts_with = "labels")]
    pub sequence: Option<String>,
    /// Number of regions requested from SLIC [default: the contract's or the run's, else 100].
    #[arg(help_heading = "Regions", long, conflicts_with = "labels")]
    pub regions: Option<usize>,
    /// SLIC's compactness: balances spatial proximity against intensity similarity; higher is more compact [default: the
    /// contract's or the run's, else 0.1].
    #[arg(help_heading = "Regions", long, conflicts_with = "labels")]
    pub compactness: Option<f64>,
    /// Partitions that the method averaged averages with the regions, as sequence:count, of the same compactness; of a tensor,
    /// channels by index or name [default: those of t2:100,flair:250, the experiment's, whose sequence the network has; if
    /// none, 2.5 times as many regions of the same sequence].
    #[arg(help_heading = "Regions", long, value_delimiter = ',', value_name = "S:N,…", value_parser = partition)]
    pub partitions: Vec<(String, usize)>,
    /// Whether only the brain is segmented [default: the contract's or the run's, else true].
    #[arg(help_heading = "Regions", long, conflicts_with = "labels", value_name = "BOOL")]
    pub masked: Option<bool>,
    /// Depth of the network: 10, 18, 34, 50, 101, 152 or 200. Must agree with the weights.
    #[arg(help_heading = "Network", long)]
    pub depth: Option<usize>,
    /// Stride of the network's first convolution, as the contract's network.stem_stride: 1 for MONAI's resnet by default
    /// (conv1_t_stride), 2 for the paper's and MedicalNet's. It cannot be read from weights of other programs.
    #[arg(help_heading = "Network", long)]
    pub stem_stride: Option<usize>,
    /// Whether a max pool follows the first convolution, as the contract's network.max_pool: true for MONAI's resnet by
    /// default (no_max_pool=False). It cannot be read from weights of other programs.
    #[arg(help_heading = "Network", long, value_name = "BOOL")]
    pub max_pool: Option<bool>,
    /// Number of channels of the first residual stage. Must agree with the weights.
    #[arg(help_heading = "Network", long)]
    pub width: Option<usize>,
    /// Size of the centre crop in voxels, in the order of the contract's axes. Must agree with the contract.
    #[arg(help_heading = "Network's input", long, value_delimiter = ',', value_name = "Z,Y,X")]
    pub crop: Option<Vec<usize>>,
    /// Downsampling factor. Must agree with the contract.
    #[arg(help_heading = "Network's input", long)]
    pub downsample: Option<usize>,
    /// Also perturbs one sequence at a time, to show which contrast a region's relevance is due to: writes
    /// perturb-SEQUENCE.csv and perturb-SEQUENCE.nii.gz on a common scale, and prints each sequence's mean |Δlogit|.
    #[arg(help_heading = "Explanation", long)]
    pub by_sequence: bool,
    /// Also finds minimal sets of regions along the first method's ranking, and writes them as sufficient.nii.gz (kept alone,
    /// they keep the answer) and necessary.nii.gz (replaced, they change it). The answer is whether the class is predicted or,
    /// with a SHARE, that its logit keeps at least this share of its distance from the scan without any region.
    #[arg(
        help_heading = "Explanation",
        long,
        value_name = "SHARE",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "predicted",
        value_parser = answer
    )]
    pub sets: Option<Answer>,
    /// Sequence in overview.png, and the first of index.html [default: that of the regions].
    #[arg(help_heading = "Output", long, value_name = "S")]
    pub png_sequence: Option<String>,
    /// Writes neither overview.png nor index.html.
    #[arg(help_heading = "Output", long)]
    pub no_pictures: bool,
    /// Names the outputs as BIDS derivatives, sub-ID_desc-METHOD_map.nii.gz, each with a JSON file that states method, weights
    /// and contract; without pictures.
    #[arg(help_heading = "Output", long)]
    pub bids_derivatives: bool,
    /// Runs a full forward pass per region instead of incremental inference.
    #[arg(help_heading = "Computation", long)]
    pub dense: bool,
    /// Memory limit in MiB for cached activations and the regions processed together [default: 1280]; on a GPU, for a
    /// batch of whole scans [default: 8192]. Layers that do not fit are recomputed around each region.
    #[arg(help_heading = "Computation", long, value_name = "MIB", value_parser = clap::value_parser!(u32).range(1..))]
    pub memory: Option<u32>,
}

fn answer(text: &str) -> Result<Answer, String> {
    if text == "predicted" {
        return Ok(Answer::Predicted);
    }
    let share = text.parse().ok().filter(|share| *share > 0.0 && *share <= 1.0);
    share.map(Answer::Share).ok_or_else(|| "expected a share above 0 and at most 1, or predicted".to_owned())
}

fn partition(text: &str) -> Result<(String, usize), String> {
    let parsed = text.trim().rsplit_once(':').and_then(|(name, count)| Some((name, count.parse().ok()?)));
    match parsed {
        Some((name, count)) if !name.is_empty() && count > 0 => Ok((name.to_owned(), count)),
        _ => Err("expected a sequence and a number of regions, such as flair:250".to_owned()),
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    let parsed = text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    parsed.filter(|time| !time.is_zero()).ok_or_else(|| "expected seconds above 0".to_owned())
}
