//! Dice of every method by threshold, with intervals and the paper's numbers.

use super::axes::{Axis, Chart, SIZE, Series};
use super::canvas::{Area, Canvas, Pen, Text};
use super::colour::{BLUE, FAINT_INK, GREEN, INK, RULE, Rgb, VERMILION};
use crate::error::Error;
use crate::tables::{Number, Summary, wording};

const ROW: f32 = 92.0;

/// Draws Dice by method as a PNG file.
///
/// # Errors
/// Returns [`Error::FigureSize`], [`Error::Font`] or [`Error::Png`] if the figure can't be drawn or encoded.
pub fn methods(summary: &Summary) -> Result<Vec<u8>, Error> {
    let rows = Summary::ordered(&summary.dice);
    let height = ROW * rows.len().max(1) as f32;
    let area = Area { x: 300.0, y: 64.0, width: 1040.0, height };
    let mut canvas = Canvas::for_page(1400.0, area.bottom() + 90.0)?;
    let numbers = rows
        .iter()
        .flat_map(|(_, dice)| [Some(&dice.oracle), dice.otsu.as_ref(), dice.validation_threshold.as_ref()]);
    let values = numbers.flatten().flat_map(|number| {
        [number.mean, number.paper, number.ci95.map(|ci| ci[0]), number.ci95.map(|ci| ci[1])]
    });
    let x = Axis::from_zero(
        "Dice with the expert’s outline: mean over test cases and 95 % bootstrap interval",
        values.flatten(),
    );
    let scale = Chart { area, y: Axis::exact("", 0.0, 1.0, 1.0), x };
    for &tick in &scale.x.ticks {
        let (at, _) = scale.place(tick, 0.0);
        canvas.line(&[(at, area.y), (at, area.bottom())], Pen::new(1.0, RULE));
        let text = wording::decimals(tick, 1);
        canvas.text(at, area.bottom() + 30.0, &text, Text::new(SIZE, FAINT_INK).middle())?;
    }
    canvas.text(area.middle().0, area.bottom() + 68.0, &scale.x.label, Text::new(SIZE, INK).middle())?;
    for (row, (method, dice)) in rows.iter().enumerate() {
        let middle = area.y + ROW * (row as f32 + 0.5);
        if row > 0 {
            let y = area.y + ROW * row as f32;
            canvas.line(&[(24.0, y), (area.right(), y)], Pen::new(1.0, RULE));
        }
        canvas.text(
            area.x - 24.0,
            middle + SIZE * 0.35,
            method.label(),
            Text::new(SIZE + 2.0, INK).bold().end(),
        )?;
        let kinds = [
            (Some(&dice.oracle), BLUE, -24.0),
            (dice.validation_threshold.as_ref(), VERMILION, 0.0),
            (dice.otsu.as_ref(), GREEN, 24.0),
        ];
        for (number, colour, offset) in kinds {
            if let Some(number) = number {
                whisker(&mut canvas, &scale, middle + offset, number, colour)?;
            }
        }
    }
    let dot = |name, colour| Series { name, colour, dash: None, points: Vec::new(), dots: true };
    let legend = [
        dot("oracle threshold", BLUE),
        dot("validation threshold", VERMILION),
        dot("Otsu’s threshold", GREEN),
    ];
    scale.legend(&mut canvas, &legend)?;
    let y = area.y - 16.0 - SIZE * 0.32;
    diamond(&mut canvas, area.right() - 168.0, y);
    canvas.text(area.right() - 150.0, area.y - 16.0, "paper (oracle)", Text::new(SIZE, INK))?;
    canvas.png()
}

fn whisker(canvas: &mut Canvas, scale: &Chart, y: f32, number: &Number, colour: Rgb) -> Result<(), Error> {
    let at = |value: f64| scale.place(value, 0.0).0;
    if let Some([low, high]) = number.ci95 {
        canvas.line(&[(at(low), y), (at(high), y)], Pen::new(3.0, colour));
        for end in [low, high] {
            canvas.line(&[(at(end), y - 6.0), (at(end), y + 6.0)], Pen::new(2.0, colour));
        }
    }
    match number.mean {
        Some(mean) => canvas.dot(at(mean), y, 7.0, colour),
        None => canvas.text(scale.area.x + 8.0, y + 6.0, "not computed", Text::new(SIZE - 3.0, colour))?,
    }
    if let Some(paper) = number.paper {
        diamond(canvas, at(paper), y);
    }
    Ok(())
}

fn diamond(canvas: &mut Canvas, x: f32, y: f32) {
    let around = |radius: f32| [(x - radius, y), (x, y - radius), (x + radius, y), (x, y + radius)];
    canvas.polygon(&around(10.0), Rgb(255, 255, 255));
    canvas.polygon(&around(8.0), INK);
}
