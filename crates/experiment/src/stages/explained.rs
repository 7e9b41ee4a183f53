//! Region relevance by explainers that are no fill: a CSV for each case, partition and method.

use std::path::Path;

use anyhow::Context;
use relevox_relevance::Convergence;
use relevox_report::tables::Method;
use slic3d::Supervoxels;

use super::Partition;
use crate::run::replace;

const COLUMNS: [&str; 4] = ["region", "voxels", "value", "relevance"];
/// How the name of a record of convergence ends.
pub const SETTLING: &str = ".convergence.csv";

/// What an explainer says of a partition, by region.
#[derive(Clone, Debug, PartialEq)]
pub struct Explained {
    /// In the explainer's own unit; above 0 speaks for the positive class, where the explainer knows signs.
    pub values: Vec<f64>,
    /// 0 to 100.
    pub relevance: Vec<f64>,
}

/// Where it lies.
pub fn file(partition: &Partition, case: &str, method: Method) -> String {
    format!("explained/{case}/{}-{method}.csv", partition.name())
}

/// Where its convergence lies.
pub fn settling_file(partition: &Partition, case: &str, method: Method) -> String {
    format!("explained/{case}/{}-{method}{SETTLING}", partition.name())
}

/// Writes it.
///
/// # Errors
/// A folder that can't be written to.
pub fn write(path: &Path, regions: &Supervoxels, explained: &Explained) -> anyhow::Result<()> {
    let mut table = csv::Writer::from_writer(Vec::new());
    table.write_record(COLUMNS)?;
    let ids = regions.ids().iter().zip(regions.voxel_counts());
    for ((id, voxels), (value, relevance)) in ids.zip(explained.values.iter().zip(&explained.relevance)) {
        table.write_record([id.to_string(), voxels.to_string(), value.to_string(), relevance.to_string()])?;
    }
    replace(path, &table.into_inner()?)
}

/// Reads it back.
///
/// # Errors
/// A file that can't be read or is no such table.
pub fn read(path: &Path) -> anyhow::Result<Explained> {
    let read = || -> anyhow::Result<Explained> {
        let mut explained = Explained { values: Vec::new(), relevance: Vec::new() };
        for record in csv::Reader::from_path(path)?.deserialize() {
            let (_, _, value, relevance): (u32, usize, f64, f64) = record?;
            explained.values.push(value);
            explained.relevance.push(relevance);
        }
        Ok(explained)
    };
    read().with_context(|| format!("reading {}", path.display()))
}

/// Writes how an estimate settled.
///
/// # Errors
/// A folder that can't be written to.
pub fn write_settling(path: &Path, steps: &[Convergence]) -> anyhow::Result<()> {
    let mut table = csv::Writer::from_writer(Vec::new());
    table.write_record(["samples", "change"])?;
    for step in steps {
        table.write_record([step.samples.to_string(), step.change.to_string()])?;
    }
    replace(path, &table.into_inner()?)
}

/// Reads it back: samples, and the change since the count before.
///
/// # Errors
/// A file that can't be read or is no such table.
pub fn read_settling(path: &Path) -> anyhow::Result<Vec<Convergence>> {
    let read = || -> anyhow::Result<Vec<Convergence>> {
        let mut table = csv::Reader::from_path(path)?;
        let rows = table.deserialize().map(|row| {
            let (samples, change): (usize, f64) = row?;
            Ok(Convergence { samples, change })
        });
        rows.collect()
    };
    read().with_context(|| format!("reading {}", path.display()))
}

#[cfg(test)]
mod tests {
    use ndarray::Array3;

    use super::*;

    #[test]
    fn a_table_reads_back_to_the_bit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lime.csv");
        let labels = Array3::from_shape_vec((1, 1, 3), vec![4, 9, 9]).unwrap();
        let regions = Supervoxels::from_labels(labels, None).unwrap();
        let explained = Explained { values: vec![-0.1, 1.0 / 3.0], relevance: vec![0.0, 100.0] };
        write(&path, &regions, &explained).unwrap();
        assert_eq!(read(&path).unwrap(), explained);
        let steps = [(10, 0.75), (20, 1.0 / 3.0)].map(|(samples, change)| Convergence { samples, change });
        let path = folder.path().join(format!("lime{SETTLING}"));
        write_settling(&path, &steps).unwrap();
        assert_eq!(read_settling(&path).unwrap(), steps);
    }
}
