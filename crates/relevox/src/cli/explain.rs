//! `explain`: relevance of one case's regions, with given weights.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context;
use clap::Args;
use relevox_experiment::device::{DeviceOptions, batch_size_notice};
use relevox_experiment::failure::invalid_input;
use relevox_experiment::interrupt;
use relevox_experiment::progress::Progress;
use relevox_experiment::run::check_writable;
use relevox_perturb::FillKind;
use relevox_volume::nifti;
use serde_json::json;
use slic3d::Supervoxels;

use super::output::refuse_inside;
use super::print_result;
use crate::{Error, ExplainOptions, Explanation, Model, ModelOptions, Regions, explain};

/// Explains one case: scores its regions by perturbation and writes a relevance map on the scan's own grid.
///
/// The network's architecture, crop and downsampling are read from the checkpoint's metadata; for weights without
/// metadata, the options below specify them.
#[derive(Clone, Debug, Args)]
pub struct ExplainArgs {
    /// Case folder in BraTS's layout.
    pub case: PathBuf,
    /// Weights of the classifier. If repeated, the mean of the networks' logits is explained.
    #[arg(long, required = true, value_name = "W.safetensors")]
    pub weights: Vec<PathBuf>,
    /// Output folder for scores.csv and relevance.nii.gz.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Regions as a label volume on the crop's grid, in the stored axis order; its affine is ignored [default: computed
    /// by SLIC].
    #[arg(long, value_name = "L.nii.gz")]
    pub labels: Option<PathBuf>,
    /// Label of voxels outside all regions.
    #[arg(long, requires = "labels")]
    pub background: Option<u32>,
    /// Fill that replaces a region: blank, min, max or mean.
    #[arg(long, default_value = "blank", value_parser = constant_fill)]
    pub fill: FillKind,
    /// Sequence that SLIC segments.
    #[arg(long, default_value = "t2", conflicts_with = "labels")]
    pub sequence: String,
    /// Number of regions requested from SLIC.
    #[arg(long, default_value_t = 100, conflicts_with = "labels")]
    pub regions: usize,
    /// SLIC's compactness: balances spatial proximity against intensity similarity; higher is more compact.
    #[arg(long, default_value_t = 10.0, conflicts_with = "labels")]
    pub compactness: f64,
    /// Depth of the network: 10, 18, 34, 50, 101, 152 or 200; the weights tell it.
    #[arg(long)]
    pub depth: Option<usize>,
    /// Stride of the network's first convolution, needed for weights without metadata: 1 for MONAI's resnet by default
    /// (conv1_t_stride), 2 for MedicalNet's.
    #[arg(long)]
    pub stem_stride: Option<usize>,
    /// Whether a max-pooling follows the first convolution, needed for weights without metadata: true for MONAI's resnet
    /// by default (no_max_pool=False).
    #[arg(long, value_name = "BOOL")]
    pub max_pool: Option<bool>,
    /// Number of channels of the first residual stage.
    #[arg(long)]
    pub width: Option<usize>,
    /// Size of the centre crop in scan voxels: z,y,x.
    #[arg(long, value_delimiter = ',', value_name = "Z,Y,X")]
    pub crop: Option<Vec<usize>>,
    /// Downsampling factor.
    #[arg(long)]
    pub downsample: Option<usize>,
    /// Also perturbs one sequence at a time, to show which contrast a region's relevance is due to: writes
    /// scores-SEQUENCE.csv and relevance-SEQUENCE.nii.gz on a common scale, and prints each sequence's mean |Δlogit|.
    #[arg(long)]
    pub by_sequence: bool,
    /// Runs a full forward pass per region instead of incremental inference.
    #[arg(long)]
    pub dense: bool,
    /// Memory limit in MiB for cached activations and the regions processed together [default: 1280]; on a GPU, for a
    /// batch of whole scans [default: 8192]. Layers that do not fit are recomputed around each region.
    #[arg(long, value_name = "MIB", value_parser = clap::value_parser!(u32).range(1..))]
    pub memory: Option<u32>,
}

/// Explains the case; writes `scores.csv` and `relevance.nii.gz`; prints `{"logit", "probability", "regions", "seconds"}`.
///
/// # Errors
/// Returns an error if a file cannot be read or written, or files and options do not fit together.
pub fn run(args: &ExplainArgs, options: &DeviceOptions) -> anyhow::Result<()> {
    let device = options.open()?;
    refuse_inside(&args.out, &args.case)?;
    check_writable(&args.out)?;
    let model = Model::load_with(&args.weights, &device, &model_options(args)?).map_err(of_command)?;
    let study = model.read_case(&args.case).map_err(of_command)?;
    let regions = match &args.labels {
        Some(path) => Regions::Given(read_labels(path, args.background)?),
        None => Regions::Slic {
            sequence: args.sequence.clone(),
            count: args.regions,
            compactness: args.compactness,
        },
    };
    let regions = regions.of(&study).map_err(|error| match (&args.labels, of_command(error)) {
        (Some(path), error) => error.context(path.display().to_string()),
        (None, error) => error,
    })?;
    let passes = if args.by_sequence { 1 + study.channel_names().len() } else { 1 };
    let progress = Progress::start("explain", passes * regions.len(), "regions");
    let start = Instant::now();
    let options = ExplainOptions {
        regions: Regions::Given(regions),
        fill: args.fill,
        by_sequence: args.by_sequence,
        progress: &|done| {
            progress.advance(done);
            interrupt::flow()
        },
        ..ExplainOptions::default()
    };
    let explanation = explain(&model, &study, &options).map_err(of_command).with_context(|| {
        let weights: Vec<String> = args.weights.iter().map(|path| path.display().to_string()).collect();
        let [z, y, x] = study.frame.crop();
        let crop = format!("centre crop of {x} x {y} x {z} voxels (x, y, z)");
        format!("case {}, {crop}, with {}", study.case, weights.join(", "))
    })?;
    let seconds = start.elapsed().as_secs_f64();
    drop(progress);
    explanation.write(&args.out).map_err(of_command)?;
    print_result(&result(&explanation, seconds))
}

fn result(explanation: &Explanation, seconds: f64) -> serde_json::Value {
    let mut result = json!({
        "logit": explanation.logit(),
        "probability": explanation.probability(),
        "regions": explanation.regions.len(),
        "seconds": seconds,
    });
    if !explanation.by_sequence.is_empty() {
        let means = explanation.by_sequence.iter().map(|(name, scores)| {
            let sum: f64 = scores.rows.iter().map(|row| row.delta_logit.abs()).sum();
            (name.clone(), json!(sum / scores.rows.len().max(1) as f64))
        });
        result["sequences"] = means.collect::<serde_json::Map<_, _>>().into();
    }
    result
}

fn model_options(args: &ExplainArgs) -> anyhow::Result<ModelOptions> {
    let crop = args.crop.as_ref().map(|crop| {
        <[usize; 3]>::try_from(crop.as_slice())
            .map_err(|_| invalid_input(format!("--crop: expected z,y,x, found {} numbers", crop.len())))
    });
    let notice = batch_size_notice("explain");
    Ok(ModelOptions {
        depth: args.depth,
        stem_stride: args.stem_stride,
        max_pool: args.max_pool,
        width: args.width,
        crop: crop.transpose()?,
        downsample: args.downsample,
        dense: args.dense,
        memory_bytes: args.memory.map(|mebibytes| (mebibytes as usize) << 20),
        on_smaller_batches: Some(Arc::from(notice)),
    })
}

fn read_labels(path: &Path, background: Option<u32>) -> anyhow::Result<Supervoxels> {
    Ok(Supervoxels::from_labels(nifti::read_labels(path)?.voxels, background)?)
}

fn constant_fill(name: &str) -> Result<FillKind, String> {
    let known = FillKind::CONSTANT.into_iter().find(|kind| kind.name() == name);
    known.ok_or_else(|| format!("expected one of {}", FillKind::CONSTANT.map(FillKind::name).join(", ")))
}

/// Converts an error of the library, so that the exit code and the options' names are those of the command.
fn of_command(error: Error) -> anyhow::Error {
    match error {
        Error::Volume(relevox_volume::Error::UnknownName { what: "channel", expected, found }) => {
            invalid_input(format!("--sequence: expected one of {expected}, found {found}"))
        }
        Error::Volume(error) => error.into(),
        Error::Model(error) => error.into(),
        Error::Fill(error) => error.into(),
        Error::Relevance(error) => error.into(),
        Error::Supervoxels(error) => error.into(),
        Error::InvalidSetting { setting, expected, found } => {
            invalid_input(format!("--{setting}: expected {expected}, found {found}"))
        }
    }
}
