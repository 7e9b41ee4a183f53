//! Conversion between dense images and blocked activations.

use super::lanes::Lanes;
use super::window::{BLOCK, Window};
use crate::simd::scratch::SharedMut;
use crate::simd::{Isa, Kernel, Vector};
use rayon::prelude::*;
use relevox_grid::Box3;
use std::ops::Range;

/// Writes an image `[c, z, y, x]` of `size` voxels into the window of a whole layer. A layer that is larger than the image
/// is padded with zeros at its far ends.
pub fn pack(image: &[f32], channels: usize, size: [usize; 3], window: &Window, to: &mut [f32]) {
    let [depth, height, width] = size;
    let (pitch, planes) = (window.pitch, window.size[0]);
    let halo = (-window.start[2]) as usize;
    to.par_chunks_mut(window.plane_len().max(1)).enumerate().for_each(|(plane, to)| {
        let (block, z) = (plane / planes, plane % planes);
        if z >= depth {
            return to.fill(0.0);
        }
        for (y, row) in to.chunks_exact_mut(window.row_len()).enumerate() {
            row.fill(0.0);
            if y >= height {
                continue;
            }
            for lane in 0..pitch.min(channels - block * pitch) {
                let c = block * pitch + lane;
                let from = &image[((c * depth + z) * height + y) * width..][..width];
                let voxels = row[halo * pitch + lane..].iter_mut().step_by(pitch);
                voxels.zip(from).for_each(|(to, &value)| *to = value);
            }
        }
    });
}

/// Reads the first `size` voxels of each channel into `[c, z, y, x]`.
pub fn unpack(window: &Window, values: &[f32], lanes: &Lanes, size: [usize; 3], to: &mut [f32]) {
    let [depth, height, width] = size;
    let lane_of: Vec<usize> =
        (0..lanes.channels.len()).filter(|&lane| lanes.channels[lane].is_some()).collect();
    to.par_chunks_mut((height * width).max(1)).enumerate().for_each(|(plane, to)| {
        let (lane, z) = (lane_of[plane / depth], plane % depth);
        for (y, to) in to.chunks_exact_mut(width).enumerate() {
            let at = window.at(lane / window.pitch, [z as isize, y as isize, 0]) + lane % window.pitch;
            let from = values[at..].iter().step_by(window.pitch);
            to.iter_mut().zip(from).for_each(|(to, &value)| *to = value);
        }
    });
}

/// Writes the part of an image `[c, z, y, x]` that a window of whole blocks holds: any box along z and y, with whole rows
/// and zeros around them.
pub fn pack_box(isa: Isa, image: &[f32], channels: usize, window: &Window, to: &mut [f32]) {
    check(window, to.len(), image.len(), channels, &[0, 1].map(|axis| window.held(axis)));
    let planes = window.size[0];
    to.par_chunks_mut(window.plane_len().max(1)).enumerate().for_each(|(task, to)| {
        let (block, plane) = (task / planes, task % planes);
        let z = plane + window.start[0] as usize;
        isa.run(Pack { image, channels, window, block, z, to });
    });
}

/// Reads the whole rows of a box from a window of whole blocks into an image `[c, z, y, x]`.
pub fn unpack_box(isa: Isa, window: &Window, values: &[f32], channels: usize, bounds: Box3, to: &mut [f32]) {
    let [z, y, _] = bounds.signed().ranges();
    check(window, values.len(), to.len(), channels, &[z, y]);
    let to = SharedMut::new(to);
    let [planes, rows, _] = bounds.ranges();
    let depth = planes.len();
    (0..window.blocks * depth).into_par_iter().with_min_len(1).for_each(|task| {
        let (block, z) = (task / depth, planes.start + task % depth);
        isa.run(Unpack { window, values, channels, block, z, rows: rows.clone(), to });
    });
}

fn check(window: &Window, values: usize, image: usize, channels: usize, held: &[Range<isize>; 2]) {
    let voxels: usize = window.layer.iter().product();
    let [z, y] = held.clone();
    let rows = 0..window.layer[2] as isize;
    let inside = z.start >= 0
        && y.start >= 0
        && z.end <= window.layer[0] as isize
        && y.end <= window.layer[1] as isize;
    assert!(inside && window.holds(&[z, y, rows].into()), "{held:?} of {window:?}");
    assert!(window.pitch == BLOCK && window.elements() == values, "{values} values of {window:?}");
    assert!(image == channels * voxels && channels.div_ceil(BLOCK) == window.blocks, "{channels} channels");
}

/// One plane of one block.
struct Pack<'a> {
    image: &'a [f32],
    channels: usize,
    window: &'a Window,
    block: usize,
    z: usize,
    to: &'a mut [f32],
}

impl Kernel for Pack<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let Pack { image, channels, window, block, z, to } = self;
        let [_, height, width] = window.layer;
        let voxels = window.layer.iter().product::<usize>();
        let halo = (-window.start[2]) as usize;
        let first = block * BLOCK;
        let here = (channels - first).min(BLOCK);
        for (row, to) in to.chunks_exact_mut(window.row_len()).enumerate() {
            let y = row + window.start[1] as usize;
            let from = first * voxels + (z * height + y) * width;
            to[..halo * BLOCK].fill(0.0);
            to[(halo + width) * BLOCK..].fill(0.0);
            let to = &mut to[halo * BLOCK..(halo + width) * BLOCK];
            let mut lane = 0;
            while lane < BLOCK {
                let from = from + lane * voxels;
                let mut x = 0;
                if lane + V::LANES <= here {
                    while x + V::LANES <= width {
                        // SAFETY: the caller has V's instructions; `check` saw that the image has all channels' rows, and
                        // `to` has a block for each voxel of the row.
                        unsafe {
                            let to = to.as_mut_ptr().add(x * BLOCK + lane);
                            V::transpose(image.as_ptr().add(from + x), voxels, to, BLOCK);
                        }
                        x += V::LANES;
                    }
                }
                for x in x..width {
                    for at in lane..lane + V::LANES {
                        let inside = at < here;
                        to[x * BLOCK + at] =
                            if inside { image[from + (at - lane) * voxels + x] } else { 0.0 };
                    }
                }
                lane += V::LANES;
            }
        }
    }
}

/// Some rows of one plane of one block.
struct Unpack<'a> {
    window: &'a Window,
    values: &'a [f32],
    channels: usize,
    block: usize,
    z: usize,
    rows: Range<usize>,
    to: SharedMut<'a>,
}

impl Kernel for Unpack<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let Unpack { window, values, channels, block, z, rows, to } = self;
        let [_, height, width] = window.layer;
        let voxels = window.layer.iter().product::<usize>();
        let first = block * BLOCK;
        let here = (channels - first).min(BLOCK);
        for y in rows {
            let from = window.at(block, [z as isize, y as isize, 0]);
            let from = &values[from..from + width * BLOCK];
            let row = first * voxels + (z * height + y) * width;
            for lane in (0..here).step_by(V::LANES) {
                let mut x = 0;
                if lane + V::LANES <= here {
                    while x + V::LANES <= width {
                        // SAFETY: the caller has V's instructions; `check` saw that the image has all channels' rows, of
                        // which this plane of this block is this task's alone.
                        unsafe {
                            let from = from.as_ptr().add(x * BLOCK + lane);
                            V::transpose(from, BLOCK, to.at(row + lane * voxels + x), voxels);
                        }
                        x += V::LANES;
                    }
                }
                for x in x..width {
                    for at in lane..(lane + V::LANES).min(here) {
                        // SAFETY: as above.
                        unsafe { *to.at(row + at * voxels + x) = from[x * BLOCK + at] };
                    }
                }
            }
        }
    }
}
