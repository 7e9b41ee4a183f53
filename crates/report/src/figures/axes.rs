//! Line charts: axes with round ticks, lines and a legend.

use super::canvas::{Area, Canvas, Pen, Text};
use super::colour::{FAINT_INK, INK, RULE, Rgb};
use super::lettering::{Weight, lay};
use crate::error::Error;
use crate::tables::wording::decimals;

/// Font size of numbers and labels.
pub(super) const SIZE: f32 = 20.0;

/// An axis with its range and ticks.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Axis {
    pub label: String,
    pub low: f64,
    pub high: f64,
    pub ticks: Vec<f64>,
    places: usize,
}

impl Axis {
    /// An axis with the given range.
    pub(super) fn exact(label: &str, low: f64, high: f64, step: f64) -> Self {
        let count = ((high - low) / step + 1e-9).floor() as usize;
        let ticks = (0..=count).map(|index| low + step * index as f64).collect();
        Self { label: label.to_owned(), low, high, ticks, places: places(step) }
    }

    /// An axis that covers all values, between round numbers.
    pub(super) fn covering(label: &str, values: impl Iterator<Item = f64>) -> Self {
        let (low, high) = values
            .filter(|value| value.is_finite())
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)));
        let (low, high) = match low <= high {
            false => (0.0, 1.0),
            true if high - low < 1e-9 => (low - 0.5, high + 0.5),
            true => (low, high),
        };
        let step = round_step((high - low) / 4.0);
        Self::exact(label, (low / step).floor() * step, (high / step).ceil() * step, step)
    }

    /// As [`Axis::covering`], with 0.
    pub(super) fn from_zero(label: &str, values: impl Iterator<Item = f64>) -> Self {
        Self::covering(label, values.chain([0.0]))
    }

    /// An axis of epochs, from 1.
    pub(super) fn epochs(last: usize) -> Self {
        let last = last.max(2) as f64;
        let step = round_step((last - 1.0) / 10.0).max(1.0);
        let mut ticks = vec![1.0];
        let mut at = if step > 1.0 { step } else { 2.0 };
        while at <= last {
            ticks.push(at);
            at += step;
        }
        Self { label: "epoch".to_owned(), low: 1.0, high: last, ticks, places: 0 }
    }

    pub(super) fn share(&self, value: f64) -> f32 {
        ((value - self.low) / (self.high - self.low)) as f32
    }
}

/// Smallest of 1, 2 or 5 times a power of ten that is at least `least`.
fn round_step(least: f64) -> f64 {
    let power = 10f64.powf(least.log10().floor());
    [1.0, 2.0, 5.0, 10.0]
        .into_iter()
        .map(|digit| digit * power)
        .find(|step| *step >= least * (1.0 - 1e-9))
        .unwrap_or(power * 10.0)
}

fn places(step: f64) -> usize {
    (0..6)
        .find(|&places| (step * 10f64.powi(places) - (step * 10f64.powi(places)).round()).abs() < 1e-6)
        .unwrap_or(6) as usize
}

/// A line of a chart.
pub(super) struct Series<'a> {
    pub name: &'a str,
    pub colour: Rgb,
    pub dash: Option<[f32; 2]>,
    /// Points; the line is broken at missing values.
    pub points: Vec<(f64, Option<f64>)>,
    pub dots: bool,
}

/// A chart: its plotting area and axes.
pub(super) struct Chart {
    pub area: Area,
    pub x: Axis,
    pub y: Axis,
}

impl Chart {
    pub(super) fn place(&self, x: f64, y: f64) -> (f32, f32) {
        (
            self.area.x + self.area.width * self.x.share(x),
            self.area.bottom() - self.area.height * self.y.share(y),
        )
    }

    /// Draws grid lines, ticks and labels.
    pub(super) fn frame(&self, canvas: &mut Canvas) -> Result<(), Error> {
        let area = self.area;
        for &tick in &self.y.ticks {
            let (_, y) = self.place(self.x.low, tick);
            canvas.line(&[(area.x, y), (area.right(), y)], Pen::new(1.0, RULE));
            let text = decimals(tick, self.y.places);
            canvas.text(area.x - 12.0, y + SIZE * 0.35, &text, Text::new(SIZE, FAINT_INK).end())?;
        }
        for &tick in &self.x.ticks {
            let (x, _) = self.place(tick, self.y.low);
            canvas.line(&[(x, area.bottom()), (x, area.bottom() + 7.0)], Pen::new(1.5, FAINT_INK));
            let text = decimals(tick, self.x.places);
            canvas.text(x, area.bottom() + 12.0 + SIZE, &text, Text::new(SIZE, FAINT_INK).middle())?;
        }
        canvas.line(&[(area.x, area.bottom()), (area.right(), area.bottom())], Pen::new(1.5, FAINT_INK));
        let (middle, centre) = area.middle();
        canvas.text(
            middle,
            area.bottom() + 24.0 + 2.0 * SIZE,
            &self.x.label,
            Text::new(SIZE, INK).middle(),
        )?;
        canvas.text_up(area.x - 74.0, centre, &self.y.label, Text::new(SIZE, INK).middle())
    }

    /// Draws a line; values above the axis are clipped and marked by a small wedge.
    pub(super) fn draw(&self, canvas: &mut Canvas, series: &Series<'_>) {
        let pen = Pen { width: 3.0, colour: series.colour, dash: series.dash };
        for run in series.points.split(|point| point.1.is_none()) {
            let points: Vec<(f64, f64)> = run.iter().filter_map(|&(x, y)| Some((x, y?))).collect();
            for line in below(&points, self.y.high) {
                let line: Vec<(f32, f32)> = line.into_iter().map(|(x, y)| self.place(x, y)).collect();
                canvas.line(&line, pen);
            }
            for &(x, y) in &points {
                let (at, height) = self.place(x, y.min(self.y.high));
                if y > self.y.high {
                    let wedge = [(at - 7.0, height - 2.0), (at, height - 14.0), (at + 7.0, height - 2.0)];
                    canvas.polygon(&wedge, series.colour);
                } else if series.dots || points.len() == 1 {
                    canvas.dot(at, height, 5.5, series.colour);
                }
            }
        }
    }

    /// Writes the names of series above the chart.
    pub(super) fn legend(&self, canvas: &mut Canvas, series: &[Series<'_>]) -> Result<(), Error> {
        let y = self.area.y - 16.0;
        let mut x = self.area.x;
        for one in series {
            let middle = y - SIZE * 0.32;
            let pen = Pen { width: 3.0, colour: one.colour, dash: one.dash };
            canvas.line(&[(x, middle), (x + 34.0, middle)], pen);
            if one.dots {
                canvas.dot(x + 17.0, middle, 5.5, one.colour);
            }
            canvas.text(x + 42.0, y, one.name, Text::new(SIZE, INK))?;
            x += 42.0 + lay(one.name, SIZE, Weight::Regular)?.width + 30.0;
        }
        Ok(())
    }

    /// Draws a vertical dashed line with a label next to its top.
    pub(super) fn mark(&self, canvas: &mut Canvas, x: f64, words: &str) -> Result<(), Error> {
        let (at, _) = self.place(x, self.y.low);
        let area = self.area;
        canvas.line(&[(at, area.y), (at, area.bottom())], Pen::new(1.5, FAINT_INK).dashed(7.0, 6.0));
        let style = Text::new(SIZE * 0.9, FAINT_INK);
        let width = lay(words, style.size, Weight::Regular)?.width;
        if at + 8.0 + width > area.right() {
            canvas.text(at - 8.0, area.y + SIZE * 0.9, words, style.end())
        } else {
            canvas.text(at + 8.0, area.y + SIZE * 0.9, words, style)
        }
    }
}

/// Parts of a line that lie at or below a height.
fn below(points: &[(f64, f64)], high: f64) -> Vec<Vec<(f64, f64)>> {
    let mut parts = vec![Vec::new()];
    for (index, &(x, y)) in points.iter().enumerate() {
        if let Some(&(x0, y0)) = index.checked_sub(1).and_then(|before| points.get(before))
            && (y0 > high) != (y > high)
        {
            let crossing = (x0 + (x - x0) * (high - y0) / (y - y0), high);
            if y0 > high {
                parts.push(vec![crossing]);
            } else if let Some(part) = parts.last_mut() {
                part.push(crossing);
            }
        }
        if y <= high
            && let Some(part) = parts.last_mut()
        {
            part.push((x, y));
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_cover_their_values_between_round_ticks() {
        for values in [[0.013, 0.72], [-3.0, 4000.0], [0.5, 0.5], [1e-5, 3e-5]] {
            let axis = Axis::covering("", values.into_iter());
            assert!(axis.low <= values[0] && axis.high >= values[1], "{axis:?}");
            assert!((3..=8).contains(&axis.ticks.len()), "{axis:?}");
        }
        assert_eq!(Axis::covering("", std::iter::empty()).high, 1.0);
        assert_eq!(Axis::from_zero("", [0.3, 0.8].into_iter()).low, 0.0);
    }

    #[test]
    fn epochs_are_integers() {
        assert_eq!(Axis::epochs(5).ticks, [1.0, 2.0, 3.0, 4.0, 5.0]);
        assert_eq!(Axis::epochs(20).ticks, [1.0, 2.0, 4.0, 6.0, 8.0, 10.0, 12.0, 14.0, 16.0, 18.0, 20.0]);
        assert_eq!(Axis::epochs(1).high, 2.0);
    }

    #[test]
    fn lines_are_clipped_at_the_top() {
        let line = [(0.0, 0.0), (1.0, 2.0), (2.0, 0.0)];
        assert_eq!(below(&line, 1.0), [vec![(0.0, 0.0), (0.5, 1.0)], vec![(1.5, 1.0), (2.0, 0.0)]]);
        assert_eq!(below(&line, 2.0), [line.to_vec()]);
        assert_eq!(below(&[(0.0, 3.0)], 2.0), [Vec::new()]);
    }

    #[test]
    fn ticks_have_the_decimals_of_their_step() {
        assert_eq!([places(0.25), places(0.1), places(5.0), places(0.02)], [2, 1, 0, 2]);
    }
}
