//! The share of the regions' ceiling that each method reaches.

use super::axes::{Axis, Chart, SIZE};
use super::canvas::{Area, Canvas, Pen, Text};
use super::colour::{BLUE, FAINT_INK, GREEN, INK, RULE, Rgb};
use super::lettering::{Weight, lay};
use crate::error::Error;
use crate::tables::CeilingShare;

const ROW: f32 = 64.0;
const BAR: f32 = 20.0;

/// Draws the shares as a PNG file: bars of the oracle threshold and of the run's mask, in percent of the best Dice that any
/// choice of the same regions reaches.
///
/// # Errors
/// Returns [`Error::FigureSize`], [`Error::Font`] or [`Error::Png`] if the figure can't be drawn or encoded.
pub fn ceiling(shares: &[CeilingShare]) -> Result<Vec<u8>, Error> {
    let area = Area { x: 300.0, y: 64.0, width: 960.0, height: ROW * shares.len().max(1) as f32 };
    let mut canvas = Canvas::for_page(1400.0, area.bottom() + 90.0)?;
    let values = shares.iter().flat_map(|share| [Some(share.oracle), share.mask]).flatten();
    let highest = values.fold(1.0, f64::max);
    let label = "share of the best Dice that any choice of the same regions reaches, in percent";
    let x = Axis::exact(label, 0.0, (highest * 5.0).ceil() * 20.0, 20.0);
    let chart = Chart { area, x, y: Axis::exact("", 0.0, 1.0, 1.0) };
    let at = |percent: f64| chart.place(percent, 0.0).0;
    for &tick in &chart.x.ticks {
        let pen = if tick == 100.0 { Pen::new(2.0, INK) } else { Pen::new(1.0, RULE) };
        canvas.line(&[(at(tick), area.y), (at(tick), area.bottom())], pen);
        let text = Text::new(SIZE, FAINT_INK).middle();
        canvas.text(at(tick), area.bottom() + 30.0, &format!("{tick:.0}"), text)?;
    }
    canvas.text(area.middle().0, area.bottom() + 68.0, &chart.x.label, Text::new(SIZE, INK).middle())?;
    for (row, share) in shares.iter().enumerate() {
        let middle = area.y + ROW * (row as f32 + 0.5);
        let name = Text::new(SIZE + 2.0, INK).bold().end();
        canvas.text(area.x - 24.0, middle + SIZE * 0.35, share.method.label(), name)?;
        bar(&mut canvas, at, middle - BAR, share.oracle, BLUE)?;
        if let Some(mask) = share.mask {
            bar(&mut canvas, at, middle, mask, GREEN)?;
        }
    }
    legend(&mut canvas, area, &[("oracle threshold", BLUE), ("mask, without labels", GREEN)])?;
    canvas.png()
}

/// Writes the names of the bars above the chart.
fn legend(canvas: &mut Canvas, chart: Area, bars: &[(&str, Rgb)]) -> Result<(), Error> {
    const WIDTH: f32 = 34.0;
    let (mut x, y) = (chart.x, chart.y - 16.0);
    for &(name, colour) in bars {
        canvas.rect(Area { x, y: y - SIZE * 0.32 - BAR * 0.4, width: WIDTH, height: BAR * 0.8 }, colour);
        canvas.text(x + WIDTH + 8.0, y, name, Text::new(SIZE, INK))?;
        x += WIDTH + 8.0 + lay(name, SIZE, Weight::Regular)?.width + 30.0;
    }
    Ok(())
}

fn bar(canvas: &mut Canvas, at: impl Fn(f64) -> f32, top: f32, share: f64, colour: Rgb) -> Result<(), Error> {
    let (start, end) = (at(0.0), at(100.0 * share));
    canvas.rect(Area { x: start, y: top + 1.0, width: end - start, height: BAR - 2.0 }, colour);
    let text = Text::new(SIZE - 2.0, INK);
    canvas.text(end + 8.0, top + BAR * 0.5 + SIZE * 0.32, &format!("{:.0}", 100.0 * share), text)
}
