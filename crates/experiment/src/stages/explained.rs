//! Region relevance from explainers other than fills: a CSV for each case, partition and method.

use std::path::Path;

use relevox_relevance::Convergence;
use relevox_report::tables::Method;
use serde::{Deserialize, Serialize};
use slic3d::Supervoxels;

use super::partition::Partition;
use super::table;
use crate::run::replace;

/// Suffix of the name of a record of convergence.
pub const CONVERGENCE_SUFFIX: &str = ".convergence.csv";

/// Attribution of a partition, with one value per region.
#[derive(Clone, Debug, PartialEq)]
pub struct Explained {
    /// Values in the explainer's unit; positive for evidence of the positive class, if the explainer is signed.
    pub values: Vec<f64>,
    /// Relevance from 0 to 100.
    pub relevance: Vec<f64>,
}

#[derive(Serialize, Deserialize)]
struct Row {
    region: u32,
    voxels: usize,
    #[serde(serialize_with = "table::plain")]
    value: f64,
    #[serde(serialize_with = "table::plain")]
    relevance: f64,
}

#[derive(Serialize, Deserialize)]
struct ConvergenceRow {
    samples: usize,
    #[serde(serialize_with = "table::plain")]
    change: f64,
}

/// Artefact of a case and method.
pub fn file(partition: &Partition, case: &str, method: Method) -> String {
    format!("explained/{case}/{}-{method}.csv", partition.name())
}

/// File with the convergence of a method.
pub fn convergence_file(partition: &Partition, case: &str, method: Method) -> String {
    format!("explained/{case}/{}-{method}{CONVERGENCE_SUFFIX}", partition.name())
}

/// Writes an attribution.
///
/// # Errors
/// Returns an error if the file can't be written.
pub fn write(path: &Path, regions: &Supervoxels, explained: &Explained) -> anyhow::Result<()> {
    let ids = regions.ids().iter().zip(regions.voxel_counts());
    let values = explained.values.iter().zip(&explained.relevance);
    let rows = ids.zip(values).map(|((&region, &voxels), (&value, &relevance))| Row {
        region,
        voxels,
        value,
        relevance,
    });
    replace(path, &table::to_csv(&["region", "voxels", "value", "relevance"], rows)?)
}

/// Reads an attribution.
///
/// # Errors
/// Returns an error that names the file if it can't be read.
pub fn read(path: &Path) -> anyhow::Result<Explained> {
    let rows: Vec<Row> = table::read(path)?;
    let (values, relevance) = rows.into_iter().map(|row| (row.value, row.relevance)).unzip();
    Ok(Explained { values, relevance })
}

/// Writes the convergence of an explainer.
///
/// # Errors
/// Returns an error if the file can't be written.
pub fn write_convergence(path: &Path, steps: &[Convergence]) -> anyhow::Result<()> {
    let rows = steps.iter().map(|&Convergence { samples, change }| ConvergenceRow { samples, change });
    replace(path, &table::to_csv(&["samples", "change"], rows)?)
}

/// Reads the convergence of an explainer.
///
/// # Errors
/// Returns an error that names the file if it can't be read.
pub fn read_convergence(path: &Path) -> anyhow::Result<Vec<Convergence>> {
    let rows: Vec<ConvergenceRow> = table::read(path)?;
    Ok(rows.into_iter().map(|ConvergenceRow { samples, change }| Convergence { samples, change }).collect())
}

#[cfg(test)]
mod tests {
    use ndarray::Array3;

    use super::*;

    #[test]
    fn tables_read_back_to_the_bit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lime.csv");
        let labels = Array3::from_shape_vec((1, 1, 3), vec![4, 9, 9]).unwrap();
        let regions = Supervoxels::from_labels(labels, None).unwrap();
        let explained = Explained { values: vec![-0.1, 1.0 / 3.0], relevance: vec![0.0, 100.0] };
        write(&path, &regions, &explained).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text, "region,voxels,value,relevance\n4,1,-0.1,0\n9,2,0.3333333333333333,100\n");
        assert_eq!(read(&path).unwrap(), explained);
        let steps = [(10, 0.75), (20, 1.0 / 3.0)].map(|(samples, change)| Convergence { samples, change });
        let path = folder.path().join(format!("lime{CONVERGENCE_SUFFIX}"));
        write_convergence(&path, &steps).unwrap();
        assert_eq!(read_convergence(&path).unwrap(), steps);
    }
}
