//! How the explainers that sample settle, on the test cases that they explain.

use relevox_volume::Split;

use super::{Drawn, Picture};
use crate::stages::{explained, grid};
use relevox_report::figures::{Convergence, convergence};

/// Draws it, where some explainer left a record.
pub fn draw(picture: &Picture<'_>) -> Drawn {
    let session = picture.session;
    let config = &session.config.explain;
    if config.methods.is_empty() {
        return Ok(None);
    }
    let cases = grid::cases(session, Split::Test, config.cases)?;
    let mut all = Vec::new();
    for &method in &config.methods {
        let mut records = Vec::new();
        for case in &cases {
            let path = session.run.path(&explained::settling_file(&picture.partition, case, method));
            if path.exists() {
                records.push(explained::read_settling(&path)?);
            }
        }
        if !records.is_empty() {
            all.push(Convergence { method: method.label().to_owned(), cases: records });
        }
    }
    Ok(if all.is_empty() { None } else { Some(convergence(&all)?) })
}
