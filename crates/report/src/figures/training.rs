//! Training curves: losses, accuracy and AUC by epoch.

use super::axes::{Axis, Chart, Series};
use super::canvas::{Area, Canvas};
use super::colour::{BLUE, GREEN, VERMILION};
use crate::error::Error;

/// One epoch of training.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HistoryPoint {
    /// Epoch, from 1.
    pub epoch: usize,
    /// Mean loss over the training split.
    pub train_loss: f64,
    /// Mean loss over the validation split.
    pub validation_loss: f64,
    /// Validation accuracy at p ≥ 0.5.
    pub validation_accuracy: f64,
    /// Validation area under the ROC curve; none with one class.
    pub validation_auc: Option<f64>,
}

fn points(history: &[HistoryPoint], value: impl Fn(&HistoryPoint) -> Option<f64>) -> Vec<(f64, Option<f64>)> {
    history.iter().map(|point| (point.epoch as f64, value(point).filter(|value| value.is_finite()))).collect()
}

/// Training and validation loss.
pub(super) fn losses(history: &[HistoryPoint]) -> [Series<'static>; 2] {
    [
        Series {
            name: "training loss",
            colour: BLUE,
            dash: None,
            points: points(history, |point| Some(point.train_loss)),
            dots: false,
        },
        Series {
            name: "validation loss",
            colour: VERMILION,
            dash: None,
            points: points(history, |point| Some(point.validation_loss)),
            dots: false,
        },
    ]
}

/// Axis of the losses. It ends at three times the 90th percentile, so that one outlier does not flatten the rest.
pub(super) fn loss_axis(series: &[Series<'_>]) -> Axis {
    let mut values: Vec<f64> =
        series.iter().flat_map(|one| one.points.iter().filter_map(|point| point.1)).collect();
    values.sort_by(f64::total_cmp);
    let most = values.get(values.len().saturating_sub(1) * 9 / 10).map_or(1.0, |value| value * 3.0);
    Axis::from_zero("binary cross-entropy", values.into_iter().map(|value| value.min(most)))
}

/// Last epoch of a history.
pub(super) fn last_epoch(history: &[HistoryPoint]) -> usize {
    history.iter().map(|point| point.epoch).max().unwrap_or(1)
}

/// Marks the selected epoch; nothing if the networks have different ones.
pub(super) fn mark_selected(
    chart: &Chart,
    canvas: &mut Canvas,
    epoch: Option<usize>,
    labelled: bool,
) -> Result<(), Error> {
    let Some(epoch) = epoch else { return Ok(()) };
    let words = if labelled { format!("selected: epoch {epoch}") } else { String::new() };
    chart.mark(canvas, epoch as f64, &words)
}

/// Draws the training curves as a PNG file; `chosen` is the selected epoch, if all networks have the same.
///
/// # Errors
/// Returns [`Error::FigureSize`], [`Error::Font`] or [`Error::Png`] if the figure can't be drawn or encoded.
pub fn training(history: &[HistoryPoint], chosen: Option<usize>) -> Result<Vec<u8>, Error> {
    let mut canvas = Canvas::new(1500, 560)?;
    let area =
        |column: usize| Area { x: 110.0 + column as f32 * 760.0, y: 60.0, width: 600.0, height: 400.0 };
    let x = Axis::epochs(last_epoch(history));

    let series = losses(history);
    let chart = Chart { area: area(0), x: x.clone(), y: loss_axis(&series) };
    chart.frame(&mut canvas)?;
    mark_selected(&chart, &mut canvas, chosen, true)?;
    series.iter().for_each(|one| chart.draw(&mut canvas, one));
    chart.legend(&mut canvas, &series)?;

    let series = [
        Series {
            name: "validation accuracy",
            colour: GREEN,
            dash: None,
            points: points(history, |point| Some(point.validation_accuracy)),
            dots: false,
        },
        Series {
            name: "validation AUC",
            colour: VERMILION,
            dash: Some([12.0, 6.0]),
            points: points(history, |point| point.validation_auc),
            dots: false,
        },
    ];
    let chart = Chart { area: area(1), x, y: Axis::exact("validation split", 0.0, 1.0, 0.2) };
    chart.frame(&mut canvas)?;
    mark_selected(&chart, &mut canvas, chosen, false)?;
    series.iter().for_each(|one| chart.draw(&mut canvas, one));
    chart.legend(&mut canvas, &series)?;
    canvas.png()
}
