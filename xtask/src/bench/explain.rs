//! `cargo xtask bench explain`: compares relevance of a real case's regions with Captum on a MONAI network, both sides in
//! turn, and measures how its cost scales.

use std::path::Path;

use anyhow::Context;
use ndarray::Array4;
use relevox_models::checkpoint::{self, WeightsHints};
use relevox_models::plan::Plan;
use relevox_models::{Parameters, ResNetConfig, UNet3d, UNetConfig, device};
use relevox_perturb::learned::LearnedFill;
use relevox_perturb::{ConstantFill, Fill, FillKind};
use relevox_relevance::{Classifier, NetworkClassifier, region_logits, silent};
use relevox_volume::Study;
use serde_json::{Value, json};
use slic3d::Supervoxels;

use super::explain_samples::{Case, Compared, Grid, Growth};
use super::explain_table;
use super::peak::Peak;
use super::peer::{Peer, timed};
use super::performance::{self, Comparison};
use super::scan::{
    SEQUENCES, T2, blank, blanked, isolated, load, operations, profile, segment, write_labels,
};
use super::slic::case_folder;
use crate::cli::ExplainBenchArgs;
use relevox::cli::print_result;
use relevox_experiment::failure::invalid_input;
use relevox_experiment::interrupt;
use relevox_experiment::progress::print_status;
use relevox_experiment::run::{Host, git_revision, load_average};

/// Section of docs/PERFORMANCE.md.
pub(super) const COMPARISON: Comparison = Comparison { name: "explain", section: explain_table::section };

/// Region counts of Table 3.
const COUNTS: [usize; 3] = [50, 100, 250];

/// Runs all cases and updates the samples and the page.
///
/// # Errors
/// Returns an error if a case can't be read, a peer can't be run, a file can't be written, or logits differ from the peer's.
pub(super) fn run(args: &ExplainBenchArgs) -> anyhow::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("finding the workspace")?;
    let folder = case_folder(args.case.as_ref())?;
    let cube = load(&folder, 128)?;
    let regions = segment(&cube, T2, 100)?;
    let mut compared = Vec::new();
    let mut versions = Value::Null;
    let mut first_network = None;
    for case in cases(usize::from(args.peer_regions)) {
        interrupt::check()?;
        let shared = tempfile::tempdir().context("creating a folder to share with the peer")?;
        let (side, seen, network) = compare(args, root, shared.path(), &case, &cube, &regions)?;
        compared.push(side);
        versions = seen;
        first_network = first_network.or(network);
    }
    let network = first_network.context("expected a classifier among the cases")?;
    let grid = grid(&network, &cube)?;
    let growth = growth(&folder, &network, &cube)?;
    let result = json!({
        "machine": Host::current(),
        "threads": rayon::current_num_threads(),
        "revision": git_revision(),
        "versions": versions,
        "scan": folder.file_name().unwrap_or_default().display().to_string(),
        "cases": compared,
        "grid": grid,
        "growth": growth,
        "peak": Peak::measure(),
    });
    performance::write(root, &COMPARISON, &result)?;
    print_result(&result)?;
    let wrong = compared.iter().filter_map(|case| case.error).fold(0.0, f64::max);
    anyhow::ensure!(
        wrong <= 1e-3,
        "changes of the logit: expected Captum's within 1e-3 of the largest, found a difference of {wrong}"
    );
    Ok(())
}

fn cases(peer_regions: usize) -> Vec<Case> {
    let case = |depth, stem_stride, peer_regions| Case {
        depth,
        stem_stride,
        width: 64,
        size: [128; 3],
        peer_regions,
    };
    vec![
        case(18, 2, usize::MAX),
        case(10, 2, peer_regions),
        case(18, 1, peer_regions.min(8)),
        case(0, 1, peer_regions),
    ]
}

/// Compares both sides of a case. Returns the samples, the peer's versions, and our network with the peer's weights.
fn compare(
    args: &ExplainBenchArgs,
    root: &Path,
    shared: &Path,
    case: &Case,
    study: &Study,
    regions: &Supervoxels,
) -> anyhow::Result<(Compared, Value, Option<NetworkClassifier>)> {
    print_status(format!("bench: {}", explain_table::name(case)));
    let bytes: Vec<u8> = study.image.iter().flat_map(|value| value.to_le_bytes()).collect();
    std::fs::write(shared.join("image.f32"), bytes)?;
    write_labels(shared, regions, &(0..regions.len()).collect::<Vec<_>>())?;
    let mut request = serde_json::to_value(case)?;
    request["folder"] = json!(shared);
    let mut peer = Peer::start(&args.peers, root, "explain.py", &request, "torch, monai and captum")?;
    let versions = peer.versions.clone();

    let count = case.peer_regions.min(regions.len());
    let mut compared = Compared {
        case: case.clone(),
        regions: regions.len(),
        gflop: 0.0,
        load: Vec::new(),
        ours_seconds: Vec::new(),
        peer_seconds: Vec::new(),
        peer_passes: count,
        passes: regions.len(),
        error: None,
        layers: Vec::new(),
    };
    if case.depth == 0 {
        let unet =
            UNet3d::new(&UNetConfig::default(), Parameters::seeded(0, &device("cpu")?).frozen_builder())?;
        let all: Vec<usize> = (0..regions.len()).collect();
        for _ in 0..args.samples {
            compared.load.push(load_average());
            compared.ours_seconds.push(timed(|| {
                let fill = LearnedFill::new(unet.clone(), device("cpu")?)?;
                Ok(fill.patches(study.image.view(), regions, &all)?)
            })?);
            compared.peer_seconds.push(peer.timed(&format!("fill {count}"))?);
        }
        let plan = Plan::unet(&unet)?;
        let zeros = Array4::zeros(study.image.dim());
        compared.layers = profile(&plan, zeros.view(), &isolated(study, regions)?)?;
        compared.gflop = compared.layers.iter().map(|layer| layer.gflop).sum();
        return Ok((compared, versions, None));
    }

    let config =
        ResNetConfig { depth: case.depth, stem_stride: [case.stem_stride; 3], ..ResNetConfig::default() };
    let weights = shared.join("weights.safetensors");
    let network = || -> anyhow::Result<NetworkClassifier> {
        let trained = checkpoint::load_resnet(&weights, &WeightsHints::from(&config), &device("cpu")?)?;
        Ok(NetworkClassifier::new(trained.network, device("cpu")?)?)
    };
    // One more feature for the remaining regions, and the unperturbed pass.
    compared.peer_passes = (count + 1).min(regions.len()) + 1;
    compared.passes = regions.len() + 1;
    let fill = blank(study.image.view())?;
    // The peer computes the regions with the largest change of the logit.
    let first = region_logits(&*network()?.baseline(study.image.view())?, regions, &fill, &silent)?;
    let change = |region: usize| first.original[0] - first.perturbed[[region, 0]];
    let moved = |region: usize| change(region).abs();
    let mut order: Vec<usize> = (0..regions.len()).collect();
    order.sort_by(|&a, &b| moved(b).total_cmp(&moved(a)));
    write_labels(shared, regions, &order)?;
    // The peer needs minutes for all regions: one sample is enough.
    let samples = if count == regions.len() { 1 } else { args.samples };
    for _ in 0..args.samples {
        compared.load.push(load_average());
        let network = network()?;
        compared.ours_seconds.push(timed(|| {
            let network = NetworkClassifier::new(network.network().clone(), device("cpu")?)?;
            region_logits(&*network.baseline(study.image.view())?, regions, &fill, &silent)?;
            Ok(())
        })?);
        if compared.peer_seconds.len() < usize::from(samples) {
            compared.peer_seconds.push(peer.timed(&format!("ablate {count}"))?);
        }
    }
    let theirs = std::fs::read(shared.join("delta.f32"))?;
    let theirs: Vec<f32> =
        theirs.chunks_exact(4).filter_map(|bytes| bytes.try_into().ok().map(f32::from_le_bytes)).collect();
    let ours = order.iter().map(|&region| change(region));
    let pairs = || ours.clone().zip(theirs.iter().copied()).take(count);
    let largest = pairs().map(|(_, theirs)| theirs.abs()).fold(f32::MIN_POSITIVE, f32::max);
    let error = pairs().map(|(ours, theirs)| (ours - theirs).abs()).fold(0.0, f32::max);
    compared.error = Some(f64::from(error / largest));
    let network = network()?;
    let plan = Plan::resnet(network.network())?;
    let image = study.image.as_standard_layout();
    compared.layers = profile(&plan, image.view(), &blanked(study.image.view(), regions)?)?;
    compared.gflop = compared.layers.iter().map(|layer| layer.gflop).sum();
    Ok((compared, versions, Some(network)))
}

/// Times Table 3 for one scan: every sequence, count and constant fill.
fn grid(network: &NetworkClassifier, study: &Study) -> anyhow::Result<Grid> {
    print_status("bench: the grid of Table 3");
    let partitions: Vec<Supervoxels> = (0..SEQUENCES.len())
        .flat_map(|sequence| COUNTS.map(|count| (sequence, count)))
        .map(|(sequence, count)| segment(study, sequence, count))
        .collect::<anyhow::Result<_>>()?;
    let fills = [FillKind::Blank, FillKind::Min, FillKind::Max]
        .map(|kind| ConstantFill::new(kind, study.image.view(), study.brain.view()));
    let [a, b, c] = fills;
    let fills = [a?, b?, c?];
    let network = NetworkClassifier::new(network.network().clone(), device("cpu")?)?;
    let ours_seconds = timed(|| {
        for regions in &partitions {
            for fill in &fills {
                interrupt::check()?;
                region_logits(&*network.baseline(study.image.view())?, regions, fill, &silent)?;
            }
        }
        Ok(())
    })?;
    let passes = partitions.iter().map(|regions| 3 * (regions.len() + 1)).sum();
    Ok(Grid { tables: partitions.len() * fills.len(), passes, ours_seconds })
}

/// Times our side over the number of regions, the size of the volume, and the number of threads.
fn growth(folder: &Path, network: &NetworkClassifier, cube: &Study) -> anyhow::Result<Vec<Growth>> {
    let plan = Plan::resnet(network.network())?;
    let mut rows = Vec::new();
    let mut row =
        |what: String, study: &Study, regions: &Supervoxels, threads: usize| -> anyhow::Result<()> {
            print_status(format!("bench: {what}"));
            let fill = blank(study.image.view())?;
            let network = NetworkClassifier::new(network.network().clone(), device("cpu")?)?;
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
            let seconds = timed(|| {
                Ok(pool.install(|| {
                    region_logits(&*network.baseline(study.image.view())?, regions, &fill, &silent)
                })?)
            })?;
            let image = study.image.as_standard_layout();
            let dense = plan
                .operations(study.frame.shape())
                .context("expected a volume that the network fits into")?;
            rows.push(Growth {
                what,
                regions: regions.len(),
                gflop: operations(&plan, image.view(), &blanked(study.image.view(), regions)?)? / 1e9,
                dense_gflop: dense as f64 * regions.len() as f64 / 1e9,
                seconds,
            });
            Ok(())
        };
    let threads = rayon::current_num_threads();
    for count in [50, 100, 250, 500, 1000] {
        row(format!("128³, {count} regions requested"), cube, &segment(cube, T2, count)?, threads)?;
    }
    for size in [64, 96, 160, 192] {
        let study = load(folder, size)?;
        row(format!("{size}³, 100 regions requested"), &study, &segment(&study, T2, 100)?, threads)?;
    }
    for threads in 1..threads {
        let regions = segment(cube, T2, 100)?;
        row(format!("128³, 100 regions requested, threads: {threads}"), cube, &regions, threads)?;
    }
    if rows.is_empty() {
        return Err(invalid_input("bench explain: expected measurements, found none"));
    }
    Ok(rows)
}
