//! What can be wrong with scans and cohorts.

use std::io;
use std::path::PathBuf;

use crate::LeftOut;

/// Why a scan, a case or a cohort could not be used. Every message names the file or the case, what was expected and
/// what was found.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file is missing or could not be read.
    #[error("cannot read {path}: {source}", path = path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file could not be written.
    #[error("cannot write {path}: {source}", path = path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file ends, or its compression breaks off, before its voxels do.
    #[error("{path}: expected {expected_bytes} bytes of voxels, found {found_bytes}: {why}", path = path.display())]
    Truncated {
        /// The file.
        path: PathBuf,
        /// Bytes that the header's dimensions and type ask for.
        expected_bytes: u64,
        /// Bytes that could be decoded.
        found_bytes: u64,
        /// How it ended.
        why: String,
    },
    /// The file goes on after its voxels: the header is not this image's.
    #[error("{path}: expected {expected_bytes} bytes, which its header asks for, found {found}", path = path.display())]
    Overlong {
        /// The file.
        path: PathBuf,
        /// Bytes of header, extensions and voxels.
        expected_bytes: u64,
        /// How many there are, as far as is known.
        found: String,
    },
    /// The compressed file's contents do not match its checksum, or are no gzip stream.
    #[error("{path}: expected an intact gzip file, found it damaged: {source}", path = path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What the decoder said.
        source: io::Error,
    },
    /// The file is of another format, or of a variant of NIfTI that is not read.
    #[error("{path}: expected {expected}, found {found}", path = path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What is read.
        expected: &'static str,
        /// What this file is.
        found: String,
    },
    /// A label volume holds something other than whole numbers from 0.
    #[error("{path}: expected whole labels of at least 0, found {found} at voxel z {}, y {}, x {}", index_zyx[0], index_zyx[1], index_zyx[2], path = path.display())]
    NotLabels {
        /// The file.
        path: PathBuf,
        /// The first such voxel.
        index_zyx: [usize; 3],
        /// Its value.
        found: f64,
    },
    /// A scan has a voxel that is no number, or infinite.
    #[error("case {case}: {path}: expected finite intensities, found {found} at voxel z {}, y {}, x {}", index_zyx[0], index_zyx[1], index_zyx[2], path = path.display())]
    NotFinite {
        /// The case.
        case: String,
        /// The scan.
        path: PathBuf,
        /// The first such voxel.
        index_zyx: [usize; 3],
        /// Its value.
        found: f32,
    },
    /// A sequence shows nothing.
    #[error("case {case}: {path}: expected intensities that vary, found {value} throughout", path = path.display())]
    Constant {
        /// The case.
        case: String,
        /// The scan.
        path: PathBuf,
        /// Its one value, after negative ones were clipped if they are.
        value: f32,
    },
    /// The files of a case do not lie on one grid.
    #[error("case {case}: {path}: expected the grid of {first}, {expected}; found {found}", path = path.display(), first = first.display())]
    Grid {
        /// The case.
        case: String,
        /// The sequence or segmentation that lies elsewhere.
        path: PathBuf,
        /// The case's first sequence.
        first: PathBuf,
        /// Its grid.
        expected: String,
        /// The other grid.
        found: String,
    },
    /// A case was listed for other sequences than the config names.
    #[error("case {case}: expected one file for each of {expected:?}, found {found:?}")]
    Sequences {
        /// The case.
        case: String,
        /// The config's sequences.
        expected: Vec<String>,
        /// The case's files.
        found: Vec<PathBuf>,
    },
    /// A preprocessing value is out of range.
    #[error("preprocess.{key}: expected {expected}, found {found}")]
    Preprocess {
        /// The config key.
        key: &'static str,
        /// What it may be.
        expected: &'static str,
        /// What it is.
        found: String,
    },
    /// A manifest says something that cannot be meant.
    #[error("{path}, line {line}{}: expected {expected}, found {found}", case.as_ref().map(|c| format!(", case {c}")).unwrap_or_default(), path = path.display())]
    Manifest {
        /// The manifest.
        path: PathBuf,
        /// Its line, from 1.
        line: u64,
        /// The line's case, where it has one.
        case: Option<String>,
        /// What may stand there.
        expected: String,
        /// What does.
        found: String,
    },
    /// Two folders of a cohort bear one case's name.
    #[error("case {case}: expected one folder, found {first} and {second}", first = first.display(), second = second.display())]
    DuplicateCase {
        /// The case.
        case: String,
        /// Its first folder.
        first: PathBuf,
        /// Another of the same name.
        second: PathBuf,
    },
    /// No case is left.
    #[error("{path}: expected a cohort (a BraTS folder, or a CSV manifest), found no usable case{}", reason(left_out), path = path.display())]
    EmptyCohort {
        /// The folder or manifest.
        path: PathBuf,
        /// The cases that were found and left out, and why.
        left_out: Vec<LeftOut>,
    },
    /// Only one class is there, or none.
    #[error("{of}: expected cases of both classes, found {positive} positive and {negative} negative")]
    OneClass {
        /// The cohort, or one of its splits.
        of: String,
        /// Cases of the positive class.
        positive: usize,
        /// Cases of the negative class.
        negative: usize,
    },
    /// A draw asks for more cases than there are.
    #[error("draw: expected at least {expected} {class} cases, found {found}")]
    TooFew {
        /// "positive" or "negative".
        class: &'static str,
        /// How many were asked for.
        expected: usize,
        /// How many there are.
        found: usize,
    },
    /// The sizes of the splits do not fit the cohort.
    #[error("split: expected {expected}, found {found}")]
    SplitSizes {
        /// What the sizes must add up to.
        expected: String,
        /// What they add up to.
        found: String,
    },
}

fn reason(left_out: &[LeftOut]) -> String {
    match left_out {
        [] => String::new(),
        [first, rest @ ..] => {
            let others = if rest.is_empty() { String::new() } else { format!(", and {} more", rest.len()) };
            format!(" (left out: {}: {}{others})", first.case, first.why)
        }
    }
}
