//! Opening cohorts and the folders of single cases.

use std::path::Path;

use super::case::CaseFiles;
use super::list::Cohort;
use super::{brats, manifest};
use crate::Error;

/// Name of the manifest in a cohort's folder.
const MANIFEST: &str = "cohort.csv";

impl Cohort {
    /// Lists the cases of a BraTS folder, of a manifest (`.csv`), or of a folder that contains a `cohort.csv`.
    ///
    /// A BraTS case that lacks its grade, one of `sequences` or its segmentation is left out, with the reason; so is a
    /// manifest's case that lacks its label or a sequence. A manifest may omit the segmentation.
    ///
    /// # Errors
    /// - [`Error::Io`] if the folder, the manifest or a table of grades cannot be read.
    /// - [`Error::Format`] if the path is neither a folder nor a `.csv` file.
    /// - [`Error::Manifest`] if a manifest has an invalid column or cell; the message names line and case.
    /// - [`Error::DuplicateCase`] if two folders have the same name.
    /// - [`Error::EmptyCohort`] if no case is usable; the message gives the first reason.
    pub fn open(path: &Path, sequences: &[String]) -> Result<Cohort, Error> {
        let unreadable = |source| Error::Io { path: path.to_owned(), action: "read", source };
        let is_folder = path.metadata().map_err(unreadable)?.is_dir();
        let in_folder = path.join(MANIFEST);
        let (listed, mut cohort) = if is_folder && !in_folder.is_file() {
            (path, brats::open(path, sequences)?)
        } else if is_folder {
            (in_folder.as_path(), manifest::open(&in_folder, sequences)?)
        } else if path.extension().is_some_and(|e| e.eq_ignore_ascii_case("csv")) {
            (path, manifest::open(path, sequences)?)
        } else {
            return Err(Error::Format {
                path: path.to_owned(),
                expected: "a folder or a .csv manifest",
                found: "a file of another kind".to_owned(),
            });
        };
        cohort.cases.sort_by(|a, b| a.id().cmp(b.id()));
        cohort.left_out.sort_by(|a, b| a.case.cmp(&b.case));
        if cohort.cases.is_empty() {
            return Err(Error::EmptyCohort { path: listed.to_owned(), left_out: cohort.left_out });
        }
        Ok(cohort)
    }
}

impl CaseFiles {
    /// Lists the files of the sequences in the folder of one case, with BraTS's names. The segmentation is not listed.
    ///
    /// # Errors
    /// - [`Error::Io`] if the folder cannot be read.
    /// - [`Error::IncompleteCase`] if it lacks one of `sequences`, or has several files of one; the message names them.
    pub fn in_folder(folder: &Path, sequences: &[String]) -> Result<CaseFiles, Error> {
        brats::scans_of(folder, sequences)
    }
}
