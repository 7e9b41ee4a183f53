//! `explain`: the relevance of one case's regions, with given weights.

use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::Context;
use clap::Args;
use ndarray::{Array3, Axis};
use relevox_experiment::failure::input;
use relevox_experiment::interrupt;
use relevox_experiment::place::{Place, say_smaller_batches};
use relevox_experiment::progress::Progress;
use relevox_experiment::run::{probe, replace};
use relevox_experiment::stages::scores::constant;
use relevox_models::{ResNetConfig, Shortcut, checkpoint};
use relevox_relevance::{
    Baseline, Classifier, Ensemble, NetworkClassifier, RegionScores, Target, scale_to_100, score,
    score_channels,
};
use relevox_volume::{CaseFiles, Preprocess, Study, nifti};
use serde_json::json;
use slic3d::{Slic, Supervoxels};

use super::print_result;

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
    #[arg(long, default_value = "blank", value_parser = ["blank", "min", "max", "mean"])]
    pub fill: String,
    /// Sequence that SLIC segments.
    #[arg(long, default_value = "t2", conflicts_with = "labels")]
    pub sequence: String,
    /// Number of regions requested from SLIC.
    #[arg(long, default_value_t = 100, conflicts_with = "labels")]
    pub regions: usize,
    /// SLIC's compactness: balances spatial proximity against intensity similarity; higher is more compact.
    #[arg(long, default_value_t = 10.0, conflicts_with = "labels")]
    pub compactness: f64,
    /// Depth of the network: 10, 18, 34 or 50.
    #[arg(long)]
    pub depth: Option<usize>,
    /// Stride of the network's first convolution.
    #[arg(long)]
    pub stem_stride: Option<usize>,
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

/// The paper's sequences, for weights that don't say theirs.
const SEQUENCES: [&str; 4] = ["t1", "t1ce", "t2", "flair"];
const CROP: [usize; 3] = [128; 3];

/// Scores a case's regions; writes `scores.csv` and `relevance.nii.gz`; prints `{"logit", "probability",
/// "regions", "seconds"}`.
///
/// # Errors
/// Files that can't be read, or that don't fit each other.
pub fn run(args: &ExplainArgs, place: &Place) -> anyhow::Result<()> {
    let device = place.open()?;
    probe(&args.out)?;
    let fallback = ResNetConfig {
        depth: args.depth.unwrap_or(18),
        in_channels: SEQUENCES.len(),
        width: args.width.unwrap_or(64),
        stem_stride: args.stem_stride.unwrap_or(2),
        shortcut: Shortcut::B,
    };
    let mut networks = Vec::new();
    let mut input_of_all: Option<Preprocess> = None;
    for weights in &args.weights {
        let trained = checkpoint::load_resnet(weights, Some(&fallback), &device)?;
        let said = Said { args, weights };
        let says = trained.metadata.as_ref().map(|metadata| &metadata.preprocess);
        let preprocess = said.preprocess(says)?;
        said.refuse_other_network(&trained.config)?;
        if input_of_all.as_ref().is_some_and(|first| *first != preprocess) {
            return Err(input(format!(
                "--weights: expected networks of one input, but {} and {} were trained on different ones",
                args.weights[0].display(),
                weights.display()
            )));
        }
        input_of_all = Some(preprocess);
        networks.push(trained.network);
    }
    let preprocess = input_of_all.ok_or_else(|| input("--weights: expected a file, found none"))?;
    let files = CaseFiles::in_folder(&args.case, &preprocess.sequences)?;
    let study = Study::load(&files, &preprocess)?;
    let regions = regions(args, &study, &preprocess)?;

    let progress = Progress::start("explain", regions.len(), "regions");
    let start = Instant::now();
    let mut members = Vec::new();
    for network in networks {
        let mut member = NetworkClassifier::new(network, device.clone())?
            .dense(args.dense)
            .on_smaller_batches(say_smaller_batches("explain"));
        if let Some(mebibytes) = args.memory {
            // Each keeps the scan's layers until all are done.
            member = member.memory(((mebibytes as usize) << 20) / args.weights.len());
        }
        members.push(member);
    }
    let classifier = Ensemble::new(members)?;
    let fill = constant(&args.fill, &study)?;
    let context = || {
        let weights: Vec<String> = args.weights.iter().map(|path| path.display().to_string()).collect();
        format!("case {}, with {}", study.case, weights.join(", "))
    };
    let baseline = classifier.baseline(study.image.view()).with_context(context)?;
    let scores = score(&*baseline, &regions, &fill, &Target::default(), &|done| {
        progress.advance(done);
        interrupt::flow()
    })
    .with_context(context)?;
    let seconds = start.elapsed().as_secs_f64();
    drop(progress);
    let sequences = match args.by_sequence {
        true => Some(by_sequence(args, &*baseline, &study, &regions, &preprocess.sequences)?),
        false => None,
    };

    let map = scores.map(&regions)?;
    let first = scores.rows.first().ok_or_else(|| input("expected at least one region, found none"))?;
    let probability = first.p_original;
    replace(&args.out.join("scores.csv"), scores.to_csv().as_bytes())?;
    nifti::write(&args.out.join("relevance.nii.gz"), &study.frame.to_scan(map.voxels.view()))?;
    let mut result = json!({
        "logit": scores.original.first(),
        "probability": probability,
        "regions": regions.len(),
        "seconds": seconds,
    });
    if let Some(sequences) = sequences {
        result["sequences"] = sequences;
    }
    print_result(&result)
}

/// Scores the regions in each sequence alone, and writes tables and maps whose relevance is on one scale. Gives the mean
/// |Δlogit| of each.
fn by_sequence(
    args: &ExplainArgs,
    baseline: &dyn Baseline,
    study: &Study,
    regions: &Supervoxels,
    names: &[String],
) -> anyhow::Result<serde_json::Value> {
    let progress = Progress::start("explain: by sequence", names.len() * regions.len(), "regions");
    let fill = constant(&args.fill, study)?;
    let tables = score_channels(baseline, regions, &fill, &Target::default(), &|done| {
        progress.advance(done);
        interrupt::flow()
    })
    .with_context(|| format!("case {}, by sequence", study.case))?;
    drop(progress);
    let moved: Vec<f64> = tables.iter().flat_map(|table| &table.rows).map(|row| row.delta_p.abs()).collect();
    let mut scaled = scale_to_100(&moved).unwrap_or_else(|| vec![0.0; moved.len()]).into_iter();
    let mut means = serde_json::Map::new();
    for (name, RegionScores { mut rows, .. }) in names.iter().zip(tables) {
        let mean = rows.iter().map(|row| row.delta_logit.abs()).sum::<f64>() / rows.len().max(1) as f64;
        rows.iter_mut().zip(&mut scaled).for_each(|(row, relevance)| row.relevance = relevance);
        let scores = RegionScores::from_rows(rows);
        let map = scores.map(regions)?;
        replace(&args.out.join(format!("scores-{name}.csv")), scores.to_csv().as_bytes())?;
        let scan = study.frame.to_scan(map.voxels.view());
        nifti::write(&args.out.join(format!("relevance-{name}.nii.gz")), &scan)?;
        means.insert(name.clone(), json!(mean));
    }
    Ok(means.into())
}

/// What the command line says beside what a file of weights does.
#[derive(Clone, Copy)]
struct Said<'a> {
    args: &'a ExplainArgs,
    weights: &'a Path,
}

impl Said<'_> {
    /// How the network's input is made.
    fn preprocess(self, says: Option<&serde_json::Value>) -> anyhow::Result<Preprocess> {
        let mut preprocess = match says.filter(|value| !value.is_null()) {
            Some(value) => serde_json::from_value(value.clone()).map_err(|error| {
                input(format!("{}: expected how its input was made: {error}", self.weights.display()))
            })?,
            None => Preprocess {
                sequences: SEQUENCES.map(str::to_owned).into(),
                crop: CROP,
                downsample: 1,
                clip_negative: true,
            },
        };
        let crop = self.args.crop.as_ref().map(|crop| {
            <[usize; 3]>::try_from(crop.as_slice())
                .map_err(|_| input(format!("--crop: expected z,y,x, found {} numbers", crop.len())))
        });
        let (crop, downsample) = (crop.transpose()?, self.args.downsample);
        if says.is_some_and(|value| !value.is_null()) {
            self.refuse_other("--crop", crop.map(zyx), zyx(preprocess.crop))?;
            self.refuse_other("--downsample", downsample, preprocess.downsample)?;
        }
        preprocess.crop = crop.unwrap_or(preprocess.crop);
        preprocess.downsample = downsample.unwrap_or(preprocess.downsample);
        Ok(preprocess)
    }

    fn refuse_other_network(self, network: &ResNetConfig) -> anyhow::Result<()> {
        self.refuse_other("--depth", self.args.depth, network.depth)?;
        self.refuse_other("--stem-stride", self.args.stem_stride, network.stem_stride)?;
        self.refuse_other("--width", self.args.width, network.width)
    }

    /// An option that says otherwise than the weights themselves is a mistake.
    fn refuse_other<T: PartialEq + Display>(
        self,
        option: &str,
        said: Option<T>,
        is: T,
    ) -> anyhow::Result<()> {
        match said.filter(|said| *said != is) {
            None => Ok(()),
            Some(said) => {
                let weights = self.weights.display();
                Err(input(format!("{option}: expected {is}, which {weights} says, found {said}")))
            }
        }
    }
}

/// As the command line has it.
fn zyx(crop: [usize; 3]) -> String {
    crop.map(|size| size.to_string()).join(",")
}

fn regions(args: &ExplainArgs, study: &Study, preprocess: &Preprocess) -> anyhow::Result<Supervoxels> {
    if let Some(path) = &args.labels {
        return read_labels(path, args.background, study);
    }
    let channel = preprocess.sequences.iter().position(|name| *name == args.sequence).ok_or_else(|| {
        input(format!(
            "--sequence: expected one of {}, found {}",
            preprocess.sequences.join(", "),
            args.sequence
        ))
    })?;
    let slic = Slic::new(args.regions).compactness(args.compactness);
    Ok(slic.segment_volume(study.image.index_axis(Axis(0), channel), None)?)
}

fn read_labels(path: &Path, background: Option<u32>, study: &Study) -> anyhow::Result<Supervoxels> {
    let labels: Array3<u32> = nifti::read_labels(path)?.voxels;
    let expected = study.frame.shape();
    if labels.shape() != expected {
        return Err(input(format!(
            "{}: expected labels on the crop's grid, {} x {} x {} (x, y, z), found {} x {} x {}",
            path.display(),
            expected[2],
            expected[1],
            expected[0],
            labels.shape()[2],
            labels.shape()[1],
            labels.shape()[0]
        )));
    }
    Ok(Supervoxels::from_labels(labels, background)?)
}
