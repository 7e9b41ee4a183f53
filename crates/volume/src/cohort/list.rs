//! The list of a cohort's cases.

use std::collections::BTreeMap;

use super::case::{CaseFiles, CohortCase};
use super::left_out::LeftOut;
use super::split::Split;
use crate::Error;

/// The cases of a cohort, sorted by identifier.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cohort {
    /// Usable cases.
    pub cases: Vec<CohortCase>,
    /// Cases that were found and left out.
    pub left_out: Vec<LeftOut>,
    /// What the user should know about the cases, one line each: names that suggest that several cases are of one
    /// patient, files that are not used.
    pub notes: Vec<String>,
}

/// The scans of a cohort's cases, whose classes need not be known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScanList {
    /// Files and patient of each usable case, sorted by identifier.
    pub cases: Vec<(CaseFiles, String)>,
    /// Cases that were found and left out.
    pub left_out: Vec<LeftOut>,
}

impl Cohort {
    /// Iterates over the cases of a split, in order.
    pub fn of(&self, split: Split) -> impl Iterator<Item = &CohortCase> {
        self.cases.iter().filter(move |case| case.split == Some(split))
    }

    /// Validates that the cohort, or one of its splits, has cases of both classes.
    ///
    /// # Errors
    /// Returns [`Error::OneClass`] if a class is missing.
    pub fn require_both_classes(&self, split: Option<Split>) -> Result<(), Error> {
        let counted = self.cases.iter().filter(|case| split.is_none() || case.split == split);
        let (positive, negative): (Vec<_>, Vec<_>) = counted.partition(|case| case.label);
        if positive.is_empty() || negative.is_empty() {
            let what = split.map_or("cohort".to_owned(), |split| format!("{split} split"));
            return Err(Error::OneClass { what, positive: positive.len(), negative: negative.len() });
        }
        Ok(())
    }

    /// Groups the cases by patient: indices into [`Cohort::cases`] by the patient's name.
    pub fn groups(&self) -> BTreeMap<&str, Vec<usize>> {
        let mut groups: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (index, case) in self.cases.iter().enumerate() {
            groups.entry(&case.group).or_default().push(index);
        }
        groups
    }
}
