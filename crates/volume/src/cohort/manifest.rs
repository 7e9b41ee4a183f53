//! CSV manifests of cohorts: `case,group,label,split,<sequences>,seg`, with paths relative to the file.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::Path;

use csv::StringRecord;
use serde::Deserialize;

use super::case::{CaseFiles, CohortCase};
use super::grades;
use super::left_out::LeftOut;
use super::list::Cohort;
use super::split::Split;
use crate::{Error, ScanFile};

/// Columns other than the sequences.
pub(crate) const COLUMNS: [&str; 5] = ["case", "group", "label", "split", SEGMENTATION];
const REQUIRED_COLUMNS: [&str; 2] = ["case", "label"];
const SEGMENTATION: &str = "seg";

/// A row of the manifest, without its sequences. Empty cells and absent columns are `None`.
#[derive(Deserialize)]
struct Row<'a> {
    case: &'a str,
    #[serde(borrow)]
    group: Option<&'a str>,
    #[serde(borrow)]
    label: Option<&'a str>,
    #[serde(borrow)]
    split: Option<&'a str>,
}

/// Reads a manifest.
pub(super) fn open(path: &Path, sequences: &[String]) -> Result<Cohort, Error> {
    let unreadable = |source| Error::Io { path: path.to_owned(), action: "read", source };
    let broken = |error: csv::Error| match error.position().map(csv::Position::line) {
        Some(line) if !error.is_io_error() => Error::Manifest {
            path: path.to_owned(),
            line,
            case: None,
            expected: "rows with as many cells as the header, in UTF-8".to_owned(),
            found: error.to_string(),
        },
        _ => unreadable(error.into()),
    };
    let text = fs::read(path).map_err(unreadable)?;
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(text.as_slice());
    let header = check_header(path, reader.headers().map_err(broken)?, sequences)?;

    let mut cohort = Cohort::default();
    let mut lines: HashMap<String, u64> = HashMap::new();
    let mut splits: BTreeMap<String, (Split, String)> = BTreeMap::new();
    for record in reader.records() {
        let record = record.map_err(broken)?;
        let line = Line {
            path,
            number: line_of(&text, record.position()),
            row: record.deserialize(Some(&header)).map_err(broken)?,
            cells: record.deserialize(Some(&header)).map_err(broken)?,
        };
        let id = line.id()?;
        if let Some(first) = lines.insert(id.clone(), line.number) {
            return Err(line.invalid("each case once".to_owned(), format!("it again, after line {first}")));
        }
        match line.case(sequences)? {
            Ok(case) => {
                if let Some(split) = case.split {
                    let (other, of) = splits.entry(case.group.clone()).or_insert((split, id));
                    if *other != split {
                        let found = format!("it in {split}, and in {other} with case {of}");
                        return Err(line.invalid(format!("group {} in one split", case.group), found));
                    }
                }
                cohort.cases.push(case);
            }
            Err(reason) => cohort.left_out.push(LeftOut { case: id, reason }),
        }
    }
    Ok(cohort)
}

/// Line on which a record's text starts. The record's position may precede blank lines.
fn line_of(text: &[u8], position: Option<&csv::Position>) -> u64 {
    position.map_or(0, |position| {
        let rest = text.get(position.byte() as usize..).unwrap_or_default();
        let blank = rest.iter().take_while(|byte| byte.is_ascii_whitespace());
        position.line() + blank.filter(|byte| **byte == b'\n').count() as u64
    })
}

/// Validates the header and returns it without a byte order mark.
fn check_header(path: &Path, header: &StringRecord, sequences: &[String]) -> Result<StringRecord, Error> {
    let invalid = |expected: String, found: String| {
        Err(Error::Manifest { path: path.to_owned(), line: 1, case: None, expected, found })
    };
    let sequences = || sequences.iter().map(String::as_str);
    let fixed = COLUMNS.into_iter().filter(|column| *column != SEGMENTATION);
    let allowed: Vec<&str> = fixed.chain(sequences()).chain([SEGMENTATION]).collect();
    let mut names = StringRecord::new();
    for name in header {
        let name = name.trim_start_matches('\u{feff}');
        if !allowed.contains(&name) {
            return invalid(format!("columns among {}", allowed.join(", ")), format!("the column {name:?}"));
        }
        if names.iter().any(|earlier| earlier == name) {
            return invalid("each column once".to_owned(), format!("{name:?} again"));
        }
        names.push_field(name);
    }
    for required in REQUIRED_COLUMNS.into_iter().chain(sequences()) {
        if !names.iter().any(|name| name == required) {
            let found = header.iter().collect::<Vec<_>>().join(", ");
            return invalid(format!("the column {required:?}"), format!("the columns {found}"));
        }
    }
    Ok(names)
}

/// A row with its position in the manifest.
struct Line<'a> {
    path: &'a Path,
    number: u64,
    row: Row<'a>,
    /// All cells by column.
    cells: HashMap<&'a str, &'a str>,
}

impl Line<'_> {
    fn invalid(&self, expected: String, found: String) -> Error {
        let case = Some(self.row.case).filter(|case| !case.is_empty()).map(str::to_owned);
        Error::Manifest { path: self.path.to_owned(), line: self.number, case, expected, found }
    }

    /// Identifier of the case, which also names files and folders.
    fn id(&self) -> Result<String, Error> {
        let name = self.row.case;
        let usable = !matches!(name, "" | "." | "..")
            && !name.contains(['/', '\\'])
            && !name.contains(char::is_control);
        if usable {
            Ok(name.to_owned())
        } else {
            Err(self.invalid("a case name that can name a folder".to_owned(), format!("{name:?}")))
        }
    }

    /// Assembles the case, or lists everything that it lacks.
    fn case(&self, sequences: &[String]) -> Result<Result<CohortCase, String>, Error> {
        let id = self.id()?;
        let mut lacks = Vec::new();
        let label = match self.row.label {
            None => {
                lacks.push("no label".to_owned());
                false
            }
            Some("1") => true,
            Some("0") => false,
            Some(label) => grades::parse(label)
                .ok_or_else(|| self.invalid("the label 0, 1, LGG or HGG".to_owned(), format!("{label:?}")))?,
        };
        let split = self.row.split.map(|name| {
            name.parse::<Split>().map_err(|_| {
                self.invalid("the split train, validation or test, or none".to_owned(), format!("{name:?}"))
            })
        });
        let split = split.transpose()?;
        let mut files = Vec::new();
        for sequence in sequences {
            match self.file(sequence)? {
                Some(path) => files.push((sequence.clone(), path)),
                None => lacks.push(format!("no {sequence} scan")),
            }
        }
        let segmentation = self.file(SEGMENTATION)?;
        if !lacks.is_empty() {
            return Ok(Err(lacks.join("; ")));
        }
        let group = self.row.group.unwrap_or(&id).to_owned();
        Ok(Ok(CohortCase { files: CaseFiles { id, sequences: files, segmentation }, group, label, split }))
    }

    /// File in a cell, unless the cell is empty or its column absent.
    fn file(&self, column: &str) -> Result<Option<ScanFile>, Error> {
        let Some(cell) = self.cells.get(column).filter(|cell| !cell.is_empty()) else { return Ok(None) };
        let ScanFile { path, volume } = ScanFile::parse(cell);
        let path = self.path.parent().unwrap_or(Path::new("")).join(path);
        if path.is_file() {
            Ok(Some(ScanFile { path, volume }))
        } else {
            Err(self.invalid(format!("a file for {column}"), format!("none at {}", path.display())))
        }
    }
}
