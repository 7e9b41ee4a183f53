//! What each command does, once the command line is read.

pub mod bench;
pub mod ci;
pub mod device_check;
pub mod experiment;
pub mod explain;
pub mod results;
mod several;
pub mod slic;

use std::io::Write;

/// Prints a command's result: one JSON object, the last line of stdout.
///
/// # Errors
/// A stdout that nobody reads.
pub fn print_result(result: &serde_json::Value) -> anyhow::Result<()> {
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{result}")?;
    Ok(stdout.flush()?)
}
