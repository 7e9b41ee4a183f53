//! `cargo xtask bench memory`: peak memory of explanations, training steps, supervoxels and a whole run, each in its own process.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

use anyhow::Context;
use clap::Parser;
use ndarray::Array3;
use relevox_experiment::device::DeviceOptions;
use relevox_experiment::failure::invalid_input;
use relevox_experiment::interrupt;
use relevox_experiment::progress::print_status;
use relevox_experiment::run::{Host, git_revision, load_average, peak_memory_mib, reset_peak_memory};
use relevox_models::candle_core::Device;
use relevox_models::checkpoint::{self, Metadata, Network};
use relevox_models::{Parameters, ResNet3d, ResNetConfig};
use relevox_volume::phantom::{self, PhantomConfig};
use relevox_volume::{Geometry, Preprocess, Volume, nifti};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use slic3d::Slic;

use super::in_process;
use super::performance::{self, Comparison, processor};
use super::scan::SEQUENCES;
use super::work::{Case, Kind, Work};
use crate::cli::{Cli, MemoryBenchArgs};
use relevox::cli::print_result;

/// Section of docs/PERFORMANCE.md.
pub(super) const COMPARISON: Comparison = Comparison { name: "memory", section };

/// A whole BraTS scan, `[z, y, x]`.
const SCAN: [usize; 3] = [155, 240, 240];

/// A task whose peak memory is measured.
#[derive(Clone, Copy, Debug)]
enum Task {
    /// `relevox explain` with a limit of `--memory`, or with its default.
    Explain { depth: usize, limit_mib: Option<u32> },
    /// Two training steps.
    Train { depth: usize, width: usize, batch: usize, size: [usize; 3] },
    /// The library's `Slic::segment_volume`, for a float32 image.
    Slic { size: [usize; 3], masked: bool },
    /// `relevox slic`, from a file of 16-bit integers to a file of labels.
    SlicCommand { size: [usize; 3] },
    /// `relevox reproduce --profile smoke`.
    Smoke,
}

/// All measurements, in the order of the table.
const TASKS: [Task; 11] = [
    Task::Explain { depth: 10, limit_mib: None },
    Task::Explain { depth: 18, limit_mib: None },
    Task::Explain { depth: 18, limit_mib: Some(320) },
    Task::Train { depth: 10, width: 16, batch: 4, size: [56, 64, 56] },
    Task::Train { depth: 18, width: 64, batch: 1, size: [128; 3] },
    Task::Train { depth: 18, width: 64, batch: 4, size: [128; 3] },
    Task::Slic { size: SCAN, masked: false },
    Task::Slic { size: [512; 3], masked: false },
    Task::Slic { size: [512; 3], masked: true },
    Task::SlicCommand { size: [512; 3] },
    Task::Smoke,
];

/// Peak memory and duration of a task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Measured {
    peak_memory_mib: u64,
    seconds: f64,
    /// Voxels of all images and sequences; `None` for a run.
    voxels: Option<usize>,
    /// Stage of a run with the peak.
    stage: Option<String>,
}

/// A row of the table.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Row {
    name: String,
    load: Option<f64>,
    #[serde(flatten)]
    measured: Measured,
}

impl Task {
    /// Name in the table.
    fn name(self) -> String {
        match self {
            Self::Explain { depth, limit_mib } => {
                let limit = limit_mib.map_or_else(String::new, |mib| format!(" --memory {mib}"));
                format!("`relevox explain{limit}`, ResNet-{depth} with stem stride 2, scan of 4×240×240×155")
            }
            Self::Train { .. } => self.training().map_or_else(String::new, |case| case.name()),
            Self::Slic { size, masked } => {
                let mask = if masked { " within a mask" } else { "" };
                format!("`Slic::segment_volume`{mask}, {}", named(size))
            }
            Self::SlicCommand { size } => format!("`relevox slic`, 16-bit file of {}", named(size)),
            Self::Smoke => "`relevox reproduce --profile smoke`".to_owned(),
        }
    }

    fn training(self) -> Option<Case> {
        let Self::Train { depth, width, batch, size } = self else { return None };
        Some(Case { kind: Kind::Train, depth, width, batch, size, ..Case::default() })
    }

    /// Prepares the task, then measures it in this process.
    fn measure(self) -> anyhow::Result<Measured> {
        let folder = tempfile::tempdir().context("creating a folder for the measurement")?;
        let folder = folder.path();
        match self {
            Self::Explain { depth, limit_mib } => {
                let mut arguments = explained(folder, depth)?;
                if let Some(mib) = limit_mib {
                    arguments.extend(["--memory".to_owned(), mib.to_string()]);
                }
                peak(Some(SEQUENCES.len() * voxels(SCAN)), || command(&arguments))
            }
            Self::Train { .. } => {
                let case = self.training().context("expected a training step")?;
                let mut work = Work::new(&case)?;
                peak(Some(case.batch * SEQUENCES.len() * voxels(case.size)), || {
                    // Adam's moments are written by the first step.
                    work.once()?;
                    work.once()
                })
            }
            Self::Slic { size, masked } => {
                let image = image(size).mapv(|value| value as f32);
                let mask = masked.then(|| image.mapv(|value| value > 0.0));
                peak(Some(voxels(size)), || {
                    let mask = mask.as_ref().map(|mask| mask.view());
                    std::hint::black_box(Slic::new(100).compactness(0.1).segment_volume(image.view(), mask)?);
                    Ok(())
                })
            }
            Self::SlicCommand { size } => {
                let [from, to] = ["scan.nii", "labels.nii.gz"].map(|name| path(folder, name));
                let geometry = Geometry::axis_aligned(size, [1.0; 3]);
                nifti::write_labels(from.as_ref(), &Volume { voxels: image(size), geometry })?;
                peak(Some(voxels(size)), || command(&["slic".to_owned(), from, to]))
            }
            Self::Smoke => {
                let run = folder.join("run");
                let arguments = ["reproduce", "--profile", "smoke", "--out"].map(str::to_owned);
                let arguments: Vec<String> = arguments.into_iter().chain([path(folder, "run")]).collect();
                let mut measured = peak(None, || command(&arguments))?;
                // Each stage starts the measurement again.
                let (stage, peak) = highest_stage(&run)?;
                measured.peak_memory_mib = peak;
                measured.stage = Some(stage);
                Ok(measured)
            }
        }
    }
}

/// Measures all tasks, or the one of `--step` in this process.
///
/// # Errors
/// Returns an error if a task fails or a file can't be written.
pub(super) fn run(args: &MemoryBenchArgs) -> anyhow::Result<()> {
    if let Some(step) = args.step {
        let task = TASKS.get(step).with_context(|| format!("--step: expected less than {}", TASKS.len()))?;
        return print_result(&serde_json::to_value(task.measure()?)?);
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("finding the workspace")?;
    let mut rows = Vec::new();
    for (step, task) in TASKS.iter().enumerate().filter(|(_, task)| task.name().contains(&args.only)) {
        interrupt::check()?;
        let name = task.name();
        print_status(format!("bench: {name}"));
        rows.push(Row {
            name,
            load: load_average(),
            measured: in_process(&["memory", "--step", &step.to_string()])?,
        });
    }
    if rows.is_empty() {
        return Err(invalid_input(format!("--only: expected a part of a case's name, found {}", args.only)));
    }
    let result = json!({
        "machine": Host::current(),
        "threads": rayon::current_num_threads(),
        "revision": git_revision(),
        "cases": rows,
    });
    if args.only.is_empty() {
        performance::write(root, &COMPARISON, &result)?;
    }
    print_result(&result)
}

/// Measures the peak memory of this process during `work`.
fn peak(voxels: Option<usize>, work: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<Measured> {
    reset_peak_memory();
    let start = Instant::now();
    work()?;
    let seconds = start.elapsed().as_secs_f64();
    let peak_memory_mib = peak_memory_mib().context("expected Linux, which reports the peak of a process")?;
    Ok(Measured { peak_memory_mib, seconds, voxels, stage: None })
}

/// Runs a command of the program in this process.
fn command(arguments: &[String]) -> anyhow::Result<()> {
    let arguments = ["relevox"].into_iter().chain(arguments.iter().map(String::as_str));
    let Cli { global, command } = Cli::try_parse_from(arguments)?;
    let crate::cli::Command::Relevox(command) = command else {
        return Err(invalid_input("bench memory: expected a command of the program"));
    };
    command.run(&DeviceOptions {
        device: global.device,
        precision: global.precision,
        portable: global.portable,
    })
}

/// Writes a synthetic scan and the weights of a network that takes all of it; returns the command that explains it.
fn explained(folder: &Path, depth: usize) -> anyhow::Result<Vec<String>> {
    let phantom = PhantomConfig { shape: SCAN, spacing_mm: [1.0; 3], ..PhantomConfig::default() };
    let spacing_mm = phantom.spacing_mm;
    let case = phantom::write_case(&phantom::generate(&phantom.check()?, 0, 0), spacing_mm, folder)?;
    let network = ResNetConfig { depth, stem_stride: [2; 3], ..ResNetConfig::default() };
    let parameters = Parameters::seeded(0, &Device::Cpu);
    ResNet3d::new(&network, parameters.builder())?;
    let sequences = SEQUENCES.map(str::to_owned).into();
    let preprocess = serde_json::to_value(Preprocess { sequences, crop: SCAN, ..Preprocess::default() })?;
    let weights = folder.join("weights.safetensors");
    checkpoint::save_parameters(&weights, &parameters, &Metadata::new(Network::Resnet(network), preprocess))?;
    let case = case.to_string_lossy().into_owned();
    let out = path(folder, "explained");
    Ok(vec![
        "explain".to_owned(),
        case,
        "--weights".to_owned(),
        path(folder, "weights.safetensors"),
        "--out".to_owned(),
        out,
    ])
}

/// A synthetic image of integers: shells of one value and noise, 0 outside a ball.
fn image(size: [usize; 3]) -> Array3<u32> {
    Array3::from_shape_fn(size, |(z, y, x)| {
        let [dz, dy, dx] =
            [(z, 0), (y, 1), (x, 2)].map(|(at, axis)| 2.0 * at as f32 / size[axis] as f32 - 1.0);
        let radius = dz * dz + dy * dy + dx * dx;
        let noise = (((z * size[1] + y) * size[2] + x) as u32).wrapping_mul(0x9e37_79b1) >> 24;
        if radius < 1.0 { 1000 + (8.0 * radius) as u32 * 100 + noise } else { 0 }
    })
}

/// Returns the stage with the highest peak and that peak, in MiB.
fn highest_stage(run: &Path) -> anyhow::Result<(String, u64)> {
    let manifest = std::fs::read(run.join("manifest.json")).context("reading the run's manifest")?;
    let manifest: Value = serde_json::from_slice(&manifest)?;
    let stages = BTreeMap::<String, Value>::deserialize(&manifest["stages"])?;
    let peaks =
        stages.into_iter().filter_map(|(stage, cost)| Some((stage, cost["peak_memory_mib"].as_u64()?)));
    peaks.max_by_key(|(_, peak)| *peak).context("expected a peak of at least one stage")
}

fn path(folder: &Path, name: &str) -> String {
    folder.join(name).to_string_lossy().into_owned()
}

fn voxels(size: [usize; 3]) -> usize {
    size.iter().product()
}

fn named(size: [usize; 3]) -> String {
    if size == SCAN { "240×240×155".to_owned() } else { format!("{}³", size[0]) }
}

fn section(result: &Value) -> anyhow::Result<String> {
    let mut section = format!(
        "## Memory\n\n`cargo xtask bench memory`, {} threads of {}: peak memory of a process that prepares the task, releases what that took, \
         and does nothing else; it includes the program and the input. Images are synthetic; regions are 100 of compactness 0.1. \
         `explain` reads and writes NIfTI files and draws its pictures, and its limit `--memory` holds for cached activations. \
         A training step includes Adam's moments. Bytes are relative to the voxels of all scans and sequences.\n\n\
         | task | MiB | bytes a voxel | seconds | load |\n|---|---:|---:|---:|---:|\n",
        result["threads"],
        processor(&result["machine"]),
    );
    for Row { name, load, measured } in Vec::<Row>::deserialize(&result["cases"])? {
        let peak = measured.peak_memory_mib;
        let bytes = measured.voxels.map_or_else(String::new, |voxels| {
            format!("{:.1}", peak as f64 * f64::from(1 << 20) / voxels as f64)
        });
        let stage = measured.stage.map_or_else(String::new, |stage| format!(" (stage `{stage}`)"));
        section += &format!(
            "| {name}{stage} | {peak} | {bytes} | {:.1} | {} |\n",
            measured.seconds,
            performance::load(load)
        );
    }
    Ok(section)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_differ() {
        let names: std::collections::BTreeSet<String> = TASKS.iter().map(|task| task.name()).collect();
        assert_eq!(names.len(), TASKS.len());
    }

    #[test]
    fn the_peak_contains_what_the_work_allocates() {
        let measured = peak(Some(64 << 20), || {
            std::hint::black_box(vec![1_u8; 64 << 20]);
            Ok(())
        });
        assert!(measured.unwrap().peak_memory_mib >= 64);
    }
}
