//! Convergence of the sampling explainers on the explained test cases.

use relevox_volume::Split;

use super::results::{Drawn, Results};
use crate::stages::{explained, grid};
use relevox_report::figures::{Convergence, convergence};

/// Draws the figure, if an explainer recorded its convergence.
pub fn draw(results: &Results<'_>) -> Drawn {
    let session = results.session;
    let config = &session.config.explain;
    if config.methods.is_empty() {
        return Ok(None);
    }
    let cases = grid::cases(session, Split::Test, config.cases)?;
    let mut all = Vec::new();
    for &method in &config.methods {
        let mut records = Vec::new();
        for case in &cases {
            let path = session.run.path(&explained::convergence_file(&results.partition, case, method));
            if path.exists() {
                records.push(explained::read_convergence(&path)?);
            }
        }
        if !records.is_empty() {
            all.push(Convergence { method: method.label().to_owned(), cases: records });
        }
    }
    if all.is_empty() { Ok(None) } else { Ok(Some(convergence(&all)?)) }
}
