//! Growth of cost with size: lines over a common axis.

use super::axes::{Axis, Chart, Series};
use super::canvas::{Area, Canvas};
use super::colour::{BLUE, GREEN, Rgb, VERMILION};
use crate::error::Error;

/// Cost of something by size.
#[derive(Clone, Debug, PartialEq)]
pub struct Growth {
    /// Its name.
    pub name: String,
    /// Size and cost.
    pub points: Vec<(f64, f64)>,
}

const COLOURS: [Rgb; 3] = [BLUE, VERMILION, GREEN];

/// Draws two charts next to each other as a PNG file: label of the vertical axis, and a line for each cost. Both axes begin at 0, so
/// that costs proportional to size are straight lines through the origin. `size` is the label of the horizontal axis.
///
/// # Errors
/// Returns [`Error::FigureSize`], [`Error::Font`] or [`Error::Png`] if the figure can't be drawn or encoded.
pub fn growth(size: &str, charts: [(&str, &[Growth]); 2]) -> Result<Vec<u8>, Error> {
    let mut canvas = Canvas::new(1500, 560)?;
    for (column, (label, lines)) in charts.into_iter().enumerate() {
        let points = || lines.iter().flat_map(|line| &line.points);
        let chart = Chart {
            area: Area { x: 110.0 + column as f32 * 760.0, y: 60.0, width: 600.0, height: 400.0 },
            x: Axis::from_zero(size, points().map(|point| point.0)),
            y: Axis::from_zero(label, points().map(|point| point.1)),
        };
        chart.frame(&mut canvas)?;
        let series: Vec<Series<'_>> = lines
            .iter()
            .zip(COLOURS.into_iter().cycle())
            .map(|(line, colour)| Series {
                name: &line.name,
                colour,
                dash: None,
                points: line.points.iter().map(|&(x, y)| (x, Some(y))).collect(),
                dots: true,
            })
            .collect();
        series.iter().for_each(|one| chart.draw(&mut canvas, one));
        chart.legend(&mut canvas, &series)?;
    }
    canvas.png()
}
