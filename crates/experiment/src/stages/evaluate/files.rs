//! Artefacts of the evaluation.

use relevox_report::tables::{self, CaseRow, Summary};

use crate::run::{Run, replace};

/// Artefact with all results.
pub const SUMMARY: &str = "summary.json";
/// File with the measurements of each test case with a tumour.
pub const FOUND: &str = "cases.json";
/// Table with a row for each test case.
pub const CASES: &str = "tables/cases.csv";
/// Table with focus and validation loss by epoch.
pub const FOCUS: &str = "tables/focus.csv";

/// Writes the tables of a summary, and returns their names.
///
/// # Errors
/// Returns an error if a file can't be written.
pub fn write_tables(run: &Run, summary: &Summary, rows: &[CaseRow]) -> anyhow::Result<Vec<String>> {
    let mut names = Vec::new();
    for table in tables::all(summary, rows)? {
        let name = format!("tables/{}", table.file);
        replace(&run.path(&name), &table.bytes)?;
        names.push(name);
    }
    Ok(names)
}
