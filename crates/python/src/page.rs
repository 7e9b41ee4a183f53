//! The page to look into, and the overview as a picture.

use ndarray::{Array3, ArrayView3, Axis};
use relevox::relevance::Link;
use relevox::volume::{Geometry, Study};
use relevox::{Explanation, MethodResult};
use relevox_report::Error;
use relevox_report::figures::{Overview, OverviewRegion};
use relevox_report::tables::Threshold;
use relevox_report::viewer::{
    Image, Overlay, OverlayThreshold, RegionExtent, RegionRow, Regions, Viewer, region_extents,
};

use crate::place::Place;

/// Regions that the overview outlines.
const OUTLINED: usize = 5;

/// An explanation to show, and by which method regions are ranked.
#[derive(Clone, Copy)]
pub(crate) struct Subject<'a> {
    pub(crate) title: &'a str,
    pub(crate) explanation: &'a Explanation,
    pub(crate) study: &'a Study,
    /// Name of the target's class.
    pub(crate) class: &'a str,
    pub(crate) main: &'a MethodResult,
    pub(crate) place: Place,
}

/// What pages and pictures show.
struct Shown<'a> {
    subject: Subject<'a>,
    grid: Geometry,
    labels: Array3<u32>,
    extents: Vec<RegionExtent>,
}

/// Makes the page.
///
/// # Errors
/// Returns an error if the page cannot be encoded.
pub(crate) fn html(subject: Subject<'_>) -> Result<String, Error> {
    Shown::of(subject).html()
}

/// Draws slices through the most relevant region.
///
/// # Errors
/// Returns an error if the figure cannot be drawn.
pub(crate) fn overview(subject: Subject<'_>) -> Result<Vec<u8>, Error> {
    Shown::of(subject).overview()
}

impl<'a> Shown<'a> {
    fn of(subject: Subject<'a>) -> Self {
        let regions = &subject.explanation.regions;
        let grid = subject.place.geometry(subject.study.brain.dim().into());
        let labels = subject.place.turned(regions.labels());
        let mut extents = region_extents(labels.view(), &grid);
        extents.retain(|extent| Some(extent.id) != regions.background());
        Self { subject, grid, labels, extents }
    }

    fn html(&self) -> Result<String, Error> {
        let Subject { title, explanation, study, main, place, .. } = self.subject;
        let scans: Vec<Array3<f32>> = study.image.outer_iter().map(|channel| place.turned(channel)).collect();
        let names = study.channel_names().iter().cloned();
        let images = names.zip(&scans).map(|(name, voxels)| Image { name, voxels: voxels.view() });
        let others = explanation.results.iter().filter(|result| result.method != main.method);
        let results: Vec<&MethodResult> = std::iter::once(main).chain(others).collect();
        let maps: Vec<Array3<f32>> =
            results.iter().map(|result| place.turned(result.map.voxels.view())).collect();
        let overlays = results.iter().zip(&maps).map(|(result, map)| overlay(result, map.view()));
        let viewer = Viewer {
            title: title.to_owned(),
            images: images.collect(),
            overlays: overlays.collect(),
            regions: Some(Regions { labels: self.labels.view(), rows: self.rows() }),
            facts: self.facts(),
            ..Viewer::on(&self.grid)
        };
        viewer.to_html()
    }

    fn overview(&self) -> Result<Vec<u8>, Error> {
        let Subject { title, explanation, study, main, place, .. } = self.subject;
        let order = main.ranking();
        let regions = order.iter().take(OUTLINED).enumerate().map(|(at, &region)| OverviewRegion {
            id: self.extents[region].id,
            rank: at + 1,
            about: self.about_region(region),
        });
        let scan = place.turned(study.image.index_axis(Axis(0), 0));
        let map = place.turned(main.map.voxels.view());
        let by_region = main.method.is_by_region();
        let fill = if by_region { format!(", fill {}", explanation.fill()) } else { String::new() };
        let overview = Overview {
            title,
            about: &format!("{}. {}{fill}", self.answer(), main.method.label()),
            grid: &self.grid,
            oriented: self.grid.has_orientation(),
            scan: scan.view(),
            scan_name: &study.channel_names()[0],
            map: map.view(),
            by_region,
            labels: self.labels.view(),
            regions: if main.map.flat { Vec::new() } else { regions.collect() },
            centre: order.first().map_or([0; 3], |&region| self.extents[region].centre),
        };
        overview.png()
    }

    /// The classifier's answer, such as "output 1: p = 0.93".
    fn answer(&self) -> String {
        let Subject { explanation, class, .. } = self.subject;
        match explanation.target.link {
            Link::Value => format!("{class} = {:.4}", explanation.logit()),
            _ => format!("{class}: p = {:.3}", explanation.probability()),
        }
    }

    fn about_region(&self, region: usize) -> String {
        let explanation = self.subject.explanation;
        let (relevance, extent) = (self.subject.main.relevance[region], &self.extents[region]);
        let changes = explanation.scores.as_ref().map(|scores| {
            let row = &scores.rows[region];
            match explanation.target.link {
                Link::Value => format!("Δ {:+.3}, ", row.delta_logit),
                _ => format!("Δp {:+.3}, Δlogit {:+.3}, ", row.delta_p, row.delta_logit),
            }
        });
        let size = match self.grid.has_orientation() {
            true => format!("{:.1} ml", extent.ml),
            false => format!("{} voxels", extent.voxels),
        };
        format!("relevance {relevance:.0}, {}{size}", changes.unwrap_or_default())
    }

    fn rows(&self) -> Vec<RegionRow> {
        let explanation = self.subject.explanation;
        let is_value = explanation.target.link == Link::Value;
        let row = |(at, region): (usize, usize)| {
            let scores = explanation.scores.as_ref().map(|scores| scores.rows[region]);
            RegionRow {
                id: explanation.regions.ids()[region],
                rank: at + 1,
                delta_p: scores.filter(|_| !is_value).map(|row| row.delta_p),
                delta_logit: scores.map(|row| row.delta_logit),
            }
        };
        self.subject.main.ranking().into_iter().enumerate().map(row).collect()
    }

    fn facts(&self) -> Vec<(String, String)> {
        let explanation = self.subject.explanation;
        let mut facts = vec![("Answer", self.answer())];
        if explanation.target.link != Link::Value {
            facts.push(("Logit", format!("{:.4}", explanation.logit())));
        }
        let outputs: Vec<String> = explanation.outputs.iter().map(|output| format!("{output:.4}")).collect();
        facts.push(("Outputs", outputs.join(", ")));
        facts.push(("Regions", explanation.regions.len().to_string()));
        facts.push(("Fill", explanation.fill().to_owned()));
        facts.push(("Relevox", env!("CARGO_PKG_VERSION").to_owned()));
        facts.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }
}

fn overlay<'a>(result: &MethodResult, voxels: ArrayView3<'a, f32>) -> Overlay<'a> {
    let threshold = result
        .threshold
        .map(|value| OverlayThreshold { value, rule: Threshold::from(result.rule).label().to_owned() });
    Overlay { range: Some([0.0, 100.0]), threshold, ..Overlay::new(result.method.label(), voxels) }
}
