//! Where activations lie in memory: `[block][z][y][x][channel]`, 16 channels a block, rows with zeros at both ends.
//!
//! A [`Window`] is the part of a layer that a buffer holds: the whole layer in a dense pass, or a box of it. Taps that
//! fall outside the layer along z and y are skipped; along x the buffer holds zeros (the halo), so that a row of
//! outputs is one run of the kernel.

use crate::ConvGeometry;
use relevox_grid::Box3;
use std::ops::Range;

/// Channels that lie side by side.
pub const BLOCK: usize = 16;

/// The part of a layer's activations that a buffer holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    /// Voxels of the whole layer.
    pub layer: [usize; 3],
    /// The first voxel held; below 0 along x where a halo is held.
    pub start: [isize; 3],
    /// Voxels held.
    pub size: [usize; 3],
    /// Blocks of channels.
    pub blocks: usize,
    /// Values by voxel of a block: [`BLOCK`], or an image's own channels where they are fewer.
    pub pitch: usize,
}

impl Window {
    /// The whole of a layer, with `halo` zeros before and after each row.
    pub fn whole(layer: [usize; 3], blocks: usize, pitch: usize, halo: usize) -> Window {
        let [z, y, x] = layer;
        Window { layer, start: [0, 0, -(halo as isize)], size: [z, y, x + 2 * halo], blocks, pitch }
    }

    /// Values of one block.
    pub fn block_len(&self) -> usize {
        self.size.iter().product::<usize>() * self.pitch
    }

    /// Values in all.
    pub fn elements(&self) -> usize {
        self.blocks * self.block_len()
    }

    /// Values of one row.
    pub fn row_len(&self) -> usize {
        self.size[2] * self.pitch
    }

    /// Values of one plane of a block.
    pub fn plane_len(&self) -> usize {
        self.size[1] * self.row_len()
    }

    /// Where a voxel of a block begins; it must be held.
    pub fn at(&self, block: usize, voxel: [isize; 3]) -> usize {
        let [z, y, x] = std::array::from_fn(|axis| (voxel[axis] - self.start[axis]) as usize);
        debug_assert!(z < self.size[0] && y < self.size[1] && x < self.size[2] && block < self.blocks);
        ((block * self.size[0] + z) * self.size[1] + y) * self.row_len() + x * self.pitch
    }

    /// What is held along an axis.
    pub fn held(&self, axis: usize) -> Range<isize> {
        self.start[axis]..self.start[axis] + self.size[axis] as isize
    }

    /// A window of a layer's box.
    pub fn new(layer: [usize; 3], held: Box3<isize>, blocks: usize, pitch: usize) -> Window {
        Window { layer, start: held.start, size: held.size(), blocks, pitch }
    }

    /// Returns what outputs of a box read of a layer: along z and y what lies inside it, along x also the zeros around
    /// rows.
    pub fn read(geometry: ConvGeometry, outputs: Box3, layer: [usize; 3]) -> Box3<isize> {
        let all = geometry.receptive_field(outputs);
        let mut read = geometry.reads(outputs, layer).signed();
        (read.start[2], read.end[2]) = (all.start[2], all.end[2]);
        read
    }

    /// Returns whether all voxels of a box are held, axis by axis: an empty range is always held.
    pub fn holds(&self, bounds: &Box3<isize>) -> bool {
        (0..3).all(|axis| {
            let (range, held) = (bounds.range(axis), self.held(axis));
            range.is_empty() || (range.start >= held.start && range.end <= held.end)
        })
    }

    /// The values of a row that stand for the zeros before the layer and after it.
    pub fn halos(&self) -> [Range<usize>; 2] {
        let before = (-self.start[2]).max(0) as usize;
        let inside = (self.layer[2] as isize - self.start[2]).max(0) as usize;
        let len = self.row_len();
        [0..(before * self.pitch).min(len), (inside * self.pitch).min(len)..len]
    }
}
