//! Comparison of the learned fill with the constant fills.

use relevox_eval::Bootstrap;

use super::aggregate::mean;
use super::cases::CaseDice;
use crate::stages::partition::Partition;
use crate::stages::scores::fill_record;
use crate::stages::session::Session;
use relevox_report::tables::{FillSummary, Method};

/// Summarises the learned fill's distance from `max` and every fill's mean |Δp| over the test cases with a tumour;
/// `None` without a learned fill.
///
/// # Errors
/// Returns an error if a record of the fill can't be read.
pub fn summary(
    session: &Session,
    partition: &Partition,
    found: &[CaseDice],
    bootstrap: Bootstrap,
) -> anyhow::Result<Option<FillSummary>> {
    let fills = &session.config.evaluate.fills;
    if !fills.contains(&Method::Learned) {
        return Ok(None);
    }
    let distances: Vec<f64> = found
        .iter()
        .map(|case| fill_record::mean_distance(session, partition, &case.case, Method::Learned))
        .collect::<anyhow::Result<_>>()?;
    let changes = |fill: &Method| -> Vec<f64> {
        found.iter().filter_map(|case| case.mean_abs_delta_p.get(fill).copied()).collect()
    };
    Ok(Some(FillSummary {
        distance_from_max: mean(bootstrap, &distances, None),
        mean_abs_delta_p: fills.iter().map(|fill| (*fill, mean(bootstrap, &changes(fill), None))).collect(),
    }))
}
