//! ROC curve of the classifier on the test split.

use relevox_eval::RocPoint;

use super::axes::{Axis, Chart, SIZE, Series};
use super::canvas::{Area, Canvas, Pen, Text};
use super::colour::{BLUE, FAINT_INK, GREY, INK};
use crate::error::Error;
use crate::tables::{Number, wording};

/// Content of the figure.
#[derive(Debug)]
pub struct Roc<'a> {
    /// ROC curve; empty if there is none.
    pub points: &'a [RocPoint],
    /// Area under the curve.
    pub auc: &'a Number,
    /// Number of positive cases.
    pub positive: usize,
    /// Number of negative cases.
    pub negative: usize,
}

impl Roc<'_> {
    /// Draws the figure as a PNG file.
    ///
    /// # Errors
    /// Returns [`Error::FigureSize`], [`Error::Font`] or [`Error::Png`] if the figure can't be drawn or encoded.
    pub fn png(&self) -> Result<Vec<u8>, Error> {
        let mut canvas = Canvas::new(760, 740)?;
        let chart = Chart {
            area: Area { x: 120.0, y: 40.0, width: 600.0, height: 600.0 },
            x: Axis::exact("false positive rate (1 − specificity)", 0.0, 1.0, 0.2),
            y: Axis::exact("true positive rate (sensitivity)", 0.0, 1.0, 0.2),
        };
        chart.frame(&mut canvas)?;
        let corners = [chart.place(0.0, 0.0), chart.place(1.0, 1.0)];
        canvas.line(&corners, Pen::new(2.0, GREY).dashed(9.0, 7.0));
        let points =
            self.points.iter().map(|point| (point.false_positive_rate, Some(point.true_positive_rate)));
        let curve = Series { name: "", colour: BLUE, dash: None, points: points.collect(), dots: true };
        chart.draw(&mut canvas, &curve);
        let mut words = vec![(
            match &self.auc.why {
                Some(why) => format!("AUC: none ({why})"),
                None => format!("AUC {}", wording::with_interval(self.auc)),
            },
            Text::new(SIZE + 2.0, INK).bold().end(),
        )];
        words.push((
            format!("{} positive and {} negative test cases", self.positive, self.negative),
            Text::new(SIZE, FAINT_INK).end(),
        ));
        if let Some(paper) = self.auc.paper {
            words.push((format!("paper: AUC {}", wording::decimal(paper)), Text::new(SIZE, FAINT_INK).end()));
        }
        let bottom = chart.area.bottom() - 24.0 - 32.0 * (words.len() - 1) as f32;
        for (index, (line, style)) in words.iter().enumerate() {
            canvas.text(chart.area.right() - 20.0, bottom + 32.0 * index as f32, line, *style)?;
        }
        canvas.png()
    }
}
