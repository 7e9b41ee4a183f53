//! The page's data: a JSON object, and compressed volumes.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ndarray::{Array3, ArrayView3};
use relevox_volume::{Geometry, Orientation, Turn};
use serde::Serialize;

use super::background::{Crop, Foreground, background};
use super::compress::{Compressed, compress};
use super::content::{Outline, RegionRow, Regions, Viewer};
use super::overlay::{Stored, StoredOverlay, in_mask};
use super::palette::Palette;
use super::quantise::{Levels, Range};
use super::regions::{RegionExtent, indices, region_extents, voxel_ml};
use crate::error::Error;

/// Largest page, in bytes. A scan that would need more is stored with fewer levels.
pub(super) const LARGEST_PAGE: usize = 8_000_000;
/// Script, style and text of a page, generously.
const FRAME_BYTES: usize = 150_000;
/// Numbers of levels of scans, the best first.
const IMAGE_LEVELS: [u32; 4] = [256, 128, 64, 32];

/// Where a volume's bytes are and how they are decoded.
#[derive(Debug, Clone, Serialize)]
pub(super) struct VolumeRef {
    /// Id of the element that holds the base64 text.
    pub(super) id: String,
    pub(super) prediction: &'static str,
    /// Bytes of a voxel. They follow each other as whole volumes, the least significant first.
    pub(super) bytes: usize,
}

/// The stored grid: turned to LPS and cropped.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Grid {
    /// `[z, y, x]`, as all arrays but the affine's columns and `world` coordinates.
    pub(super) shape: [usize; 3],
    pub(super) spacing_mm: [f64; 3],
    pub(super) world_from_voxel: [[f64; 4]; 3],
    pub(super) voxel_ml: f64,
    /// First voxel of the crop in the turned grid.
    pub(super) start: [usize; 3],
    /// Shape in the file.
    pub(super) file_shape: [usize; 3],
    /// Axis in the file for each axis here.
    pub(super) source: [usize; 3],
    /// Whether each axis runs against that of the file.
    pub(super) reversed: [bool; 3],
    /// Directions of the file's x, y and z axes.
    pub(super) codes: String,
    /// Whether the file states its orientation.
    pub(super) oriented: bool,
    pub(super) oblique_degrees: f64,
}

#[derive(Debug, Clone, Serialize)]
pub(super) struct ImageData {
    pub(super) name: String,
    pub(super) volume: VolumeRef,
    pub(super) low: f64,
    pub(super) step: f64,
    pub(super) levels: u32,
    pub(super) window: [f64; 2],
    /// Share of voxels beyond the stored range.
    pub(super) clipped: f64,
}

#[derive(Debug, Clone, Serialize)]
pub(super) struct OverlayData {
    pub(super) label: String,
    /// Values by index of a region, if that is how the overlay is stored.
    pub(super) values: Option<Vec<f32>>,
    /// Otherwise its levels.
    pub(super) volume: Option<VolumeRef>,
    pub(super) low: f64,
    pub(super) step: f64,
    /// First level of the mask at the threshold.
    pub(super) first: u32,
    pub(super) threshold: f64,
    pub(super) rule: Option<String>,
    pub(super) range: [f64; 2],
    /// Voxels of the whole grid, by index of a region or by level.
    pub(super) voxels: Vec<u64>,
    /// Those of them inside the outline.
    pub(super) inside: Vec<u64>,
    /// Mean by index of a region.
    pub(super) means: Vec<f32>,
}

impl OverlayData {
    /// Describes an overlay, without the volume of its levels.
    pub(super) fn new(stored: &StoredOverlay, label: &str, rule: Option<String>) -> Self {
        let (values, [low, step], first) = match &stored.stored {
            Stored::ByRegion(values) => (Some(values.clone()), [0.0, 1.0], 0),
            Stored::ByVoxel { levels, first, .. } => (None, [levels.low, levels.step], *first),
        };
        Self {
            label: label.to_owned(),
            values,
            volume: None,
            low,
            step,
            first,
            threshold: stored.threshold,
            rule,
            range: stored.range,
            voxels: stored.voxels.clone(),
            inside: stored.inside.clone(),
            means: stored.means.clone(),
        }
    }
}

#[derive(Debug, Clone, Serialize)]
pub(super) struct RegionData {
    pub(super) id: u32,
    /// None for an id without a row: voxels outside the partition.
    pub(super) rank: Option<usize>,
    pub(super) delta_p: Option<f64>,
    pub(super) delta_logit: Option<f64>,
    pub(super) voxels: usize,
    pub(super) ml: f64,
    pub(super) centroid_mm: [f64; 3],
    /// Voxel of the stored grid; none if it was cropped away.
    pub(super) centre: Option<[usize; 3]>,
}

#[derive(Debug, Clone, Serialize)]
pub(super) struct RegionsData {
    pub(super) volume: VolumeRef,
    /// By index.
    pub(super) rows: Vec<RegionData>,
}

#[derive(Debug, Clone, Serialize)]
pub(super) struct OutlineData {
    pub(super) name: String,
    pub(super) volume: VolumeRef,
    /// Number of voxels of the whole grid.
    pub(super) voxels: usize,
}

#[derive(Debug, Clone, Serialize)]
pub(super) struct PaletteData {
    pub(super) name: &'static str,
    pub(super) label: &'static str,
    pub(super) colours: String,
}

/// Everything that the script reads.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Payload {
    pub(super) grid: Grid,
    pub(super) images: Vec<ImageData>,
    pub(super) overlays: Vec<OverlayData>,
    pub(super) regions: Option<RegionsData>,
    pub(super) outline: Option<OutlineData>,
    pub(super) palettes: Vec<PaletteData>,
    /// The volumes' ids and base64 texts, which are elements of their own.
    #[serde(skip)]
    pub(super) volumes: Vec<(String, String)>,
}

/// Turns, crops and compresses volumes.
struct Packer {
    turn: Turn,
    crop: Crop,
    volumes: Vec<(String, String)>,
}

impl Packer {
    fn new(viewer: &Viewer<'_>) -> Self {
        let turn = Turn::of(viewer.grid, Orientation::LPS);
        let mut foreground = Foreground::NONE;
        for image in &viewer.images {
            let background = background(image.voxels);
            foreground.include(turn.apply(image.voxels), |value| Some(*value) != background);
        }
        for overlay in &viewer.overlays {
            foreground.include(turn.apply(overlay.voxels), in_mask(overlay.threshold.as_ref()));
        }
        if let Some(outline) = &viewer.outline {
            foreground.include(turn.apply(outline.voxels), |inside| *inside);
        }
        let crop = foreground.crop(turn.reorder(viewer.grid.shape));
        Self { turn, crop, volumes: Vec::new() }
    }

    /// The stored part of a volume, in display order.
    fn stored<T: Copy>(&self, volume: ArrayView3<'_, T>) -> Vec<T> {
        self.crop.of(self.turn.apply(volume)).iter().copied().collect()
    }

    /// Compresses volumes of bytes that follow each other.
    fn compress(&self, volumes: &[Vec<u8>]) -> Result<Compressed, Error> {
        let [nz, ny, nx] = self.crop.shape();
        compress(&volumes.concat(), [nz * volumes.len(), ny, nx])
    }

    fn add(&mut self, volumes: &[Vec<u8>]) -> Result<VolumeRef, Error> {
        let compressed = self.compress(volumes)?;
        Ok(self.insert(compressed, volumes.len()))
    }

    fn insert(&mut self, compressed: Compressed, bytes: usize) -> VolumeRef {
        let id = format!("volume-{}", self.volumes.len());
        let prediction = compressed.prediction.name();
        self.volumes.push((id.clone(), compressed.base64));
        VolumeRef { id, prediction, bytes }
    }

    fn grid(&self, grid: &Geometry) -> Grid {
        let turned =
            self.turn.geometry(grid).window(self.crop.start().map(|at| at as isize), self.crop.shape(), 1);
        Grid {
            shape: self.crop.shape(),
            spacing_mm: self.turn.reorder(grid.spacing_mm),
            world_from_voxel: turned.world_from_voxel,
            voxel_ml: voxel_ml(grid),
            start: self.crop.start(),
            file_shape: grid.shape,
            source: self.turn.source(),
            reversed: self.turn.reversed(),
            codes: grid.axis_codes().to_string(),
            oriented: grid.has_orientation(),
            oblique_degrees: grid.obliqueness_degrees(),
        }
    }

    /// Voxel of the stored grid for a voxel of the file.
    fn voxel(&self, file_shape: [usize; 3], at: [usize; 3]) -> Option<[usize; 3]> {
        let (source, reversed) = (self.turn.source(), self.turn.reversed());
        let turned: [usize; 3] = std::array::from_fn(|axis| {
            let stored = at[source[axis]];
            if reversed[axis] { file_shape[source[axis]] - 1 - stored } else { stored }
        });
        let start = self.crop.start();
        self.crop.contains(turned).then(|| std::array::from_fn(|axis| turned[axis] - start[axis]))
    }

    fn regions(
        &mut self,
        regions: &Regions<'_>,
        grid: &Geometry,
        extents: &[RegionExtent],
        indices: &Array3<u32>,
    ) -> Result<RegionsData, Error> {
        let stored = self.stored(indices.view());
        let bytes = match extents.len() {
            0..=0x100 => 1,
            0x101..=0x1_0000 => 2,
            _ => 4,
        };
        let byte = |n: usize| stored.iter().map(|index| index.to_le_bytes()[n]).collect::<Vec<u8>>();
        let volume = self.add(&(0..bytes).map(byte).collect::<Vec<_>>())?;
        let by_id: BTreeMap<u32, &RegionRow> = regions.rows.iter().map(|row| (row.id, row)).collect();
        let row = |extent: &RegionExtent| {
            let scores = by_id.get(&extent.id);
            RegionData {
                id: extent.id,
                rank: scores.map(|row| row.rank),
                delta_p: scores.and_then(|row| row.delta_p),
                delta_logit: scores.and_then(|row| row.delta_logit),
                voxels: extent.voxels,
                ml: extent.ml,
                centroid_mm: extent.centroid_mm,
                centre: self.voxel(grid.shape, extent.centre),
            }
        };
        Ok(RegionsData { volume, rows: extents.iter().map(row).collect() })
    }

    fn overlay(
        &mut self,
        stored: &StoredOverlay,
        label: &str,
        rule: Option<String>,
    ) -> Result<OverlayData, Error> {
        let mut data = OverlayData::new(stored, label, rule);
        if let Stored::ByVoxel { voxels, .. } = &stored.stored {
            data.volume = Some(self.add(&[self.stored(voxels.view())])?);
        }
        Ok(data)
    }

    fn outline(&mut self, outline: &Outline<'_>) -> Result<OutlineData, Error> {
        let bytes = self.stored(outline.voxels).into_iter().map(u8::from).collect();
        let volume = self.add(&[bytes])?;
        let voxels = outline.voxels.iter().filter(|inside| **inside).count();
        Ok(OutlineData { name: outline.name.clone(), volume, voxels })
    }

    /// Compresses the scans with as many levels as `budget` bytes of text allow, at least the fewest.
    fn images(&mut self, viewer: &Viewer<'_>, budget: usize) -> Result<Vec<ImageData>, Error> {
        let stored: Vec<(Range, Vec<f32>)> = viewer
            .images
            .iter()
            .map(|image| (Range::of(image.voxels, background(image.voxels)), self.stored(image.voxels)))
            .collect();
        let mut chosen = Vec::new();
        for count in IMAGE_LEVELS {
            chosen = self.quantised(&stored, count)?;
            if chosen.iter().map(|(_, compressed)| compressed.base64.len()).sum::<usize>() <= budget {
                break;
            }
        }
        let mut images = Vec::new();
        for ((image, (range, _)), (levels, compressed)) in viewer.images.iter().zip(&stored).zip(chosen) {
            images.push(ImageData {
                name: image.name.clone(),
                volume: self.insert(compressed, 1),
                low: levels.low,
                step: levels.step,
                levels: levels.count,
                window: range.window,
                clipped: range.clipped,
            });
        }
        Ok(images)
    }

    fn quantised(&self, scans: &[(Range, Vec<f32>)], count: u32) -> Result<Vec<(Levels, Compressed)>, Error> {
        let scan = |(range, values): &(Range, Vec<f32>)| {
            let levels = Levels::between(range.stored[0], range.stored[1], count);
            let bytes = values.iter().map(|&value| levels.of(value)).collect();
            Ok((levels, self.compress(&[bytes])?))
        };
        scans.iter().map(scan).collect()
    }
}

impl Payload {
    /// Encodes the content of a page that has been checked.
    ///
    /// # Errors
    /// Returns [`Error::Compression`] if a volume cannot be compressed.
    pub(super) fn new(viewer: &Viewer<'_>) -> Result<Self, Error> {
        let mut packer = Packer::new(viewer);
        let outline = viewer.outline.as_ref().map(|outline| packer.outline(outline)).transpose()?;
        let partition = viewer.regions.as_ref().map(|regions| {
            let extents = region_extents(regions.labels, viewer.grid);
            let indices = indices(regions.labels, &extents);
            (regions, extents, indices)
        });
        let regions = partition
            .as_ref()
            .map(|(regions, extents, indices)| packer.regions(regions, viewer.grid, extents, indices))
            .transpose()?;
        let inside = viewer.outline.as_ref().map(|outline| outline.voxels);
        let mut overlays = Vec::new();
        for overlay in &viewer.overlays {
            let partition = partition.as_ref().map(|(_, extents, indices)| (indices, extents.len()));
            let stored = StoredOverlay::new(overlay, partition, inside);
            let rule = overlay.threshold.as_ref().map(|threshold| threshold.rule.clone());
            overlays.push(packer.overlay(&stored, &overlay.label, rule)?);
        }
        let used: usize = packer.volumes.iter().map(|(_, base64)| base64.len()).sum();
        let images = packer.images(viewer, LARGEST_PAGE.saturating_sub(FRAME_BYTES + used))?;
        let palettes = Palette::ALL.map(|palette| PaletteData {
            name: palette.name(),
            label: palette.label(),
            colours: STANDARD.encode(palette.bytes()),
        });
        let grid = packer.grid(viewer.grid);
        let palettes = palettes.into();
        Ok(Self { grid, images, overlays, regions, outline, palettes, volumes: packer.volumes })
    }

    /// Returns the JSON object.
    ///
    /// # Errors
    /// As [`in_script`].
    pub(super) fn json(&self) -> Result<String, Error> {
        in_script(self)
    }
}

/// Returns a value as JSON that can stand in a script element.
///
/// # Errors
/// Returns [`Error::Json`] if it cannot be written as JSON.
pub(super) fn in_script<T: Serialize>(value: &T) -> Result<String, Error> {
    // `<` occurs only inside strings.
    Ok(serde_json::to_string(value)?.replace('<', "\\u003c"))
}
