//! The inner loop: a tile's rows against the tile's contenders, all voxels of a row at once.
//!
//! One source, instantiated for each instruction set; lanes are independent and nothing is contracted, so every
//! instantiation rounds as the plain one does.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};

use super::tiles::{Contender, TILE, pieces};
use super::{Problem, UNASSIGNED};

const LANES: usize = TILE[2];

/// A tile whose voxels are to be assigned.
pub(crate) struct Tile<'a> {
    pub(crate) problem: &'a Problem<'a>,
    pub(crate) contenders: &'a [Contender],
    /// Colours of all clusters.
    pub(crate) colour: &'a [f32],
    pub(crate) weight: f32,
    pub(crate) span: &'a [Range<usize>; 3],
}

/// Planes and rows of a tile that are held against the bounds once more.
const BLOCK: [usize; 2] = [2, 4];
/// Fewer contenders than this are not worth another look.
const FEW: usize = 6;

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

/// Gives each voxel that a contender reaches the label of the nearest, of equally near ones the first. Marks clusters
/// that won or lost voxels, and returns whether there were some. `labels` are those of the tile's slab.
pub(crate) type Kernel = fn(&Tile, room: &mut Room, labels: &mut [u32], changed: &[AtomicBool]) -> bool;

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

/// `CHANNELS` is the number of channels, or `usize::MAX` for any.
#[inline(always)]
fn tile<const CHANNELS: usize, const ZERO: bool>(
    tile: &Tile,
    room: &mut Room,
    labels: &mut [u32],
    changed: &[AtomicBool],
) -> bool {
    let [z, y, _] = tile.span;
    let mut any = false;
    for z in pieces(z.len(), BLOCK[0]) {
        for y in pieces(y.len(), BLOCK[1]) {
            contenders_of_block(tile, z.clone(), y.clone(), room);
            any |= block::<CHANNELS, ZERO>(tile, z.clone(), y, room, labels, changed);
        }
    }
    any
}

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

macro_rules! instantiate {
    ($name:ident, $($feature:literal)?) => {
        /// The kernel for this many channels.
        pub(super) fn $name(channels: usize, zero: bool) -> Kernel {
            $(#[target_feature(enable = $feature)])?
            fn inner<const CHANNELS: usize, const ZERO: bool>(
                of: &Tile,
                room: &mut Room,
                labels: &mut [u32],
                changed: &[AtomicBool],
            ) -> bool {
                tile::<CHANNELS, ZERO>(of, room, labels, changed)
            }
            fn outer<const CHANNELS: usize, const ZERO: bool>(
                of: &Tile,
                room: &mut Room,
                labels: &mut [u32],
                changed: &[AtomicBool],
            ) -> bool {
                // SAFETY: `kernel` hands this function out only where the processor has the feature.
                #[allow(unused_unsafe, unsafe_code, reason = "without a feature the call is safe")]
                unsafe { inner::<CHANNELS, ZERO>(of, room, labels, changed) }
            }
            match (channels, zero) {
                (0, _) => outer::<0, false>,
                (1, false) => outer::<1, false>,
                (1, true) => outer::<1, true>,
                (4, false) => outer::<4, false>,
                (_, false) => outer::<{ usize::MAX }, false>,
                (_, true) => outer::<{ usize::MAX }, true>,
            }
        }
    };
}

mod plain {
    use super::*;
    instantiate!(kernel,);
}

#[cfg(target_arch = "x86_64")]
mod avx2 {
    use super::*;
    instantiate!(kernel, "avx2");
}

#[cfg(target_arch = "x86_64")]
mod avx512 {
    use super::*;
    instantiate!(kernel, "avx512f,avx512vl,avx512dq,avx512bw");
}

/// Instruction sets the kernel is instantiated for. On AArch64 the plain one is NEON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Instructions {
    Plain,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

/// The instruction sets that this processor has, the best last.
pub(crate) fn available() -> Vec<Instructions> {
    #[allow(unused_mut, reason = "only x86-64 adds to it")]
    let mut sets = vec![Instructions::Plain];
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx2") {
            sets.push(Instructions::Avx2);
        }
        let wide = is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512vl");
        if wide && is_x86_feature_detected!("avx512dq") && is_x86_feature_detected!("avx512bw") {
            sets.push(Instructions::Avx512);
        }
    }
    sets
}

/// The kernel for the best of this processor's instruction sets that `at_most` allows.
pub(crate) fn kernel(channels: usize, zero: bool, at_most: Option<Instructions>) -> Kernel {
    let sets = available();
    let chosen = at_most.filter(|set| sets.contains(set)).or(sets.last().copied());
    match chosen.unwrap_or(Instructions::Plain) {
        Instructions::Plain => plain::kernel(channels, zero),
        #[cfg(target_arch = "x86_64")]
        Instructions::Avx2 => avx2::kernel(channels, zero),
        #[cfg(target_arch = "x86_64")]
        Instructions::Avx512 => avx512::kernel(channels, zero),
    }
}
