//! Figure 2: slices through the tumour with the expert's outline and relevance maps; one case under every method.

use ndarray::ArrayView3;

use super::canvas::{Area, Canvas, Text};
use super::colour::{FAINT_INK, INK, OUTLINE};
use super::lettering::shorten;
use super::panel::{Grain, Levels, Panel, PanelGrid, colour_bar, fit, outline, sides};
use super::plane::View;
use crate::error::Error;
use crate::tables::wording::{self, decimal};

/// A map of a case.
#[derive(Debug)]
pub struct ComparisonMap<'a> {
    /// Title of the column, the same for all cases.
    pub title: &'a str,
    /// Relevance, 0 to 100.
    pub map: ArrayView3<'a, f32>,
    /// Whether it is constant over supervoxels or boxes; any other map is interpolated.
    pub by_region: bool,
    /// Oracle Dice of the case.
    pub dice: Option<f64>,
}

/// A row of the figure.
#[derive(Debug)]
pub struct ComparisonCase<'a> {
    /// Name of the case.
    pub case: &'a str,
    /// Class and probability, such as "HGG, p = 0.93".
    pub about: String,
    /// Orientation and spacing of slices.
    pub view: View,
    /// Index of the slice; see [`widest_slice`](super::widest_slice).
    pub slice: usize,
    /// Every sequence, 0 to 1.
    pub scans: Vec<ArrayView3<'a, f32>>,
    /// Index of the sequence below outline and maps.
    pub under: usize,
    /// Expert segmentation.
    pub truth: Option<ArrayView3<'a, bool>>,
    /// Maps, in the order of the columns.
    pub maps: Vec<ComparisonMap<'a>>,
}

/// Content of the figure.
#[derive(Debug)]
pub struct Comparison<'a> {
    /// Names of the sequences.
    pub sequences: &'a [String],
    /// Cases, one row each.
    pub cases: Vec<ComparisonCase<'a>>,
}

const PANEL: f32 = 214.0;
const GAP: f32 = 8.0;
const LEFT: f32 = 70.0;
const TOP: f32 = 48.0;
const BELOW: f32 = 40.0;
const SIZE: f32 = 24.0;

impl Comparison<'_> {
    /// Draws the figure as a PNG file.
    ///
    /// # Errors
    /// Returns [`Error::FigureSize`], [`Error::Font`] or [`Error::Png`] if the figure can't be drawn or encoded.
    pub fn png(&self) -> Result<Vec<u8>, Error> {
        let maps = self.cases.iter().map(|case| case.maps.len()).max().unwrap_or(0);
        let columns = self.sequences.len() + 1 + maps;
        let panels = PanelGrid { left: LEFT, top: TOP, side: PANEL, gaps: [GAP, BELOW] };
        let place = |row, column| panels.place(row, column);
        let end = place(self.cases.len(), columns);
        let mut canvas = Canvas::for_page(end.x + 118.0, end.y + 4.0)?;
        let mut titles: Vec<&str> = self.sequences.iter().map(|name| wording::sequence(name)).collect();
        titles.push("Expert outline");
        if let Some(case) = self.cases.iter().max_by_key(|case| case.maps.len()) {
            titles.extend(case.maps.iter().map(|map| map.title));
        }
        for (column, title) in titles.iter().enumerate() {
            let (middle, _) = place(0, column).middle();
            canvas.text(middle, TOP - 16.0, title, Text::new(SIZE + 2.0, INK).bold().middle())?;
        }
        for (row, case) in self.cases.iter().enumerate() {
            let first = place(row, 0);
            let (_, middle) = first.middle();
            case.name_row(&mut canvas, middle)?;
            case.draw(&mut canvas, self.sequences.len(), |column| place(row, column))?;
        }
        colour_bar(&mut canvas, place(0, columns - 1), GAP + 6.0, SIZE - 2.0)?;
        canvas.png()
    }
}

/// Space above such a panel for its title.
const ABOVE: f32 = 40.0;

impl ComparisonCase<'_> {
    /// Writes the case beside its row, whose middle is at this height.
    fn name_row(&self, canvas: &mut Canvas, middle: f32) -> Result<(), Error> {
        let (bold, faint) =
            (Text::new(SIZE - 5.0, INK).bold().middle(), Text::new(SIZE - 6.0, FAINT_INK).middle());
        canvas.text_up(LEFT - 40.0, middle, &shorten(self.case), bold)?;
        canvas.text_up(LEFT - 14.0, middle, &self.about, faint)
    }

    /// Draws the expert's outline and every map on the same scale as a PNG file, at most `across` (at least 1) side by side.
    ///
    /// # Errors
    /// Returns [`Error::FigureSize`], [`Error::Font`] or [`Error::Png`] if the figure can't be drawn or encoded.
    pub fn side_by_side(&self, across: usize) -> Result<Vec<u8>, Error> {
        let across = across.clamp(1, 1 + self.maps.len());
        let rows = (1 + self.maps.len()).div_ceil(across);
        let panels = PanelGrid { left: LEFT, top: ABOVE, side: PANEL, gaps: [3.0 * GAP, ABOVE + BELOW] };
        let place = |panel| panels.place(panel / across, panel % across);
        let end = place(across - 1);
        let height = place((rows - 1) * across).bottom() + BELOW;
        let mut canvas = Canvas::for_page(end.right() + 124.0, height)?;
        let (_, middle) = place(0).middle();
        self.name_row(&mut canvas, middle)?;
        let titles = std::iter::once("Expert outline").chain(self.maps.iter().map(|map| map.title));
        for (panel, title) in titles.enumerate() {
            let (middle, _) = place(panel).middle();
            let words = Text::new(SIZE - 2.0, INK).bold().middle();
            canvas.text(middle, place(panel).y - 12.0, title, words)?;
        }
        self.draw_maps(&mut canvas, place)?;
        if let Some(scan) = self.scans.get(self.under) {
            sides(&mut canvas, fit(place(0), self.size_mm(scan)), &self.view, SIZE - 2.0)?;
        }
        colour_bar(&mut canvas, end, 14.0, SIZE - 2.0)?;
        canvas.png()
    }

    fn draw(
        &self,
        canvas: &mut Canvas,
        sequences: usize,
        place: impl Fn(usize) -> Area,
    ) -> Result<(), Error> {
        let Some(scan) = self.scans.first() else { return Ok(()) };
        let size_mm = self.size_mm(scan);
        for (column, scan) in self.scans.iter().enumerate() {
            let area = fit(place(column), size_mm);
            let levels = Levels::of(*scan);
            let scan = self.view.cut(*scan, self.slice);
            Panel { scan: &scan, levels, map: None }.draw(canvas, area);
            if column == 0 {
                sides(canvas, area, &self.view, SIZE - 2.0)?;
            }
        }
        self.draw_maps(canvas, |panel| place(sequences + panel))
    }

    fn size_mm(&self, scan: &ArrayView3<'_, f32>) -> [f64; 2] {
        self.view.size_mm([0, 1, 2].map(|axis| scan.shape()[axis]))
    }

    /// Draws the expert's outline, then the maps.
    fn draw_maps(&self, canvas: &mut Canvas, place: impl Fn(usize) -> Area) -> Result<(), Error> {
        let Some(scan) = self.scans.get(self.under) else { return Ok(()) };
        let size_mm = self.size_mm(scan);
        let ground = self.view.cut(*scan, self.slice);
        let levels = Levels::of(*scan);
        let truth = self.truth.map(|truth| self.view.cut(truth, self.slice));
        let area = fit(place(0), size_mm);
        Panel { scan: &ground, levels, map: None }.draw(canvas, area);
        if let Some(truth) = &truth {
            outline(canvas, area, truth, Some(false), OUTLINE, 2.2);
        }
        for (index, map) in self.maps.iter().enumerate() {
            let column = place(1 + index);
            let area = fit(column, size_mm);
            let slice = self.view.cut(map.map, self.slice);
            let grain = if map.by_region { Grain::Regions } else { Grain::Smooth };
            Panel { scan: &ground, levels, map: Some((&slice, grain)) }.draw(canvas, area);
            if let Some(truth) = &truth {
                outline(canvas, area, truth, Some(false), OUTLINE, 1.6);
            }
            if let Some(dice) = map.dice {
                let words = format!("oracle Dice {}", decimal(dice));
                let at = (column.middle().0, column.bottom() + 25.0);
                canvas.text(at.0, at.1, &words, Text::new(SIZE - 2.0, FAINT_INK).middle())?;
            }
        }
        Ok(())
    }
}
