//! `explain`: relevance of one case's regions, with given weights.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context;
use clap::Args;
use relevox_experiment::device::{DeviceOptions, batch_size_notice};
use relevox_experiment::failure::invalid_input;
use relevox_experiment::interrupt;
use relevox_experiment::progress::{Progress, print_status};
use relevox_experiment::run::{check_writable, hash_file};
use relevox_perturb::FillKind;
use relevox_relevance::Classifier;
use relevox_volume::{CaseFiles, OutputTarget, Study};
use serde_json::json;

use super::labels::read_labels;
use super::library_error::of_command;
use super::output::{refuse_inside, refuse_overwriting};
use super::print_result;
use super::scans::{ScansArgs, contract_keys};
use crate::{ExplainOptions, Explanation, Model, ModelOptions, Regions, SlicRegions, explain};

/// Files that the command writes, without those by sequence.
const OUTPUTS: [&str; 2] = ["scores.csv", "relevance.nii.gz"];

/// Explains one case: scores its regions by perturbation and writes a relevance map on the scan's own grid.
///
/// The network's input is described by a contract: in the checkpoint's metadata (of weights trained by this program), in
/// MODEL.input.toml beside the weights, or in the file of --input. Weights without one are refused, with an example. What
/// weights do not tell (stem stride, max pool) is the contract's table `network`.
#[derive(Clone, Debug, Args)]
pub struct ExplainArgs {
    /// The scans of the case.
    #[command(flatten)]
    pub scans: ScansArgs,
    /// Weights of the classifier. If repeated, the mean of the networks' logits is explained.
    #[arg(long, visible_alias = "model", required = true, value_name = "W.safetensors|W.pth")]
    pub weights: Vec<PathBuf>,
    /// Output folder for scores.csv and relevance.nii.gz.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Contract of the network's input [default: MODEL.input.toml beside the weights, else the checkpoint's metadata].
    #[arg(long, value_name = "I.toml")]
    pub input: Option<PathBuf>,
    /// Replaces one key of the contract, e.g. intensity=zscore, orientation=RAS or network.stem_stride=1; may be
    /// repeated.
    #[arg(long, value_name = "KEY=VALUE")]
    pub input_set: Vec<String>,
    /// Class to explain, by the contract's name or by index [default: the contract's target, else the predicted class].
    #[arg(long, value_name = "CLASS")]
    pub target: Option<String>,
    /// Regions as a label volume in the scanner's coordinates: on the scan's grid, the crop's, or any other, of which the
    /// nearest label is taken [default: computed by SLIC].
    #[arg(long, value_name = "L.nii.gz")]
    pub labels: Option<PathBuf>,
    /// Label of voxels outside all regions.
    #[arg(long, requires = "labels")]
    pub background: Option<u32>,
    /// Fill that replaces a region: blank, min, max or mean.
    #[arg(long, default_value = "blank", value_parser = constant_fill)]
    pub fill: FillKind,
    /// Sequence that SLIC segments [default: the contract's or the run's, else t2].
    #[arg(long, conflicts_with = "labels")]
    pub sequence: Option<String>,
    /// Number of regions requested from SLIC [default: the contract's or the run's, else 100].
    #[arg(long, conflicts_with = "labels")]
    pub regions: Option<usize>,
    /// SLIC's compactness: balances spatial proximity against intensity similarity; higher is more compact [default: the
    /// contract's or the run's, else 0.1].
    #[arg(long, conflicts_with = "labels")]
    pub compactness: Option<f64>,
    /// Segments only the brain.
    #[arg(long, conflicts_with = "labels")]
    pub masked: bool,
    /// Depth of the network: 10, 18, 34, 50, 101, 152 or 200. Must agree with the weights.
    #[arg(long)]
    pub depth: Option<usize>,
    /// Stride of the network's first convolution, as the contract's network.stem_stride: 1 for MONAI's resnet by default
    /// (conv1_t_stride), 2 for the paper's and MedicalNet's. Weights from elsewhere do not tell.
    #[arg(long)]
    pub stem_stride: Option<usize>,
    /// Whether a max pool follows the first convolution, as the contract's network.max_pool: true for MONAI's resnet by
    /// default (no_max_pool=False). Weights from elsewhere do not tell.
    #[arg(long, value_name = "BOOL")]
    pub max_pool: Option<bool>,
    /// Number of channels of the first residual stage. Must agree with the weights.
    #[arg(long)]
    pub width: Option<usize>,
    /// Size of the centre crop in voxels, in the order of the contract's axes. Must agree with the contract.
    #[arg(long, value_delimiter = ',', value_name = "Z,Y,X")]
    pub crop: Option<Vec<usize>>,
    /// Downsampling factor. Must agree with the contract.
    #[arg(long)]
    pub downsample: Option<usize>,
    /// Also perturbs one sequence at a time, to show which contrast a region's relevance is due to: writes
    /// scores-SEQUENCE.csv and relevance-SEQUENCE.nii.gz on a common scale, and prints each sequence's mean |Δlogit|.
    #[arg(long)]
    pub by_sequence: bool,
    /// Names the outputs as BIDS derivatives, sub-ID_desc-relevance_map.nii.gz, with a JSON file that states method,
    /// weights and contract.
    #[arg(long)]
    pub bids_derivatives: bool,
    /// Runs a full forward pass per region instead of incremental inference.
    #[arg(long)]
    pub dense: bool,
    /// Memory limit in MiB for cached activations and the regions processed together [default: 1280]; on a GPU, for a
    /// batch of whole scans [default: 8192]. Layers that do not fit are recomputed around each region.
    #[arg(long, value_name = "MIB", value_parser = clap::value_parser!(u32).range(1..))]
    pub memory: Option<u32>,
}

/// Explains the case; writes `scores.csv` and `relevance.nii.gz`; prints one JSON object with `logit`, `probability`,
/// `logits`, `target`, `regions`, `seconds`, `assumed` and `warnings`.
///
/// # Errors
/// Returns an error if a file cannot be read or written, or files and options do not fit together.
pub fn run(args: &ExplainArgs, options: &DeviceOptions) -> anyhow::Result<()> {
    let device = options.open()?;
    if let Some(case) = &args.scans.case {
        refuse_inside(&args.out, case)?;
    }
    check_writable(&args.out)?;
    let model = Model::load_with(&args.weights, &device, &model_options(args)?).map_err(of_command)?;
    let files = args.scans.files(model.preprocess().sequences())?;
    for output in OUTPUTS {
        refuse_overwriting(&args.out.join(output), files.paths())?;
    }
    let study = Study::load(&files, model.preprocess()).map_err(|error| of_command(error.into()))?;
    let mut notes = Notes::of(&model, &study);
    let regions = regions(args, &model, &study, &mut notes)?;
    let target =
        model.target(args.target.as_deref().map(OutputTarget::parse).as_ref(), &study).map_err(of_command)?;
    if args.target.is_none() && model.outputs() > 1 && model.input().output().target.is_none() {
        notes.assume(format!("explaining the predicted class, {}", model.class(target.output)));
    }
    let passes = if args.by_sequence { 1 + study.channel_names().len() } else { 1 };
    let progress = Progress::start("explain", passes * regions.len(), "regions");
    let start = Instant::now();
    let options = ExplainOptions {
        regions: Regions::Given(regions),
        fill: args.fill,
        by_sequence: args.by_sequence,
        target,
        progress: &|done| {
            progress.advance(done);
            interrupt::flow()
        },
    };
    let explanation = explain(&model, &study, &options).map_err(of_command).with_context(|| {
        let weights: Vec<String> = args.weights.iter().map(|path| path.display().to_string()).collect();
        let [z, y, x] = study.frame.crop();
        let crop = format!("centre crop of {x} x {y} x {z} voxels (x, y, z)");
        format!("case {}, {crop}, with {}", study.case, weights.join(", "))
    })?;
    let seconds = start.elapsed().as_secs_f64();
    drop(progress);
    if explanation.scores.flat {
        notes.warn("no region changes the output: the relevance map is 0 everywhere".to_owned());
    }
    let result = result(&model, &explanation, seconds, &notes);
    if args.bids_derivatives {
        explanation
            .write_bids(&args.out, &study.case, &sidecar(args, &files, &result)?)
            .map_err(of_command)?;
    } else {
        explanation.write(&args.out).map_err(of_command)?;
    }
    print_result(&result)
}

/// What was assumed about the input, and what may be wrong with it. Each line is printed when it is added.
#[derive(Debug, Default)]
struct Notes {
    assumed: Vec<String>,
    warnings: Vec<String>,
}

impl Notes {
    fn of(model: &Model, study: &Study) -> Self {
        let mut notes = Self::default();
        for line in model.assumed() {
            notes.assume(line.clone());
        }
        notes.assume(format!("case {}: {}", study.case, study.preparation.summary()));
        for warning in study.preparation.warnings() {
            notes.warn(format!("case {}: {warning}", study.case));
        }
        notes
    }

    fn assume(&mut self, line: String) {
        print_status(&line);
        self.assumed.push(line);
    }

    fn warn(&mut self, line: String) {
        print_status(format!("warning: {line}"));
        self.warnings.push(line);
    }
}

/// Reads or computes the partition. Options precede the contract's partition.
fn regions(
    args: &ExplainArgs,
    model: &Model,
    study: &Study,
    notes: &mut Notes,
) -> anyhow::Result<slic3d::Supervoxels> {
    let regions = match &args.labels {
        Some(path) => {
            let (labels, assumed) = read_labels(path, args.background, &study.frame)?;
            assumed.into_iter().for_each(|line| notes.assume(line));
            Regions::Given(labels)
        }
        None => {
            let mut settings = model.regions().cloned().unwrap_or_else(|| {
                let mut settings = SlicRegions::default();
                let known = study.channel_names();
                if args.sequence.is_none() && !known.contains(&settings.sequence) {
                    let first = known[0].clone();
                    notes.assume(format!(
                        "regions of {first}, since the network has no {}",
                        settings.sequence
                    ));
                    settings.sequence = first;
                }
                settings
            });
            settings.sequence = args.sequence.clone().unwrap_or(settings.sequence);
            settings.count = args.regions.unwrap_or(settings.count);
            settings.compactness = args.compactness.unwrap_or(settings.compactness);
            settings.masked |= args.masked;
            if model.regions().is_some() {
                notes.assume(format!(
                    "{} regions of {}, compactness {}",
                    settings.count, settings.sequence, settings.compactness
                ));
            }
            Regions::Slic(settings)
        }
    };
    regions.of(study).map_err(|error| match (&args.labels, of_command(error)) {
        (Some(path), error) => error.context(path.display().to_string()),
        (None, error) => error,
    })
}

fn result(model: &Model, explanation: &Explanation, seconds: f64, notes: &Notes) -> serde_json::Value {
    let mut result = json!({
        "logit": explanation.logit(),
        "probability": explanation.probability(),
        "regions": explanation.regions.len(),
        "seconds": seconds,
        "logits": explanation.scores.original,
        "target": {
            "output": explanation.target.output,
            "class": model.input().output().class(explanation.target.output),
            "link": explanation.target.link.name(),
        },
        "flat": explanation.scores.flat,
        "input": model.input().settings(),
        "assumed": notes.assumed,
        "warnings": notes.warnings,
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

/// What produced a map, for the file beside it.
fn sidecar(
    args: &ExplainArgs,
    files: &CaseFiles,
    result: &serde_json::Value,
) -> anyhow::Result<serde_json::Value> {
    let weights: Vec<serde_json::Value> = args
        .weights
        .iter()
        .map(|path| Ok(json!({ "file": path, "sha256": hash_file(path)? })))
        .collect::<anyhow::Result<_>>()?;
    Ok(json!({
        "Description": "Relevance of each region for a classifier's output, 0 to 100",
        "Sources": files.sequences.iter().map(|(_, file)| file.to_string()).collect::<Vec<_>>(),
        "GeneratedBy": { "Name": "relevox", "Version": env!("CARGO_PKG_VERSION") },
        "Method": "perturbation",
        "Fill": args.fill.name(),
        "Weights": weights,
        "Result": result,
    }))
}

fn model_options(args: &ExplainArgs) -> anyhow::Result<ModelOptions> {
    let crop = args.crop.as_ref().map(|crop| {
        <[usize; 3]>::try_from(crop.as_slice())
            .map_err(|_| invalid_input(format!("--crop: expected z,y,x, found {} numbers", crop.len())))
    });
    let notice = batch_size_notice("explain");
    Ok(ModelOptions {
        contract: args.input.as_deref().map(contract_keys).transpose()?,
        input_set: args.input_set.clone(),
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

fn constant_fill(name: &str) -> Result<FillKind, String> {
    let known = FillKind::CONSTANT.into_iter().find(|kind| kind.name() == name);
    known.ok_or_else(|| format!("expected one of {}", FillKind::CONSTANT.map(FillKind::name).join(", ")))
}
