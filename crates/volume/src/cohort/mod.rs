//! Which cases there are: BraTS folders as they come, and CSV manifests for any other cohort.

mod brats;
mod grades;
mod manifest;

pub(crate) use manifest::COLUMNS;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::{Error, Split};

/// The name of the manifest that a folder may hold.
const MANIFEST: &str = "cohort.csv";

/// One case: its files and what is known of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaseFiles {
    /// The case's name, unique in its cohort.
    pub case: String,
    /// The patient, whom no split divides.
    pub group: String,
    /// Whether the case is of the positive class (HGG).
    pub label: bool,
    /// The split it belongs to, once it has one.
    pub split: Option<Split>,
    /// One file per sequence, in the order they were asked for.
    pub sequences: Vec<PathBuf>,
    /// The expert's segmentation.
    pub seg: Option<PathBuf>,
}

impl CaseFiles {
    /// The scans of one case's folder, named as BraTS names them, for who asks neither for its class (it says
    /// negative here) nor for its segmentation.
    ///
    /// # Errors
    /// Where the folder cannot be read or lacks one of `sequences`.
    pub fn in_folder(folder: &Path, sequences: &[String]) -> Result<CaseFiles, Error> {
        brats::scans_of(folder, sequences)
    }
}

/// A case that was found and cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOut {
    /// The case's name.
    pub case: String,
    /// What it lacks.
    pub why: String,
}

/// The cases of a study, sorted by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cohort {
    /// The usable cases.
    pub cases: Vec<CaseFiles>,
    /// Those that were found and left out.
    pub left_out: Vec<LeftOut>,
}

impl Cohort {
    /// Lists the cases of a BraTS folder, of a manifest (`.csv`), or of a folder that holds a `cohort.csv`.
    ///
    /// A BraTS case that misses its grade, one of `sequences` or its segmentation is left out, with its reason; so is
    /// a manifest's case that misses its label or a sequence. (A manifest may leave the segmentation empty.)
    ///
    /// # Errors
    /// Where the path cannot be read, a manifest has columns or values that it may not have, two cases share a name,
    /// or no case is left.
    pub fn open(path: &Path, sequences: &[String]) -> Result<Cohort, Error> {
        let metadata = path.metadata().map_err(|source| Error::Read { path: path.to_owned(), source })?;
        let beside_cases = path.join(MANIFEST);
        let (listed, mut cohort) = if metadata.is_dir() && !beside_cases.is_file() {
            (path, brats::open(path, sequences)?)
        } else if metadata.is_dir() {
            (beside_cases.as_path(), manifest::open(&beside_cases, sequences)?)
        } else if path.extension().is_some_and(|e| e.eq_ignore_ascii_case("csv")) {
            (path, manifest::open(path, sequences)?)
        } else {
            let found = "a file of another kind".to_owned();
            return Err(Error::Format {
                path: path.to_owned(),
                expected: "a folder or a .csv manifest",
                found,
            });
        };
        cohort.cases.sort_by(|a, b| a.case.cmp(&b.case));
        cohort.left_out.sort_by(|a, b| a.case.cmp(&b.case));
        if cohort.cases.is_empty() {
            return Err(Error::EmptyCohort { path: listed.to_owned(), left_out: cohort.left_out });
        }
        Ok(cohort)
    }

    /// The cases of a split, in order.
    pub fn of(&self, split: Split) -> impl Iterator<Item = &CaseFiles> {
        self.cases.iter().filter(move |case| case.split == Some(split))
    }

    /// Checks that the whole cohort, or one of its splits, has cases of both classes.
    ///
    /// # Errors
    /// Where one class is missing.
    pub fn require_both_classes(&self, split: Option<Split>) -> Result<(), Error> {
        let counted = self.cases.iter().filter(|case| split.is_none() || case.split == split);
        let (positive, negative): (Vec<_>, Vec<_>) = counted.partition(|case| case.label);
        if positive.is_empty() || negative.is_empty() {
            let of = split.map_or("cohort".to_owned(), |split| format!("{split} split"));
            return Err(Error::OneClass { of, positive: positive.len(), negative: negative.len() });
        }
        Ok(())
    }

    /// The cases of each patient, by the patient's name: indices into [`Cohort::cases`].
    pub fn groups(&self) -> BTreeMap<&str, Vec<usize>> {
        let mut groups: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (index, case) in self.cases.iter().enumerate() {
            groups.entry(&case.group).or_default().push(index);
        }
        groups
    }
}
