//! From what a search finds to the cases of a cohort.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};

use super::case::{CaseFiles, CohortCase};
use super::case_id::is_subject;
use super::folder::{self, CaseNames, Outline};
use super::grades::{Grades, NAME_MAPPING, PARTICIPANTS};
use super::left_out::LeftOut;
use super::list::Cohort;
use super::needs::Needs;
use super::patients::patient;
use super::sequence_names::SequenceNames;
use super::walk::Search;
use crate::{Error, ScanFile};

/// A case before its class is known.
struct Candidate {
    id: String,
    place: PathBuf,
    /// Class by the nearest folder called HGG or LGG.
    grade: Option<bool>,
    /// Names for the look-up in tables.
    names: Vec<String>,
    /// Table that is expected for data sets of this kind.
    table: &'static str,
    sequences: Vec<(String, ScanFile)>,
    segmentation: Option<ScanFile>,
    lacks: Vec<String>,
}

/// Assembles the cases; those that lack something are left out with the reasons.
pub(super) fn assemble(search: Search, names: &SequenceNames, needs: Needs) -> Result<Cohort, Error> {
    let Search { cases, unknown, data_sets, grades, loose, left_out } = search;
    let mut cohort = Cohort { left_out, ..Cohort::default() };
    let mut sessions: HashMap<String, usize> = HashMap::new();
    for case in &cases {
        *sessions.entry(subject(&case.id).to_owned()).or_default() += 1;
    }
    let mut used: Vec<&str> = Vec::new();
    let mut candidates = Vec::new();
    let mut without_outline: Vec<String> = Vec::new();
    for found in cases {
        let mut lacks = Vec::new();
        let sequences = folder::select(&found.scans, names, &mut lacks);
        let mut case_names = CaseNames::new(&found.id, &found.scans, names);
        let lookup: Vec<String> = case_names.prefixes().map(str::to_owned).collect();
        let subject = subject(&found.id);
        let bids = is_subject(subject);
        if bids && sessions.get(subject) == Some(&1) {
            case_names.add_subject(subject);
        }
        let segmentation = match folder::segmentation(&found.scans, &case_names, names, &loose, &mut used) {
            Outline::Found(file) => Some(file),
            Outline::Absent | Outline::Unnamed(_) if bids => {
                without_outline.push(found.id.clone());
                None
            }
            _ if needs == Needs::Nothing => None,
            Outline::Absent => {
                lacks.push("no segmentation".to_owned());
                None
            }
            Outline::Unnamed(reason) | Outline::Unusable(reason) => {
                lacks.push(reason);
                None
            }
        };
        candidates.push(Candidate {
            table: if bids { PARTICIPANTS } else { NAME_MAPPING },
            id: found.id,
            place: found.folder,
            grade: found.grade,
            names: lookup,
            sequences,
            segmentation,
            lacks,
        });
    }
    for found in data_sets {
        candidates.extend(found.data_set.cases(names).into_iter().map(|case| Candidate {
            id: case.id,
            place: case.image,
            grade: found.grade,
            names: Vec::new(),
            table: "name_mapping.csv or grades.csv next to dataset.json",
            sequences: case.sequences,
            segmentation: case.segmentation,
            lacks: case.lacks,
        }));
    }

    require_different_names(&candidates)?;
    let mut places: BTreeMap<String, PathBuf> = BTreeMap::new();
    for candidate in candidates {
        places.insert(candidate.id.clone(), candidate.place.clone());
        let Candidate { id, .. } = &candidate;
        let id = id.clone();
        match finish(candidate, &grades, needs) {
            Ok(case) => cohort.cases.push(case),
            Err(reason) => cohort.left_out.push(LeftOut { case: id, reason }),
        }
    }
    // Further images of a case that was found, and folders of segmentations, are no cases of their own.
    let used: HashSet<&str> = used.into_iter().collect();
    for found in unknown {
        let masks = found.scans.iter().any(|scan| used.contains(scan.stem.to_ascii_lowercase().as_str()));
        if !masks && !places.contains_key(&found.id) {
            let mut lacks = Vec::new();
            folder::select(&found.scans, names, &mut lacks);
            cohort.left_out.push(LeftOut { case: found.id.clone(), reason: lacks.join("; ") });
            places.insert(found.id, found.folder);
        }
    }
    let listed: HashSet<&str> = cohort.cases.iter().map(CohortCase::id).collect();
    without_outline.retain(|id| listed.contains(id.as_str()));
    if let Some(first) = without_outline.first() {
        cohort.notes.push(format!(
            "{} of {} cases have no segmentation of the tumour, such as {first}, and are used without it; in BIDS it is called {first}_label-tumor_mask.nii.gz or {first}_seg.nii.gz, in the case's folder or in derivatives",
            without_outline.len(),
            cohort.cases.len()
        ));
    }
    Ok(cohort)
}

/// Requires that no two cases have the same name.
fn require_different_names(candidates: &[Candidate]) -> Result<(), Error> {
    let mut places: BTreeMap<&str, Vec<&PathBuf>> = BTreeMap::new();
    for candidate in candidates {
        places.entry(&candidate.id).or_default().push(&candidate.place);
    }
    places.retain(|_, places| places.len() > 1);
    let others = places.len().saturating_sub(1);
    match places.first_key_value().map(|(case, places)| (case, places.as_slice())) {
        Some((case, [first, second, ..])) => Err(Error::DuplicateCase {
            case: (*case).to_owned(),
            first: (*first).clone(),
            second: (*second).clone(),
            others,
        }),
        _ => Ok(()),
    }
}

/// Looks up the class, if it is needed, and joins all that the case lacks.
fn finish(candidate: Candidate, grades: &Grades, needs: Needs) -> Result<CohortCase, String> {
    let Candidate { id, grade, names, table, sequences, segmentation, lacks, .. } = candidate;
    let mut reasons = Vec::new();
    if !is_usable(&id) {
        reasons.push("a name that cannot name a folder".to_owned());
    }
    let group = patient(&id).to_owned();
    let label = grade.or((needs == Needs::Nothing).then_some(false)).or_else(|| {
        let ids: Vec<&str> = [id.as_str()]
            .into_iter()
            .chain(names.iter().map(String::as_str))
            .chain([group.as_str()])
            .chain(group.strip_prefix("sub-"))
            .collect();
        grades.get(&ids, table).map_err(|reason| reasons.push(reason)).ok()
    });
    reasons.extend(lacks);
    match label {
        Some(label) if reasons.is_empty() => {
            Ok(CohortCase { files: CaseFiles { id, sequences, segmentation }, group, label, split: None })
        }
        _ => Err(reasons.join("; ")),
    }
}

/// Returns whether an identifier can name the case's folders in a run.
pub(super) fn is_usable(id: &str) -> bool {
    !matches!(id, "" | "." | "..") && !id.contains(['/', '\\']) && !id.contains(char::is_control)
}

/// The subject of a BIDS case, else the case.
pub(super) fn subject(id: &str) -> &str {
    if id.starts_with("sub-") { patient(id) } else { id }
}

/// Describes a folder in which a search found no case.
pub(super) fn describe_empty(root: &Path) -> Result<String, Error> {
    let listing = super::scans::list(root)?;
    if let Some(reason) = super::foreign::describe(&listing.others) {
        return Ok(format!("no NIfTI file, but {reason}"));
    }
    let entries = super::scans::entries(root)?;
    if entries.is_empty() {
        return Ok("an empty folder".to_owned());
    }
    let names: Vec<String> = entries.iter().map(|path| super::scans::file_name(path)).collect();
    let names = super::scans::name_list(names.iter().map(String::as_str));
    Ok(format!("no NIfTI file (.nii, .nii.gz) in it or up to six folders below, only {names}"))
}
