//! The inner loop: slabs of planes, tile by tile, each row against the tile's contenders, all voxels of a row at once.
//!
//! One source, instantiated for each instruction set; lanes are independent and nothing is contracted, so every
//! instantiation rounds as the plain one does.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};

use super::ranges::Ranges;
use super::tiles::{Contender, Field, Search, TILE, Window, pieces};
use super::{Problem, UNASSIGNED};

const LANES: usize = TILE[2];

/// Planes whose voxels are to be assigned, and what one thread needs for it.
pub(crate) struct Slab<'a> {
    pub(crate) field: &'a Field<'a>,
    pub(crate) ranges: &'a Ranges,
    pub(crate) search: &'a mut Search,
    pub(crate) room: &'a mut Room,
    pub(crate) z: Range<usize>,
    /// Labels of these planes.
    pub(crate) labels: &'a mut [u32],
    /// Is set for clusters that win or lose voxels.
    pub(crate) changed: &'a [AtomicBool],
}

/// A tile whose voxels are to be assigned.
struct Tile<'a> {
    problem: &'a Problem<'a>,
    contenders: &'a [Contender],
    /// Colours of all clusters.
    colour: &'a [f32],
    weight: f32,
    span: &'a Window,
}

/// Planes and rows of a tile that are held against the bounds once more.
const BLOCK: [usize; 2] = [2, 4];
/// Fewer contenders than this are not worth another look.
const FEW: usize = 4;

/// Room that a kernel works in.
pub(crate) struct Room {
    /// A row of each channel.
    values: Vec<[f32; LANES]>,
    /// Places of the contenders for a block of rows.
    left: Vec<u32>,
    lower: Vec<f32>,
}

impl Room {
    pub(crate) fn new(channels: usize) -> Room {
        Room { values: vec![[0.0; LANES]; channels], left: Vec::new(), lower: Vec::new() }
    }
}

/// The voxels of a tile's row; where the tile is cut short, `rest` stands for those outside.
#[inline(always)]
fn padded<T: Copy>(row: &[T], rest: T) -> [T; LANES] {
    match row.first_chunk() {
        Some(row) => *row,
        None => padded_short(row, rest),
    }
}

/// Asks for the same row of the next tile: a tile is some hundred short pieces of memory, whose order the processor does not
/// foresee.
#[inline(always)]
fn fetch_early<T>(values: &[T], at: usize) {
    #[cfg(target_arch = "x86_64")]
    if let Some(value) = values.get(at) {
        // SAFETY: the reference is valid, and nothing is read through it.
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

/// Kept out of line: merged into the loop it would make the common case go lane by lane too.
#[inline(never)]
fn padded_short<T: Copy>(row: &[T], rest: T) -> [T; LANES] {
    std::array::from_fn(|i| row.get(i).copied().unwrap_or(rest))
}

/// Fills `left` with the contenders that may win voxels of these planes and rows of the tile.
#[inline(always)]
fn contenders_of_block(tile: &Tile, z: Range<usize>, y: Range<usize>, room: &mut Room) {
    room.left.clear();
    if tile.contenders.len() < FEW {
        room.left.extend(0..tile.contenders.len() as u32);
        return;
    }
    room.lower.clear();
    let mut bound = f32::INFINITY;
    for contender in tile.contenders {
        let (mut near, mut far) = ([f32::INFINITY; 2], [0.0_f32; 2]);
        for (axis, offsets) in [&contender.dz[z.clone()], &contender.dy[y.clone()]].into_iter().enumerate() {
            for &offset in offsets {
                near[axis] = if offset < near[axis] { offset } else { near[axis] };
                far[axis] = if offset > far[axis] { offset } else { far[axis] };
            }
        }
        let [nearest, farthest] = contender.dx_bounds;
        let [least, greatest] = contender.colour_bounds;
        room.lower.push((near[0] + near[1] + nearest) * tile.weight + least);
        let upper = (far[0] + far[1] + farthest) * tile.weight + greatest;
        bound = if upper < bound { upper } else { bound };
    }
    let left = (0..).zip(&room.lower).filter(|(_, lower)| **lower <= bound);
    room.left.extend(left.map(|(place, _)| place));
}

/// Gives each voxel of the slab the label of the nearest cluster in reach, of equally near ones the first, and returns
/// whether any label has changed. `CHANNELS` is the number of channels, or `usize::MAX` for any.
#[inline(always)]
pub(super) fn assign<const CHANNELS: usize, const ZERO: bool>(slab: Slab) -> bool {
    let Slab { field, ranges, search, room, z, labels, changed } = slab;
    let [_, height, width] = field.problem.shape;
    let mut any = false;
    if !search.enter_slab(field, &z) {
        return false;
    }
    for y in pieces(height, TILE[1]) {
        if !search.enter_band(field, &y) {
            continue;
        }
        for x in pieces(width, TILE[2]) {
            let span = [z.clone(), y.clone(), x];
            let Some(range) = ranges.get(&span) else { continue };
            if search.enter_tile(field, &span, range) {
                let tile = Tile {
                    problem: field.problem,
                    contenders: &search.contenders,
                    colour: &field.clusters.colour,
                    weight: field.problem.spatial_weight(),
                    span: &span,
                };
                for z in pieces(z.len(), BLOCK[0]) {
                    for y in pieces(y.len(), BLOCK[1]) {
                        contenders_of_block(&tile, z.clone(), y.clone(), room);
                        any |= block::<CHANNELS, ZERO>(&tile, z.clone(), y, room, labels, changed);
                    }
                }
            }
        }
    }
    any
}

/// Assigns the voxels of these planes and rows of the tile; `labels` are those of its slab.
#[inline(always)]
fn block<const CHANNELS: usize, const ZERO: bool>(
    tile: &Tile,
    z: Range<usize>,
    y: Range<usize>,
    room: &mut Room,
    labels: &mut [u32],
    changed: &[AtomicBool],
) -> bool {
    let [_, height, width] = tile.problem.shape;
    let [z_span, y_span, x] = tile.span;
    let Room { values, left, .. } = room;
    let mut any = false;
    for z in z {
        for y in y.clone() {
            let row = (z * height + y_span.start + y) * width;
            let voxel = z_span.start * height * width + row + x.start;
            for (channel, values) in values.iter_mut().enumerate() {
                let first = channel * tile.problem.voxels() + voxel;
                *values = padded(&tile.problem.image[first..first + x.len()], 0.0);
                fetch_early(tile.problem.image, first + LANES);
            }
            let first = row + x.start;
            let old = padded(&labels[first..first + x.len()], UNASSIGNED);
            fetch_early(labels, first + LANES);
            let mut new = match left[..] {
                [only] if tile.contenders[only as usize].covers => {
                    [tile.contenders[only as usize].cluster; LANES]
                }
                _ => nearest::<CHANNELS, ZERO>(tile, left, values, z, y, old),
            };
            if let Some(mask) = tile.problem.mask {
                let inside = padded(&mask[voxel..voxel + x.len()], false);
                for (label, inside) in new.iter_mut().zip(inside) {
                    *label = if inside { *label } else { UNASSIGNED };
                }
            }
            // A tile cut short by the image's border differs in the lanes outside it, which are not written.
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

/// The labels of one row of the tile.
#[inline(always)]
fn nearest<const CHANNELS: usize, const ZERO: bool>(
    tile: &Tile,
    left: &[u32],
    values: &[[f32; LANES]],
    z: usize,
    y: usize,
    old: [u32; LANES],
) -> [u32; LANES] {
    let mut best = [f32::INFINITY; LANES];
    let mut nearest = old;
    let channels = if CHANNELS == usize::MAX { values.len() } else { CHANNELS };
    for &place in left {
        let contender = &tile.contenders[place as usize];
        let near = contender.dz[z] + contender.dy[y];
        let mut total = [0.0; LANES];
        for (total, dx) in total.iter_mut().zip(&contender.dx) {
            *total = (near + dx) * tile.weight;
        }
        let mut difference = [0.0; LANES];
        if CHANNELS != 0 {
            let first = contender.cluster as usize * channels;
            for (values, &colour) in values[..channels].iter().zip(&tile.colour[first..first + channels]) {
                for lane in 0..LANES {
                    let t = values[lane] - colour;
                    difference[lane] += t * t;
                }
            }
        }
        for lane in 0..LANES {
            total[lane] += if ZERO { difference[lane] / contender.widest } else { difference[lane] };
        }
        for lane in 0..LANES {
            let nearer = u32::from(best[lane] > total[lane]).wrapping_neg();
            nearest[lane] = (contender.cluster & nearer) | (nearest[lane] & !nearer);
            best[lane] = if best[lane] > total[lane] { total[lane] } else { best[lane] };
        }
    }
    nearest
}
