//! Figure 1: computation of a relevance map, drawn on one case.

use ndarray::ArrayView3;

use super::canvas::{Area, Canvas, Pen, Text};
use super::colour::{BLUE, BORDER, FAINT_INK, GREY, INK, OUTLINE, RULE, Rgb, VERMILION};
use super::lettering::shorten;
use super::panel::{Grain, Levels, Panel, PanelGrid, colour_bar, fit, outline, sides};
use super::plane::View;
use crate::error::Error;
use crate::tables::Method;
use crate::tables::wording::{self, decimal};

/// Content of the figure.
#[derive(Debug)]
pub struct Pipeline<'a> {
    /// Name of the case.
    pub case: &'a str,
    /// Sequence that is drawn and segmented.
    pub sequence: &'a str,
    /// Orientation and spacing of slices.
    pub view: View,
    /// Index of a slice through the perturbed region.
    pub slice: usize,
    /// Intensities of the sequence, 0 to 1.
    pub scan: ArrayView3<'a, f32>,
    /// Labels of the supervoxels.
    pub labels: ArrayView3<'a, u32>,
    /// Number of supervoxels.
    pub regions: usize,
    /// Label of the perturbed supervoxel.
    pub perturbed_id: u32,
    /// Intensities of the sequence with that supervoxel replaced.
    pub perturbed: ArrayView3<'a, f32>,
    /// Fill that replaces it.
    pub fill: Method,
    /// The classifier's probability for the scan.
    pub p_original: f64,
    /// The classifier's probability with the supervoxel replaced.
    pub p_perturbed: f64,
    /// Relevance map, 0 to 100.
    pub relevance: ArrayView3<'a, f32>,
    /// Expert segmentation.
    pub truth: Option<ArrayView3<'a, bool>>,
}

const PANEL: f32 = 268.0;
const GAP: f32 = 54.0;
const LEFT: f32 = 24.0;
const TOP: f32 = 84.0;
const SIZE: f32 = 21.0;

impl Pipeline<'_> {
    /// Draws the figure as a PNG file.
    ///
    /// # Errors
    /// Returns [`Error::FigureSize`], [`Error::Font`] or [`Error::Png`] if the figure can't be drawn or encoded.
    pub fn png(&self) -> Result<Vec<u8>, Error> {
        let width = LEFT + 5.0 * PANEL + 4.0 * GAP + 112.0;
        let mut canvas = Canvas::for_page(width, 434.0)?;
        let shape = [0, 1, 2].map(|axis| self.scan.shape()[axis]);
        let size_mm = self.view.size_mm(shape);
        let panels = PanelGrid { left: LEFT, top: TOP, side: PANEL, gaps: [GAP; 2] };
        let step = |index| panels.place(0, index);
        let sequence = wording::sequence(self.sequence);
        let words: [(String, String); 5] = [
            ("Scan".to_owned(), format!("{}, {sequence}", shorten(self.case))),
            ("Supervoxels".to_owned(), format!("{} regions, on {sequence}", self.regions)),
            ("Perturb one".to_owned(), format!("{} in all sequences", fill_words(self.fill))),
            ("Classify".to_owned(), "for each supervoxel in turn".to_owned()),
            ("Relevance map".to_owned(), "|Δp| of each, scaled to 0–100".to_owned()),
        ];
        for (index, (title, below)) in words.iter().enumerate() {
            let area = step(index);
            let (middle, _) = area.middle();
            canvas.text(
                middle,
                40.0,
                &format!("{}. {title}", index + 1),
                Text::new(24.0, INK).bold().middle(),
            )?;
            canvas.text(middle, area.bottom() + 36.0, below, Text::new(SIZE, FAINT_INK).middle())?;
            if index > 0 {
                let (_, y) = area.middle();
                let pen = Pen::new(4.0, GREY);
                canvas.arrow((area.x - GAP + 9.0, y), (area.x - 8.0, y), pen);
            }
        }

        let scan = self.view.cut(self.scan, self.slice);
        let levels = Levels::of(self.scan);
        let labels = self.view.cut(self.labels, self.slice);
        let perturbed = self.view.cut(self.perturbed, self.slice);
        let relevance = self.view.cut(self.relevance, self.slice);
        let region = labels.mapv(|label| label == self.perturbed_id);

        let area = fit(step(0), size_mm);
        Panel { scan: &scan, levels, map: None }.draw(&mut canvas, area);
        sides(&mut canvas, area, &self.view, SIZE)?;

        let area = fit(step(1), size_mm);
        Panel { scan: &scan, levels, map: None }.draw(&mut canvas, area);
        outline(&mut canvas, area, &labels, None, BORDER, 1.0);
        outline(&mut canvas, area, &region, Some(false), VERMILION, 2.6);

        let area = fit(step(2), size_mm);
        Panel { scan: &perturbed, levels, map: None }.draw(&mut canvas, area);
        outline(&mut canvas, area, &region, Some(false), VERMILION, 2.6);

        self.classify(&mut canvas, step(3))?;

        let area = fit(step(4), size_mm);
        Panel { scan: &scan, levels, map: Some((&relevance, Grain::Regions)) }.draw(&mut canvas, area);
        if let Some(truth) = self.truth {
            outline(&mut canvas, area, &self.view.cut(truth, self.slice), Some(false), OUTLINE, 2.6);
            canvas.line(&[(step(4).x + 56.0, 410.0), (step(4).x + 86.0, 410.0)], Pen::new(4.0, OUTLINE));
            canvas.text(
                step(4).x + 96.0,
                410.0 + SIZE * 0.33,
                "expert outline",
                Text::new(SIZE, FAINT_INK),
            )?;
        }
        let end = Area { y: area.y, height: area.height, ..step(4) };
        colour_bar(&mut canvas, end, 16.0, SIZE - 2.0)?;
        canvas.png()
    }

    /// Draws the network as a funnel, and its two outputs.
    fn classify(&self, canvas: &mut Canvas, area: Area) -> Result<(), Error> {
        let middle = area.y + 78.0;
        for (index, half) in [66.0, 52.0, 38.0, 25.0, 14.0].into_iter().enumerate() {
            let x = area.x + 26.0 + index as f32 * 46.0;
            let block = Area { x, y: middle - half, width: 30.0, height: half * 2.0 };
            canvas.rect(block, RULE.under(BLUE, 0.16 + 0.14 * index as f32));
        }
        let outputs = [("scan", self.p_original, BLUE), ("perturbed", self.p_perturbed, VERMILION)];
        for (index, (name, probability, colour)) in outputs.into_iter().enumerate() {
            let y = area.y + 172.0 + index as f32 * 34.0;
            bar(canvas, Area { x: area.x + 96.0, y, width: 116.0, height: 20.0 }, probability, colour);
            canvas.text(area.x + 88.0, y + 17.0, name, Text::new(SIZE - 1.0, INK).end())?;
            canvas.text(area.x + 220.0, y + 17.0, &decimal(probability), Text::new(SIZE - 1.0, INK))?;
        }
        let delta = (self.p_original - self.p_perturbed).abs();
        let words = format!("|Δp| = {}", wording::decimals(delta, if delta < 0.01 { 4 } else { 2 }));
        canvas.text(area.middle().0, area.y + 262.0, &words, Text::new(22.0, INK).bold().middle())
    }
}

fn bar(canvas: &mut Canvas, area: Area, share: f64, colour: Rgb) {
    canvas.rect(area, RULE);
    let width = (area.width * share.clamp(0.0, 1.0) as f32).max(1.0);
    canvas.rect(Area { width, ..area }, colour);
}

/// Effect of a fill, as a caption.
fn fill_words(fill: Method) -> &'static str {
    match fill {
        Method::Blank => "set to 0",
        Method::Min => "set to the minimum",
        Method::Max => "set to the maximum",
        Method::Mean => "set to the mean",
        Method::Learned | Method::LearnedSigned | Method::LearnedControl => "replaced by the U-Net",
        Method::LearnedTissue => "set to another tissue",
        other => other.label(),
    }
}
