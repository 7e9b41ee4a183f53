//! Figure 3: one validation case's map over the epochs of training, with the losses and the focus.

use anyhow::Context;
use ndarray::Axis;
use relevox_relevance::RelevanceMap;
use serde::Deserialize;

use super::{Drawn, Picture};
use crate::stages::evaluate::FOCUS;
use crate::stages::focus;
use crate::stages::scores::read_csv;
use relevox_report::figures::{EpochMap, Epochs, FocusPoint, View, widest_slice};

#[derive(Deserialize)]
struct Row {
    epoch: usize,
    focus: Option<f64>,
}

/// Draws it on the first of the cases that the focus is measured on.
pub fn draw(picture: &Picture<'_>) -> Drawn {
    let session = picture.session;
    let config = &session.config;
    let Some(case) = focus::cases(session)?.into_iter().next() else { return Ok(None) };
    let study = session.scans.study(&case)?;
    let regions = picture.partition.read(&session.run, &session.scans, &case, &config.regions, "regions")?;
    let mut maps = Vec::new();
    for epoch in focus::epochs(config.classifier.epochs, config.evaluate.focus_epochs) {
        let scores = read_csv(&session.run.path(&focus::file(epoch, &case)))?;
        maps.push((epoch, RelevanceMap::paint(&regions, &scores)?));
    }
    let path = session.run.path(FOCUS);
    let rows: Vec<Row> = csv::Reader::from_path(&path)
        .and_then(|mut table| table.deserialize().collect())
        .with_context(|| format!("reading {}", path.display()))?;
    let by_epoch: Vec<FocusPoint> =
        rows.into_iter().map(|Row { epoch, focus }| FocusPoint { epoch, focus }).collect();
    let history = picture.points();
    let figure = Epochs {
        case: &case,
        view: View::axial(&study.frame.geometry()),
        slice: study.tumour.as_ref().map_or(0, |tumour| widest_slice(tumour.view())),
        scan: study.image.index_axis(Axis(0), picture.channel()),
        truth: study.tumour.as_ref().map(|tumour| tumour.view()),
        maps: maps
            .iter()
            .map(|(epoch, map)| EpochMap { epoch: *epoch, map: map.voxels.view(), flat: map.flat })
            .collect(),
        history: &history,
        chosen: picture.summary.classifier.epoch,
        focus: &by_epoch,
        correlation: &picture.summary.focus.correlation,
    };
    Ok(Some(figure.png()?))
}
