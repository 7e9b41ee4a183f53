//! Assignment step of k-means: the loop over the tiles of a slab and their blocks of rows.
//!
//! One source is compiled for each instruction set. Lanes are independent and no operations are contracted, so that all
//! instruction sets round alike.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};

use super::candidates::{CandidateSearch, SearchInput, TILE, pieces};
use super::lanes::{LANES, Lanes};
use super::problem::Window;
use super::ranges::{BLOCK, Ranges};
use super::rows::{Tile, nearest, padded};
use crate::labels::UNASSIGNED;
use crate::prefetch::prefetch;

/// Planes whose voxels one thread assigns, with its buffers.
pub(super) struct Slab<'a> {
    pub(super) input: &'a SearchInput<'a>,
    pub(super) ranges: &'a Ranges,
    pub(super) search: &'a mut CandidateSearch,
    pub(super) scratch: &'a mut Scratch,
    pub(super) z: Range<usize>,
    /// Labels of these planes.
    pub(super) labels: &'a mut [u32],
    /// For each block of these planes, the cluster to which all its voxels were assigned, or [`UNASSIGNED`].
    pub(super) filled: &'a mut [u32],
    /// Set for clusters that gain or lose voxels.
    pub(super) changed: &'a [AtomicBool],
}

/// With fewer candidates than this, blocks are not bounded.
const FEW: usize = 4;

/// Buffers of one thread.
pub(super) struct Scratch {
    /// Some rows of each channel.
    values: Vec<[[f32; LANES]; BLOCK[1]]>,
    /// Indices of the candidates for a block of rows.
    remaining: Vec<u32>,
    /// Intensities of a tile.
    range: Vec<[f32; 2]>,
}

impl Scratch {
    pub(super) fn new(channels: usize) -> Scratch {
        Scratch { values: vec![[[0.0; LANES]; BLOCK[1]]; channels], remaining: Vec::new(), range: Vec::new() }
    }
}

/// Assigns each voxel of the slab to the nearest cluster in reach, the first of equally near ones, and returns whether
/// any label changed. `CHANNELS` is the number of channels, or `usize::MAX` for any number; `ROWS` is the number of rows
/// that are compared at once.
#[inline(always)]
pub(super) fn assign<L: Lanes, const CHANNELS: usize, const ZERO: bool, const ROWS: usize>(
    slab: Slab,
) -> bool {
    let Slab { input, ranges, search, scratch, z, labels, filled, changed } = slab;
    let [_, height, width] = input.problem.shape;
    let mut any = false;
    if !search.enter_slab(input, &z) {
        return false;
    }
    for y in pieces(height, TILE[1]) {
        if !search.enter_band(input, &y) {
            continue;
        }
        for x in pieces(width, TILE[2]) {
            let tile = [z.clone(), y.clone(), x];
            if !ranges.join(&tile, &mut scratch.range)
                || !search.enter_tile::<L, CHANNELS, ZERO>(input, &tile, &scratch.range)
            {
                continue;
            }
            for z in pieces(tile[0].len(), BLOCK[0]) {
                for y in pieces(tile[1].len(), BLOCK[1]) {
                    let block = [
                        tile[0].start + z.start..tile[0].start + z.end,
                        tile[1].start + y.start..tile[1].start + y.end,
                    ];
                    let first = [block[0].start, block[1].start, tile[2].start];
                    let Some(range) = ranges.get(first) else { continue };
                    if search.candidates.len() < FEW {
                        scratch.remaining.clear();
                        scratch.remaining.extend(0..search.candidates.len() as u32);
                    } else {
                        let block = [&block[0], &block[1], &tile[2]];
                        search.enter_block::<L, CHANNELS, ZERO>(input, block, range, &mut scratch.remaining);
                    }
                    let filled = &mut filled[ranges.index(first) - ranges.index([tile[0].start, 0, 0])];
                    let only = match scratch.remaining[..] {
                        [only] if search.candidates[only as usize].covers => {
                            search.candidates[only as usize].cluster
                        }
                        _ => UNASSIGNED,
                    };
                    if only != UNASSIGNED && only == *filled {
                        continue;
                    }
                    *filled = only;
                    let mask = if ranges.whole(first) { None } else { input.problem.mask };
                    let rows = Block { input, tile: &tile, search, z: z.clone(), y, only, mask };
                    any |= assign_block::<L, CHANNELS, ZERO, ROWS>(rows, scratch, labels, changed);
                }
            }
        }
    }
    any
}

/// Rows of a tile.
struct Block<'a> {
    input: &'a SearchInput<'a>,
    tile: &'a Window,
    search: &'a CandidateSearch,
    /// Planes and rows of the block, counted from those of the tile.
    z: Range<usize>,
    y: Range<usize>,
    /// The cluster of all voxels of the block, or [`UNASSIGNED`] if it has to be found.
    only: u32,
    /// The mask, unless it sets all voxels of the block.
    mask: Option<&'a [bool]>,
}

/// Assigns the voxels of the block; `labels` are those of the slab.
#[inline(always)]
fn assign_block<L: Lanes, const CHANNELS: usize, const ZERO: bool, const ROWS: usize>(
    block: Block,
    scratch: &mut Scratch,
    labels: &mut [u32],
    changed: &[AtomicBool],
) -> bool {
    let mut any = false;
    for z in block.z.clone() {
        let mut y = block.y.start;
        while y + ROWS <= block.y.end {
            any |= assign_rows::<L, CHANNELS, ZERO, ROWS>(&block, z, y, scratch, labels, changed);
            y += ROWS;
        }
        for y in y..block.y.end {
            any |= assign_rows::<L, CHANNELS, ZERO, 1>(&block, z, y, scratch, labels, changed);
        }
    }
    any
}

/// Assigns the voxels of `ROWS` rows.
#[inline(always)]
fn assign_rows<L: Lanes, const CHANNELS: usize, const ZERO: bool, const ROWS: usize>(
    block: &Block,
    z: usize,
    y: usize,
    scratch: &mut Scratch,
    labels: &mut [u32],
    changed: &[AtomicBool],
) -> bool {
    let problem = block.input.problem;
    let [_, height, width] = problem.shape;
    let [z_span, y_span, x] = block.tile;
    let row = (z * height + y_span.start + y) * width + x.start;
    let first = z_span.start * height * width + row;
    let mut old = [[UNASSIGNED; LANES]; ROWS];
    for (r, old) in old.iter_mut().enumerate() {
        *old = padded(&labels[row + r * width..][..x.len()], UNASSIGNED);
        // A tile consists of many short rows: those of the next band are fetched.
        prefetch(labels, row + (r + TILE[1]) * width);
    }
    let mut new = [[block.only; LANES]; ROWS];
    if block.only == UNASSIGNED {
        for (channel, values) in scratch.values.iter_mut().enumerate() {
            for (r, values) in values[..ROWS].iter_mut().enumerate() {
                let first = channel * problem.voxels() + first + r * width;
                *values = padded(&problem.image[first..first + x.len()], 0.0);
                prefetch(problem.image, first + TILE[1] * width);
            }
        }
        let tile = Tile {
            candidates: &block.search.candidates,
            colour: &block.input.clusters.colour,
            weight: block.input.problem.spatial_weight(),
        };
        new = nearest::<L, CHANNELS, ZERO, ROWS>(&tile, &scratch.remaining, &scratch.values, [z, y], old);
    }
    if let Some(mask) = block.mask {
        for (r, new) in new.iter_mut().enumerate() {
            let inside = padded(&mask[first + r * width..][..x.len()], false);
            for (label, inside) in new.iter_mut().zip(inside) {
                *label = if inside { *label } else { UNASSIGNED };
            }
        }
    }
    let mut any = false;
    for (r, (old, new)) in old.iter().zip(&new).enumerate() {
        // In a tile cut by the border of the image, lanes outside are not written.
        let differ = L::load_bits(old).differ(L::load_bits(new)) & !(u32::MAX << x.len());
        if differ != 0 {
            any = true;
            write(&mut labels[row + r * width..][..x.len()], old, new, differ, changed);
        }
    }
    any
}

/// Writes the labels of one row and marks the clusters that gain or lose voxels: those of the lanes that `differ`.
#[inline(always)]
fn write(
    labels: &mut [u32],
    old: &[u32; LANES],
    new: &[u32; LANES],
    mut differ: u32,
    changed: &[AtomicBool],
) {
    match labels.first_chunk_mut() {
        Some(labels) => *labels = *new,
        None => labels.copy_from_slice(&new[..labels.len()]),
    }
    while differ != 0 {
        let lane = differ.trailing_zeros() as usize % LANES;
        differ &= differ - 1;
        for cluster in [old[lane], new[lane]] {
            // Reading first, since threads share the marks and most of them are set already.
            if let Some(changed) = changed.get(cluster as usize)
                && !changed.load(Ordering::Relaxed)
            {
                changed.store(true, Ordering::Relaxed);
            }
        }
    }
}
