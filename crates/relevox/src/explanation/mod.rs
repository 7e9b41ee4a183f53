//! The result of explaining a case.

mod partition;
mod result;
mod sets;

use std::path::Path;

use relevox_relevance::{RegionScores, Sign, Target, scale_to_100};
use relevox_volume::{Frame, Study, Volume, atomic, nifti};
use slic3d::Supervoxels;

use crate::{Error, Method};

pub use partition::PartitionRelevance;
pub use result::MethodResult;
pub use sets::RegionSets;

/// What each method found about a case, and the maps, masks and tables that follow from it.
#[derive(Clone, Debug)]
pub struct Explanation {
    /// The partition of the network's grid.
    pub regions: Supervoxels,
    /// By method, the main one first.
    pub results: Vec<MethodResult>,
    /// Scores of single regions with all sequences replaced at once, if a method used them.
    pub scores: Option<RegionScores>,
    /// Diffused relevance on each partition that was averaged, [`Explanation::regions`] first; empty unless [`Method::Averaged`] was
    /// computed.
    pub partitions: Vec<PartitionRelevance>,
    /// Scores with one sequence replaced, in the order of the sequences; `relevance` is on one scale for all of them. Empty
    /// unless requested.
    pub by_sequence: Vec<(String, RegionScores)>,
    /// Minimal sets of regions, if requested.
    pub sets: Option<RegionSets>,
    /// The scan's own outputs, `[k]`.
    pub outputs: Vec<f32>,
    /// The target's logit with every region replaced by a constant fill, if a method replaced regions: what the classifier takes
    /// the fill itself for.
    pub without_regions: Option<f64>,
    /// The explained output.
    pub target: Target,
    fill: String,
    frame: Frame,
}

/// Name of the regions' ids.
const REGIONS: &str = "regions";

/// What an explanation is made of.
pub(crate) struct Parts {
    pub(crate) scores: Option<RegionScores>,
    pub(crate) results: Vec<MethodResult>,
    pub(crate) partitions: Vec<PartitionRelevance>,
    pub(crate) by_sequence: Vec<(String, RegionScores)>,
    pub(crate) sets: Option<RegionSets>,
    pub(crate) outputs: Vec<f32>,
    pub(crate) without_regions: Option<f64>,
    pub(crate) target: Target,
    pub(crate) fill: String,
}

/// A file of an explanation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FileKind {
    Table,
    Map,
    Mask,
    /// A minimal set of regions.
    Set,
    /// Ids of regions.
    Ids,
}

impl FileKind {
    /// Returns the name of the file with this of a method, a sequence, a set or a partition.
    fn of(self, name: &str) -> String {
        match self {
            Self::Table => format!("{name}.csv"),
            Self::Mask => format!("{name}-mask.nii.gz"),
            Self::Map | Self::Set | Self::Ids => format!("{name}.nii.gz"),
        }
    }

    /// Returns the same under a name of BIDS derivatives.
    fn in_bids(self, case: &str, name: &str) -> String {
        let suffix = match self {
            Self::Table => "scores.tsv",
            Self::Map => "map.nii.gz",
            Self::Mask | Self::Set => "mask.nii.gz",
            Self::Ids => "dseg.nii.gz",
        };
        format!("{}_desc-{}_{suffix}", bids_prefix(case), alphanumeric(name))
    }
}

impl Explanation {
    pub(crate) fn new(study: &Study, regions: Supervoxels, parts: Parts) -> Self {
        let Parts { scores, results, partitions, by_sequence, sets, outputs, without_regions, target, fill } =
            parts;
        let by_sequence = on_one_scale(by_sequence);
        let frame = study.frame.clone();
        Self {
            regions,
            results,
            scores,
            partitions,
            by_sequence,
            sets,
            outputs,
            without_regions,
            target,
            fill,
            frame,
        }
    }

    /// Returns the target's logit for the unperturbed scan.
    pub fn logit(&self) -> f64 {
        self.target.logit(&self.outputs)
    }

    /// Returns the target's probability for the unperturbed scan.
    pub fn probability(&self) -> f64 {
        self.target.probability(self.logit())
    }

    /// Returns the name of what replaced regions.
    pub fn fill(&self) -> &str {
        &self.fill
    }

    /// Returns the result of a method, if it was computed.
    pub fn result(&self, method: Method) -> Option<&MethodResult> {
        self.results.iter().find(|result| result.method == method)
    }

    /// Computes a method's relevance map on the scan's own grid and affine, 0 outside the crop.
    ///
    /// # Errors
    /// Returns [`Error::Volume`] if the result is of another grid.
    pub fn scan_map(&self, result: &MethodResult) -> Result<Volume<f32>, Error> {
        Ok(self.frame.to_scan(result.map.voxels.view())?)
    }

    /// Computes a method's mask on the scan's own grid and affine: 1 inside, 0 outside.
    ///
    /// # Errors
    /// As [`Explanation::scan_map`].
    pub fn scan_mask(&self, result: &MethodResult) -> Result<Volume<u32>, Error> {
        Ok(self.frame.to_scan(result.mask.mapv(u32::from).view())?)
    }

    /// Returns the regions' ids on the scan's own grid and affine, 0 outside; `None` if a region has the id 0.
    ///
    /// # Errors
    /// As [`Explanation::scan_map`].
    pub fn scan_regions(&self) -> Result<Option<Volume<u32>>, Error> {
        self.scan_ids(&self.regions)
    }

    fn scan_ids(&self, regions: &Supervoxels) -> Result<Option<Volume<u32>>, Error> {
        if regions.ids().contains(&0) {
            return Ok(None);
        }
        let background = regions.background();
        let labels = regions.labels().mapv(|label| if Some(label) == background { 0 } else { label });
        Ok(Some(self.frame.to_scan(labels.view())?))
    }

    /// Returns the names of the files that [`Explanation::write`] may write for these methods, without those by sequence and by
    /// partition.
    pub fn file_names(methods: &[Method]) -> Vec<String> {
        let methods = methods.iter().flat_map(|method| {
            [FileKind::Map, FileKind::Mask, FileKind::Table].map(|kind| kind.of(method.name()))
        });
        let sets = RegionSets::NAMES.map(|name| FileKind::Set.of(name));
        methods.chain(sets).chain([FileKind::Ids.of(REGIONS)]).collect()
    }

    /// Writes `METHOD.nii.gz` (relevance 0..100), `METHOD-mask.nii.gz` and `METHOD.csv` of each method into a folder, which
    /// is created if needed; volumes are on the scan's grid. With scores by sequence also `perturb-SEQUENCE.csv` and
    /// `perturb-SEQUENCE.nii.gz`, with minimal sets also `sufficient.nii.gz` and `necessary.nii.gz` (1 inside, 0 outside). `regions.nii.gz` holds
    /// the ids of the tables, 0 outside. With several partitions also `averaged-N.csv`, with diffused relevance on the Nth, and from
    /// the second on `averaged-N-regions.nii.gz`. Ids are not written of partitions with a region of the id 0. Each file is renamed into place
    /// when it is complete.
    ///
    /// # Errors
    /// Returns [`Error::Volume`] if a file cannot be written.
    pub fn write(&self, folder: &Path) -> Result<(), Error> {
        self.write_files(folder, &|name, kind| kind.of(name))
    }

    /// Writes the same files under names of BIDS derivatives: `sub-ID_desc-METHOD_map.nii.gz`,
    /// `sub-ID_desc-METHOD_mask.nii.gz`, `sub-ID_desc-METHOD_scores.tsv` and `sub-ID_desc-regions_dseg.nii.gz`, with `sidecar` as
    /// the JSON next to the maps. `case` becomes the subject unless it is a BIDS name itself.
    ///
    /// BIDS: Gorgolewski et al., Scientific Data 3:160044, 2016, doi:10.1038/sdata.2016.44.
    ///
    /// # Errors
    /// As [`Explanation::write`].
    pub fn write_bids(&self, folder: &Path, case: &str, sidecar: &serde_json::Value) -> Result<(), Error> {
        self.write_files(folder, &|name, kind| kind.in_bids(case, name))?;
        for result in &self.results {
            let mut sidecar = sidecar.clone();
            sidecar["Method"] = result.method.name().into();
            sidecar["MaskThreshold"] =
                serde_json::json!({ "rule": result.rule.name(), "relevance": result.threshold });
            let path = folder.join(Self::bids_sidecar(case, result.method));
            atomic::write(&path, format!("{sidecar:#}\n").as_bytes())?;
        }
        Ok(())
    }

    /// Returns the name of the JSON file that [`Explanation::write_bids`] writes for a method after all other files.
    pub fn bids_sidecar(case: &str, method: Method) -> String {
        format!("{}_desc-{}_map.json", bids_prefix(case), alphanumeric(method.name()))
    }

    /// Returns the name of the table that [`Explanation::write`] writes for a method, or with a case [`Explanation::write_bids`].
    pub fn table_name(method: Method, bids_case: Option<&str>) -> String {
        table_name(method.name(), bids_case)
    }

    /// Returns the name of the table of a partition that was averaged, counted from 0.
    pub fn partition_table_name(partition: usize, bids_case: Option<&str>) -> String {
        table_name(&partition_name(partition), bids_case)
    }

    fn write_files(&self, folder: &Path, name: &dyn Fn(&str, FileKind) -> String) -> Result<(), Error> {
        atomic::create_folder(folder)?;
        let description = |method: Method| {
            let text = match method.replaces_regions() {
                false => format!("{method}, output {}", self.target.output),
                true => format!("{method}, fill {}, output {}", self.fill, self.target.output),
            };
            nifti::Description::relevance(&text)
        };
        let path = |of: &str, kind| folder.join(name(of, kind));
        for result in &self.results {
            let of = result.method.name();
            let table = match (&self.scores, result.method) {
                (Some(scores), Method::Perturb) => scores.to_csv(),
                _ => result.to_csv(),
            };
            write_table(&path(of, FileKind::Table), &table)?;
            let map = self.scan_map(result)?;
            nifti::write_map(&path(of, FileKind::Map), &map, &description(result.method))?;
            nifti::write_labels(&path(of, FileKind::Mask), &self.scan_mask(result)?)?;
        }
        for (sequence, scores) in &self.by_sequence {
            let of = format!("{}-{sequence}", Method::Perturb);
            write_table(&path(&of, FileKind::Table), &scores.to_csv())?;
            let map = self.frame.to_scan(scores.map(&self.regions)?.voxels.view())?;
            nifti::write_map(&path(&of, FileKind::Map), &map, &description(Method::Perturb))?;
        }
        for (of, set) in self.sets.iter().flat_map(RegionSets::named) {
            let mask = self.frame.to_scan(set.mask(&self.regions).mapv(u32::from).view())?;
            nifti::write_labels(&path(of, FileKind::Set), &mask)?;
        }
        for (number, PartitionRelevance { regions, attribution }) in self.partitions.iter().enumerate() {
            let of = partition_name(number);
            write_table(&path(&of, FileKind::Table), &attribution.to_csv(Sign::Magnitude))?;
            if let Some(ids) = self.scan_ids(regions)?.filter(|_| number > 0) {
                nifti::write_labels(&path(&format!("{of}-{REGIONS}"), FileKind::Ids), &ids)?;
            }
        }
        match self.scan_regions()? {
            Some(ids) => Ok(nifti::write_labels(&path(REGIONS, FileKind::Ids), &ids)?),
            None => Ok(()),
        }
    }
}

fn table_name(name: &str, bids_case: Option<&str>) -> String {
    match bids_case {
        None => FileKind::Table.of(name),
        Some(case) => FileKind::Table.in_bids(case, name),
    }
}

/// Names a partition, counted from 0.
fn partition_name(number: usize) -> String {
    format!("{}-{}", Method::Averaged, number + 1)
}

/// Writes a table of numbers, with tabs under a name of BIDS.
fn write_table(path: &Path, csv: &str) -> Result<(), Error> {
    match path.extension().is_some_and(|extension| extension == "tsv") {
        true => Ok(atomic::write(path, csv.replace(',', "\t").as_bytes())?),
        false => Ok(atomic::write(path, csv.as_bytes())?),
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
