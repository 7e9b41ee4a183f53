//! The stage: evaluation of a run.

use anyhow::Context;
use relevox_report::tables::Summary;

use super::files::{FOCUS, FOUND, SUMMARY, write_tables};
use super::summarise::{case_rows, summarise};
use super::{cases, correlation, evidence};
use crate::run::replace;
use crate::stages::grid;
use crate::stages::session::Session;
use crate::stages::work::Work;

/// Computes all results.
///
/// # Errors
/// Returns an error if an artefact is missing or was made from other inputs.
pub fn run(session: &Session) -> anyhow::Result<Work> {
    let partition = grid::selected(session)?;
    let inputs = evidence::inputs(session, &partition)?;
    let made = session.run.make_with(SUMMARY, &inputs, |path| {
        let found = cases::test_cases(session, &partition)?;
        let focus = correlation::by_epoch(session)?;
        let summary = summarise(session, &partition, &found, &focus)?;
        let mut companions = vec![FOCUS.to_owned()];
        companions.extend(write_tables(&session.run, &summary, &case_rows(session, &found)?)?);
        let mut table = csv::Writer::from_writer(Vec::new());
        focus.iter().try_for_each(|row| table.serialize(row))?;
        replace(&session.run.path(FOCUS), &table.into_inner()?)?;
        replace(&session.run.path(FOUND), serde_json::to_string_pretty(&found)?.as_bytes())?;
        companions.push(FOUND.to_owned());
        replace(path, summary.to_json()?.as_bytes())?;
        Ok(companions)
    })?;
    Ok(Work::from_iter([made]))
}

/// Requires current results.
///
/// # Errors
/// Returns an [`InputError`](crate::failure::InputError) if the results are missing or were computed from other inputs.
pub fn require(session: &Session) -> anyhow::Result<()> {
    let partition = grid::selected(session)?;
    session.run.require(SUMMARY, &evidence::inputs(session, &partition)?, "evaluate")
}

/// Reads the results.
///
/// # Errors
/// Returns an error that names the file if it can't be read.
pub fn summary(session: &Session) -> anyhow::Result<Summary> {
    let path = session.run.path(SUMMARY);
    let text = std::fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
    serde_json::from_slice(&text).with_context(|| format!("reading {}", path.display()))
}
