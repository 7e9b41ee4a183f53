//! The sequences and the segmentation among the scans of one case.

use std::collections::BTreeMap;
use std::ops::Bound;

use super::case_id::is_subject;
use super::scans::{Scan, name_list};
use super::sequence_names::SequenceNames;
use super::tokens::tokens;
use super::tumour_names::{self, Origin};
use crate::ScanFile;

/// Selects the file of each sequence; adds those that are missing or ambiguous to `lacks`.
pub(super) fn select(
    scans: &[Scan],
    names: &SequenceNames,
    lacks: &mut Vec<String>,
) -> Vec<(String, ScanFile)> {
    let mut selected = Vec::new();
    let mut missing = false;
    for (index, sequence) in names.names().enumerate() {
        let fits = |scan: &&Scan| names.of_scan(scan).is_some_and(|(of, _)| of == index);
        let fitting: Vec<&Scan> = scans.iter().filter(fits).collect();
        match fitting.as_slice() {
            [] => match scans.iter().find(|scan| names.is_ambiguous(index, scan)) {
                Some(scan) => lacks.push(format!(
                    "no {sequence} scan: {} is ambiguous, T1 before or after a contrast agent; name it X_t1 or X_t1ce, or list \
                     the case in a manifest",
                    scan.name
                )),
                None => {
                    missing = true;
                    lacks.push(format!("no {sequence} scan"));
                }
            },
            [scan] if !scan.path.exists() => lacks.push(format!("{}: {BROKEN_LINK}", scan.name)),
            [scan] => selected.push((sequence.to_owned(), ScanFile::from(scan.path.clone()))),
            [first, second, ..] => {
                lacks.push(format!("more than one {sequence} scan: {} and {}", first.name, second.name));
            }
        }
    }
    if missing
        && !scans.is_empty()
        && let Some(last) = lacks.last_mut()
    {
        let found = name_list(scans.iter().map(|scan| scan.name.as_str()));
        last.push_str(&format!(" (scans: {found})"));
    }
    selected
}

const BROKEN_LINK: &str = "a link to a file that is absent (with DataLad, get it with `datalad get`)";

/// Scans outside of the folders of cases, by the name that starts them in lower case.
pub(super) type Loose = BTreeMap<String, Vec<Scan>>;

/// The names that precede `seg` in the name of a case's segmentation.
#[derive(Debug)]
pub(super) struct CaseNames {
    /// Lower case, without separators at the end.
    prefixes: Vec<String>,
    /// Whether the case is a subject or session of BIDS.
    bids: bool,
}

impl CaseNames {
    /// Collects the names of a case: its identifier, and what the names of its sequences have in common.
    pub fn new(id: &str, scans: &[Scan], names: &SequenceNames) -> Self {
        let mut starts = scans.iter().filter_map(|scan| {
            let (_, start) = names.of_scan(scan)?;
            scan.stem.get(..start)
        });
        let first = starts.next().unwrap_or_default().to_ascii_lowercase();
        let common = starts.fold(first, |common, start| common_start(&common, &start.to_ascii_lowercase()));
        let lower = id.to_ascii_lowercase();
        let mut prefixes =
            vec![lower.clone(), common.trim_end_matches(|c: char| !c.is_alphanumeric()).to_owned()];
        // `X_brain_t1` next to `X_seg`, and UCSF-PDGM's folders `X_nifti`
        for ending in ["_brain", "_nifti"] {
            let shorter: Vec<String> =
                prefixes.iter().filter_map(|prefix| prefix.strip_suffix(ending).map(str::to_owned)).collect();
            prefixes.extend(shorter);
        }
        prefixes.retain(|prefix| !prefix.is_empty());
        prefixes.sort();
        prefixes.dedup();
        let bids = is_subject(lower.split('_').next().unwrap_or_default());
        Self { prefixes, bids }
    }

    /// Names for the look-up in tables.
    pub fn prefixes(&self) -> impl Iterator<Item = &str> {
        self.prefixes.iter().map(String::as_str)
    }

    /// Allows the names of a BIDS subject for its only session.
    pub fn add_subject(&mut self, subject: &str) {
        self.prefixes.push(subject.to_ascii_lowercase());
    }

    /// What the name of a file in the case's folder says of it as a segmentation.
    fn origin(&self, stem: &str) -> Option<Origin> {
        let lower = stem.to_ascii_lowercase();
        if self.bids && lower.starts_with("sub-") {
            return tumour_names::of_bids(stem).filter(|_| self.is_of_this(&lower));
        }
        let after = self.prefixes.iter().filter_map(|prefix| after(&lower, prefix));
        after.chain([lower.as_str()]).find_map(tumour_names::of_rest)
    }

    /// What the name of a file elsewhere says of it as a segmentation of this case.
    fn origin_elsewhere(&self, stem: &str) -> Option<Origin> {
        let lower = stem.to_ascii_lowercase();
        if self.bids {
            return tumour_names::of_bids(stem).filter(|_| self.is_of_this(&lower));
        }
        self.prefixes.iter().filter_map(|prefix| after(&lower, prefix)).find_map(tumour_names::of_rest)
    }

    /// Returns whether a BIDS file belongs to this subject and session, or to the subject if it has one session.
    fn is_of_this(&self, lower: &str) -> bool {
        let session =
            |name: &str| name.split('_').find(|entity| entity.starts_with("ses-")).map(str::to_owned);
        let own = self.prefixes.iter().find_map(|prefix| session(prefix));
        let same_session = session(lower).is_none_or(|of| own.is_none_or(|own| own == of));
        same_session && self.prefixes.iter().any(|prefix| after(lower, prefix).is_some())
    }
}

/// What follows a case's name and a separator.
fn after<'a>(lower: &'a str, prefix: &str) -> Option<&'a str> {
    lower.strip_prefix(prefix).filter(|rest| rest.starts_with(|c: char| !c.is_alphanumeric()))
}

/// Longest common start of two names that ends with a word.
fn common_start(a: &str, b: &str) -> String {
    let length: usize = a.chars().zip(b.chars()).take_while(|(a, b)| a == b).map(|(a, _)| a.len_utf8()).sum();
    let common = a.get(..length).unwrap_or_default();
    let whole = [a, b].iter().all(|name| {
        name.get(length..)
            .is_none_or(|rest| rest.is_empty() || rest.starts_with(|c: char| !c.is_alphanumeric()))
    });
    if whole {
        return common.to_owned();
    }
    common
        .rfind(|c: char| !c.is_alphanumeric())
        .and_then(|at| common.get(..at))
        .unwrap_or_default()
        .to_owned()
}

/// What a search for an expert's segmentation of a case's tumour finds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outline {
    /// The segmentation.
    Found(ScanFile),
    /// None, and no file that resembles one.
    Absent,
    /// None that is named as this case's tumour; the reason names the files that resemble one.
    Unnamed(String),
    /// Several, or a link to a file that is absent; the reason names them.
    Unusable(String),
}

/// Finds the tumour's segmentation of a case: in its folder, else among the loose scans that are named after it. Adds
/// the names of the loose ones to `used`.
pub(super) fn segmentation<'a>(
    scans: &[Scan],
    case: &CaseNames,
    names: &SequenceNames,
    loose: &'a Loose,
    used: &mut Vec<&'a str>,
) -> Outline {
    let others: Vec<&Scan> = scans.iter().filter(|scan| names.of_scan(scan).is_none()).collect();
    let mut found: Vec<(Origin, &Scan)> =
        others.iter().filter_map(|scan| Some((case.origin(&scan.stem)?, *scan))).collect();
    if found.is_empty() {
        found = named_after(case, loose, used);
    }
    if found.is_empty() {
        let foreign: Vec<&Scan> = others
            .iter()
            .copied()
            .filter(|scan| tumour_names::after_identifiers(&scan.stem) && !case.is_sibling(&scan.stem))
            .collect();
        if let [only] = foreign.as_slice() {
            found.push((Origin::Expert, *only));
        }
    }
    let best = found.iter().map(|(origin, _)| *origin).min();
    found.retain(|(origin, _)| Some(*origin) == best);
    match found.as_slice() {
        [] => {
            let similar: Vec<&str> = others
                .iter()
                .filter(|scan| tumour_names::resembles_segmentation(&scan.stem))
                .map(|scan| scan.name.as_str())
                .collect();
            let verb = if similar.len() == 1 { "is" } else { "are" };
            if similar.is_empty() {
                return Outline::Absent;
            }
            let similar = name_list(similar.into_iter());
            Outline::Unnamed(format!(
                "no segmentation: {similar} {verb} not named as this case's tumour (X_seg, X_tumor_mask)"
            ))
        }
        [(_, scan)] if !scan.path.exists() => Outline::Unusable(format!("{}: {BROKEN_LINK}", scan.name)),
        [(_, scan)] => Outline::Found(ScanFile::from(scan.path.clone())),
        [(_, first), (_, second), ..] => {
            Outline::Unusable(format!("more than one segmentation: {} and {}", first.name, second.name))
        }
    }
}

/// Segmentations among the loose scans that are named after a case.
fn named_after<'a>(case: &CaseNames, loose: &'a Loose, used: &mut Vec<&'a str>) -> Vec<(Origin, &'a Scan)> {
    let mut found: Vec<(Origin, &Scan)> = Vec::new();
    for prefix in &case.prefixes {
        let range = loose.range::<str, _>((Bound::Included(prefix.as_str()), Bound::Unbounded));
        for (stem, scans) in range.take_while(|(stem, _)| stem.starts_with(prefix.as_str())) {
            let Some(origin) = case.origin_elsewhere(stem) else { continue };
            used.push(stem);
            for scan in scans {
                if found.iter().all(|(_, other)| other.path != scan.path) {
                    found.push((origin, scan));
                }
            }
        }
    }
    found
}

impl CaseNames {
    /// Returns whether a file is named like this case, but with other numbers: it belongs to another case.
    fn is_sibling(&self, stem: &str) -> bool {
        let shape = |name: &str| -> Vec<String> {
            let words = tokens(name);
            words
                .iter()
                .map(|word| word.text.trim_end_matches(|c: char| c.is_ascii_digit()).to_owned())
                .collect()
        };
        let lower = stem.to_ascii_lowercase();
        let mut found = shape(&lower);
        found.pop();
        self.prefixes.iter().any(|prefix| shape(prefix) == found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_starts_end_with_a_word() {
        for (a, b, expected) in [
            ("p1_", "p1_", "p1_"),
            ("sub-01_ce-gd_", "sub-01_", "sub-01"),
            ("p12_", "p1_", ""),
            ("a_p12_", "a_p1_", "a"),
            ("", "a", ""),
            ("é_", "è_", ""),
        ] {
            assert_eq!(common_start(a, b), expected, "{a} {b}");
        }
    }
}
