//! Assignment step of k-means: the loop over the tiles of a slab and their blocks of rows.
//!
//! One source is compiled for each instruction set. Lanes are independent and no operations are contracted, so that all
//! instruction sets round alike.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::candidates::{Candidate, CandidateSearch, SearchInput, TILE, pieces};
use super::label_ranges::label_range;
use super::lanes::{LANES, Lanes};
use super::positions::Gains;
use super::problem::Window;
use super::ranges::{BLOCK, Ranges};
use super::rows::{Candidates, nearest, padded};
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
    /// The range of labels in each row of these planes.
    pub(super) rows: &'a mut [Range<u32>],
    /// Set for clusters that gain or lose voxels.
    pub(super) changed: &'a [AtomicBool],
    /// Number of distances computed.
    pub(super) distances: &'a AtomicU64,
}

/// With fewer candidates than this, blocks are not bounded.
const FEW: usize = 4;

/// Buffers of one thread.
pub(super) struct Scratch {
    /// Some rows of each channel.
    values: Vec<[[f32; LANES]; BLOCK[1]]>,
    /// Intensities of a tile.
    range: Vec<[f32; 2]>,
    /// The tile whose voxels are assigned, and the one after it, which is searched before.
    tiles: [Tile; 2],
    /// Positions gained and lost by each cluster; empty if distances include intensities.
    pub(super) gains: Gains,
}

impl Scratch {
    pub(super) fn new(channels: usize, clusters: usize) -> Scratch {
        Scratch {
            values: vec![[[0.0; LANES]; BLOCK[1]]; channels],
            range: Vec::new(),
            tiles: [Tile::default(), Tile::default()],
            gains: Gains::new(if channels == 0 { clusters } else { 0 }),
        }
    }
}

/// The result of the search for a tile.
#[derive(Default)]
struct Tile {
    candidates: Vec<Candidate>,
    /// Indices of the candidates of each block, one block after the other.
    remaining: Vec<u32>,
    /// The blocks whose labels may change.
    blocks: Vec<Block>,
}

/// Rows of a tile.
struct Block {
    voxels: Window,
    /// Planes and rows of the block, counted from those of the tile.
    z: Range<usize>,
    y: Range<usize>,
    /// The cluster of all voxels of the block, or [`UNASSIGNED`] if it has to be found.
    only: u32,
    /// Candidates of the block, among the tile's.
    remaining: Range<usize>,
    /// True if there is no mask, or it sets all voxels of the block.
    whole: bool,
}

/// Assigns each voxel of the slab to the nearest cluster in reach, the first of equally near ones, and finds the range of
/// labels in each row. `CHANNELS` is the number of channels, or `usize::MAX` for any number; `ROWS` is the number of rows
/// that are compared at once.
#[inline(always)]
pub(super) fn assign<L: Lanes, const CHANNELS: usize, const ZERO: bool, const ROWS: usize>(mut slab: Slab) {
    let input = slab.input;
    let z = slab.z.clone();
    let [_, height, width] = input.problem.shape;
    let mut any = false;
    if !slab.search.enter_slab(input, &z) {
        return;
    }
    for y in pieces(height, TILE[1]) {
        if !slab.search.enter_band(input, &y) {
            continue;
        }
        for x in pieces(width, TILE[2]) {
            let tile = [z.clone(), y.clone(), x];
            if !slab.ranges.join(&tile, &mut slab.scratch.range)
                || !slab.search.enter_tile::<L, CHANNELS, ZERO>(input, &tile, &slab.scratch.range)
            {
                continue;
            }
            search_blocks::<L, CHANNELS, ZERO>(&mut slab, &tile);
            any |= assign_tile::<L, CHANNELS, ZERO, ROWS>(&mut slab);
        }
    }
    any |= assign_tile::<L, CHANNELS, ZERO, ROWS>(&mut slab);
    if any {
        for (row, labels) in slab.rows.iter_mut().zip(slab.labels.chunks(width)) {
            *row = label_range(labels);
        }
    }
}

/// Finds the candidates of all blocks of the tile whose labels may change, as the second of the buffered tiles, and
/// prefetches these blocks: a tile consists of many short rows, whose order the hardware does not detect.
#[inline(always)]
fn search_blocks<L: Lanes, const CHANNELS: usize, const ZERO: bool>(slab: &mut Slab, tile: &Window) {
    let Slab { input, ranges, search, scratch, labels, filled, .. } = slab;
    let problem = input.problem;
    let [_, height, width] = problem.shape;
    let [z, y, x] = tile;
    let channels = scratch.values.len();
    let Tile { candidates, remaining, blocks } = &mut scratch.tiles[1];
    let mut distances = 0;
    remaining.clear();
    blocks.clear();
    std::mem::swap(candidates, &mut search.candidates);
    for block_z in z.clone().step_by(BLOCK[0]) {
        for block_y in y.clone().step_by(BLOCK[1]) {
            let first = [block_z, block_y, x.start];
            let Some(range) = ranges.get(first) else { continue };
            let before = remaining.len();
            let voxels =
                [block_z..z.end.min(block_z + BLOCK[0]), block_y..y.end.min(block_y + BLOCK[1]), x.clone()];
            if candidates.len() < FEW {
                remaining.extend(0..candidates.len() as u32);
            } else {
                search.enter_block::<L, CHANNELS, ZERO>(input, &voxels, range, remaining);
            }
            let filled = &mut filled[ranges.index(first) - ranges.index([z.start, 0, 0])];
            let only = match remaining[before..] {
                [only] if candidates[only as usize].covers => candidates[only as usize].cluster,
                _ => UNASSIGNED,
            };
            if only != UNASSIGNED && only == *filled {
                remaining.truncate(before);
                continue;
            }
            *filled = only;
            for row in voxels[0].clone() {
                for y in voxels[1].clone() {
                    let row = (row * height + y) * width + x.start;
                    prefetch(labels, row - z.start * height * width);
                    for channel in 0..if only == UNASSIGNED { channels } else { 0 } {
                        prefetch(problem.image, channel * problem.voxels() + row);
                    }
                }
            }
            if only == UNASSIGNED {
                distances += (remaining.len() - before) * voxels[0].len() * voxels[1].len() * x.len();
            }
            blocks.push(Block {
                z: voxels[0].start - z.start..voxels[0].end - z.start,
                y: voxels[1].start - y.start..voxels[1].end - y.start,
                voxels,
                only,
                remaining: before..remaining.len(),
                whole: ranges.whole(first),
            });
        }
    }
    slab.distances.fetch_add(distances as u64, Ordering::Relaxed);
}

/// Assigns the voxels of the first of the buffered tiles, and replaces it by the second.
#[inline(always)]
fn assign_tile<L: Lanes, const CHANNELS: usize, const ZERO: bool, const ROWS: usize>(
    slab: &mut Slab,
) -> bool {
    let mut any = false;
    for index in 0..slab.scratch.tiles[0].blocks.len() {
        any |= assign_block::<L, CHANNELS, ZERO, ROWS>(slab, index);
    }
    slab.scratch.tiles[0].blocks.clear();
    slab.scratch.tiles.swap(0, 1);
    any
}

/// Assigns the voxels of a block of the first of the buffered tiles.
#[inline(always)]
fn assign_block<L: Lanes, const CHANNELS: usize, const ZERO: bool, const ROWS: usize>(
    slab: &mut Slab,
    index: usize,
) -> bool {
    let Block { z, y, .. } = &slab.scratch.tiles[0].blocks[index];
    let (z, y) = (z.clone(), y.clone());
    let mut any = false;
    for z in z {
        let mut row = y.start;
        while row + ROWS <= y.end {
            any |= assign_rows::<L, CHANNELS, ZERO, ROWS>(slab, index, z, row);
            row += ROWS;
        }
        for row in row..y.end {
            any |= assign_rows::<L, CHANNELS, ZERO, 1>(slab, index, z, row);
        }
    }
    any
}

/// Assigns the voxels of `ROWS` rows of a block, from `[z, y]` in its tile.
#[inline(always)]
fn assign_rows<L: Lanes, const CHANNELS: usize, const ZERO: bool, const ROWS: usize>(
    slab: &mut Slab,
    index: usize,
    z: usize,
    y: usize,
) -> bool {
    let Slab { input, scratch, labels, changed, z: planes, .. } = slab;
    let problem = input.problem;
    let [_, height, width] = problem.shape;
    let Scratch { values, tiles, gains, .. } = &mut **scratch;
    let Tile { candidates, remaining, blocks } = &tiles[0];
    let block = &blocks[index];
    let [_, block_y, x] = &block.voxels;
    let row = (z * height + block_y.start + y - block.y.start) * width + x.start;
    let first = planes.start * height * width + row;
    let mut old = [[UNASSIGNED; LANES]; ROWS];
    for (r, old) in old.iter_mut().enumerate() {
        *old = padded(&labels[row + r * width..][..x.len()], UNASSIGNED);
    }
    let mut new = [[block.only; LANES]; ROWS];
    if block.only == UNASSIGNED {
        for (channel, values) in values.iter_mut().enumerate() {
            for (r, values) in values[..ROWS].iter_mut().enumerate() {
                let first = channel * problem.voxels() + first + r * width;
                *values = padded(&problem.image[first..first + x.len()], 0.0);
            }
        }
        let candidates = Candidates {
            all: candidates,
            remaining: &remaining[block.remaining.clone()],
            colour: &input.clusters.colour,
            weight: problem.spatial_weight(),
        };
        new = nearest::<L, CHANNELS, ZERO, ROWS>(&candidates, values, [z, y], old);
    }
    if let Some(mask) = problem.mask
        && !block.whole
    {
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
            if CHANNELS == 0 {
                let y = block_y.start + y - block.y.start + r;
                gains.add([planes.start + z, y, x.start], old, new, differ);
            }
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
