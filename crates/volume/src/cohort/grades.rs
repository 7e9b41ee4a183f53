//! Grades by case, from the `name_mapping.csv` of BraTS.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use crate::Error;

const GRADE_COLUMN: &str = "grade";
const FILE_NAME: &str = "name_mapping.csv";

/// Returns whether a file is a table of grades.
pub(super) fn is_table(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.eq_ignore_ascii_case(FILE_NAME)) && path.is_file()
}

/// Parses a grade as a label; HGG is the positive class.
pub(super) fn parse(grade: &str) -> Option<bool> {
    if grade.eq_ignore_ascii_case("HGG") {
        Some(true)
    } else if grade.eq_ignore_ascii_case("LGG") {
        Some(false)
    } else {
        None
    }
}

/// Grades by every identifier that the tables list for a case.
#[derive(Debug, Default)]
pub(super) struct Grades {
    by_id: HashMap<String, String>,
    read: Vec<PathBuf>,
}

impl Grades {
    /// Adds a table. Every column but `Grade` holds the identifiers of one edition. Earlier tables take precedence.
    pub fn add(&mut self, path: &Path) -> Result<(), Error> {
        if self.read.iter().any(|read| read == path) {
            return Ok(());
        }
        let unreadable =
            |error: csv::Error| Error::Io { path: path.to_owned(), action: "read", source: error.into() };
        let mut reader = csv::ReaderBuilder::new()
            .flexible(true)
            .trim(csv::Trim::All)
            .from_path(path)
            .map_err(unreadable)?;
        let text = |cell: &[u8]| String::from_utf8_lossy(cell).into_owned();
        let headers = reader.byte_headers().map_err(unreadable)?;
        let grade_column = headers.iter().position(|cell| {
            let cell = text(cell);
            cell.trim_start_matches('\u{feff}').eq_ignore_ascii_case(GRADE_COLUMN)
        });
        if let Some(grade_column) = grade_column {
            for record in reader.byte_records() {
                let record = record.map_err(unreadable)?;
                let Some(grade) = record.get(grade_column).map(text) else { continue };
                for (column, id) in record.iter().enumerate() {
                    let id = text(id).to_lowercase();
                    if column != grade_column && !matches!(id.as_str(), "" | "na" | "nan") {
                        self.by_id.entry(id).or_insert_with(|| grade.clone());
                    }
                }
            }
        }
        self.read.push(path.to_owned());
        Ok(())
    }

    /// Grade of a case as written, by any of its identifiers.
    pub fn get(&self, case: &str) -> Option<&str> {
        self.by_id.get(&case.to_lowercase()).map(String::as_str)
    }
}
