//! Convergence of explainers that sample.

use relevox_relevance::Convergence as Checkpoint;

use super::axes::{Axis, Chart, Series};
use super::canvas::{Area, Canvas, Pen};
use super::colour::{BLUE, GREEN, Rgb, VERMILION};
use crate::error::Error;

/// Convergence of one explainer.
#[derive(Clone, Debug)]
pub struct Convergence {
    /// Label of the explainer.
    pub method: String,
    /// Checkpoints of each case.
    pub cases: Vec<Vec<Checkpoint>>,
}

const COLOURS: [Rgb; 3] = [BLUE, VERMILION, GREEN];

/// Draws a line for each case and, thick, the median over the cases that have a checkpoint, as a PNG file.
///
/// # Errors
/// Returns [`Error::FigureSize`], [`Error::Font`] or [`Error::Png`] if the figure can't be drawn or encoded.
pub fn convergence(all: &[Convergence]) -> Result<Vec<u8>, Error> {
    let mut canvas = Canvas::for_page(1100.0, 560.0)?;
    let steps = || all.iter().flat_map(|one| one.cases.iter().flatten());
    let chart = Chart {
        area: Area { x: 120.0, y: 60.0, width: 900.0, height: 400.0 },
        x: Axis::from_zero("samples", steps().map(|step| step.samples as f64)),
        y: Axis::from_zero("relative change since the previous checkpoint", steps().map(|step| step.change)),
    };
    chart.frame(&mut canvas)?;
    let mut medians = Vec::new();
    for (explainer, colour) in all.iter().zip(COLOURS.into_iter().cycle()) {
        for case in &explainer.cases {
            let line: Vec<(f32, f32)> =
                case.iter().map(|step| chart.place(step.samples as f64, step.change)).collect();
            canvas.line(&line, Pen::new(0.75, colour));
        }
        let points = median(&explainer.cases).into_iter().map(|(samples, change)| (samples, Some(change)));
        medians.push(Series {
            name: &explainer.method,
            colour,
            dash: None,
            points: points.collect(),
            dots: true,
        });
    }
    medians.iter().for_each(|one| chart.draw(&mut canvas, one));
    chart.legend(&mut canvas, &medians)?;
    canvas.png()
}

/// Number of samples and median change at each checkpoint.
fn median(cases: &[Vec<Checkpoint>]) -> Vec<(f64, f64)> {
    let mut counts: Vec<usize> = cases.iter().flatten().map(|step| step.samples).collect();
    counts.sort_unstable();
    counts.dedup();
    let at = |samples: usize| {
        let here = cases.iter().flatten().filter(|step| step.samples == samples);
        let mut changes: Vec<f64> = here.map(|step| step.change).collect();
        changes.sort_by(f64::total_cmp);
        let (low, high) = (changes[(changes.len() - 1) / 2], changes[changes.len() / 2]);
        (samples as f64, (low + high) / 2.0)
    };
    counts.into_iter().map(at).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_over_the_cases_with_the_checkpoint() {
        let case = |steps: &[(usize, f64)]| -> Vec<Checkpoint> {
            steps.iter().map(|&(samples, change)| Checkpoint { samples, change }).collect()
        };
        let cases = [case(&[(10, 0.5), (20, 0.1)]), case(&[(10, 0.7), (20, 0.3)]), case(&[(10, 0.9)])];
        let found = median(&cases);
        assert_eq!(found.len(), 2);
        assert_eq!(found[0], (10.0, 0.7));
        assert!((found[1].1 - 0.2).abs() < 1e-12, "{found:?}");
    }
}
