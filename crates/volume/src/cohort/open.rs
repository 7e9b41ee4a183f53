//! Opening cohorts.

use std::collections::HashMap;
use std::path::Path;

use super::case::CohortCase;
use super::case_id::{is_subject, whole};
use super::list::{Cohort, ScanList};
use super::msd::DataSet;
use super::needs::Needs;
use super::scans::{file_name, name_list};
use super::sequence_names::SequenceNames;
use super::walk::{self, Search};
use super::{assemble, manifest, patients};
use crate::{Error, ScanFile};

/// Name of the manifest in a cohort's folder.
const MANIFEST: &str = "cohort.csv";
const COHORT: &str = "a cohort (a folder with one folder for each case, or a .csv manifest)";

impl Cohort {
    /// Lists the cases of a folder of cases, of a manifest (`.csv`), or of a folder that contains a `cohort.csv`.
    ///
    /// Layouts are those of BraTS (also as unpacked by Kaggle, with folders that are named like files), UPENN-GBM,
    /// UCSF-PDGM and the TCGA collections; BIDS; and 4D files with a `dataset.json`, as of the Medical Segmentation
    /// Decathlon. A case that lacks its grade, one of `sequences` or, outside of BIDS and `dataset.json`, its
    /// segmentation is left out, with the reason; so is a manifest's case that lacks its label or a sequence. A manifest
    /// may omit the segmentation.
    ///
    /// # Errors
    /// - [`Error::Io`] if the folder, the manifest or a table of grades cannot be read.
    /// - [`Error::Format`] if the path is neither a folder of cases nor a `.csv` file.
    /// - [`Error::Manifest`] if a manifest has an invalid column or cell; the message names line and case.
    /// - [`Error::DuplicateCase`] if two folders have the same name.
    /// - [`Error::EmptyCohort`] if no case is usable; the message gives the first reasons.
    pub fn open(path: &Path, sequences: &[String]) -> Result<Cohort, Error> {
        Self::open_with(path, sequences, Needs::Class)
    }

    fn open_with(path: &Path, sequences: &[String], needs: Needs) -> Result<Cohort, Error> {
        let unreadable = |source| Error::Io { path: path.to_owned(), action: "read", source };
        let names = SequenceNames::new(sequences);
        let is_folder = path.metadata().map_err(unreadable)?.is_dir();
        let in_folder = path.join(MANIFEST);
        let mut empty = "no row".to_owned();
        let (listed, (mut cohort, grouped)) = if is_folder && !in_folder.is_file() {
            let search = walk::search(path, &names)?;
            refuse_case(path, &search, &names)?;
            empty = assemble::describe_empty(path)?;
            (path, (assemble::assemble(search, &names, needs)?, false))
        } else if is_folder {
            (in_folder.as_path(), manifest::open(&in_folder, &names, needs)?)
        } else if path.extension().is_some_and(|e| e.eq_ignore_ascii_case("csv")) {
            (path, manifest::open(path, &names, needs)?)
        } else {
            return Err(Error::Format {
                path: path.to_owned(),
                expected: COHORT,
                found: "a file of another kind".to_owned(),
            });
        };
        for left_out in &mut cohort.left_out {
            one_line(&mut left_out.case);
            one_line(&mut left_out.reason);
        }
        cohort.notes.iter_mut().for_each(one_line);
        cohort.cases.sort_by(|a, b| a.id().cmp(b.id()));
        cohort.left_out.sort_by(|a, b| a.case.cmp(&b.case));
        if cohort.cases.is_empty() {
            let found = if cohort.left_out.is_empty() { empty } else { String::new() };
            return Err(Error::EmptyCohort { path: listed.to_owned(), found, left_out: cohort.left_out });
        }
        if !grouped {
            cohort.notes.extend(patients::group_pairs(&mut cohort.cases));
            cohort.notes.extend(patients::suspected(&cohort.cases));
        }
        cohort.notes.extend(same_files(&cohort.cases));
        Ok(cohort)
    }
}

impl ScanList {
    /// Lists the scans of a cohort in any of the layouts of [`Cohort::open`]. Neither class nor segmentation is needed; a
    /// manifest may lack the column of labels.
    ///
    /// # Errors
    /// As [`Cohort::open`].
    pub fn open(path: &Path, sequences: &[String]) -> Result<Self, Error> {
        let Cohort { cases, left_out, .. } = Cohort::open_with(path, sequences, Needs::Nothing)?;
        Ok(Self { cases: cases.into_iter().map(|case| (case.files, case.group)).collect(), left_out })
    }
}

/// Describes cases that list the same files under different names.
fn same_files(cases: &[CohortCase]) -> Option<String> {
    let mut by_files: HashMap<Vec<&ScanFile>, Vec<&str>> = HashMap::new();
    for case in cases {
        by_files
            .entry(case.files.sequences.iter().map(|(_, file)| file).collect())
            .or_default()
            .push(case.id());
    }
    let mut repeated: Vec<Vec<&str>> = by_files.into_values().filter(|ids| ids.len() > 1).collect();
    repeated.sort();
    let first = name_list(repeated.first()?.iter().copied());
    let more = match repeated.len() - 1 {
        0 => String::new(),
        n => format!(", and {n} more of such groups"),
    };
    Some(format!(
        "cases {first} have the same scans{more}; they count as different cases and may be divided between splits"
    ))
}

/// Replaces control characters, which names and cells of tables can hold.
fn one_line(text: &mut String) {
    if text.contains(char::is_control) {
        *text = text.replace(char::is_control, " ");
    }
}

/// Refuses a folder whose own files are the scans of a case.
fn refuse_case(root: &Path, search: &Search, names: &SequenceNames) -> Result<(), Error> {
    let name = file_name(&whole(root));
    if is_subject(&name) {
        let found = format!("the folder of one subject, {name}; give the folder above it");
        return Err(Error::Format { path: root.to_owned(), expected: COHORT, found });
    }
    if search.cases.is_empty()
        && let [images] = search.unknown.as_slice()
        && images.folder == root
        && let Some(first) = images.scans.first()
        && let Ok(Some(data_set)) = DataSet::of_file(&first.path)
    {
        let found = format!("the images of a data set; give {}", data_set.folder.display());
        return Err(Error::Format { path: root.to_owned(), expected: COHORT, found });
    }
    let Some(case) = search.cases.iter().find(|case| case.folder == root) else { return Ok(()) };
    let of_first = |index: usize| {
        let fitting = case.scans.iter().filter(|s| names.of_scan(s).is_some_and(|(i, _)| i == index));
        fitting.map(|scan| scan.name.as_str()).collect::<Vec<_>>()
    };
    let several = (0..names.names().count()).map(of_first).find(|scans| scans.len() > 1);
    let found = match several {
        Some(scans) => format!(
            "the scans of several cases in one folder, such as {} and {}; move each case to a folder of its own, or list them in a manifest",
            scans.first().unwrap_or(&""),
            scans.last().unwrap_or(&"")
        ),
        None => format!("the folder of one case, {}; give the folder above it", case.id),
    };
    Err(Error::Format { path: root.to_owned(), expected: COHORT, found })
}
