//! How far the values of explainers that sample still move.

use relevox_relevance::Convergence;

use super::axes::{Axis, Chart, Series};
use super::canvas::{Area, Canvas, Pen};
use super::colour::{BLUE, GREEN, VERMILION};

/// An explainer's records, one a case.
#[derive(Clone, Debug)]
pub struct Settled {
    /// Its name.
    pub method: String,
    /// By case, by count of samples.
    pub cases: Vec<Vec<Convergence>>,
}

const COLOURS: [super::colour::Rgb; 3] = [BLUE, VERMILION, GREEN];

/// Draws a line for each case and, thick, the median over those that have the count.
///
/// # Errors
/// A figure that can't be encoded.
pub fn convergence(all: &[Settled]) -> anyhow::Result<Vec<u8>> {
    let mut canvas = Canvas::new(1100, 560)?;
    let steps = || all.iter().flat_map(|one| one.cases.iter().flatten());
    let chart = Chart {
        area: Area { x: 120.0, y: 60.0, width: 900.0, height: 400.0 },
        x: Axis::from_zero("samples", steps().map(|step| step.samples as f64)),
        y: Axis::from_zero("change since the count before", steps().map(|step| step.change)),
    };
    chart.frame(&mut canvas)?;
    let mut medians = Vec::new();
    for (settled, colour) in all.iter().zip(COLOURS.into_iter().cycle()) {
        for case in &settled.cases {
            let line: Vec<(f32, f32)> =
                case.iter().map(|step| chart.place(step.samples as f64, step.change)).collect();
            canvas.line(&line, Pen::new(0.75, colour));
        }
        let points = median(&settled.cases).into_iter().map(|(samples, change)| (samples, Some(change)));
        medians.push(Series {
            name: &settled.method,
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

/// Samples, and the median of the changes there.
fn median(cases: &[Vec<Convergence>]) -> Vec<(f64, f64)> {
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
    fn the_median_is_over_the_cases_that_have_the_count() {
        let case = |steps: &[(usize, f64)]| -> Vec<Convergence> {
            steps.iter().map(|&(samples, change)| Convergence { samples, change }).collect()
        };
        let cases = [case(&[(10, 0.5), (20, 0.1)]), case(&[(10, 0.7), (20, 0.3)]), case(&[(10, 0.9)])];
        let found = median(&cases);
        assert_eq!(found.len(), 2);
        assert_eq!(found[0], (10.0, 0.7));
        assert!((found[1].1 - 0.2).abs() < 1e-12, "{found:?}");
    }
}
