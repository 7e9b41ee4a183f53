//! Section of docs/PERFORMANCE.md on relevance maps, made from the samples of `cargo xtask bench explain`.

use anyhow::Context;
use serde::Deserialize;
use serde_json::Value;

use super::explain_samples::{Case, Compared, Grid, Growth};
use super::peak::Peak;
use super::performance::{processor, text};
use super::scan::Layer;
use super::timing::median;

/// Name of a case in tables.
pub(super) fn name(case: &Case) -> String {
    match case.depth {
        0 => "learned fill, U-Net of 16 to 128 channels".to_owned(),
        depth => format!("ResNet-{depth}, stem stride {}, blank", case.stem_stride),
    }
}

/// Seconds of the peer for all regions, extrapolated from its passes.
fn of_peer(case: &Compared) -> f64 {
    median(&case.peer_seconds) * case.passes as f64 / case.peer_passes as f64
}

/// Makes the section.
///
/// # Errors
/// Returns an error if the samples can't be parsed.
pub(super) fn section(result: &Value) -> anyhow::Result<String> {
    let versions = &result["versions"];
    let cases = Vec::<Compared>::deserialize(&result["cases"])?;
    let grid = Grid::deserialize(&result["grid"])?;
    let mut section = format!(
        "## Relevance maps\n\n`cargo xtask bench explain --peers PYTHON`, {} threads of {}, compared with Captum {}, MONAI {} and \
         PyTorch {} with the same weights and regions, on 4 × 128³ of a real case ({}), T2 regions of compactness 0.1; \
         medians. Our time runs from the loaded scan and network to the scores, including packing and the baseline pass. If the peer ran fewer passes than the case needs, its time is extrapolated; it then computed the regions with the largest change of the logit. Operations are those of the incremental passes, counted as direct convolutions. The error is the largest difference in a change of the logit, as a share of the largest change.\n\n\
         | case | regions | seconds | incremental operations, GFLOP | GFLOP/s | peer, seconds | passes timed | times | error | load |\n\
         |---|---|---|---|---|---|---|---|---|---|\n",
        result["threads"],
        processor(&result["machine"]),
        text(versions, "captum"),
        text(versions, "monai"),
        text(versions, "torch"),
        text(result, "scan"),
    );
    for case in &cases {
        let ours = median(&case.ours_seconds);
        let load: Vec<f64> = case.load.iter().copied().flatten().collect();
        let load = if load.is_empty() { "unknown".to_owned() } else { format!("{:.1}", median(&load)) };
        section += &format!(
            "| {} | {} | {ours:.2} | {:.0} | {:.0} | {:.1} | {} of {} | {:.1} | {} | {load} |\n",
            name(&case.case),
            case.regions,
            case.gflop,
            case.gflop / ours,
            of_peer(case),
            case.peer_passes,
            case.passes,
            of_peer(case) / ours,
            case.error.map_or_else(String::new, |error| format!("{error:.1e}")),
        );
    }
    let peak = Peak::deserialize(&result["peak"])?;
    let first = cases.first().context("a case")?;
    let by_pass = median(&first.peer_seconds) / first.peer_passes as f64;
    let peer = by_pass * grid.passes as f64;
    section += &format!(
        "| grid of Table 3, ResNet-18, stem stride 2: {} tables | {} | {:.1} | | | {peer:.0} | {} of {} | {:.1} | | |\n",
        grid.tables,
        grid.passes - grid.tables,
        grid.ours_seconds,
        first.peer_passes,
        grid.passes,
        peer / grid.ours_seconds,
    );
    for case in cases.iter().filter(|case| !case.layers.is_empty()) {
        section += &profile(case, peak);
    }
    section += "\nCost of ResNet-18 with stem stride 2, blank:\n\n\
                | case | regions | dense passes, GFLOP | incremental operations, GFLOP | seconds | GFLOP/s |\n|---|---|---|---|---|---|\n";
    for row in Vec::<Growth>::deserialize(&result["growth"])? {
        section += &format!(
            "| {} | {} | {:.0} | {:.0} | {:.2} | {:.0} |\n",
            row.what,
            row.regions,
            row.dense_gflop,
            row.gflop,
            row.seconds,
            row.gflop / row.seconds
        );
    }
    Ok(section)
}

/// Time by layer of one case; layers of the same kind and size share a row.
fn profile(case: &Compared, peak: Peak) -> String {
    let mut rows: Vec<(usize, Layer)> = Vec::new();
    for layer in &case.layers {
        let alike = rows.iter_mut().find(|(_, of)| of.layer == layer.layer && of.size == layer.size);
        match alike {
            Some((count, of)) => {
                *count += 1;
                of.dense_gflop += layer.dense_gflop;
                of.gflop += layer.gflop;
                of.product_gflop += layer.product_gflop;
                of.gbytes += layer.gbytes;
                of.seconds += layer.seconds;
            }
            None => rows.push((1, layer.clone())),
        }
    }
    let mut table = format!(
        "\nTime by layer of {}, measured in a separate pass (`cargo xtask bench regions`; without the baseline pass and the packing of weights). Products are what Winograd's tiles leave of the operations. The floor is the time of the products at {:.0} GFLOP/s, which multiply-adds in registers reach on this machine, or of reading inputs and weights and writing outputs once at {:.0} GB/s, which copies reach, whichever is more.\n\n\
         | layers | voxels | count | incremental operations, GFLOP | of dense passes, % | products, GFLOP | data, GB | floor, seconds | seconds | times the floor | GFLOP/s |\n\
         |---|---|---|---|---|---|---|---|---|---|---|\n",
        name(&case.case),
        peak.gflops,
        peak.gbytes,
    );
    let (mut floors, mut of_floors) = (0.0, 0.0);
    for (count, of) in rows {
        let floor = of.floor(peak);
        let Layer { layer, size: [z, y, x], dense_gflop, gflop, product_gflop, gbytes, seconds } = of;
        let counted = if dense_gflop > 0.0 {
            [
                format!("{gflop:.0}"),
                format!("{:.1}", 100.0 * gflop / dense_gflop),
                format!("{product_gflop:.0}"),
                format!("{gbytes:.1}"),
                format!("{:.0}", gflop / seconds),
            ]
        } else {
            Default::default()
        };
        let [gflop, share, products, data, rate] = counted;
        let [least, times] = match floor {
            Some(floor) => {
                floors += floor;
                of_floors += seconds;
                [format!("{floor:.2}"), format!("{:.1}", seconds / floor)]
            }
            None => Default::default(),
        };
        table += &format!(
            "| {layer} | {z}×{y}×{x} | {count} | {gflop} | {share} | {products} | {data} | {least} | {seconds:.2} | {times} | {rate} |\n"
        );
    }
    table
        + &format!(
            "\nTogether these convolutions take {of_floors:.2} s, {:.1} times their floor of {floors:.2} s.\n",
            of_floors / floors
        )
}
