//! Tiles of `M × M × M` outputs, from `A³` points, `A = M + 2`: weights, inputs and the way back.

use super::Stack;
use super::inputs::{Inputs, PLANE, Values, columns, voxels};
use super::outputs::{Tile, Way};
use super::transform;
use super::weights::Weights;
use crate::blocked::window::{BLOCK, Window};
use crate::simd::{Kernel, Vector};

/// Transforms the weights, as [`Weights`] describes.
pub(super) struct Kernels<'a, const A: usize> {
    pub(super) of: Weights<'a>,
}

impl<const A: usize> Kernel for Kernels<'_, A> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let Weights { lanes, dense, inputs, outputs, wide, places, weights, .. } = self.of;
        let channels = lanes.channels.len();
        assert!(wide.is_multiple_of(V::LANES) && V::LANES <= BLOCK, "{wide} outputs");
        for place in places {
            let Some(channel) = lanes.channels[place] else { continue };
            for lane in (0..wide).step_by(V::LANES) {
                let mut taps = [[0.0; BLOCK]; 27];
                for (at, o) in (outputs.start + lane..outputs.end).take(V::LANES).enumerate() {
                    let from = &dense[(o * inputs + channel) * 27..][..27];
                    taps.iter_mut().zip(from).for_each(|(tap, &from)| tap[at] = from);
                }
                // SAFETY: the caller has V's instructions; a tap has LANES values; `weights` hold all points, of which LANES
                // values from `lane` on are inside `wide`, and no other task has these channels.
                unsafe {
                    let zero = V::splat(0.0);
                    let mut planes = [[[zero; A]; A]; 3];
                    for (plane, taps) in planes.iter_mut().zip(taps.chunks_exact(9)) {
                        let mut lines = [[zero; A]; 3];
                        for (line, taps) in lines.iter_mut().zip(taps.chunks_exact(3)) {
                            let [a, b, c] = [taps[0].as_ptr(), taps[1].as_ptr(), taps[2].as_ptr()];
                            *line = transform::kernel([V::load(a), V::load(b), V::load(c)]);
                        }
                        for column in 0..A {
                            let points: [V; A] =
                                transform::kernel([lines[0][column], lines[1][column], lines[2][column]]);
                            for (line, value) in plane.iter_mut().zip(points) {
                                line[column] = value;
                            }
                        }
                    }
                    for at in 0..A * A {
                        let (y, x) = (at / A, at % A);
                        let points: [V; A] =
                            transform::kernel([planes[0][y][x], planes[1][y][x], planes[2][y][x]]);
                        for (z, value) in points.into_iter().enumerate() {
                            let step = (z * A * A + at) * channels + place;
                            value.store(weights.at(step * wide + lane));
                        }
                    }
                }
            }
        }
    }
}

/// Values of a tile at its points.
const POINTS: usize = 6 * 6 * 6 * BLOCK;

/// Transforms a block's inputs of some stacks, as [`Inputs`] describes.
pub(super) struct Columns<'a, const A: usize> {
    pub(super) of: Inputs<'a>,
}

impl<const A: usize> Kernel for Columns<'_, A> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let Inputs { shape, blocks, from, item, block, stacks, values, .. } = self.of;
        let layout = item.layout(shape, blocks);
        let (mut lines, mut planes) = (Values::<PLANE>::new(), Values::<POINTS>::new());
        let (lines, planes) = (lines.start(), planes.start());
        let last = stacks.end;
        for at in stacks {
            let Stack { part, first: [first, y, x] } = item.stacks[at];
            let (window, from) = from[part];
            for lane in (0..BLOCK).step_by(V::LANES) {
                for tile in 0..item.depth {
                    let outputs = A - 2;
                    // Neighbouring tiles share two planes, which keep their places.
                    let place =
                        |plane: usize| planes.wrapping_add((tile * outputs + plane) % A * (A * A * V::LANES));
                    let to = layout.at(item, block, tile * item.stacks.len() + at);
                    let next = match tile + 1 < item.depth {
                        true => Some((item.stacks[at], tile + 1)),
                        false => (at + 1 < last).then(|| (item.stacks[at + 1], 0)),
                    };
                    // SAFETY: the caller has V's instructions; `Winograd::run` saw that the window holds what its box reads,
                    // and a tile's place among the transformed values is this task's alone.
                    unsafe {
                        let to = values.at(to + lane);
                        // Requested now, the lines are there when they are written.
                        for point in 0..A * A * A {
                            V::prefetch(to.wrapping_add(point * layout.slot));
                        }
                        for plane in if tile == 0 { 0 } else { 2 }..A {
                            let z = (first + tile * outputs + plane) as isize - 1;
                            if (0..window.layer[0] as isize).contains(&z) {
                                voxels::<V, A>(window, from, block, z, [y, x], lane, lines);
                                columns::<V, A>(lines, place(plane), V::LANES);
                            } else {
                                place(plane).write_bytes(0, A * A * V::LANES);
                            }
                        }
                        let mut from = [planes.cast_const(); A];
                        for (plane, from) in from.iter_mut().enumerate() {
                            *from = place(plane);
                        }
                        let ahead =
                            next.map(|(stack, tile)| Ahead::<A>::new(self.of.from, block, stack, tile));
                        for at in 0..A * A {
                            if let Some(ahead) = &ahead {
                                ahead.request::<V>(at);
                            }
                            let mut line = [V::splat(0.0); A];
                            for (value, from) in line.iter_mut().zip(from) {
                                *value = V::load(from.add(at * V::LANES));
                            }
                            for (z, value) in transform::input(line).into_iter().enumerate() {
                                value.store(to.add((z * A * A + at) * layout.slot));
                            }
                        }
                    }
                }
            }
        }
    }
}

/// The planes of a tile that its predecessor in a stack does not share, to be requested while that one is transformed: rows of
/// 6 voxels are too short for a processor to see what comes next. It takes a tenth of the time of a layer of 128 channels.
struct Ahead<const A: usize> {
    /// First voxels, some of which may lie outside of memory; null for shared planes.
    planes: [*const f32; A],
    /// Values of a row of the window.
    row: usize,
}

impl<const A: usize> Ahead<A> {
    /// Finds a tile's inputs of a block.
    #[inline(always)]
    fn new(from: &[(&Window, &[f32])], block: usize, stack: Stack, tile: usize) -> Ahead<A> {
        let (window, values) = from[stack.part];
        let [z, y, x]: [isize; 3] =
            std::array::from_fn(|axis| stack.first[axis] as isize - 1 - window.start[axis]);
        let [depth, height, width] = window.size.map(|n| n as isize);
        let mut planes = [std::ptr::null(); A];
        for (at, plane) in planes.iter_mut().enumerate().skip(if tile == 0 { 0 } else { 2 }) {
            let z = block as isize * depth + z + (tile * (A - 2) + at) as isize;
            *plane = values.as_ptr().wrapping_offset(((z * height + y) * width + x) * BLOCK as isize);
        }
        Ahead { planes, row: window.row_len() }
    }

    /// Requests one of the `A × A` voxels of each plane.
    ///
    /// # Safety
    /// The CPU must have V's instructions.
    #[inline(always)]
    unsafe fn request<V: Vector>(&self, at: usize) {
        for plane in self.planes {
            if !plane.is_null() {
                // SAFETY: the caller's contract; any address may be requested.
                unsafe { V::prefetch(plane.wrapping_add(at / A * self.row + at % A * BLOCK)) };
            }
        }
    }
}

/// Tiles of `M × M × M` outputs.
pub(super) struct Cubes<const A: usize, const M: usize>;

impl<const A: usize, const M: usize> Way for Cubes<A, M> {
    #[inline(always)]
    unsafe fn back<V: Vector>(tile: &Tile<'_>) {
        let mut planes = Values::<POINTS>::new();
        let planes = planes.start();
        let depth = M.min(tile.part.window.layer[0] - tile.first[0]);
        for lane in (0..BLOCK).step_by(V::LANES) {
            // SAFETY: the caller's contract.
            unsafe {
                for at in 0..A * A {
                    let mut line = [V::splat(0.0); A];
                    for (z, value) in line.iter_mut().enumerate() {
                        *value = V::load(tile.sums(z * A * A + at).add(lane));
                    }
                    let back: [V; M] = transform::output(line);
                    for (z, value) in back.into_iter().enumerate() {
                        value.store(planes.add((z * A * A + at) * V::LANES));
                    }
                }
                for z in 0..depth {
                    tile.plane::<V, A, M>(planes.add(z * A * A * V::LANES), V::LANES, z, lane);
                }
            }
        }
    }
}
