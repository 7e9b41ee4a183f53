//! Reading of region scores.

use std::path::Path;

use relevox_relevance::{RegionScore, RegionScores};
use serde::Deserialize;

use crate::stages::table;

#[derive(Deserialize)]
struct Row {
    region: u32,
    voxels: usize,
    p_original: f64,
    p_perturbed: f64,
    delta_p: f64,
    delta_logit: f64,
    relevance: f64,
}

/// Reads the scores that [`RegionScores::to_csv`] formatted.
///
/// # Errors
/// Returns an error that names the file if it can't be read.
pub fn read_csv(path: &Path) -> anyhow::Result<RegionScores> {
    let rows: Vec<Row> = table::read(path)?;
    let score = |row: Row| {
        let Row { region: id, voxels, p_original, p_perturbed, delta_p, delta_logit, relevance } = row;
        RegionScore { id, voxels, p_original, p_perturbed, delta_p, delta_logit, relevance }
    };
    Ok(RegionScores::from_rows(rows.into_iter().map(score).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_read_back_to_the_bit() {
        let row = |id, p: f64| RegionScore {
            id,
            voxels: 7,
            p_original: p,
            p_perturbed: p / 3.0,
            delta_p: p - p / 3.0,
            delta_logit: -1e-17 * p,
            relevance: 100.0 * p,
        };
        let scores = RegionScores::from_rows(vec![row(3, 0.1), row(9, 1.0 - 1e-16)]);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("scores.csv");
        std::fs::write(&path, scores.to_csv()).unwrap();
        assert_eq!(read_csv(&path).unwrap(), scores);
    }
}
