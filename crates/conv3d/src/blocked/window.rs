//! Memory layout of activations: `[block][z][y][x][channel]`, 16 channels per block, rows with zeros at both ends.
//!
//! A [`Window`] is the part of a layer that a buffer holds: the whole layer or a box of it. Taps outside the layer are
//! skipped along z and y; along x the buffer holds zeros (the halo), so that one run of the kernel computes a row.

use crate::ConvGeometry;
use relevox_grid::Box3;
use std::ops::Range;

/// Channels of a block.
pub const BLOCK: usize = 16;

/// The part of a layer's activations that a buffer holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    /// Size of the whole layer.
    pub layer: [usize; 3],
    /// First voxel of the window; negative along x if it includes a halo.
    pub start: [isize; 3],
    /// Size of the window in voxels.
    pub size: [usize; 3],
    /// Number of blocks of channels.
    pub blocks: usize,
    /// Values per voxel of a block: [`BLOCK`], or the channels of an image that has fewer.
    pub pitch: usize,
}

impl Window {
    /// Creates the window of a whole layer, with `halo` zeros before and after each row.
    pub fn whole(layer: [usize; 3], blocks: usize, pitch: usize, halo: usize) -> Window {
        let [z, y, x] = layer;
        Window { layer, start: [0, 0, -(halo as isize)], size: [z, y, x + 2 * halo], blocks, pitch }
    }

    /// Returns the number of values of one block.
    pub fn block_len(&self) -> usize {
        self.size.iter().product::<usize>() * self.pitch
    }

    /// Returns the number of values.
    pub fn elements(&self) -> usize {
        self.blocks * self.block_len()
    }

    /// Returns the number of values of one row.
    pub fn row_len(&self) -> usize {
        self.size[2] * self.pitch
    }

    /// Returns the number of values of one plane of a block.
    pub fn plane_len(&self) -> usize {
        self.size[1] * self.row_len()
    }

    /// Returns the index of the first value of a voxel in a block. The window must hold the voxel.
    pub fn at(&self, block: usize, voxel: [isize; 3]) -> usize {
        let [z, y, x] = std::array::from_fn(|axis| (voxel[axis] - self.start[axis]) as usize);
        debug_assert!(z < self.size[0] && y < self.size[1] && x < self.size[2] && block < self.blocks);
        ((block * self.size[0] + z) * self.size[1] + y) * self.row_len() + x * self.pitch
    }

    /// Returns the range of voxels along an axis.
    pub fn held(&self, axis: usize) -> Range<isize> {
        self.start[axis]..self.start[axis] + self.size[axis] as isize
    }

    /// Creates the window of a box of a layer.
    pub fn new(layer: [usize; 3], held: Box3<isize>, blocks: usize, pitch: usize) -> Window {
        Window { layer, start: held.start, size: held.size(), blocks, pitch }
    }

    /// Returns the box of a layer that outputs read: clipped to the layer along z and y, with the padding along x.
    pub fn read(geometry: ConvGeometry, outputs: Box3, layer: [usize; 3]) -> Box3<isize> {
        let all = geometry.receptive_field(outputs);
        let mut read = geometry.reads(outputs, layer).signed();
        (read.start[2], read.end[2]) = (all.start[2], all.end[2]);
        read
    }

    /// Returns whether the window holds every voxel of a box. An empty range of an axis is always held.
    pub fn holds(&self, bounds: &Box3<isize>) -> bool {
        (0..3).all(|axis| {
            let (range, held) = (bounds.range(axis), self.held(axis));
            range.is_empty() || (range.start >= held.start && range.end <= held.end)
        })
    }

    /// Returns the ranges of a row's values that are padding before and after the layer.
    pub fn halos(&self) -> [Range<usize>; 2] {
        let before = (-self.start[2]).max(0) as usize;
        let inside = (self.layer[2] as isize - self.start[2]).max(0) as usize;
        let len = self.row_len();
        [0..(before * self.pitch).min(len), (inside * self.pitch).min(len)..len]
    }
}
