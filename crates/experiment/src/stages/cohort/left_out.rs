//! The list of the cases that can't be used, and its summary on one line.

use relevox_volume::LeftOut;
use serde::Serialize;

use crate::stages::table;

/// Artefact that lists the cases that can't be used.
pub const LEFT_OUT: &str = "left_out.csv";

/// Row of [`LEFT_OUT`].
#[derive(Serialize)]
struct LeftOutRow<'a> {
    case: &'a str,
    why: &'a str,
}

/// Formats the list as CSV.
///
/// # Errors
/// Returns an error if a row can't be represented in CSV.
pub(super) fn left_out_csv(left_out: &[LeftOut]) -> anyhow::Result<Vec<u8>> {
    let rows = left_out.iter().map(|LeftOut { case, reason: why }| LeftOutRow { case, why });
    table::to_csv(&["case", "why"], rows)
}

/// Lists cases left out with their reasons, on one line, up to a number of them.
pub(super) fn left_out_summary(left_out: &[LeftOut], most: usize) -> String {
    let named = left_out.iter().take(most).map(|LeftOut { case, reason }| format!("{case}: {reason}"));
    let more = left_out.len().saturating_sub(most);
    let more = (more > 0).then(|| format!("and {more} more"));
    named.chain(more).collect::<Vec<_>>().join("; ")
}
