//! The cases of a cohort, with or without classes.

use std::path::Path;

use relevox_volume::{CaseFiles, Cohort, CohortCase, LeftOut, ScanList, Split};

/// A case of a cohort, whose class need not be known.
pub(super) struct ListedCase {
    pub(super) files: CaseFiles,
    /// The patient.
    pub(super) group: String,
    pub(super) label: Option<bool>,
    pub(super) split: Option<Split>,
}

/// Cases of a folder or manifest: those that are left out, and notes.
pub(super) struct Listed {
    pub(super) cases: Vec<ListedCase>,
    pub(super) left_out: Vec<LeftOut>,
    pub(super) notes: Vec<String>,
}

impl Listed {
    /// Finds the cases of a cohort; without classes, those that `explain` takes.
    ///
    /// # Errors
    /// Returns an input error that says why there are none.
    pub(super) fn open(path: &Path, sequences: &[String]) -> anyhow::Result<Self> {
        match Cohort::open(path, sequences) {
            Ok(Cohort { cases, left_out, notes, .. }) => {
                let listed = |CohortCase { files, group, label, split }| ListedCase {
                    files,
                    group,
                    label: Some(label),
                    split,
                };
                Ok(Self { cases: cases.into_iter().map(listed).collect(), left_out, notes })
            }
            Err(error) => match ScanList::open(path, sequences) {
                Ok(list) if !list.cases.is_empty() => {
                    let listed = |(files, group)| ListedCase { files, group, label: None, split: None };
                    let notes = vec![format!("explain takes these cases, reproduce does not: {error}")];
                    let ScanList { cases, left_out } = list;
                    Ok(Self { cases: cases.into_iter().map(listed).collect(), left_out, notes })
                }
                _ => Err(error.into()),
            },
        }
    }
}
