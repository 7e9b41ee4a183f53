//! Figure 2: slices through the tumour, what the expert drew, and where the maps point.

use ndarray::ArrayView3;

use super::canvas::{Area, Canvas, Text};
use super::colour::{FAINT_INK, INK, OUTLINE};
use super::panel::{Grain, Panel, bright, colour_bar, fit, outline, sides};
use super::plane::View;
use crate::tables::wording::{self, decimal};

/// A map of a case.
#[derive(Debug)]
pub struct ComparisonMap<'a> {
    /// What the column is called; the same for all cases.
    pub title: &'a str,
    /// 0 to 100.
    pub map: ArrayView3<'a, f32>,
    /// Whether it is constant over supervoxels.
    pub by_region: bool,
    /// Its oracle Dice in this case.
    pub dice: Option<f64>,
}

/// A row of the figure.
#[derive(Debug)]
pub struct ComparisonCase<'a> {
    /// The case.
    pub case: &'a str,
    /// What is known of it, such as "HGG, p = 0.93".
    pub about: String,
    /// How its slices are shown.
    pub view: View,
    /// Which slice; see [`widest_slice`](super::widest_slice).
    pub slice: usize,
    /// Every sequence, 0 to 1, in the figure's order.
    pub scans: Vec<ArrayView3<'a, f32>>,
    /// The sequence that outline and maps lie over.
    pub under: usize,
    /// The expert's outline.
    pub truth: Option<ArrayView3<'a, bool>>,
    /// Its maps, in the figure's order.
    pub maps: Vec<ComparisonMap<'a>>,
}

/// What the figure shows.
#[derive(Debug)]
pub struct Comparison<'a> {
    /// Names of the sequences.
    pub sequences: &'a [String],
    /// A row each.
    pub cases: Vec<ComparisonCase<'a>>,
}

const PANEL: f32 = 214.0;
const GAP: f32 = 8.0;
const LEFT: f32 = 70.0;
const TOP: f32 = 48.0;
const BELOW: f32 = 40.0;
const SIZE: f32 = 24.0;

impl Comparison<'_> {
    /// Draws it.
    ///
    /// # Errors
    /// Never for volumes with voxels.
    pub fn png(&self) -> anyhow::Result<Vec<u8>> {
        let maps = self.cases.iter().map(|case| case.maps.len()).max().unwrap_or(0);
        let columns = self.sequences.len() + 1 + maps;
        let place = |row: usize, column: usize| Area {
            x: LEFT + column as f32 * (PANEL + GAP),
            y: TOP + row as f32 * (PANEL + BELOW),
            width: PANEL,
            height: PANEL,
        };
        let end = place(self.cases.len(), columns);
        let mut canvas = Canvas::new((end.x + 118.0) as u32, (end.y + 4.0) as u32)?;
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
            canvas.text_up(
                LEFT - 40.0,
                middle,
                &short(case.case),
                Text::new(SIZE - 5.0, INK).bold().middle(),
            )?;
            canvas.text_up(LEFT - 14.0, middle, &case.about, Text::new(SIZE - 6.0, FAINT_INK).middle())?;
            case.draw(&mut canvas, self.sequences.len(), |column| place(row, column))?;
        }
        let top = place(0, 0);
        let bar = Area { x: end.x + 6.0, y: top.y, width: 18.0, height: PANEL };
        colour_bar(&mut canvas, bar, "relevance", SIZE - 2.0)?;
        canvas.png()
    }
}

/// Panels of a row where one case's maps stand side by side.
const ACROSS: usize = 5;
/// Room above such a panel for its title.
const ABOVE: f32 = 40.0;

impl ComparisonCase<'_> {
    /// The outline, then every map on the same scale, in rows.
    ///
    /// # Errors
    /// Never for volumes with voxels.
    pub fn side_by_side(&self) -> anyhow::Result<Vec<u8>> {
        let rows = (1 + self.maps.len()).div_ceil(ACROSS);
        let place = |panel: usize| Area {
            x: LEFT + (panel % ACROSS) as f32 * (PANEL + 3.0 * GAP),
            y: ABOVE + (panel / ACROSS) as f32 * (PANEL + ABOVE + BELOW),
            width: PANEL,
            height: PANEL,
        };
        let end = place(ACROSS - 1);
        let height = place((rows - 1) * ACROSS).bottom() + BELOW;
        let mut canvas = Canvas::new((end.x + PANEL + 124.0) as u32, height as u32)?;
        let (_, middle) = place(0).middle();
        canvas.text_up(LEFT - 40.0, middle, &short(self.case), Text::new(SIZE - 5.0, INK).bold().middle())?;
        canvas.text_up(LEFT - 14.0, middle, &self.about, Text::new(SIZE - 6.0, FAINT_INK).middle())?;
        let titles = std::iter::once("Expert outline").chain(self.maps.iter().map(|map| map.title));
        for (panel, title) in titles.enumerate() {
            let (middle, _) = place(panel).middle();
            let words = Text::new(SIZE - 2.0, INK).bold().middle();
            canvas.text(middle, place(panel).y - 12.0, title, words)?;
        }
        self.draw_maps(&mut canvas, place)?;
        let bar = Area { x: end.x + PANEL + 14.0, y: end.y, width: 18.0, height: PANEL };
        colour_bar(&mut canvas, bar, "relevance", SIZE - 2.0)?;
        canvas.png()
    }

    fn draw(
        &self,
        canvas: &mut Canvas,
        sequences: usize,
        place: impl Fn(usize) -> Area,
    ) -> anyhow::Result<()> {
        let Some(scan) = self.scans.first() else { return Ok(()) };
        let size_mm = self.size_mm(scan);
        for (column, scan) in self.scans.iter().enumerate() {
            let area = fit(place(column), size_mm);
            let scan = self.view.cut(*scan, self.slice);
            Panel { scan: &scan, white: bright(&scan), map: None }.draw(canvas, area);
            if column == 0 {
                sides(canvas, area, &self.view, SIZE - 2.0)?;
            }
        }
        self.draw_maps(canvas, |panel| place(sequences + panel))
    }

    fn size_mm(&self, scan: &ArrayView3<'_, f32>) -> [f64; 2] {
        self.view.size_mm([0, 1, 2].map(|axis| scan.shape()[axis]))
    }

    /// The outline, then the maps.
    fn draw_maps(&self, canvas: &mut Canvas, place: impl Fn(usize) -> Area) -> anyhow::Result<()> {
        let Some(scan) = self.scans.get(self.under) else { return Ok(()) };
        let size_mm = self.size_mm(scan);
        let ground = self.view.cut(*scan, self.slice);
        let white = bright(&ground);
        let truth = self.truth.map(|truth| self.view.cut(truth, self.slice));
        let area = fit(place(0), size_mm);
        Panel { scan: &ground, white, map: None }.draw(canvas, area);
        if let Some(truth) = &truth {
            outline(canvas, area, truth, Some(false), OUTLINE, 2.2);
        }
        for (index, map) in self.maps.iter().enumerate() {
            let column = place(1 + index);
            let area = fit(column, size_mm);
            let slice = self.view.cut(map.map, self.slice);
            let grain = if map.by_region { Grain::Regions } else { Grain::Smooth };
            Panel { scan: &ground, white, map: Some((&slice, grain)) }.draw(canvas, area);
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

/// A case's name that fits beside its row.
pub(super) fn short(case: &str) -> String {
    const MOST: usize = 20;
    if case.chars().count() <= MOST {
        return case.to_owned();
    }
    let tail: String = case.chars().skip(case.chars().count() - (MOST - 1)).collect();
    format!("…{tail}")
}
