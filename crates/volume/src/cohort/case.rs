//! Files and labels of a case.

use std::path::{Path, PathBuf};

use super::split::Split;

/// The files of a case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaseFiles {
    /// Identifier of the case, unique in its cohort.
    pub id: String,
    /// Scans by sequence, in the order in which the sequences were requested.
    pub scans: Vec<(String, PathBuf)>,
    /// The expert's segmentation.
    pub segmentation: Option<PathBuf>,
}

impl CaseFiles {
    /// Path of a sequence's scan.
    pub fn scan(&self, sequence: &str) -> Option<&Path> {
        self.scans.iter().find(|(name, _)| name == sequence).map(|(_, path)| path.as_path())
    }

    /// Paths of all files: the scans in order, then the segmentation.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        let scans = self.scans.iter().map(|(_, path)| path.as_path());
        scans.chain(self.segmentation.as_deref())
    }
}

/// A case of a cohort: its files, patient, class and split.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CohortCase {
    /// The files.
    pub files: CaseFiles,
    /// The patient, whose cases all belong to one split.
    pub group: String,
    /// Whether the case is of the positive class (HGG).
    pub label: bool,
    /// The split, once assigned.
    pub split: Option<Split>,
}

impl CohortCase {
    /// Identifier of the case.
    pub fn id(&self) -> &str {
        &self.files.id
    }
}
