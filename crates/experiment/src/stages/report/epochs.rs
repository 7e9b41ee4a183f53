//! Figure 3: relevance maps of a validation case over the epochs of training, with losses and focus.

use serde::Deserialize;

use super::results::{Drawn, Results};
use crate::stages::evaluate::FOCUS;
use crate::stages::focus;
use crate::stages::scores::read_csv;
use crate::stages::table;
use relevox_report::figures::{EpochMap, Epochs, FocusPoint, View, widest_slice};

/// Columns of [`FOCUS`] that the figure shows.
#[derive(Deserialize)]
struct Row {
    epoch: usize,
    focus: Option<f64>,
}

/// Draws the figure for the first case of the focus measurement.
pub fn draw(results: &Results<'_>) -> Drawn {
    let session = results.session;
    let config = &session.config;
    let Some(case) = focus::cases(session)?.into_iter().next() else { return Ok(None) };
    let study = session.scans.study(&case)?;
    let regions = results.partition.regions(session, &case)?;
    let mut maps = Vec::new();
    for epoch in focus::epochs(config.classifier.epochs, config.evaluate.focus_epochs) {
        let scores = read_csv(&session.run.path(&focus::file(epoch, &case)))?;
        maps.push((epoch, scores.map(&regions)?));
    }
    let rows: Vec<Row> = table::read(&session.run.path(FOCUS))?;
    let by_epoch: Vec<FocusPoint> =
        rows.into_iter().map(|Row { epoch, focus }| FocusPoint { epoch, focus }).collect();
    let history = results.points();
    let figure = Epochs {
        case: &case,
        view: View::axial(&study.frame.geometry()),
        slice: study.tumour.as_ref().map_or(0, |tumour| widest_slice(tumour.view())),
        scan: study.channel(&results.partition.sequence)?,
        truth: study.tumour.as_ref().map(|tumour| tumour.view()),
        maps: maps
            .iter()
            .map(|(epoch, map)| EpochMap { epoch: *epoch, map: map.voxels.view(), flat: map.flat })
            .collect(),
        history: &history,
        chosen: results.summary.classifier.epoch,
        focus: &by_epoch,
        correlation: &results.summary.focus.correlation,
    };
    Ok(Some(figure.png()?))
}
