//! BraTS folders: the file names of 2017 to 2021 (`_t1`, `_t1ce`, `_t2`, `_flair`, `_seg`) and of 2023 (`-t1n`, `-t1c`,
//! `-t2w`, `-t2f`, `-seg`), with or without `HGG` and `LGG` folders.
//!
//! Reference: Menze et al., "The Multimodal Brain Tumor Image Segmentation Benchmark (BRATS)", IEEE TMI 34(10), 2015,
//! doi:10.1109/TMI.2014.2377694.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::case::{CaseFiles, CohortCase};
use super::grades::{self, Grades};
use super::left_out::LeftOut;
use super::list::Cohort;
use crate::{Error, ScanFile};

/// Largest depth of a case's folder below the cohort's.
const LARGEST_DEPTH: usize = 6;
/// Names of the sequences: those of 2017 to 2021, then those of 2023.
const ALIASES: [(&str, &str); 4] = [("t1", "t1n"), ("t1ce", "t1c"), ("t2", "t2w"), ("flair", "t2f")];
const SEGMENTATION: &str = "seg";

/// The folder of a case.
struct Found {
    folder: PathBuf,
    case: String,
    grade: Option<bool>,
    scans: Vec<PathBuf>,
}

/// Lists the cases of a BraTS folder.
pub(super) fn open(root: &Path, sequences: &[String]) -> Result<Cohort, Error> {
    let whole =
        root.canonicalize().map_err(|source| Error::Io { path: root.to_owned(), action: "read", source })?;
    let name = whole.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let mut walk = Walk { sequences, found: Vec::new(), grades: Grades::default() };
    walk.visit(root, &name, grades::parse(&name), 0)?;
    if let Some(parent) = whole.parent() {
        for file in entries(parent).unwrap_or_default().iter().filter(|file| grades::is_table(file)) {
            walk.grades.add(file)?;
        }
    }

    let mut cohort = Cohort::default();
    let mut folders: BTreeMap<String, PathBuf> = BTreeMap::new();
    for found in walk.found {
        if let Some(first) = folders.insert(found.case.clone(), found.folder.clone()) {
            return Err(Error::DuplicateCase { case: found.case, first, second: found.folder });
        }
        match cohort_case(&found, sequences, &walk.grades) {
            Ok(case) => cohort.cases.push(case),
            Err(reason) => cohort.left_out.push(LeftOut { case: found.case, reason }),
        }
    }
    Ok(cohort)
}

/// Recursive search for the folders of cases and for tables of grades.
struct Walk<'a> {
    sequences: &'a [String],
    found: Vec<Found>,
    grades: Grades,
}

impl Walk<'_> {
    fn visit(&mut self, folder: &Path, name: &str, grade: Option<bool>, depth: usize) -> Result<(), Error> {
        let entries = entries(folder)?;
        for table in entries.iter().filter(|path| grades::is_table(path)) {
            self.grades.add(table)?;
        }
        let (folders, files): (Vec<_>, Vec<_>) = entries.into_iter().partition(|path| path.is_dir());
        let scans: Vec<PathBuf> = files.into_iter().filter(|path| stem(path).is_some()).collect();
        let known = |path: &PathBuf| {
            stem(path)
                .is_some_and(|stem| self.sequences.iter().any(|sequence| names_sequence(&stem, sequence)))
        };
        // A stray scan next to the folders of cases does not make their parent a case.
        if !scans.is_empty() && (folders.is_empty() || scans.iter().any(known)) {
            self.found.push(Found { folder: folder.to_owned(), case: name.to_owned(), grade, scans });
            return Ok(());
        }
        if depth < LARGEST_DEPTH {
            for folder in folders {
                let name = folder.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
                self.visit(&folder, &name, grades::parse(&name).or(grade), depth + 1)?;
            }
        }
        Ok(())
    }
}

/// Entries of a folder, sorted, without hidden files.
fn entries(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let unreadable = |source| Error::Io { path: folder.to_owned(), action: "read", source };
    let mut paths = fs::read_dir(folder)
        .and_then(|entries| entries.map(|entry| entry.map(|e| e.path())).collect::<Result<Vec<_>, _>>())
        .map_err(unreadable)?;
    paths.retain(|path| path.file_name().is_some_and(|name| !name.to_string_lossy().starts_with('.')));
    paths.sort();
    Ok(paths)
}

/// Name of a NIfTI file without its extensions, in lower case.
fn stem(path: &Path) -> Option<String> {
    let name = path.file_name()?.to_string_lossy().to_lowercase();
    name.strip_suffix(".nii.gz").or_else(|| name.strip_suffix(".nii")).map(str::to_owned)
}

fn names_sequence(stem: &str, sequence: &str) -> bool {
    let sequence = sequence.to_lowercase();
    let alias = ALIASES.iter().find(|(ours, _)| *ours == sequence).map(|(_, theirs)| *theirs);
    [Some(sequence.as_str()), alias].into_iter().flatten().any(|name| {
        stem.strip_suffix(name)
            .is_some_and(|rest| rest.is_empty() || rest.ends_with('_') || rest.ends_with('-'))
    })
}

/// Assembles a case, or lists everything that it lacks.
fn cohort_case(found: &Found, sequences: &[String], grades: &Grades) -> Result<CohortCase, String> {
    let mut lacks = Vec::new();
    let label = found.grade.or_else(|| match grades.get(&found.case) {
        None => {
            lacks.push("no grade: neither an HGG or LGG folder nor a row of name_mapping.csv".to_owned());
            None
        }
        Some(grade) => grades::parse(grade).or_else(|| {
            lacks.push(format!("no grade: name_mapping.csv says {grade:?}, neither HGG nor LGG"));
            None
        }),
    });
    let selected = select(&found.scans, sequences, &mut lacks);
    let segmentation = match segmentation(&found.scans, sequences) {
        Ok(path) => {
            if path.is_none() {
                lacks.push("no segmentation".to_owned());
            }
            path.map(ScanFile::from)
        }
        Err(several) => {
            lacks.push(format!("more than one segmentation: {several}"));
            None
        }
    };
    match label {
        Some(label) if lacks.is_empty() => Ok(CohortCase {
            files: CaseFiles { id: found.case.clone(), sequences: selected, segmentation },
            group: patient(&found.case).to_owned(),
            label,
            split: None,
        }),
        _ => Err(lacks.join("; ")),
    }
}

/// Lists the sequences in the folder of one case.
pub(super) fn scans_of(folder: &Path, sequences: &[String]) -> Result<CaseFiles, Error> {
    let unreadable = |source| Error::Io { path: folder.to_owned(), action: "read", source };
    let found: Vec<PathBuf> =
        entries(folder)?.into_iter().filter(|path| path.is_file() && stem(path).is_some()).collect();
    let whole = folder.canonicalize().map_err(unreadable)?;
    let id = whole.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let mut lacks = Vec::new();
    let selected = select(&found, sequences, &mut lacks);
    if lacks.is_empty() {
        return Ok(CaseFiles { id, sequences: selected, segmentation: None });
    }
    Err(Error::IncompleteCase { path: folder.to_owned(), found: lacks.join("; ") })
}

/// Selects the file of each sequence; adds those that are missing or ambiguous to `lacks`.
fn select(scans: &[PathBuf], sequences: &[String], lacks: &mut Vec<String>) -> Vec<(String, ScanFile)> {
    let mut selected = Vec::with_capacity(sequences.len());
    for sequence in sequences {
        match only(scans, |stem| names_sequence(stem, sequence)) {
            Ok(Some(path)) => selected.push((sequence.clone(), path.into())),
            Ok(None) => lacks.push(format!("no {sequence} scan")),
            Err(several) => lacks.push(format!("more than one {sequence} scan: {several}")),
        }
    }
    selected
}

/// Finds the segmentation: by its name, else the only other file whose name contains "seg".
fn segmentation(scans: &[PathBuf], sequences: &[String]) -> Result<Option<PathBuf>, String> {
    if let Some(named) = only(scans, |stem| names_sequence(stem, SEGMENTATION))? {
        return Ok(Some(named));
    }
    let is_sequence = |stem: &str| {
        let known = ALIASES.iter().map(|(ours, _)| *ours).chain(sequences.iter().map(String::as_str));
        known.into_iter().any(|sequence| names_sequence(stem, sequence))
    };
    only(scans, |stem| stem.contains(SEGMENTATION) && !is_sequence(stem))
}

/// Finds the only file whose name fits, or names two. Of a compressed and a plain copy, it is the first by name.
fn only(scans: &[PathBuf], fits: impl Fn(&str) -> bool) -> Result<Option<PathBuf>, String> {
    let mut fitting =
        scans.iter().filter_map(|path| Some((stem(path)?, path))).filter(|(stem, _)| fits(stem));
    let Some((first_stem, first)) = fitting.next() else { return Ok(None) };
    match fitting.find(|(stem, _)| *stem != first_stem) {
        None => Ok(Some(first.clone())),
        Some((_, second)) => {
            let name =
                |path: &Path| path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
            Err(format!("{} and {}", name(first), name(second)))
        }
    }
}

/// Name of the patient, for cases named after patient and time point: `Brats18_TCIA01_201_1`, `BraTS-GLI-00000-000`.
fn patient(case: &str) -> &str {
    let lower = case.to_lowercase();
    let separator = if lower.starts_with("brats-") {
        '-'
    } else if ["brats17_", "brats18_", "brats19_"].iter().any(|edition| lower.starts_with(edition)) {
        '_'
    } else {
        return case;
    };
    match case.rsplit_once(separator) {
        Some((patient, time))
            if patient.matches(separator).count() >= 2 && time.chars().all(|c| c.is_ascii_digit()) =>
        {
            patient
        }
        _ => case,
    }
}
