//! Figure 3: relevance map of one case over the epochs of training, with the losses and the focus.

use ndarray::ArrayView3;

use super::axes::{Axis, Chart, Series};
use super::canvas::{Area, Canvas, Text};
use super::colour::{FAINT_INK, GREEN, INK, OUTLINE};
use super::lettering::shorten;
use super::panel::{Grain, Levels, Panel, PanelGrid, colour_bar, fit, outline, sides};
use super::plane::View;
use super::training::{HistoryPoint, last_epoch, loss_axis, losses, mark_selected};
use crate::error::Error;
use crate::tables::{Number, wording};

/// A map at an epoch.
#[derive(Debug)]
pub struct EpochMap<'a> {
    /// Epoch, from 1.
    pub epoch: usize,
    /// Relevance, 0 to 100.
    pub map: ArrayView3<'a, f32>,
    /// Whether it is 0 everywhere.
    pub flat: bool,
}

/// Focus at an epoch.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FocusPoint {
    /// Epoch, from 1.
    pub epoch: usize,
    /// Share of the map's mass in its top region, 0 to 1; none if all maps are flat.
    pub focus: Option<f64>,
}

/// Content of the figure.
#[derive(Debug)]
pub struct Epochs<'a> {
    /// Name of the case.
    pub case: &'a str,
    /// Orientation and spacing of slices.
    pub view: View,
    /// Index of the slice.
    pub slice: usize,
    /// Sequence below the maps, 0 to 1.
    pub scan: ArrayView3<'a, f32>,
    /// Expert segmentation.
    pub truth: Option<ArrayView3<'a, bool>>,
    /// Maps; at most eight are drawn, evenly spaced.
    pub maps: Vec<EpochMap<'a>>,
    /// Training history.
    pub history: &'a [HistoryPoint],
    /// Selected epoch.
    pub chosen: Option<usize>,
    /// Mean focus over cases.
    pub focus: &'a [FocusPoint],
    /// Rank correlation of focus with validation loss.
    pub correlation: &'a Number,
}

const WIDTH: f32 = 1600.0;
const SIZE: f32 = 20.0;
const MOST: usize = 8;

impl Epochs<'_> {
    /// Draws the figure as a PNG file.
    ///
    /// # Errors
    /// Returns [`Error::FigureSize`], [`Error::Font`] or [`Error::Png`] if the figure can't be drawn or encoded.
    pub fn png(&self) -> Result<Vec<u8>, Error> {
        let shown = evenly(self.maps.len(), MOST);
        let (left, right, gap) = (110.0, 110.0, 8.0);
        let room = (WIDTH - left - right + gap) / shown.len().max(1) as f32 - gap;
        let side = room.min(270.0);
        let top = 48.0;
        let mut canvas = Canvas::for_page(WIDTH, top + side + 830.0)?;
        let panels = PanelGrid { left, top, side, gaps: [gap; 2] };
        self.maps_row(&mut canvas, &shown, |index| panels.place(0, index))?;

        let x = Axis::epochs(last_epoch(self.history));
        let width = WIDTH - left - right;
        let series = losses(self.history);
        let area = Area { x: left, y: top + side + 96.0, width, height: 260.0 };
        let chart = Chart { area, x: x.clone(), y: loss_axis(&series) };
        chart.frame(&mut canvas)?;
        mark_selected(&chart, &mut canvas, self.chosen, true)?;
        series.iter().for_each(|one| chart.draw(&mut canvas, one));
        chart.legend(&mut canvas, &series)?;

        let focus = Series {
            name: "focus: share of the map’s mass in its top region",
            colour: GREEN,
            dash: None,
            points: self.focus.iter().map(|point| (point.epoch as f64, point.focus)).collect(),
            dots: true,
        };
        let values = focus.points.iter().filter_map(|point| point.1);
        let area = Area { y: area.bottom() + 136.0, height: 230.0, ..area };
        let chart = Chart { area, x, y: Axis::from_zero("focus", values) };
        chart.frame(&mut canvas)?;
        mark_selected(&chart, &mut canvas, self.chosen, false)?;
        chart.draw(&mut canvas, &focus);
        chart.legend(&mut canvas, &[focus])?;
        let words = match &self.correlation.why {
            Some(why) => format!("rank correlation with validation loss: none ({why})"),
            None => format!(
                "rank correlation with validation loss: {}, {} epochs",
                wording::with_interval(self.correlation),
                self.correlation.n
            ),
        };
        canvas.text(area.right(), area.y - 16.0, &words, Text::new(SIZE, INK).end())?;
        canvas.png()
    }

    fn maps_row(
        &self,
        canvas: &mut Canvas,
        shown: &[usize],
        place: impl Fn(usize) -> Area,
    ) -> Result<(), Error> {
        let shape = [0, 1, 2].map(|axis| self.scan.shape()[axis]);
        let size_mm = self.view.size_mm(shape);
        let scan = self.view.cut(self.scan, self.slice);
        let levels = Levels::of(self.scan);
        let truth = self.truth.map(|truth| self.view.cut(truth, self.slice));
        for (index, &map) in shown.iter().enumerate() {
            let (column, map) = (place(index), &self.maps[map]);
            let area = fit(column, size_mm);
            let slice = self.view.cut(map.map, self.slice);
            Panel { scan: &scan, levels, map: Some((&slice, Grain::Regions)) }.draw(canvas, area);
            if let Some(truth) = &truth {
                outline(canvas, area, truth, Some(false), OUTLINE, 1.6);
            }
            if index == 0 {
                sides(canvas, area, &self.view, SIZE - 3.0)?;
            }
            let title = format!("epoch {}", map.epoch);
            let (middle, _) = column.middle();
            canvas.text(middle, column.y - 16.0, &title, Text::new(SIZE, INK).bold().middle())?;
            if map.flat {
                canvas.text(
                    middle,
                    column.bottom() + 22.0,
                    "flat",
                    Text::new(SIZE - 2.0, FAINT_INK).middle(),
                )?;
            }
        }
        if let Some(last) = shown.len().checked_sub(1) {
            let last = place(last);
            let first = place(0);
            colour_bar(canvas, last, 14.0, SIZE - 3.0)?;
            canvas.text_up(
                first.x - 20.0,
                first.middle().1,
                &shorten(self.case),
                Text::new(SIZE - 2.0, FAINT_INK).middle(),
            )?;
        }
        Ok(())
    }
}

/// At most `most` indices below `n`, evenly spaced from the first to the last.
fn evenly(n: usize, most: usize) -> Vec<usize> {
    if n <= most {
        return (0..n).collect();
    }
    (0..most).map(|index| index * (n - 1) / (most - 1)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indices_include_the_first_and_the_last() {
        assert_eq!(evenly(3, 8), [0, 1, 2]);
        let shown = evenly(100, 8);
        assert_eq!((shown.len(), shown[0], shown[7]), (8, 0, 99));
        assert_eq!(evenly(0, 8), Vec::<usize>::new());
    }
}
