//! The tables of `cargo xtask bench networks`.

use std::fmt::Write;

use serde::Deserialize;
use serde_json::Value;

use super::networks_samples::{Case, Compared};
use super::performance::{processor, text};
use super::timing::median;

/// Names a case.
pub(super) fn name(case: &Case) -> String {
    let [z, y, x] = case.size;
    let size = if z == y && y == x { format!("{z}³") } else { format!("{z}×{y}×{x}") };
    format!("{}, {}×{size}, {}", case.name, case.channels, case.exporter)
}

/// Makes the section of the page from the samples.
pub(super) fn section(result: &Value) -> anyhow::Result<String> {
    let (machine, versions) = (&result["machine"], &result["versions"]);
    let cases = Vec::<Compared>::deserialize(&result["cases"])?;
    let mut section = format!(
        "## Networks from ONNX files\n\n`cargo xtask bench networks --peers PYTHON`, {} threads of {}, compared with PyTorch {}, ONNX Runtime {} and Captum {}: networks of MONAI {} and torchvision {} with seeded weights, exported by both of PyTorch's exporters (`legacy` traces, `dynamo` exports programs; the plan is the same), on a real case ({}). Seconds are the median of passes one after the other, and ratios those of the medians; *first* is the ratio for the first pass after a pause, when all sides' data have left the caches and their threads sleep. The difference is the largest of an output from PyTorch's, relative to the output or to 1. Networks without times are the other export, or run by ONNX Runtime (ViT, Swin encoder).{}\n\n\
         | network | difference | seconds | PyTorch | ours / PyTorch | first | ONNX Runtime | ours / ONNX Runtime | first |\n|---|---|---|---|---|---|---|---|---|\n",
        result["threads"],
        processor(machine),
        text(versions, "torch"),
        text(versions, "onnxruntime"),
        text(versions, "captum"),
        text(versions, "monai"),
        text(versions, "torchvision"),
        text(result, "scan"),
        loads(&cases),
    );
    for case in &cases {
        let (name, difference) = (name(&case.case), case.difference);
        if case.ours.seconds.is_empty() {
            writeln!(section, "| {name} | {difference:.1e} | | | | | | | |")?;
            continue;
        }
        let sides = [&case.ours, &case.torch, &case.onnxruntime];
        let [ours, torch, runtime] = sides.map(|passes| median(&passes.seconds));
        let [first, torch_first, runtime_first] = sides.map(|passes| median(&passes.first_seconds));
        writeln!(
            section,
            "| {name} | {difference:.1e} | {ours:.4} | {torch:.4} | {:.2} | {:.2} | {runtime:.4} | {:.2} | {:.2} |",
            ours / torch,
            first / torch_first,
            ours / runtime,
            first / runtime_first
        )?;
    }
    section += "\nRelevance maps, blank fill, T2 regions: from the graph to the scores, including compilation and the baseline pass. \
                Where Captum computed fewer passes than the map needs, its time is extrapolated; it then computed the regions with \
                the largest change. Operations are those of the incremental passes as a share of as many dense passes. The error is \
                the largest difference in a change of the last output, as a share of the largest change.\n\n\
                | network | regions | operations, % | seconds | Captum, seconds | passes timed | times | error |\n|---|---|---|---|---|---|---|---|\n";
    for case in &cases {
        let Some(map) = &case.map else { continue };
        let [timed, needed] = map.peer_passes;
        let (ours, peer) = (median(&map.ours_seconds), map.peer_seconds * needed as f64 / timed as f64);
        writeln!(
            section,
            "| {} | {} | {:.0} | {ours:.2} | {peer:.1} | {timed} of {needed} | {:.1} | {:.1e} |",
            name(&case.case),
            map.regions,
            100.0 * map.operations,
            peer / ours,
            map.error
        )?;
    }
    Ok(section)
}

/// Describes the load averages before the cases.
fn loads(cases: &[Compared]) -> String {
    let loads = || cases.iter().filter_map(|case| case.load);
    match loads().reduce(f64::min).zip(loads().reduce(f64::max)) {
        Some((least, most)) => format!(" The load average was {least:.1} to {most:.1} before the cases."),
        None => String::new(),
    }
}
