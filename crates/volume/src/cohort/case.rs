//! Files and labels of a case.

use std::path::Path;

use super::split::Split;
use crate::{Error, ScanFile};

/// The files of a case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaseFiles {
    /// Identifier of the case, unique in its cohort.
    pub id: String,
    /// File of each sequence by name, in the order in which the sequences were requested.
    pub sequences: Vec<(String, ScanFile)>,
    /// The expert's segmentation.
    pub segmentation: Option<ScanFile>,
}

impl CaseFiles {
    /// File of a sequence.
    pub fn sequence(&self, name: &str) -> Option<&ScanFile> {
        self.sequences.iter().find(|(sequence, _)| sequence == name).map(|(_, file)| file)
    }

    /// Requires that no two sequences have the same file, or volume of a file.
    ///
    /// # Errors
    /// Returns [`Error::SameFile`] with the first such pair.
    pub fn require_different_files(&self) -> Result<(), Error> {
        for (index, (second, file)) in self.sequences.iter().enumerate() {
            let earlier = self.sequences.iter().take(index).find(|(_, other)| other == file);
            if let Some((first, _)) = earlier {
                let (case, file) = (self.id.clone(), file.to_string());
                return Err(Error::SameFile { case, file, first: first.clone(), second: second.clone() });
            }
        }
        Ok(())
    }

    /// All files: the sequences in order, then the segmentation.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        let sequences = self.sequences.iter().map(|(_, file)| file.path());
        sequences.chain(self.segmentation.as_ref().map(ScanFile::path))
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
