//! An explanation as a picture and as the page to look into.

use ndarray::ArrayView3;
use relevox_relevance::Link;
use relevox_report::Error;
use relevox_report::figures::{Overview, OverviewRegion};
use relevox_report::tables::Threshold;
use relevox_report::tables::wording::{change, probability, significant};
use relevox_report::viewer::{
    Image, Outline, Overlay, OverlayThreshold, RegionExtent, RegionOverlay, RegionRow, Regions, Viewer,
    with_region_overlay,
};
use relevox_volume::Geometry;

use crate::{Explanation, Method, MethodResult, RegionSets};

/// Regions that the overview outlines.
const OUTLINED: usize = 5;

/// Range of relevance.
const RELEVANCE: [f64; 2] = [0.0, 100.0];

/// An explanation to show.
#[derive(Clone, Copy, Debug)]
pub struct Depiction<'a> {
    /// First line, such as the case.
    pub title: &'a str,
    /// What is shown.
    pub explanation: &'a Explanation,
    /// The method that ranks regions.
    pub main: &'a MethodResult,
    /// Name of the target's class.
    pub class: &'a str,
}

/// Volumes of the overview, `[z, y, x]` on one grid.
#[derive(Clone, Copy, Debug)]
pub struct OverviewVolumes<'a> {
    /// Grid of the volumes.
    pub grid: &'a Geometry,
    /// Whether the grid's axes are those of the body.
    pub oriented: bool,
    /// Whether the size of a voxel is known, so that regions have a volume in ml.
    pub in_mm: bool,
    /// Name of the scan.
    pub scan_name: &'a str,
    /// The scan below the map, in any range.
    pub scan: ArrayView3<'a, f32>,
    /// The main method's map.
    pub map: ArrayView3<'a, f32>,
    /// The partition.
    pub labels: ArrayView3<'a, u32>,
    /// Extents of the regions, in the order of the partition.
    pub extents: &'a [RegionExtent],
}

/// Volumes of the page, `[z, y, x]` on one grid.
#[derive(Debug)]
pub struct PageVolumes<'a> {
    /// Grid of the volumes.
    pub grid: &'a Geometry,
    /// The scans; the first is shown first.
    pub images: Vec<Image<'a>>,
    /// Results and their maps; the first is shown first.
    pub maps: Vec<(&'a MethodResult, ArrayView3<'a, f32>)>,
    /// The partition.
    pub labels: ArrayView3<'a, u32>,
    /// The expert's segmentation.
    pub outline: Option<Outline<'a>>,
}

impl Depiction<'_> {
    /// Draws slices through the most relevant region, and returns the PNG.
    ///
    /// # Errors
    /// Returns an error if the figure cannot be drawn.
    pub fn overview(&self, volumes: &OverviewVolumes<'_>) -> Result<Vec<u8>, Error> {
        let Self { title, explanation, main, .. } = *self;
        let OverviewVolumes { grid, oriented, scan_name, scan, map, labels, extents, .. } = *volumes;
        let order = main.ranking();
        let regions = order.iter().take(OUTLINED).enumerate().map(|(at, &region)| OverviewRegion {
            id: extents[region].id,
            rank: at + 1,
            about: self.about_region(region, volumes),
        });
        let by_region = main.method.replaces_regions();
        let fill = if by_region { format!(", fill {}", explanation.fill()) } else { String::new() };
        let overview = Overview {
            title,
            about: &format!("{}. {}{fill}{}", self.answer(), main.method.label(), self.about_changes()),
            grid,
            oriented,
            scan,
            scan_name,
            map,
            by_region,
            labels,
            regions: if main.map.flat { Vec::new() } else { regions.collect() },
            centre: order.first().map_or([0; 3], |&region| extents[region].centre),
        };
        overview.png()
    }

    /// Makes the page. `facts` are names and values that it says besides the answer, such as `("Model", "best.safetensors")`.
    ///
    /// # Errors
    /// Returns an error if a volume has another shape than the grid, or holds NaN or infinity.
    pub fn page(
        &self,
        volumes: PageVolumes<'_>,
        facts: Vec<(&'static str, String)>,
    ) -> Result<String, Error> {
        let PageVolumes { grid, images, maps, labels, outline } = volumes;
        let viewer = Viewer {
            title: self.title.to_owned(),
            images,
            overlays: maps.into_iter().map(|(result, map)| overlay(result, map)).collect(),
            regions: Some(Regions { labels, rows: self.rows() }),
            outline,
            facts: self.facts(facts),
            ..Viewer::on(grid)
        };
        viewer.to_html()
    }

    /// The classifier's answer, such as "HGG: p = 0.93".
    fn answer(&self) -> String {
        let Self { explanation, class, .. } = self;
        match explanation.target.link {
            Link::Value => format!("{class} = {:.4}", explanation.logit()),
            _ => match probability(explanation.probability()) {
                bounded if bounded.starts_with('>') => format!("{class}: p {bounded}"),
                p => format!("{class}: p = {p}"),
            },
        }
    }

    /// Says of which method the changes beside the regions are, where that is not the map's.
    fn about_changes(&self) -> &'static str {
        match self.main.method {
            Method::Perturb => "",
            _ if self.explanation.scores.is_none() => "",
            _ => "; Δ: the region alone replaced",
        }
    }

    fn about_region(&self, region: usize, volumes: &OverviewVolumes<'_>) -> String {
        let (relevance, extent) = (self.main.relevance[region], &volumes.extents[region]);
        let changes = self.explanation.scores.as_ref().map(|scores| {
            let row = &scores.rows[region];
            match self.explanation.target.link {
                Link::Value => format!("Δ {}, ", change(row.delta_logit, 3)),
                _ => format!("Δp {}, Δlogit {}, ", change(row.delta_p, 3), change(row.delta_logit, 2)),
            }
        });
        let size = match volumes.in_mm {
            true => format!("{} ml", significant(extent.ml, 1)),
            false => format!("{} voxels", extent.voxels),
        };
        let side = self.side(region);
        format!("relevance {relevance:.0}{side}, {}{size}", changes.unwrap_or_default())
    }

    /// Says whether a region is evidence for the class or against it: relevance is a magnitude.
    fn side(&self, region: usize) -> String {
        let Self { explanation, main, class, .. } = self;
        let is_signed = main.method.is_by_region() && !main.method.is_pooled();
        match main.attribution.values[region] {
            _ if !is_signed || explanation.target.link == Link::Value => String::new(),
            value if value > 0.0 => format!(" (for {class})"),
            value if value < 0.0 => format!(" (against {class})"),
            _ => String::new(),
        }
    }

    fn rows(&self) -> Vec<RegionRow> {
        let explanation = self.explanation;
        let is_value = explanation.target.link == Link::Value;
        let rows = self.main.ranking().into_iter().enumerate().map(|(at, region)| {
            let scores = explanation.scores.as_ref().map(|scores| scores.rows[region]);
            RegionRow {
                id: explanation.regions.ids()[region],
                rank: at + 1,
                delta_p: scores.filter(|_| !is_value).map(|row| row.delta_p),
                delta_logit: scores.map(|row| row.delta_logit),
            }
        });
        rows.collect()
    }

    fn facts(&self, further: Vec<(&'static str, String)>) -> Vec<(String, String)> {
        let explanation = self.explanation;
        let mut facts = vec![("Answer", self.answer())];
        if explanation.target.link != Link::Value {
            facts.push(("Logit", format!("{:.4}", explanation.logit())));
        }
        let outputs: Vec<String> = explanation.outputs.iter().map(|output| format!("{output:.4}")).collect();
        facts.push(("Outputs", outputs.join(", ")));
        facts.extend(further);
        facts.push(("Regions", explanation.regions.len().to_string()));
        facts.push(("Fill", explanation.fill().to_owned()));
        for (name, set) in explanation.sets.iter().flat_map(RegionSets::named) {
            let ids = set.regions.iter().map(|&region| explanation.regions.ids()[region].to_string());
            let ids = ids.collect::<Vec<_>>().join(", ");
            let output = match explanation.target.link {
                Link::Value => format!("{:.4}", set.logit),
                _ => format!("p = {}", probability(explanation.target.probability(set.logit))),
            };
            if set.regions.is_empty() {
                facts.push(("Sufficient regions", format!("none is needed: with all replaced {output}")));
                continue;
            }
            facts.push(match name {
                "necessary" => ("Necessary regions", format!("{ids}: without them {output}")),
                _ => ("Sufficient regions", format!("{ids}: with them alone {output}")),
            });
        }
        facts.push(("Relevox", env!("CARGO_PKG_VERSION").to_owned()));
        facts.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }
}

/// Adds the map of a further method by region to a page of [`Depiction::page`] of the same regions.
///
/// # Errors
/// As [`with_region_overlay`].
pub fn add_to_page(page: &str, result: &MethodResult) -> Result<String, Error> {
    let ids = result.attribution.ids.iter().copied();
    let overlay = RegionOverlay {
        label: result.method.label(),
        values: ids.zip(result.relevance.iter().map(|relevance| *relevance as f32)).collect(),
        range: RELEVANCE,
        threshold: threshold(result),
    };
    with_region_overlay(page, &overlay)
}

fn overlay<'a>(result: &MethodResult, voxels: ArrayView3<'a, f32>) -> Overlay<'a> {
    Overlay {
        range: Some(RELEVANCE),
        threshold: threshold(result),
        ..Overlay::new(result.method.label(), voxels)
    }
}

fn threshold(result: &MethodResult) -> Option<OverlayThreshold> {
    let rule = || Threshold::from(result.rule).label().to_owned();
    result.threshold.map(|value| OverlayThreshold { value, rule: rule() })
}
