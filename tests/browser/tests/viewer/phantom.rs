//! A phantom of blocks whose values are known, stored with axes in any directions.

use ndarray::Array3;
use relevox_report::viewer::{Image, Outline, Overlay, OverlayThreshold, RegionRow, Regions, Viewer};
use relevox_volume::Geometry;

/// Edge of a block in voxels: values are compared in the middle of blocks, where interpolation changes nothing.
const BLOCK: usize = 6;
/// Blocks along z, y, x.
const BLOCKS: [usize; 3] = [3, 4, 5];
/// Shape of the phantom in LPS.
pub const SHAPE: [usize; 3] = [BLOCKS[0] * BLOCK, BLOCKS[1] * BLOCK, BLOCKS[2] * BLOCK];
/// Spacing of the phantom in LPS: slices are thick.
pub const SPACING: [f64; 3] = [3.0, 1.5, 1.0];

/// The phantom's volumes on the file's grid.
pub struct Phantom {
    /// The grid of the file.
    pub grid: Geometry,
    /// The grid that the page shows.
    pub lps: Geometry,
    pub scans: [Array3<f32>; 2],
    pub by_region: Array3<f32>,
    pub by_voxel: Array3<f32>,
    pub labels: Array3<u32>,
    pub outline: Array3<bool>,
}

/// Index of the block at a voxel of the shown grid.
pub fn block(at: [usize; 3]) -> usize {
    let [z, y, x] = at.map(|index| index / BLOCK);
    (z * BLOCKS[1] + y) * BLOCKS[2] + x
}

/// The voxel in the middle of the block at a voxel.
pub fn middle(block: [usize; 3]) -> [usize; 3] {
    block.map(|index| index * BLOCK + BLOCK / 2)
}

/// Number of blocks.
pub const fn count() -> usize {
    BLOCKS[0] * BLOCKS[1] * BLOCKS[2]
}

/// Value of a scan in a block; neighbours differ much.
pub fn scan_value(scan: usize, block: usize) -> f32 {
    100.0 + ((block * (37 + 6 * scan)) % count()) as f32 * 10.0
}

/// Relevance of a block's region.
pub fn relevance(block: usize) -> f32 {
    ((block * 23) % count()) as f32 * 100.0 / (count() - 1) as f32
}

/// Value of the overlay that varies within regions.
pub fn smooth(at: [usize; 3]) -> f32 {
    (at[0] * 2 + at[1] + at[2]) as f32
}

/// Id of a block's region; the last block belongs to none.
pub fn id(block: usize) -> u32 {
    10 + 3 * block as u32
}

impl Phantom {
    /// The phantom, stored on a grid with this affine.
    pub fn stored_on(grid: Geometry) -> Self {
        let lps = Geometry::axis_aligned(SHAPE, SPACING);
        let shown = |(z, y, x): (usize, usize, usize)| {
            let at = lps.voxel(grid.world([z, y, x].map(|index| index as f64))).unwrap();
            at.map(|index| index.round() as usize)
        };
        let volume =
            |value: &dyn Fn([usize; 3]) -> f32| Array3::from_shape_fn(grid.shape, |at| value(shown(at)));
        Self {
            scans: [0, 1].map(|scan| volume(&|at| scan_value(scan, block(at)))),
            by_region: volume(&|at| relevance(block(at))),
            by_voxel: volume(&smooth),
            labels: Array3::from_shape_fn(grid.shape, |at| id(block(shown(at)))),
            outline: Array3::from_shape_fn(grid.shape, |at| is_outlined(shown(at))),
            lps,
            grid,
        }
    }

    /// Stored as it is shown.
    pub fn lps() -> Self {
        Self::stored_on(Geometry::axis_aligned(SHAPE, SPACING))
    }

    /// Stored with axes that point to the front, up and to the patient's right: x, y, z of the file are A, S, R.
    pub fn asr() -> Self {
        let lps = Geometry::axis_aligned(SHAPE, SPACING);
        let [dz, dy, dx] = SPACING;
        // The file's first voxel lies at the right end of the shown x axis's reverse: x and y run against LPS.
        let [ox, oy, oz] = lps.world([0.0, SHAPE[1] as f64 - 1.0, SHAPE[2] as f64 - 1.0]);
        let rows = [[0.0, 0.0, dx, ox], [dy, 0.0, 0.0, oy], [0.0, dz, 0.0, oz]];
        Self::stored_on(Geometry::from_affine([SHAPE[2], SHAPE[0], SHAPE[1]], rows))
    }

    /// The voxel of the file, `[z, y, x]`, that shows a voxel of the page.
    pub fn file_voxel(&self, at: [usize; 3]) -> [usize; 3] {
        let world = self.lps.world(at.map(|index| index as f64));
        self.grid.voxel(world).unwrap().map(|index| index.round() as usize)
    }

    /// The page.
    pub fn viewer(&self) -> Viewer<'_> {
        let threshold = |value| Some(OverlayThreshold { value, rule: "Otsu by volume".to_owned() });
        let rows = (0..count() - 1).map(|block| RegionRow {
            id: id(block),
            rank: 1 + (block * 7) % (count() - 1),
            delta_p: Some(block as f64 / 100.0 - 0.2),
            delta_logit: Some(block as f64 / 10.0 - 2.0),
        });
        Viewer {
            title: "Phantom".to_owned(),
            images: [("t1", 0), ("t2", 1)]
                .map(|(name, scan)| Image { name: name.to_owned(), voxels: self.scans[scan].view() })
                .into(),
            overlays: vec![
                Overlay {
                    threshold: threshold(60.0),
                    range: Some([0.0, 100.0]),
                    ..Overlay::new("Blank", self.by_region.view())
                },
                Overlay { threshold: threshold(31.5), ..Overlay::new("Diffused", self.by_voxel.view()) },
            ],
            regions: Some(Regions { labels: self.labels.view(), rows: rows.collect() }),
            outline: Some(Outline { name: "expert".to_owned(), voxels: self.outline.view() }),
            facts: vec![("probability".to_owned(), "0.93".to_owned())],
            ..Viewer::on(&self.grid)
        }
    }
}

/// Whether the expert's outline holds a voxel of the shown grid.
pub fn is_outlined(at: [usize; 3]) -> bool {
    at[0] >= 6 && at[1] < 15 && at[2] > 9
}

/// Voxels of the shown grid.
pub fn voxels() -> impl Iterator<Item = [usize; 3]> {
    let [nz, ny, nx] = SHAPE;
    (0..nz * ny * nx).map(move |index| [index / (ny * nx), index / nx % ny, index % nx])
}
