//! Any cohort as a CSV manifest: `case,group,label,split,<sequences>,seg`, paths relative to the file.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

use csv::StringRecord;

use super::{CaseFiles, Cohort, LeftOut, grades};
use crate::{Error, Split};

const CASE: &str = "case";
const GROUP: &str = "group";
const LABEL: &str = "label";
const SPLIT: &str = "split";
const SEG: &str = "seg";
/// The columns that are no sequences.
pub(crate) const COLUMNS: [&str; 5] = [CASE, GROUP, LABEL, SPLIT, SEG];

/// Reads a manifest.
pub(super) fn open(path: &Path, sequences: &[String]) -> Result<Cohort, Error> {
    let broken = |error: csv::Error| match error.position().map(csv::Position::line) {
        Some(line) if !error.is_io_error() => Error::Manifest {
            path: path.to_owned(),
            line,
            case: None,
            expected: "rows with as many cells as the header, in UTF-8".to_owned(),
            found: error.to_string(),
        },
        _ => Error::Read { path: path.to_owned(), source: error.into() },
    };
    let text = fs::read(path).map_err(|source| Error::Read { path: path.to_owned(), source })?;
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(text.as_slice());
    let columns = Columns::parse(path, reader.headers().map_err(broken)?, sequences)?;

    let mut cohort = Cohort::default();
    let mut lines: HashMap<String, u64> = HashMap::new();
    let mut splits: BTreeMap<String, (Split, String)> = BTreeMap::new();
    for record in reader.records() {
        let record = record.map_err(broken)?;
        let row = Row { path, columns: &columns, line: line_of(&text, record.position()), record: &record };
        let case = row.case()?;
        if let Some(first) = lines.insert(case.clone(), row.line) {
            return Err(row.wrong("each case once".to_owned(), format!("it again, after line {first}")));
        }
        match row.files(sequences)? {
            Ok(files) => {
                if let Some(split) = files.split {
                    let (other, of) = splits.entry(files.group.clone()).or_insert((split, case));
                    if *other != split {
                        let found = format!("it in {split}, and in {other} with case {of}");
                        return Err(row.wrong(format!("group {} in one split", files.group), found));
                    }
                }
                cohort.cases.push(files);
            }
            Err(why) => cohort.left_out.push(LeftOut { case, why }),
        }
    }
    Ok(cohort)
}

/// The line on which a record's text starts: its position may stand before blank lines.
fn line_of(text: &[u8], position: Option<&csv::Position>) -> u64 {
    position.map_or(0, |position| {
        let rest = text.get(position.byte() as usize..).unwrap_or_default();
        let blank = rest.iter().take_while(|byte| byte.is_ascii_whitespace());
        position.line() + blank.filter(|byte| **byte == b'\n').count() as u64
    })
}

/// Which column holds what.
struct Columns {
    by_name: HashMap<String, usize>,
}

impl Columns {
    fn parse(path: &Path, header: &StringRecord, sequences: &[String]) -> Result<Self, Error> {
        let wrong = |expected: String, found: String| {
            Err(Error::Manifest { path: path.to_owned(), line: 1, case: None, expected, found })
        };
        let allowed: Vec<&str> = [CASE, GROUP, LABEL, SPLIT]
            .into_iter()
            .chain(sequences.iter().map(String::as_str))
            .chain([SEG])
            .collect();
        let mut by_name = HashMap::new();
        for (index, name) in header.iter().enumerate() {
            let name = name.trim_start_matches('\u{feff}');
            if !allowed.contains(&name) {
                return wrong(
                    format!("columns among {}", allowed.join(", ")),
                    format!("the column {name:?}"),
                );
            }
            if by_name.insert(name.to_owned(), index).is_some() {
                return wrong("each column once".to_owned(), format!("{name:?} again"));
            }
        }
        for name in [CASE, LABEL].into_iter().chain(sequences.iter().map(String::as_str)) {
            if !by_name.contains_key(name) {
                let found = header.iter().collect::<Vec<_>>().join(", ");
                return wrong(format!("the column {name:?}"), format!("the columns {found}"));
            }
        }
        Ok(Self { by_name })
    }
}

/// A line of the manifest.
struct Row<'a> {
    path: &'a Path,
    columns: &'a Columns,
    line: u64,
    record: &'a StringRecord,
}

impl Row<'_> {
    /// A cell, unless it is empty or its column absent.
    fn cell(&self, column: &str) -> Option<&str> {
        let index = self.columns.by_name.get(column)?;
        self.record.get(*index).filter(|cell| !cell.is_empty())
    }

    fn wrong(&self, expected: String, found: String) -> Error {
        let case = self.cell(CASE).map(str::to_owned);
        Error::Manifest { path: self.path.to_owned(), line: self.line, case, expected, found }
    }

    /// The case's name, which also names files and folders.
    fn case(&self) -> Result<String, Error> {
        let name = self.cell(CASE).unwrap_or_default();
        let usable = !matches!(name, "" | "." | "..")
            && !name.contains(['/', '\\'])
            && !name.contains(char::is_control);
        if usable {
            Ok(name.to_owned())
        } else {
            Err(self.wrong("a case name that can name a folder".to_owned(), format!("{name:?}")))
        }
    }

    /// The case, or why it is left out.
    fn files(&self, sequences: &[String]) -> Result<Result<CaseFiles, String>, Error> {
        let case = self.case()?;
        let mut lacks = Vec::new();
        let label = match self.cell(LABEL) {
            None => {
                lacks.push("no label".to_owned());
                false
            }
            Some("1") => true,
            Some("0") => false,
            Some(label) => grades::parse(label)
                .ok_or_else(|| self.wrong("the label 0, 1, LGG or HGG".to_owned(), format!("{label:?}")))?,
        };
        let split = match self.cell(SPLIT) {
            None => None,
            Some(name) => {
                Some(Split::ALL.into_iter().find(|split| split.name() == name).ok_or_else(|| {
                    self.wrong("the split train, validation or test, or none".to_owned(), format!("{name:?}"))
                })?)
            }
        };
        let mut paths = Vec::new();
        for sequence in sequences {
            match self.file(sequence)? {
                Some(path) => paths.push(path),
                None => lacks.push(format!("no {sequence} scan")),
            }
        }
        let seg = self.file(SEG)?;
        if !lacks.is_empty() {
            return Ok(Err(lacks.join("; ")));
        }
        let group = self.cell(GROUP).unwrap_or(&case).to_owned();
        Ok(Ok(CaseFiles { case, group, label, split, sequences: paths, seg }))
    }

    fn file(&self, column: &str) -> Result<Option<PathBuf>, Error> {
        let Some(cell) = self.cell(column) else { return Ok(None) };
        let file = self.path.parent().unwrap_or(Path::new("")).join(cell);
        if file.is_file() {
            Ok(Some(file))
        } else {
            Err(self.wrong(format!("a file for {column}"), format!("none at {}", file.display())))
        }
    }
}
