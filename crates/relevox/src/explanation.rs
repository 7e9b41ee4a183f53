//! The result of explaining a case.

use std::path::Path;

use relevox_perturb::FillKind;
use relevox_relevance::{RegionScores, RelevanceMap, Target, scale_to_100};
use relevox_volume::{Frame, Study, Volume, atomic, nifti};
use slic3d::Supervoxels;

use crate::Error;

/// Scores of a case's regions, and the maps and files that follow from them.
#[derive(Clone, Debug)]
pub struct Explanation {
    /// The partition of the network's grid.
    pub regions: Supervoxels,
    /// Scores with all sequences replaced at once.
    pub scores: RegionScores,
    /// Scores with one sequence replaced, in the order of the sequences; `relevance` is on one scale for all of them. Empty
    /// unless requested.
    pub by_sequence: Vec<(String, RegionScores)>,
    /// The explained output.
    pub target: Target,
    fill: FillKind,
    frame: Frame,
}

impl Explanation {
    pub(crate) fn new(
        study: &Study,
        regions: Supervoxels,
        scores: RegionScores,
        by_sequence: Vec<(String, RegionScores)>,
        (target, fill): (Target, FillKind),
    ) -> Self {
        let by_sequence = on_one_scale(by_sequence);
        Self { regions, scores, by_sequence, target, fill, frame: study.frame.clone() }
    }

    /// Returns the target's logit for the unperturbed scan.
    pub fn logit(&self) -> f64 {
        self.target.logit(&self.scores.original)
    }

    /// Returns the target's probability for the unperturbed scan.
    pub fn probability(&self) -> f64 {
        self.target.probability(self.logit())
    }

    /// Computes the relevance map on the network's grid, 0..100.
    ///
    /// # Errors
    /// Returns [`Error::Relevance`] if the scores were replaced by those of another partition.
    pub fn map(&self) -> Result<RelevanceMap, Error> {
        Ok(self.scores.map(&self.regions)?)
    }

    /// Computes the relevance map on the scan's own grid and affine, 0 outside the crop.
    ///
    /// # Errors
    /// As [`Explanation::map`].
    pub fn scan_map(&self) -> Result<Volume<f32>, Error> {
        self.on_scan(&self.scores)
    }

    fn on_scan(&self, scores: &RegionScores) -> Result<Volume<f32>, Error> {
        Ok(self.frame.to_scan(scores.map(&self.regions)?.voxels.view())?)
    }

    /// Writes `scores.csv` and `relevance.nii.gz` (on the scan's grid) into a folder, which is created if needed; with
    /// scores by sequence also `scores-SEQUENCE.csv` and `relevance-SEQUENCE.nii.gz`. Each file is renamed into place when
    /// it is complete.
    ///
    /// # Errors
    /// Returns [`Error::Volume`] if a file cannot be written.
    pub fn write(&self, folder: &Path) -> Result<(), Error> {
        self.write_files(folder, |sequence| {
            let suffix = sequence.map(|name| format!("-{name}")).unwrap_or_default();
            [format!("scores{suffix}.csv"), format!("relevance{suffix}.nii.gz")]
        })
    }

    /// Writes the same files under names of BIDS derivatives, `sub-ID_desc-relevance_map.nii.gz`, with `sidecar` as the
    /// JSON beside the map of all sequences. `case` becomes the subject unless it is a BIDS name itself.
    ///
    /// BIDS: Gorgolewski et al., Scientific Data 3:160044, 2016, doi:10.1038/sdata.2016.44.
    ///
    /// # Errors
    /// As [`Explanation::write`].
    pub fn write_bids(&self, folder: &Path, case: &str, sidecar: &serde_json::Value) -> Result<(), Error> {
        let prefix = bids_prefix(case);
        self.write_files(folder, |sequence| {
            let part = sequence.map(alphanumeric).unwrap_or_default();
            let stem = format!("{prefix}_desc-relevance{part}");
            [format!("{stem}_scores.csv"), format!("{stem}_map.nii.gz")]
        })?;
        let text = format!("{sidecar:#}\n");
        let path = folder.join(format!("{prefix}_desc-relevance_map.json"));
        Ok(atomic::write(&path, text.as_bytes())?)
    }

    /// Writes tables and maps; `names` returns the names of the two, of one sequence or of all together.
    fn write_files(&self, folder: &Path, names: impl Fn(Option<&str>) -> [String; 2]) -> Result<(), Error> {
        atomic::create_folder(folder)?;
        let text = format!("perturbation, fill {}, output {}", self.fill, self.target.output);
        let description = nifti::Description::relevance(&text);
        let one = |sequence: Option<&str>, scores: &RegionScores| {
            let [table, map] = names(sequence).map(|name| folder.join(name));
            atomic::write(&table, scores.to_csv().as_bytes())?;
            nifti::write_map(&map, &self.on_scan(scores)?, &description)?;
            Ok::<(), Error>(())
        };
        one(None, &self.scores)?;
        self.by_sequence.iter().try_for_each(|(name, scores)| one(Some(name), scores))
    }
}

/// Entities of a BIDS name: those of the case if it is one (`sub-01_ses-2`), else `sub-` and its letters and digits.
fn bids_prefix(case: &str) -> String {
    let is_entity = |part: &str| {
        let key = ["sub-", "ses-"].iter().find_map(|key| part.strip_prefix(key));
        key.is_some_and(|label| !label.is_empty() && label.chars().all(|c| c.is_ascii_alphanumeric()))
    };
    if case.starts_with("sub-") && case.split('_').all(is_entity) {
        return case.to_owned();
    }
    match alphanumeric(case).as_str() {
        "" => "sub-case".to_owned(),
        label => format!("sub-{label}"),
    }
}

fn alphanumeric(text: &str) -> String {
    text.chars().filter(char::is_ascii_alphanumeric).collect()
}

/// Scales the relevance of all tables by their common minimum and maximum of |Δp|.
fn on_one_scale(mut tables: Vec<(String, RegionScores)>) -> Vec<(String, RegionScores)> {
    let rows = || tables.iter().flat_map(|(_, table)| &table.rows);
    let changes: Vec<f64> = rows().map(|row| row.delta_p.abs()).collect();
    let mut scaled = scale_to_100(&changes).unwrap_or_else(|| vec![0.0; changes.len()]).into_iter();
    for (_, table) in &mut tables {
        table.rows.iter_mut().zip(&mut scaled).for_each(|(row, relevance)| row.relevance = relevance);
        table.flat = table.rows.iter().all(|row| row.relevance == 0.0);
    }
    tables
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bids_names_have_alphanumeric_labels() {
        for (case, prefix) in [
            ("sub-01_ses-2", "sub-01_ses-2"),
            ("sub-01", "sub-01"),
            ("sub-01_T1w", "sub-sub01T1w"),
            ("Brats18_TCIA01_201_1", "sub-Brats18TCIA012011"),
            ("__", "sub-case"),
        ] {
            assert_eq!(bids_prefix(case), prefix);
        }
    }
}
