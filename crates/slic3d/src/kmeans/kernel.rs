//! Assignment step of k-means: the inner loop over the tiles of a slab, comparing all voxels of a row with the tile's
//! candidates at once.
//!
//! One source is compiled for each instruction set. Lanes are independent and no operations are contracted, so that all
//! instruction sets round alike.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};

use super::problem::{Problem, Window};
use super::ranges::Ranges;
use super::tiles::{Candidate, CandidateSearch, SearchInput, TILE, pieces};
use crate::labels::UNASSIGNED;

const LANES: usize = TILE[2];

/// Planes whose voxels one thread assigns, with its buffers.
pub(super) struct Slab<'a> {
    pub(super) input: &'a SearchInput<'a>,
    pub(super) ranges: &'a Ranges,
    pub(super) search: &'a mut CandidateSearch,
    pub(super) scratch: &'a mut Scratch,
    pub(super) z: Range<usize>,
    /// Labels of these planes.
    pub(super) labels: &'a mut [u32],
    /// Set for clusters that gain or lose voxels.
    pub(super) changed: &'a [AtomicBool],
}

/// A tile whose voxels are assigned.
struct Tile<'a> {
    problem: &'a Problem<'a>,
    candidates: &'a [Candidate],
    /// Mean intensities of all clusters.
    colour: &'a [f32],
    weight: f32,
    span: &'a Window,
}

/// Planes and rows of a block of a tile, to which the bounds are applied once more.
const BLOCK: [usize; 2] = [2, 4];
/// With fewer candidates than this, blocks are not bounded.
const FEW: usize = 4;

/// Buffers of one thread.
pub(super) struct Scratch {
    /// One row of each channel.
    values: Vec<[f32; LANES]>,
    /// Indices of the candidates for a block of rows.
    remaining: Vec<u32>,
    lower: Vec<f32>,
}

impl Scratch {
    pub(super) fn new(channels: usize) -> Scratch {
        Scratch { values: vec![[0.0; LANES]; channels], remaining: Vec::new(), lower: Vec::new() }
    }
}

/// Returns one row of a tile, padded with `fill` if the border of the image cuts the tile.
#[inline(always)]
fn padded<T: Copy>(row: &[T], fill: T) -> [T; LANES] {
    match row.first_chunk() {
        Some(row) => *row,
        None => padded_short(row, fill),
    }
}

/// Prefetches the same row of the next tile: a tile consists of many short rows, whose order the hardware prefetcher
/// does not detect.
#[inline(always)]
fn prefetch<T>(values: &[T], at: usize) {
    #[cfg(target_arch = "x86_64")]
    if let Some(value) = values.get(at) {
        // SAFETY: the reference is valid, and a prefetch reads nothing.
        #[allow(unsafe_code, reason = "a hint without effect on values")]
        unsafe {
            std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(
                std::ptr::from_ref(value).cast(),
            );
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (values, at);
}

/// Not inlined: the compiler would otherwise handle full rows lane by lane too.
#[inline(never)]
fn padded_short<T: Copy>(row: &[T], fill: T) -> [T; LANES] {
    std::array::from_fn(|i| row.get(i).copied().unwrap_or(fill))
}

/// Fills `remaining` with the candidates that may be nearest to a voxel of these planes and rows of the tile.
#[inline(always)]
fn candidates_of_block(tile: &Tile, z: Range<usize>, y: Range<usize>, scratch: &mut Scratch) {
    scratch.remaining.clear();
    if tile.candidates.len() < FEW {
        scratch.remaining.extend(0..tile.candidates.len() as u32);
        return;
    }
    scratch.lower.clear();
    let mut bound = f32::INFINITY;
    for candidate in tile.candidates {
        let (mut near, mut far) = ([f32::INFINITY; 2], [0.0_f32; 2]);
        for (axis, offsets) in [&candidate.dz[z.clone()], &candidate.dy[y.clone()]].into_iter().enumerate() {
            for &offset in offsets {
                near[axis] = if offset < near[axis] { offset } else { near[axis] };
                far[axis] = if offset > far[axis] { offset } else { far[axis] };
            }
        }
        let [nearest, farthest] = candidate.dx_bounds;
        let [least, greatest] = candidate.colour_bounds;
        scratch.lower.push((near[0] + near[1] + nearest) * tile.weight + least);
        let upper = (far[0] + far[1] + farthest) * tile.weight + greatest;
        bound = if upper < bound { upper } else { bound };
    }
    let remaining = (0..).zip(&scratch.lower).filter(|(_, lower)| **lower <= bound);
    scratch.remaining.extend(remaining.map(|(index, _)| index));
}

/// Assigns each voxel of the slab to the nearest cluster in reach, the first of equally near ones, and returns whether
/// any label changed. `CHANNELS` is the number of channels, or `usize::MAX` for any number.
#[inline(always)]
pub(super) fn assign<const CHANNELS: usize, const ZERO: bool>(slab: Slab) -> bool {
    let Slab { input, ranges, search, scratch, z, labels, changed } = slab;
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
            let span = [z.clone(), y.clone(), x];
            let Some(range) = ranges.get(&span) else { continue };
            if search.enter_tile(input, &span, range) {
                let tile = Tile {
                    problem: input.problem,
                    candidates: &search.candidates,
                    colour: &input.clusters.colour,
                    weight: input.problem.spatial_weight(),
                    span: &span,
                };
                for z in pieces(z.len(), BLOCK[0]) {
                    for y in pieces(y.len(), BLOCK[1]) {
                        candidates_of_block(&tile, z.clone(), y.clone(), scratch);
                        any |= block::<CHANNELS, ZERO>(&tile, z.clone(), y, scratch, labels, changed);
                    }
                }
            }
        }
    }
    any
}

/// Assigns the voxels of these planes and rows of the tile; `labels` are those of the slab.
#[inline(always)]
fn block<const CHANNELS: usize, const ZERO: bool>(
    tile: &Tile,
    z: Range<usize>,
    y: Range<usize>,
    scratch: &mut Scratch,
    labels: &mut [u32],
    changed: &[AtomicBool],
) -> bool {
    let [_, height, width] = tile.problem.shape;
    let [z_span, y_span, x] = tile.span;
    let Scratch { values, remaining, .. } = scratch;
    let mut any = false;
    for z in z {
        for y in y.clone() {
            let row = (z * height + y_span.start + y) * width;
            let voxel = z_span.start * height * width + row + x.start;
            for (channel, values) in values.iter_mut().enumerate() {
                let first = channel * tile.problem.voxels() + voxel;
                *values = padded(&tile.problem.image[first..first + x.len()], 0.0);
                prefetch(tile.problem.image, first + LANES);
            }
            let first = row + x.start;
            let old = padded(&labels[first..first + x.len()], UNASSIGNED);
            prefetch(labels, first + LANES);
            let mut new = match remaining[..] {
                [only] if tile.candidates[only as usize].covers => {
                    [tile.candidates[only as usize].cluster; LANES]
                }
                _ => nearest::<CHANNELS, ZERO>(tile, remaining, values, z, y, old),
            };
            if let Some(mask) = tile.problem.mask {
                let inside = padded(&mask[voxel..voxel + x.len()], false);
                for (label, inside) in new.iter_mut().zip(inside) {
                    *label = if inside { *label } else { UNASSIGNED };
                }
            }
            // In a tile cut by the border of the image, lanes outside may differ; they are not written.
            if old.iter().zip(&new).fold(0, |differ, (old, new)| differ | (old ^ new)) != 0 {
                let mut last = (UNASSIGNED, UNASSIGNED);
                for ((label, &old), &new) in labels[first..first + x.len()].iter_mut().zip(&old).zip(&new) {
                    *label = new;
                    if old != new && (old, new) != last {
                        last = (old, new);
                        any = true;
                        for cluster in [old, new].into_iter().filter(|&cluster| cluster != UNASSIGNED) {
                            changed[cluster as usize].store(true, Ordering::Relaxed);
                        }
                    }
                }
            }
        }
    }
    any
}

/// Returns the labels of one row of the tile.
#[inline(always)]
fn nearest<const CHANNELS: usize, const ZERO: bool>(
    tile: &Tile,
    remaining: &[u32],
    values: &[[f32; LANES]],
    z: usize,
    y: usize,
    old: [u32; LANES],
) -> [u32; LANES] {
    let mut best = [f32::INFINITY; LANES];
    let mut nearest = old;
    let channels = if CHANNELS == usize::MAX { values.len() } else { CHANNELS };
    for &index in remaining {
        let candidate = &tile.candidates[index as usize];
        let near = candidate.dz[z] + candidate.dy[y];
        let mut total = [0.0; LANES];
        for (total, dx) in total.iter_mut().zip(&candidate.dx) {
            *total = (near + dx) * tile.weight;
        }
        let mut difference = [0.0; LANES];
        if CHANNELS != 0 {
            let first = candidate.cluster as usize * channels;
            for (values, &colour) in values[..channels].iter().zip(&tile.colour[first..first + channels]) {
                for lane in 0..LANES {
                    let t = values[lane] - colour;
                    difference[lane] += t * t;
                }
            }
        }
        for lane in 0..LANES {
            total[lane] += if ZERO { difference[lane] / candidate.max_colour } else { difference[lane] };
        }
        for lane in 0..LANES {
            let nearer = u32::from(best[lane] > total[lane]).wrapping_neg();
            nearest[lane] = (candidate.cluster & nearer) | (nearest[lane] & !nearer);
            best[lane] = if best[lane] > total[lane] { total[lane] } else { best[lane] };
        }
    }
    nearest
}
