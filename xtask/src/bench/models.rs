//! `cargo xtask bench models`: compares networks and convolutions with PyTorch and MONAI, both sides in turn.

use std::path::Path;

use anyhow::Context;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::in_process;
use super::peer::{Peer, timed};
use super::performance::{self, Comparison, processor, text};
use super::timing::median;
use super::work::{Case, Kind, Work};
use crate::cli::ModelsBenchArgs;
use relevox::cli::print_result;
use relevox_experiment::failure::invalid_input;
use relevox_experiment::interrupt;
use relevox_experiment::progress::print_status;
use relevox_experiment::run::{Host, git_revision, load_average};

/// Section of docs/PERFORMANCE.md.
pub(super) const COMPARISON: Comparison = Comparison { name: "models", section };

/// A case with the samples of both sides, in the order of measurement.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Compared {
    name: String,
    case: Case,
    gflop: f64,
    /// Load average before the samples.
    #[serde(default)]
    load: Option<f64>,
    ours_seconds: Vec<f64>,
    peer_seconds: Vec<f64>,
    /// Peak memory of a process that only trains, in MiB.
    ours_peak_mib: Option<u64>,
    peer_peak_mib: Option<u64>,
}

/// Runs all cases and updates the samples and the page.
///
/// # Errors
/// Returns an error if a peer can't be run or a file can't be written.
pub(super) fn run(args: &ModelsBenchArgs) -> anyhow::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("finding the workspace")?;
    let threads = rayon::current_num_threads();
    let mut compared = Vec::new();
    let mut versions = Value::Null;
    for case in cases().into_iter().filter(|case| case.name().contains(&args.only)) {
        interrupt::check()?;
        let name = case.name();
        print_status(format!("bench: {name}"));
        let mut work = Work::new(&case)?;
        let mut peer =
            Peer::start(&args.peers, root, "models.py", &serde_json::to_value(&case)?, "torch and monai")?;
        versions.clone_from(&peer.versions);
        work.once()?;
        let load = load_average();
        let (mut ours_seconds, mut peer_seconds) = (Vec::new(), Vec::new());
        for _ in 0..args.samples {
            ours_seconds.push(timed(|| work.once())?);
            peer_seconds.push(peer.timed("run")?);
        }
        let (mut ours_peak_mib, mut peer_peak_mib) = (None, None);
        if case.kind == Kind::Train {
            peer_peak_mib = Some(peer.ask("memory")? as u64);
            ours_peak_mib = peak_of(&case)?;
        }
        let gflop = work.gflop();
        compared.push(Compared {
            name,
            case,
            gflop,
            load,
            ours_seconds,
            peer_seconds,
            ours_peak_mib,
            peer_peak_mib,
        });
    }
    if compared.is_empty() {
        return Err(invalid_input(format!("--only: expected a part of a case's name, found {}", args.only)));
    }
    let host = Host::current();
    let result = json!({
        "machine": host,
        "threads": threads,
        "revision": git_revision(),
        "versions": versions,
        "cases": compared,
    });
    if args.only.is_empty() {
        performance::write(root, &COMPARISON, &result)?;
    }
    print_result(&result)
}

/// Measures the peak memory of a training step in a separate process with the same number of threads.
fn peak_of(case: &Case) -> anyhow::Result<Option<u64>> {
    let [z, y, x] = case.size;
    let numbers = [case.depth, case.stem_stride, case.width, case.batch].map(|number| number.to_string());
    let found: Value = in_process(&[
        "train",
        "--depth",
        &numbers[0],
        "--stem-stride",
        &numbers[1],
        "--width",
        &numbers[2],
        "--batch",
        &numbers[3],
        "--size",
        &format!("{z},{y},{x}"),
    ])?;
    Ok(found["peak_memory_mib"].as_u64())
}

/// Cases of the comparison.
fn cases() -> Vec<Case> {
    let conv = |from, to, kernel, stride, size| Case {
        kind: Kind::Conv,
        channels: [from, to],
        kernel,
        stride,
        size: [size; 3],
        ..Case::default()
    };
    let network = |kind, depth, stem_stride, batch, size| Case {
        kind,
        depth,
        stem_stride,
        batch,
        size: [size; 3],
        ..Case::default()
    };
    let small =
        Case { kind: Kind::Train, depth: 10, width: 16, batch: 4, size: [56, 64, 56], ..Case::default() };
    vec![
        conv(64, 64, 3, 1, 32),
        conv(64, 64, 3, 1, 64),
        conv(32, 32, 3, 1, 128),
        conv(4, 64, 7, 2, 128),
        network(Kind::Forward, 18, 2, 1, 128),
        network(Kind::Forward, 10, 2, 1, 128),
        network(Kind::Forward, 18, 1, 1, 128),
        network(Kind::Forward, 0, 1, 1, 64),
        network(Kind::Train, 10, 2, 2, 64),
        network(Kind::Train, 10, 2, 1, 128),
        network(Kind::Train, 18, 2, 1, 128),
        small,
    ]
}

fn section(result: &Value) -> anyhow::Result<String> {
    let versions = &result["versions"];
    let mut section = format!(
        "## Networks and convolutions\n\n`cargo xtask bench models --peers PYTHON`, {} threads of {}, compared with PyTorch {} \
         and MONAI {}; medians, and the ratio of the medians. Forward passes use the compiled plan; GFLOP/s count the operations of direct convolution. Memory is the peak of a process that runs only that step.\n\n\
         | case | seconds | GFLOP/s | PyTorch, seconds | ours / PyTorch | MiB | PyTorch, MiB | load |\n|---|---|---|---|---|---|---|---|\n",
        result["threads"],
        processor(&result["machine"]),
        text(versions, "torch"),
        text(versions, "monai"),
    );
    for case in Vec::<Compared>::deserialize(&result["cases"])? {
        let (ours, peer) = (median(&case.ours_seconds), median(&case.peer_seconds));
        let [ours_peak, peer_peak] = [case.ours_peak_mib, case.peer_peak_mib]
            .map(|peak| peak.map_or_else(String::new, |mib| mib.to_string()));
        let load = performance::load(case.load);
        section += &format!(
            "| {} | {ours:.4} | {:.0} | {peer:.4} | {:.2} | {ours_peak} | {peer_peak} | {load} |\n",
            case.name,
            case.gflop / ours,
            ours / peer
        );
    }
    Ok(section)
}
