//! The inner loop: a tile's rows against the tile's contenders, all voxels of a row at once.
//!
//! One source, instantiated for each instruction set; lanes are independent and nothing is contracted, so every
//! instantiation rounds as the plain one does.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};

use super::tiles::{Contender, TILE};
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

/// Gives each voxel that a contender reaches the label of the nearest, of equally near ones the first. Marks clusters
/// that won or lost voxels, and returns whether there were some. `labels` are those of the tile's slab, `values` has room
/// for the channels of one row.
pub(crate) type Kernel =
    fn(&Tile, values: &mut [[f32; LANES]], labels: &mut [u32], changed: &[AtomicBool]) -> bool;

/// The voxels of a tile's row; where the tile is cut short, `rest` stands for those outside.
#[inline(always)]
fn padded<T: Copy>(row: &[T], rest: T) -> [T; LANES] {
    match row.first_chunk() {
        Some(row) => *row,
        None => padded_short(row, rest),
    }
}

/// Kept out of line: merged into the loop it would make the common case go lane by lane too.
#[inline(never)]
fn padded_short<T: Copy>(row: &[T], rest: T) -> [T; LANES] {
    std::array::from_fn(|i| row.get(i).copied().unwrap_or(rest))
}

/// `CHANNELS` is the number of channels, or `usize::MAX` for any.
#[inline(always)]
fn tile<const CHANNELS: usize, const ZERO: bool>(
    tile: &Tile,
    values: &mut [[f32; LANES]],
    labels: &mut [u32],
    changed: &[AtomicBool],
) -> bool {
    let [_, height, width] = tile.problem.shape;
    let [z_span, y_span, x] = tile.span;
    let mut any = false;
    for (z, z_here) in z_span.clone().enumerate() {
        for (y, y_here) in y_span.clone().enumerate() {
            let voxel = (z_here * height + y_here) * width + x.start;
            for (channel, values) in values.iter_mut().enumerate() {
                let first = channel * tile.problem.voxels() + voxel;
                *values = padded(&tile.problem.image[first..first + x.len()], 0.0);
            }
            let first = (z * height + y_here) * width + x.start;
            let old = padded(&labels[first..first + x.len()], UNASSIGNED);
            let mut new = match tile.contenders {
                [only] if only.covers => [only.cluster; LANES],
                _ => nearest::<CHANNELS, ZERO>(tile, values, z, y, old),
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
    values: &[[f32; LANES]],
    z: usize,
    y: usize,
    old: [u32; LANES],
) -> [u32; LANES] {
    let mut best = [f32::INFINITY; LANES];
    let mut nearest = old;
    let channels = if CHANNELS == usize::MAX { values.len() } else { CHANNELS };
    for contender in tile.contenders {
        let near = contender.dz[z] + contender.dy[y];
        let mut total = [0.0; LANES];
        for (total, dx) in total.iter_mut().zip(&contender.dx) {
            *total = (near + dx) * tile.weight;
        }
        if CHANNELS != 0 {
            let first = contender.cluster as usize * channels;
            let mut difference = [0.0; LANES];
            for (values, &colour) in values[..channels].iter().zip(&tile.colour[first..first + channels]) {
                for lane in 0..LANES {
                    let t = values[lane] - colour;
                    difference[lane] += t * t;
                }
            }
            for lane in 0..LANES {
                total[lane] += if ZERO { difference[lane] / contender.widest } else { difference[lane] };
            }
        }
        for lane in 0..LANES {
            let nearer = best[lane] > total[lane];
            best[lane] = if nearer { total[lane] } else { best[lane] };
            nearest[lane] = if nearer { contender.cluster } else { nearest[lane] };
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
                values: &mut [[f32; LANES]],
                labels: &mut [u32],
                changed: &[AtomicBool],
            ) -> bool {
                tile::<CHANNELS, ZERO>(of, values, labels, changed)
            }
            fn outer<const CHANNELS: usize, const ZERO: bool>(
                of: &Tile,
                values: &mut [[f32; LANES]],
                labels: &mut [u32],
                changed: &[AtomicBool],
            ) -> bool {
                // SAFETY: `kernel` hands this function out only where the processor has the feature.
                #[allow(unused_unsafe, unsafe_code, reason = "without a feature the call is safe")]
                unsafe { inner::<CHANNELS, ZERO>(of, values, labels, changed) }
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
