//! Rows of the page's list of regions.

use std::collections::BTreeMap;
use std::path::Path;

use ndarray::Array3;
use relevox_experiment::failure::invalid_input;
use relevox_report::viewer::RegionRow;

/// Reads a table with the columns `region`, `delta_p` and `delta_logit`. Regions are ranked by |Δp|, then by |Δlogit|.
///
/// # Errors
/// Returns an input error that names the file and the line.
pub(super) fn read(path: &Path) -> anyhow::Result<Vec<RegionRow>> {
    let invalid = |expected: &str, found: &str| {
        invalid_input(format!("{}: expected {expected}, found {found}", path.display()))
    };
    let mut reader =
        csv::Reader::from_path(path).map_err(|error| invalid("a table of scores", &error.to_string()))?;
    let head = reader.headers()?.clone();
    let column = |name: &str| {
        let at = head.iter().position(|column| column == name);
        at.ok_or_else(|| invalid(&format!("a column {name}"), &head.iter().collect::<Vec<_>>().join(", ")))
    };
    let columns = [column("region")?, column("delta_p")?, column("delta_logit")?];
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|error| invalid("a table of scores", &error.to_string()))?;
        let [id, delta_p, delta_logit] = columns.map(|at| record.get(at).unwrap_or_default().trim());
        let number = |text: &str| text.parse::<f64>().ok().filter(|value| value.is_finite());
        let (Ok(id), Some(delta_p), Some(delta_logit)) = (id.parse(), number(delta_p), number(delta_logit))
        else {
            return Err(invalid("a region and two numbers", &record.iter().collect::<Vec<_>>().join(",")));
        };
        rows.push(RegionRow { id, rank: 0, delta_p: Some(delta_p), delta_logit: Some(delta_logit) });
    }
    let size = |value: Option<f64>| value.unwrap_or_default().abs();
    rows.sort_by(|a, b| {
        let order = size(b.delta_p).total_cmp(&size(a.delta_p));
        order.then(size(b.delta_logit).total_cmp(&size(a.delta_logit)))
    });
    Ok(ranked(rows))
}

/// Ranks the labels other than 0 by the mean of the map.
pub(super) fn ranked_by_map(labels: &Array3<u32>, map: &Array3<f32>) -> Vec<RegionRow> {
    let mut sums: BTreeMap<u32, (f64, usize)> = BTreeMap::new();
    for (&label, &value) in labels.iter().zip(map).filter(|(label, _)| **label != 0) {
        let (sum, count) = sums.entry(label).or_default();
        *sum += f64::from(value);
        *count += 1;
    }
    let mut means: Vec<(f64, u32)> =
        sums.into_iter().map(|(id, (sum, count))| (sum / count as f64, id)).collect();
    means.sort_by(|a, b| b.0.total_cmp(&a.0));
    ranked(
        means
            .into_iter()
            .map(|(_, id)| RegionRow { id, rank: 0, delta_p: None, delta_logit: None })
            .collect(),
    )
}

fn ranked(mut rows: Vec<RegionRow>) -> Vec<RegionRow> {
    rows.iter_mut().enumerate().for_each(|(index, row)| row.rank = index + 1);
    rows
}
