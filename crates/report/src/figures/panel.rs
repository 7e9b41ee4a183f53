//! A slice of a scan with map, outline, letters and colour bar.

use ndarray::{Array2, ArrayView3};

use super::canvas::{Area, Canvas, Pen, Text};
use super::colour::{BLACK, FAINT_INK, INK, Rgb, WHITE, grey, heat_over};
use super::plane::{View, borders, nearest, smooth};
use crate::error::Error;

/// How a map is drawn between its voxels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Grain {
    /// Constant over regions, with sharp borders.
    Regions,
    /// Interpolated.
    Smooth,
}

/// A slice to draw.
pub(super) struct Panel<'a> {
    /// Scan, in any range.
    pub scan: &'a Array2<f32>,
    /// Intensities that are drawn black and white.
    pub levels: Levels,
    /// Map, 0 to 100, drawn over the scan.
    pub map: Option<(&'a Array2<f32>, Grain)>,
}

/// Square panels in rows and columns.
#[derive(Debug, Clone, Copy)]
pub(super) struct PanelGrid {
    /// Left edge of the first column.
    pub left: f32,
    /// Upper edge of the first row.
    pub top: f32,
    /// Side of a panel.
    pub side: f32,
    /// Space between columns and between rows.
    pub gaps: [f32; 2],
}

impl PanelGrid {
    pub(super) fn place(self, row: usize, column: usize) -> Area {
        let [across, down] = self.gaps;
        let x = self.left + column as f32 * (self.side + across);
        Area::square(x, self.top + row as f32 * (self.side + down), self.side)
    }
}

/// Largest area with the aspect ratio of a slice that fits into another, centred and on whole pixels.
pub(super) fn fit(within: Area, size_mm: [f64; 2]) -> Area {
    let scale = (f64::from(within.width) / size_mm[0]).min(f64::from(within.height) / size_mm[1]);
    let (width, height) = ((size_mm[0] * scale).round() as f32, (size_mm[1] * scale).round() as f32);
    let (x, y) = within.middle();
    Area { x: (x - width / 2.0).round(), y: (y - height / 2.0).round(), width, height }
}

impl Panel<'_> {
    /// Draws the slice.
    pub(super) fn draw(&self, canvas: &mut Canvas, area: Area) {
        canvas.shade(area, |x, y| {
            let scan =
                grey((smooth(self.scan, x, y) - self.levels.black) / (self.levels.white - self.levels.black));
            match self.map {
                None => scan,
                Some((map, Grain::Regions)) => heat_over(scan, nearest(map, x, y) / 100.0),
                Some((map, Grain::Smooth)) => heat_over(scan, smooth(map, x, y) / 100.0),
            }
        });
    }
}

/// Intensities that are drawn black and white.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Levels {
    black: f32,
    white: f32,
}

impl Levels {
    /// Levels of a volume, the same for all of its slices: white is the 99.5th percentile of its positive values, so that a few
    /// bright voxels do not darken the rest. Black is 0, or the 0.5th percentile of all values other than 0 if some are
    /// negative, as in z-scored scans.
    pub(super) fn of(scan: ArrayView3<'_, f32>) -> Self {
        let percentile = |per_mille: usize, counts: fn(f32) -> bool| {
            let mut values: Vec<f32> = scan.iter().copied().filter(|&value| counts(value)).collect();
            let index = values.len().checked_sub(1)? * per_mille / 1000;
            Some(*values.select_nth_unstable_by(index, f32::total_cmp).1)
        };
        let white = percentile(995, |value| value > 0.0);
        let black = if scan.iter().any(|&value| value < 0.0) {
            percentile(5, |value| value != 0.0).unwrap_or(0.0).min(0.0)
        } else {
            0.0
        };
        Self { black, white: white.unwrap_or(if black < 0.0 { 0.0 } else { 1.0 }).max(black + 1e-6) }
    }
}

/// Draws the borders between the parts of a slice, with a dark edge.
pub(super) fn outline<T: PartialEq>(
    canvas: &mut Canvas,
    area: Area,
    slice: &Array2<T>,
    around: Option<T>,
    colour: Rgb,
    width: f32,
) {
    let (rows, columns) = slice.dim();
    let (sx, sy) = (area.width / columns as f32, area.height / rows as f32);
    let place = |(x, y): (f32, f32)| (area.x + x * sx, area.y + y * sy);
    let segments: Vec<[(f32, f32); 2]> =
        borders(slice, around).into_iter().map(|[from, to]| [place(from), place(to)]).collect();
    canvas.segments(&segments, Pen::new(width * 2.0, BLACK));
    canvas.segments(&segments, Pen::new(width, colour));
}

/// Writes R and L in the upper corners of a slice.
pub(super) fn sides(canvas: &mut Canvas, area: Area, view: &View, size: f32) -> Result<(), Error> {
    let Some([left, right]) = view.sides() else { return Ok(()) };
    let (y, inset) = (area.y + size * 1.1, size * 0.4);
    canvas.text_on_scan(area.x + inset, y, left, Text::new(size, WHITE))?;
    canvas.text_on_scan(area.right() - inset, y, right, Text::new(size, WHITE).end())
}

/// Draws the colour scale of relevance right of a panel, over mid-grey. It takes 100 to 130 units.
pub(super) fn colour_bar(canvas: &mut Canvas, panel: Area, gap: f32, size: f32) -> Result<(), Error> {
    let area = Area { x: panel.right() + gap, width: 18.0, ..panel };
    canvas.shade(area, |_, y| heat_over(grey(0.35), 1.0 - y));
    canvas.frame(area, Pen::new(1.0, FAINT_INK));
    for value in [0, 25, 50, 75, 100] {
        let y = area.bottom() - area.height * value as f32 / 100.0;
        canvas.line(&[(area.right(), y), (area.right() + 6.0, y)], Pen::new(1.5, FAINT_INK));
        canvas.text(area.right() + 11.0, y + size * 0.35, &value.to_string(), Text::new(size, INK))?;
    }
    let style = Text::new(size, INK).middle();
    canvas.text_up(area.right() + 11.0 + size * 3.1, area.middle().1, "relevance", style)
}

#[cfg(test)]
mod tests {
    use ndarray::arr3;

    use super::*;

    #[test]
    fn negative_intensities_are_darker_than_0() {
        let levels = |values: [[f32; 4]; 2]| Levels::of(arr3(&[values]).view());
        let unit = levels([[0.0, 0.25, 0.5, 1.0], [0.0; 4]]);
        assert_eq!((unit.black, unit.white), (0.0, 0.5));
        let scored = levels([[0.0, -2.0, 1.0, 3.0], [-1.0, 0.0, 0.0, 0.0]]);
        assert_eq!((scored.black, scored.white), (-2.0, 1.0));
        let dark = levels([[-1000.0, -1000.0, -1000.0, -20.0], [-1000.0; 4]]);
        assert!(dark.black == -1000.0 && dark.white == 0.0, "{dark:?}");
        assert_eq!(levels([[0.0; 4]; 2]), Levels { black: 0.0, white: 1.0 });
    }
}
