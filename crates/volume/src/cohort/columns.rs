//! Columns of a manifest: which of them hold what, and which may be ignored.

use std::collections::HashSet;
use std::path::Path;

use csv::StringRecord;

use super::contrast::Contrast;
use super::needs::Needs;
use super::scans::stem;
use super::sequence_names::SequenceNames;
use crate::{Error, ScanFile};

pub(super) const CASE: &str = "case";
const GROUP: &str = "group";
const LABEL: &str = "label";
const SPLIT: &str = "split";
pub(super) const SEGMENTATION: &str = "seg";

/// Columns that a run adds to its `cohort.csv` for information. Manifests may have them; they are ignored.
pub const INFORMATION_COLUMNS: [&str; 6] =
    ["orientation", "spacing_mm", "brain_outside_crop", "tumour_outside_crop", "clipped", "air_not_zero"];
/// Names that sequences cannot have: the columns of a manifest other than the sequences.
pub(crate) const COLUMNS: [&str; 11] = {
    let [a, b, c, d, e, f] = INFORMATION_COLUMNS;
    [CASE, GROUP, LABEL, SPLIT, SEGMENTATION, a, b, c, d, e, f]
};
/// Words for reserved columns, in lower case, that suggest a misspelling.
const SYNONYMS: [(&str, &[&str]); 5] = [
    (CASE, &["id", "name", "subject", "cases", "case_id"]),
    (GROUP, &["patient", "patient_id", "participant_id"]),
    (LABEL, &["grade", "class", "diagnosis", "target"]),
    (SPLIT, &["set", "subset", "partition"]),
    (
        SEGMENTATION,
        &["segm", "segmentation", "mask", "tumor", "tumour", "lesion", "tumor_mask", "roi", "outline"],
    ),
];
/// Longest name that is compared with the others for a suggestion, in bytes.
const LONGEST_COMPARED: usize = 32;

/// Indices of the columns.
#[derive(Debug)]
pub(super) struct Columns {
    pub case: usize,
    pub group: Option<usize>,
    pub label: Option<usize>,
    pub split: Option<usize>,
    pub segmentation: Option<usize>,
    /// By sequence, in the order of the settings.
    pub sequences: Vec<usize>,
    /// Names of the columns of further scans.
    pub unused: Vec<String>,
}

impl Columns {
    /// Validates the header. Columns that are neither reserved nor a sequence of the settings are ignored if they are named
    /// as a known contrast or hold nothing but scans, unless the name resembles a reserved one.
    pub fn of(
        path: &Path,
        header: &StringRecord,
        rows: &[StringRecord],
        (sequences, needs): (&SequenceNames, Needs),
    ) -> Result<Self, Error> {
        let invalid = |expected: String, found: String| Error::Manifest {
            path: path.to_owned(),
            line: 1,
            case: None,
            expected,
            found,
        };
        let names: Vec<&str> = header.iter().map(|name| name.trim_start_matches('\u{feff}')).collect();
        if let [only] = names.as_slice()
            && let Some(separator) = [';', '\t'].into_iter().find(|separator| only.contains(*separator))
        {
            let found = format!("columns separated by {separator:?}");
            return Err(invalid("columns separated by commas".to_owned(), found));
        }
        let mut seen = HashSet::new();
        if let Some(again) = names.iter().find(|name| !seen.insert(**name)) {
            return Err(invalid("each column once".to_owned(), format!("{again:?} again")));
        }
        let position = |wanted: &str| names.iter().position(|name| *name == wanted);
        let mut by_sequence = vec![None; sequences.names().count()];
        for (slot, sequence) in by_sequence.iter_mut().zip(sequences.names()) {
            *slot = position(sequence);
        }
        let exact: HashSet<usize> = by_sequence.iter().copied().flatten().collect();
        let mut unused = Vec::new();
        for (index, name) in names.iter().enumerate() {
            if COLUMNS.contains(name) || exact.contains(&index) {
                continue;
            }
            if let Some(sequence) = sequences.of_name(name)
                && let Some(slot) = by_sequence.get_mut(sequence)
            {
                if let Some(earlier) = slot.and_then(|earlier: usize| names.get(earlier)) {
                    let expected = "one column for each sequence".to_owned();
                    return Err(invalid(expected, format!("{earlier:?} and {name:?}")));
                }
                *slot = Some(index);
                continue;
            }
            let suggestion = suggestion(name);
            let is_scans = || {
                let mut cells =
                    rows.iter().filter_map(|row| row.get(index)).filter(|cell| !cell.is_empty()).peekable();
                cells.peek().is_some() && cells.all(is_scan)
            };
            if Contrast::of_name(name).is_some() || (suggestion.is_none() && is_scans()) {
                unused.push((*name).to_owned());
                continue;
            }
            let fixed = [CASE, GROUP, LABEL, SPLIT].into_iter();
            let allowed: Vec<&str> = fixed.chain(sequences.names()).chain([SEGMENTATION]).collect();
            let hint = suggestion.map(|meant| format!("; did you mean {meant:?}?")).unwrap_or_default();
            return Err(invalid(
                format!("columns among {}, or of further scans", allowed.join(", ")),
                format!("the column {name:?}{hint}"),
            ));
        }
        let required = |wanted: &str, found: Option<usize>| {
            found.ok_or_else(|| {
                invalid(format!("the column {wanted:?}"), format!("the columns {}", names.join(", ")))
            })
        };
        Ok(Self {
            case: required(CASE, position(CASE))?,
            group: position(GROUP),
            label: match needs {
                Needs::Class => Some(required(LABEL, position(LABEL))?),
                Needs::Nothing => position(LABEL),
            },
            split: position(SPLIT),
            segmentation: position(SEGMENTATION),
            sequences: sequences
                .names()
                .zip(by_sequence)
                .map(|(name, column)| required(name, column))
                .collect::<Result<_, _>>()?,
            unused,
        })
    }
}

fn is_scan(cell: &str) -> bool {
    let file = ScanFile::parse(cell);
    stem(&file.path.to_string_lossy()).is_some()
}

/// The reserved column that a name resembles.
fn suggestion(name: &str) -> Option<&'static str> {
    let lower = name.to_lowercase();
    if lower.len() > LONGEST_COMPARED {
        return None;
    }
    let synonym = SYNONYMS.iter().find(|(column, words)| lower == *column || words.contains(&lower.as_str()));
    let near = || {
        let distances = COLUMNS.iter().map(|column| (distance(&lower, column), *column));
        // Half of a short name may not differ.
        distances.filter(|(d, column)| *d <= 2 && 2 * d < column.len()).min().map(|(_, column)| column)
    };
    synonym.map(|(column, _)| *column).or_else(near)
}

/// Number of letters to insert, remove, replace or swap with the next one (optimal string alignment).
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows: Vec<Vec<usize>> = vec![(0..=b.len()).collect()];
    for (i, &letter) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, &other) in b.iter().enumerate() {
            let mut least =
                (rows[i][j] + usize::from(letter != other)).min(rows[i][j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && letter == b[j - 1] && a[i - 1] == other {
                least = least.min(rows[i - 1][j - 1] + 1);
            }
            row.push(least);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn misspelt_columns_are_recognised() {
        for (name, expected) in [
            ("lable", Some("label")),
            ("Label", Some("label")),
            ("groups", Some("group")),
            ("patient", Some("group")),
            ("sge", Some("seg")),
            ("segmentation", Some("seg")),
            ("mask", Some("seg")),
            ("spilt", Some("split")),
            ("grade", Some("label")),
            ("orientaton", Some("orientation")),
            ("age", None),
            ("dwi", None),
            ("swi", None),
            ("adc", None),
            ("", None),
        ] {
            assert_eq!(suggestion(name), expected, "{name}");
        }
    }
}
