//! The crate's error type.

use std::io;
use std::path::PathBuf;

use crate::LeftOut;

/// An error of reading, preparing or writing scans and cohorts.
///
/// Every message is one line that names the file, case or setting, what was expected and what was found.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file or folder could not be read or written.
    #[error("cannot {action} {path}: {source}", path = path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// `read` or `write`.
        action: &'static str,
        /// The operating system's error.
        source: io::Error,
    },
    /// A file is of another format, or of a variant of the format that is not supported.
    #[error("{path}: expected {expected}, found {found}", path = path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// Supported formats or values.
        expected: &'static str,
        /// Format or value in the file.
        found: String,
    },
    /// A file, or its compressed stream, ends before its last voxel.
    #[error("{path}: expected {expected_bytes} bytes of voxels, found {found_bytes}: {reason}", path = path.display())]
    Truncated {
        /// The file.
        path: PathBuf,
        /// Bytes required by the header's dimensions and data type.
        expected_bytes: u64,
        /// Bytes that could be decoded.
        found_bytes: u64,
        /// How the stream ended.
        reason: String,
    },
    /// A file continues after its last voxel, so that its header cannot describe it.
    #[error("{path}: expected {expected_bytes} bytes as its header requires, found {found}", path = path.display())]
    Overlong {
        /// The file.
        path: PathBuf,
        /// Bytes of header, extensions and voxels.
        expected_bytes: u64,
        /// Bytes in the file, or `more` if its length is unknown.
        found: String,
    },
    /// A compressed file is not a gzip stream, or fails its checksum.
    #[error("{path}: expected an intact gzip stream, found a damaged one: {reason}", path = path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The decoder's error, which the message includes.
        reason: io::Error,
    },
    /// A label volume holds a value other than a whole number from 0 to 2³² − 1.
    #[error("{path}: expected whole labels of at least 0, found {found} at voxel z {}, y {}, x {}", index_zyx[0], index_zyx[1], index_zyx[2], path = path.display())]
    NotLabels {
        /// The file.
        path: PathBuf,
        /// Index of the first such voxel.
        index_zyx: [usize; 3],
        /// Its value.
        found: f64,
    },
    /// A sequence has a NaN or an infinity.
    #[error("{what}: expected a finite intensity, found {value}")]
    NonFinite {
        /// Case, file and index of the first such voxel.
        what: String,
        /// Its value.
        value: f32,
    },
    /// All voxels of a sequence have the same intensity.
    #[error("case {case}: {path}: expected intensities that vary, found {value} throughout{clipped}", path = path.display())]
    Constant {
        /// Identifier of the case.
        case: String,
        /// The file.
        path: PathBuf,
        /// The intensity, after clipping if the settings clip.
        value: f32,
        /// Note on clipping, or nothing.
        clipped: &'static str,
    },
    /// An array does not have the shape of its grid.
    #[error("{what}: expected shape {expected:?}, found {found:?}")]
    ShapeMismatch {
        /// The array.
        what: &'static str,
        /// Shape of the grid.
        expected: Vec<usize>,
        /// Shape of the array.
        found: Vec<usize>,
    },
    /// The files of a case do not lie on one grid.
    #[error("case {case}: {path}: expected the grid of {first}, {expected}; found {found}", path = path.display(), first = first.display())]
    GridMismatch {
        /// Identifier of the case.
        case: String,
        /// The file on another grid.
        path: PathBuf,
        /// The case's first file.
        first: PathBuf,
        /// Its grid.
        expected: String,
        /// The other grid.
        found: String,
    },
    /// A case has no file for a sequence of the settings.
    #[error("case {case}: expected a file for the sequence {sequence}, found files for {}", found.join(", "))]
    MissingSequence {
        /// Identifier of the case.
        case: String,
        /// The sequence.
        sequence: String,
        /// Sequences of the case.
        found: Vec<String>,
    },
    /// Two sequences of a case have the same file.
    #[error(
        "case {case}: expected a file of its own for each sequence, found {file} for {first} and {second}"
    )]
    SameFile {
        /// Identifier of the case.
        case: String,
        /// The file, and its volume if it has several.
        file: String,
        /// One of the sequences.
        first: String,
        /// The other sequence.
        second: String,
    },
    /// The folder of a case does not have exactly one file of each sequence.
    #[error("{path}: expected one file of each sequence, found {found}", path = path.display())]
    IncompleteCase {
        /// The folder.
        path: PathBuf,
        /// Missing and ambiguous sequences.
        found: String,
    },
    /// A setting is out of its range.
    #[error("{setting}: expected {expected}, found {found}")]
    InvalidSetting {
        /// Name of the setting.
        setting: &'static str,
        /// Allowed values.
        expected: String,
        /// Value of the setting.
        found: String,
    },
    /// A name that is not in its table.
    #[error("{what}: expected {expected}, found {found}")]
    UnknownName {
        /// What the name selects.
        what: &'static str,
        /// `one of`, and the known names.
        expected: String,
        /// The unknown name.
        found: String,
    },
    /// A column or cell of a manifest is invalid.
    #[error("{path}, line {line}{}: expected {expected}, found {found}", case.as_ref().map(|c| format!(", case {c}")).unwrap_or_default(), path = path.display())]
    Manifest {
        /// The manifest.
        path: PathBuf,
        /// Line number, from 1.
        line: u64,
        /// Identifier of the line's case, if it has one.
        case: Option<String>,
        /// Allowed content.
        expected: String,
        /// Content of the line.
        found: String,
    },
    /// Cases of a cohort have the same name.
    #[error("case {case}: expected one folder, found {first} and {second}{}; list the cases in a manifest (.csv), which gives each a name of its own", others_twice(*others), first = first.display(), second = second.display())]
    DuplicateCase {
        /// Identifier of the case.
        case: String,
        /// Its first folder.
        first: PathBuf,
        /// Another folder of the same name.
        second: PathBuf,
        /// Number of other names that occur more than once.
        others: usize,
    },
    /// A cohort has no usable case.
    #[error("{path}: expected a cohort (a folder of cases or a CSV manifest), found no usable case{}", no_case_summary(found, left_out), path = path.display())]
    EmptyCohort {
        /// The folder or manifest.
        path: PathBuf,
        /// What was found instead, if no case was left out.
        found: String,
        /// Cases that were found and left out.
        left_out: Vec<LeftOut>,
    },
    /// A cohort or split lacks a class.
    #[error("{what}: expected cases of both classes, found {positive} positive and {negative} negative")]
    OneClass {
        /// The cohort, or one of its splits.
        what: String,
        /// Number of positive cases.
        positive: usize,
        /// Number of negative cases.
        negative: usize,
    },
    /// A cohort has fewer cases of a class than were to be drawn from it.
    #[error("draw: expected at least {expected} {class} cases, found {found}")]
    TooFew {
        /// `positive` or `negative`.
        class: &'static str,
        /// Number of cases to draw.
        expected: usize,
        /// Number of cases of that class.
        found: usize,
    },
    /// The cases of one group already belong to two splits.
    #[error("group {group}: expected all of its cases in one split, found {first} and {second}")]
    DividedGroup {
        /// Name of the group.
        group: String,
        /// Split of its first case.
        first: &'static str,
        /// Split of another of its cases.
        second: &'static str,
    },
}

/// Says how many other names occur more than once.
fn others_twice(others: usize) -> String {
    match others {
        0 => String::new(),
        1 => ", and 1 other name more than once".to_owned(),
        n => format!(", and {n} other names more than once"),
    }
}

/// Summary of a cohort without cases: the content found instead, or the reasons for which cases were left out, each with the first of
/// its cases.
fn no_case_summary(found: &str, left_out: &[LeftOut]) -> String {
    const LISTED: usize = 3;
    if left_out.is_empty() {
        return format!(": {found}");
    }
    let mut reasons: Vec<(&LeftOut, usize)> = Vec::new();
    let mut others = 0;
    for one in left_out {
        if let Some((_, more)) = reasons.iter_mut().find(|(first, _)| first.reason == one.reason) {
            *more += 1;
        } else if reasons.len() < LISTED {
            reasons.push((one, 0));
        } else {
            others += 1;
        }
    }
    let listed = reasons.iter().map(|(first, more)| {
        let more = if *more > 0 { format!(", and {more} more") } else { String::new() };
        format!("{}: {}{more}", first.case, first.reason)
    });
    let listed = listed.collect::<Vec<_>>().join(" | ");
    let others = if others > 0 { format!(" | and {others} others") } else { String::new() };
    format!(" (left out: {listed}{others})")
}
