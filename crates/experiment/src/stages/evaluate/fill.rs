//! Whether the learned fill learned more than to answer `max` everywhere.

use relevox_eval::Bootstrap;

use super::cases::CaseDice;
use super::mean;
use crate::stages::scores::fill_record;
use crate::stages::{Partition, Session};
use relevox_report::tables::{FillSummary, Method};

/// Its distance from `max`, and every fill's mean |Δp|, over the test cases with a tumour; nothing where it
/// was not asked for.
pub fn summary(
    session: &Session,
    partition: &Partition,
    found: &[CaseDice],
    draw: Bootstrap,
) -> anyhow::Result<Option<FillSummary>> {
    let fills = &session.config.evaluate.fills;
    if !fills.contains(&Method::Learned) {
        return Ok(None);
    }
    let distances: Vec<f64> = found
        .iter()
        .map(|case| fill_record::mean_distance(session, partition, &case.case))
        .collect::<anyhow::Result<_>>()?;
    let moved = |fill: &Method| -> Vec<f64> {
        found.iter().filter_map(|case| case.mean_abs_delta_p.get(fill).copied()).collect()
    };
    Ok(Some(FillSummary {
        distance_from_max: mean(draw, &distances, None),
        mean_abs_delta_p: fills.iter().map(|fill| (*fill, mean(draw, &moved(fill), None))).collect(),
    }))
}
