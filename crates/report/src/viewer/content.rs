//! Content of a viewer page.

use ndarray::ArrayView3;
use relevox_volume::Geometry;

use crate::error::Error;

/// Content of a viewer page. All volumes lie on one grid, as stored: nothing needs to be reoriented or resampled first.
#[derive(Debug, Clone)]
pub struct Viewer<'a> {
    /// Heading of the page.
    pub title: String,
    /// Grid of all volumes, usually the scan's.
    pub grid: &'a Geometry,
    /// Scans, in the order of the chooser; the first is shown first.
    pub images: Vec<Image<'a>>,
    /// Maps over the scans, in the order of the chooser; the first is shown first.
    pub overlays: Vec<Overlay<'a>>,
    /// The partition, and what is known of its regions.
    pub regions: Option<Regions<'a>>,
    /// An expert's segmentation, for its outline and the Dice coefficient of masks.
    pub outline: Option<Outline<'a>>,
    /// Names and values to list: probability, target, model, version.
    pub facts: Vec<(String, String)>,
}

/// A scan.
#[derive(Debug, Clone)]
pub struct Image<'a> {
    /// Name in the chooser, such as the sequence.
    pub name: String,
    /// Intensities `[z, y, x]` on the grid, finite, in any unit.
    pub voxels: ArrayView3<'a, f32>,
}

/// A map over the scans.
#[derive(Debug, Clone)]
pub struct Overlay<'a> {
    /// Label in the chooser, such as the explainer's.
    pub label: String,
    /// Values `[z, y, x]` on the grid, finite: relevance from 0 to 100, or any other. 0 is shown transparent. A map with
    /// negative values is shown in diverging colours.
    pub voxels: ArrayView3<'a, f32>,
    /// Values at the ends of the colour scale; without them, 0 and the largest value. For relevance, `[0.0, 100.0]`.
    pub range: Option<[f64; 2]>,
    /// The threshold of the mask that is shown first; without one, half of the largest value.
    pub threshold: Option<OverlayThreshold>,
}

impl<'a> Overlay<'a> {
    /// Creates an overlay with the colour scale and the threshold of its values.
    pub fn new(label: impl Into<String>, voxels: ArrayView3<'a, f32>) -> Self {
        Self { label: label.into(), voxels, range: None, threshold: None }
    }
}

/// A threshold of an overlay. The mask is `value ≥ threshold`.
#[derive(Debug, Clone, PartialEq)]
pub struct OverlayThreshold {
    /// In units of the overlay.
    pub value: f64,
    /// Name of the rule that chose it, as in "Otsu by volume".
    pub rule: String,
}

/// A partition and its scores.
#[derive(Debug, Clone)]
pub struct Regions<'a> {
    /// Ids `[z, y, x]` on the grid. Voxels whose id has no row belong to no region.
    pub labels: ArrayView3<'a, u32>,
    /// One row for each id, in any order.
    pub rows: Vec<RegionRow>,
}

/// Scores of a region. Volume and centroid follow from the labels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RegionRow {
    /// Value in the labels.
    pub id: u32,
    /// Rank by the main method, from 1.
    pub rank: usize,
    /// Change of the target's probability, original − perturbed; of a plain value, none.
    pub delta_p: Option<f64>,
    /// Change of the target's logit, or of a plain value.
    pub delta_logit: Option<f64>,
}

/// An expert's segmentation.
#[derive(Debug, Clone)]
pub struct Outline<'a> {
    /// Name in the legend.
    pub name: String,
    /// Whether each voxel `[z, y, x]` of the grid is inside.
    pub voxels: ArrayView3<'a, bool>,
}

impl<'a> Viewer<'a> {
    /// Creates an empty page on a grid.
    pub fn on(grid: &'a Geometry) -> Self {
        Self {
            title: String::new(),
            grid,
            images: Vec::new(),
            overlays: Vec::new(),
            regions: None,
            outline: None,
            facts: Vec::new(),
        }
    }

    /// Validates shapes and values.
    ///
    /// # Errors
    /// As `Viewer::to_html`.
    pub(super) fn check(&self) -> Result<(), Error> {
        let found = self.images.len() + self.overlays.len();
        if found == 0 || self.grid.shape.contains(&0) {
            let voxels: usize = self.grid.shape.iter().product();
            return Err(Error::Empty {
                expected: "at least one image or overlay with voxels",
                found: format!("{found} of {voxels} voxels"),
            });
        }
        let shape = |what: &str, found: &[usize]| match found == self.grid.shape {
            true => Ok(()),
            false => Err(Error::ShapeMismatch {
                what: what.to_owned(),
                expected: self.grid.shape.to_vec(),
                found: found.to_vec(),
            }),
        };
        let images = self.images.iter().map(|image| (&image.name, image.voxels));
        for (name, voxels) in images.chain(self.overlays.iter().map(|map| (&map.label, map.voxels))) {
            shape(name, voxels.shape())?;
            if let Some(((z, y, x), &value)) = voxels.indexed_iter().find(|(_, value)| !value.is_finite()) {
                return Err(Error::NonFinite { what: format!("{name}: voxel z {z}, y {y}, x {x}"), value });
            }
        }
        if let Some(regions) = &self.regions {
            shape("labels of regions", regions.labels.shape())?;
        }
        if let Some(outline) = &self.outline {
            shape(&outline.name, outline.voxels.shape())?;
        }
        for map in &self.overlays {
            if let Some([low, high]) =
                map.range.filter(|[low, high]| !(low < high && (high - low).is_finite()))
            {
                return Err(Error::InvalidSetting {
                    setting: format!("range of {}", map.label),
                    expected: "two finite numbers, the smaller first".to_owned(),
                    found: format!("{low} and {high}"),
                });
            }
            if let Some(threshold) = map.threshold.as_ref().filter(|threshold| !threshold.value.is_finite()) {
                let what = format!("threshold of {}", map.label);
                return Err(Error::NonFinite { what, value: threshold.value as f32 });
            }
        }
        Ok(())
    }
}
