//! `cargo xtask bench networks`: compares other people's networks, exported to ONNX, with PyTorch, ONNX Runtime and Captum,
//! all sides in turn.

use std::path::Path;

use anyhow::Context;
use ndarray::{Array4, ArrayView4, Axis, s};
use relevox_models::{checkpoint, plan::Plan};
use relevox_relevance::{Classifier, NetworkClassifier, region_logits, silent};
use relevox_volume::Study;
use serde_json::{Value, json};
use slic3d::Supervoxels;

use super::networks_samples::{Case, Compared, Map};
use super::networks_table;
use super::peer::{Peer, timed, timed_at_once};
use super::performance::{self, Comparison};
use super::scan::{T2, blank, blanked, load, operations, segment, write_labels};
use super::slic::case_folder;
use crate::cli::NetworksBenchArgs;
use relevox::cli::print_result;
use relevox::{ModelOptions, TensorModel};
use relevox_experiment::failure::invalid_input;
use relevox_experiment::interrupt;
use relevox_experiment::progress::print_status;
use relevox_experiment::run::{Host, git_revision, load_average};

/// Section of docs/PERFORMANCE.md.
pub(super) const COMPARISON: Comparison = Comparison { name: "networks", section: networks_table::section };

/// Networks that `xtask/peers/networks.py` builds.
const NETWORKS: [&str; 14] = [
    "DenseNet121",
    "ResNet-18",
    "ResNet-50",
    "r3d_18",
    "r2plus1d_18",
    "S3D",
    "HighResNet",
    "UNet",
    "SEResNet50",
    "SEResNeXt50",
    "EfficientNet-B0",
    "Classifier",
    "nnU-Net encoder",
    "MedNeXt-S encoder",
];

/// Networks with operators that ONNX Runtime computes: their outputs are compared, not their times.
const BY_RUNTIME: [&str; 2] = ["ViT", "Swin encoder"];

/// Runs all cases and updates the samples and the page.
///
/// # Errors
/// Returns an error if a case can't be read, a peer can't be run, a file can't be written, or outputs differ from the
/// peer's.
pub(super) fn run(args: &NetworksBenchArgs) -> anyhow::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("finding the workspace")?;
    let folder = case_folder(args.case.as_ref())?;
    let mut compared = Vec::new();
    let mut versions = Value::Null;
    let is_wanted = |case: &Case| networks_table::name(case).contains(&args.only);
    for case in cases(usize::from(args.peer_regions)).into_iter().filter(is_wanted) {
        interrupt::check()?;
        print_status(format!("bench: {}", networks_table::name(&case)));
        let shared = tempfile::tempdir().context("creating a folder to share with the peer")?;
        let (side, seen) = compare(args, root, &folder, shared.path(), case)?;
        print_status(format!("bench: {side:?}"));
        compared.push(side);
        versions = seen;
    }
    if compared.is_empty() {
        return Err(invalid_input(format!("--only: expected a part of a case's name, found {}", args.only)));
    }
    let result = json!({
        "machine": Host::current(),
        "threads": rayon::current_num_threads(),
        "revision": git_revision(),
        "versions": versions,
        "scan": folder.file_name().unwrap_or_default().display().to_string(),
        "cases": compared,
    });
    if args.only.is_empty() {
        performance::write(root, &COMPARISON, &result)?;
    }
    print_result(&result)?;
    let wrong = compared.iter().map(|case| case.difference).fold(0.0, f64::max);
    anyhow::ensure!(wrong <= 1e-4, "outputs: expected PyTorch's within 1e-4, found a difference of {wrong}");
    let wrong = compared.iter().filter_map(|case| Some(case.map.as_ref()?.error)).fold(0.0, f64::max);
    anyhow::ensure!(
        wrong <= 1e-3,
        "changes of the output: expected Captum's within 1e-3 of the largest, found a difference of {wrong}"
    );
    Ok(())
}

fn cases(peer_regions: usize) -> Vec<Case> {
    let case = |name: &str, exporter: &str, channels, size, peer_regions| Case {
        name: name.to_owned(),
        exporter: exporter.to_owned(),
        channels,
        size: [size; 3],
        peer_regions,
    };
    let forward = NETWORKS
        .iter()
        .chain(&BY_RUNTIME)
        .flat_map(|name| ["legacy", "dynamo"].map(|by| case(name, by, 4, 64, None)));
    let maps = [
        case("DenseNet121", "legacy", 4, 128, Some(usize::MAX)),
        case("DenseNet121", "legacy", 1, 96, Some(usize::MAX)),
        case("r3d_18", "legacy", 4, 128, Some(peer_regions)),
        case("r2plus1d_18", "legacy", 4, 128, Some(peer_regions)),
        case("ResNet-50", "legacy", 4, 128, Some(peer_regions)),
    ];
    forward.chain(maps).collect()
}

/// Compares all sides of a case. Returns the samples and the peer's versions.
fn compare(
    args: &NetworksBenchArgs,
    root: &Path,
    folder: &Path,
    shared: &Path,
    case: Case,
) -> anyhow::Result<(Compared, Value)> {
    let study = load(folder, case.size[0])?;
    let channels = if case.channels == 1 { T2..T2 + 1 } else { 0..case.channels };
    let image = study.image.slice(s![channels, .., .., ..]).to_owned();
    let bytes: Vec<u8> = image.iter().flat_map(|value| value.to_le_bytes()).collect();
    std::fs::write(shared.join("image.f32"), bytes)?;
    let mut request = serde_json::to_value(&case)?;
    request["folder"] = json!(shared);
    let needs = "torch, torchvision, monai, captum, onnx and onnxruntime";
    let mut peer = Peer::start(&args.peers, root, "networks.py", &request, needs)?;

    let model = shared.join("model.onnx");
    if BY_RUNTIME.contains(&case.name.as_str()) {
        let ours = by_runtime(&model, image.view())?;
        let difference = difference(&ours, &floats(&shared.join("outputs.f32"))?)?;
        let compared = Compared { load: load_average(), difference, ..Compared::of(case) };
        return Ok((compared, peer.versions.clone()));
    }
    let network = checkpoint::load_onnx(&model, Some(case.size))?;
    let plan = Plan::new(&network.graph)?;
    let ([z, y, x], channels) = (case.size, case.channels);
    let forward = || -> anyhow::Result<Vec<f32>> {
        let values = image.as_slice().context("expected an image in C order")?;
        Ok(plan.forward(values, [1, channels, z, y, x])?)
    };
    let difference = difference(&forward()?, &floats(&shared.join("outputs.f32"))?)?;
    let mut compared = Compared { load: load_average(), difference, ..Compared::of(case) };
    // Both exports of a network are the same plan: one is timed.
    let samples = if compared.case.exporter == "legacy" { args.samples } else { 0 };
    for _ in 0..samples {
        compared.ours.sample(timed(forward)?, || timed_at_once(forward))?;
        let first = peer.timed("torch")?;
        compared.torch.sample(first, || peer.ask("torch"))?;
        let first = peer.timed("onnxruntime")?;
        compared.onnxruntime.sample(first, || peer.ask("onnxruntime"))?;
    }
    if let Some(most) = compared.case.peer_regions {
        let regions = segment(&study, T2, 100)?;
        let ours = (&plan, network.graph);
        compared.map = Some(map(args, shared, &mut peer, &study, image, &regions, ours, most)?);
    }
    Ok((compared, peer.versions.clone()))
}

/// Computes the outputs of a network that Relevox itself cannot run.
fn by_runtime(model: &Path, image: ArrayView4<'_, f32>) -> anyhow::Result<Vec<f32>> {
    let (_, z, y, x) = image.dim();
    let options = ModelOptions { image_size: Some([z, y, x]), ..ModelOptions::default() };
    let network = TensorModel::load_with(&[model], &relevox_models::device("cpu")?, &options)?;
    anyhow::ensure!(
        network.runtimes().iter().any(|runtime| runtime.starts_with("onnxruntime")),
        "{}: expected a network that ONNX Runtime computes",
        model.display()
    );
    Ok(network.logits(image.insert_axis(Axis(0)))?.into_raw_vec_and_offset().0)
}

/// Largest difference of an output from the peer's, relative to the output or to 1.
fn difference(ours: &[f32], theirs: &[f32]) -> anyhow::Result<f64> {
    anyhow::ensure!(ours.len() == theirs.len(), "{} outputs, the peer has {}", ours.len(), theirs.len());
    let off =
        |(ours, theirs): (&f32, &f32)| f64::from((ours - theirs).abs()) / f64::from(theirs.abs()).max(1.0);
    Ok(ours.iter().zip(theirs).map(off).fold(0.0, f64::max))
}

#[allow(clippy::too_many_arguments, reason = "both sides of a comparison")]
fn map(
    args: &NetworksBenchArgs,
    shared: &Path,
    peer: &mut Peer,
    study: &Study,
    image: Array4<f32>,
    regions: &Supervoxels,
    (plan, graph): (&Plan, relevox_models::graph::Graph),
    most: usize,
) -> anyhow::Result<Map> {
    let device = relevox_models::device("cpu")?;
    let fill = blank(image.view())?;
    let classifier = || Ok::<_, anyhow::Error>(NetworkClassifier::of_graph(graph.clone(), &device)?);
    let score = |classifier: &NetworkClassifier<_>| -> anyhow::Result<_> {
        Ok(region_logits(&*classifier.baseline(image.view())?, regions, &fill, &silent)?)
    };
    let first = score(&classifier()?)?;
    let last = first.original.len() - 1;
    let change = |region: usize| first.original[last] - first.perturbed[[region, last]];
    // The peer computes the regions with the largest change.
    let mut order: Vec<usize> = (0..regions.len()).collect();
    order.sort_by(|&a, &b| change(b).abs().total_cmp(&change(a).abs()));
    write_labels(shared, regions, &order)?;
    let mut ours_seconds = Vec::new();
    for _ in 0..args.samples {
        // From the graph to the scores: compiled, packed, and with the baseline pass.
        ours_seconds.push(timed(|| score(&classifier()?))?);
    }
    let count = most.min(regions.len());
    let peer_seconds = peer.timed(&format!("ablate {count}"))?;
    let theirs = floats(&shared.join("delta.f32"))?;
    let pairs = || order.iter().map(|&region| change(region)).zip(theirs.iter().copied()).take(count);
    let largest = pairs().map(|(_, theirs)| theirs.abs()).fold(f32::MIN_POSITIVE, f32::max);
    let error = pairs().map(|(ours, theirs)| (ours - theirs).abs()).fold(0.0, f32::max);
    let patches = blanked(image.view(), regions)?;
    let dense =
        plan.operations(study.brain.dim().into()).context("expected a network that takes the image")?;
    Ok(Map {
        regions: regions.len(),
        operations: share(operations(plan, image.view(), &patches)?, dense, regions.len()),
        ours_seconds,
        peer_seconds,
        peer_passes: [(count + 1).min(regions.len()) + 1, regions.len() + 1],
        error: f64::from(error / largest),
    })
}

fn share(incremental: f64, dense: u64, passes: usize) -> f64 {
    incremental / (dense as f64 * passes as f64)
}

fn floats(path: &Path) -> anyhow::Result<Vec<f32>> {
    let bytes = std::fs::read(path).with_context(|| path.display().to_string())?;
    Ok(bytes.chunks_exact(4).filter_map(|bytes| bytes.try_into().ok().map(f32::from_le_bytes)).collect())
}
