//! BraTS folders as they come: the 2017 to 2021 names (`_t1`, `_t1ce`, `_t2`, `_flair`, `_seg`), those of 2023
//! (`-t1n`, `-t1c`, `-t2w`, `-t2f`, `-seg`), with or without `HGG` and `LGG` folders, and with their defects.
//!
//! Reference: Menze et al., "The Multimodal Brain Tumor Image Segmentation Benchmark (BRATS)", IEEE TMI 34(10), 2015,
//! doi:10.1109/TMI.2014.2377694.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::grades::{self, Grades};
use super::{CaseFiles, Cohort, LeftOut};
use crate::Error;

/// How deep below the cohort's folder cases are looked for.
const DEEPEST: usize = 6;
/// The names a sequence goes by: ours, then that of 2023.
const ALIASES: [(&str, &str); 4] = [("t1", "t1n"), ("t1ce", "t1c"), ("t2", "t2w"), ("flair", "t2f")];
const SEGMENTATION: &str = "seg";

/// A folder of one case.
struct Found {
    folder: PathBuf,
    case: String,
    grade: Option<bool>,
    scans: Vec<PathBuf>,
}

/// Lists a BraTS folder's cases.
pub(super) fn open(root: &Path, sequences: &[String]) -> Result<Cohort, Error> {
    let whole = root.canonicalize().map_err(|source| Error::Read { path: root.to_owned(), source })?;
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
        match case_files(&found, sequences, &walk.grades) {
            Ok(files) => cohort.cases.push(files),
            Err(why) => cohort.left_out.push(LeftOut { case: found.case, why }),
        }
    }
    Ok(cohort)
}

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
        // A stray scan beside the case folders makes no case of their parent.
        if !scans.is_empty() && (folders.is_empty() || scans.iter().any(known)) {
            self.found.push(Found { folder: folder.to_owned(), case: name.to_owned(), grade, scans });
            return Ok(());
        }
        if depth < DEEPEST {
            for folder in folders {
                let name = folder.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
                self.visit(&folder, &name, grades::parse(&name).or(grade), depth + 1)?;
            }
        }
        Ok(())
    }
}

/// What a folder holds, sorted, without hidden files.
fn entries(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let unreadable = |source| Error::Read { path: folder.to_owned(), source };
    let mut paths = fs::read_dir(folder)
        .and_then(|entries| entries.map(|entry| entry.map(|e| e.path())).collect::<Result<Vec<_>, _>>())
        .map_err(unreadable)?;
    paths.retain(|path| path.file_name().is_some_and(|name| !name.to_string_lossy().starts_with('.')));
    paths.sort();
    Ok(paths)
}

/// A NIfTI file's name without its extensions, in lower case.
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

/// A case's files, or all that it lacks.
fn case_files(found: &Found, sequences: &[String], grades: &Grades) -> Result<CaseFiles, String> {
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
    let mut paths = Vec::new();
    for sequence in sequences {
        match only(&found.scans, |stem| names_sequence(stem, sequence)) {
            Ok(Some(path)) => paths.push(path),
            Ok(None) => lacks.push(format!("no {sequence} scan")),
            Err(two) => lacks.push(format!("more than one {sequence} scan: {two}")),
        }
    }
    let seg = match segmentation(&found.scans, sequences) {
        Ok(Some(path)) => Some(path),
        Ok(None) => {
            lacks.push("no segmentation".to_owned());
            None
        }
        Err(two) => {
            lacks.push(format!("more than one segmentation: {two}"));
            None
        }
    };
    match label {
        Some(label) if lacks.is_empty() => {
            let group = patient(&found.case).to_owned();
            Ok(CaseFiles { case: found.case.clone(), group, label, split: None, sequences: paths, seg })
        }
        _ => Err(lacks.join("; ")),
    }
}

/// One case's folder, its segmentation and grade set aside.
pub(super) fn scans_of(folder: &Path, sequences: &[String]) -> Result<CaseFiles, Error> {
    let scans: Vec<PathBuf> =
        entries(folder)?.into_iter().filter(|path| path.is_file() && stem(path).is_some()).collect();
    let whole = folder.canonicalize().map_err(|source| Error::Read { path: folder.to_owned(), source })?;
    let case = whole.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let mut paths = Vec::new();
    let mut lacks = Vec::new();
    for sequence in sequences {
        match only(&scans, |stem| names_sequence(stem, sequence)) {
            Ok(Some(path)) => paths.push(path),
            Ok(None) => lacks.push(format!("no {sequence} scan")),
            Err(two) => lacks.push(format!("more than one {sequence} scan: {two}")),
        }
    }
    if lacks.is_empty() {
        let group = patient(&case).to_owned();
        return Ok(CaseFiles { case, group, label: false, split: None, sequences: paths, seg: None });
    }
    let left_out = vec![LeftOut { case, why: lacks.join("; ") }];
    Err(Error::EmptyCohort { path: folder.to_owned(), left_out })
}

/// The segmentation by its name, else the one scan left over whose name speaks of one.
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

/// The one scan whose name fits; of a compressed and a plain copy, the first by name.
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

/// The patient of a case whose name ends in a time point: `Brats18_TCIA01_201_1`, `BraTS-GLI-00000-000`.
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
