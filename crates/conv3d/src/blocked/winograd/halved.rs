//! Stride 2 along every axis, in tiles of `2 × 2 × 2` outputs: weights, inputs and the way back.
//!
//! Along an axis, two outputs read five inputs: of those at odd positions, `d₋₁, d₀, d₁`, each output reads two, and of those
//! at even ones, `e₀, e₁`, one. With the taps `a, b, c`,
//!
//! ```text
//! y₀ = a d₋₁ + b e₀ + c d₀ = [a (d₋₁ − d₀) + b e₀] + (a + c) d₀
//! y₁ = a d₀  + b e₁ + c d₁ = [c (d₁ − d₀)  + b e₁] + (a + c) d₀
//! ```
//!
//! This is F(2, 2) of the odd inputs, whose first and last products each add to one output alone, so that those of the even
//! inputs join them: three sums from five products, instead of six. In three axes, 125 products of *slots* (inputs and their
//! weights) add up to 27 sums; the direct algorithm takes 216. Only neighbouring values are added, so that hardly any precision
//! is lost.

use super::Stack;
use super::inputs::{Inputs, Values};
use super::outputs::{Tile, Way};
use super::weights::Weights;
use crate::blocked::window::BLOCK;
use crate::simd::{Kernel, Vector};

/// Inputs of a tile along an axis, and slots.
const INPUTS: usize = 5;
/// Outputs of a tile along an axis.
const OUTPUTS: usize = 2;
/// Sums along an axis.
const SUMS: usize = OUTPUTS + 1;
/// Slots of a tile.
pub(super) const SLOTS: usize = INPUTS * INPUTS * INPUTS;
/// Sums of a tile.
pub(super) const POINTS: usize = SUMS * SUMS * SUMS;

/// The sum that a slot along an axis belongs to: `d₋₁ − d₀` and `e₀`, `d₀`, `e₁` and `d₁ − d₀`.
const SUM_OF: [usize; INPUTS] = [0, 0, 1, 2, 2];

/// Slots `[z][y][x]` ordered by the sums that they belong to, and where the slots of each sum begin.
struct Order {
    place: [usize; SLOTS],
    begins: [usize; POINTS + 1],
}

const ORDER: Order = {
    let mut order = Order { place: [0; SLOTS], begins: [0; POINTS + 1] };
    let (mut sum, mut next) = (0, 0);
    while sum < POINTS {
        order.begins[sum] = next;
        let mut slot = 0;
        while slot < SLOTS {
            let [z, y, x] = [slot / (INPUTS * INPUTS), slot / INPUTS % INPUTS, slot % INPUTS];
            if (SUM_OF[z] * SUMS + SUM_OF[y]) * SUMS + SUM_OF[x] == sum {
                order.place[slot] = next;
                next += 1;
            }
            slot += 1;
        }
        sum += 1;
    }
    order.begins[POINTS] = next;
    order
};

/// Returns where the slots of a sum lie.
pub(super) fn slots_of(sum: usize) -> std::ops::Range<usize> {
    ORDER.begins[sum]..ORDER.begins[sum + 1]
}

/// Transforms five inputs, `step` vectors apart, into slots.
///
/// # Safety
/// The CPU must have V's instructions, and the inputs must be held.
#[inline(always)]
unsafe fn differences<V: Vector>(from: *mut f32, step: usize) {
    // SAFETY: the caller's contract.
    unsafe {
        let at = |index: usize| from.add(index * step * V::LANES);
        let minus = V::load(at(2));
        V::load(at(0)).fma(minus, V::splat(-1.0)).store(at(0));
        V::load(at(4)).fma(minus, V::splat(-1.0)).store(at(4));
    }
}

/// Transforms the weights, as [`Weights`] describes.
pub(super) struct Kernels<'a> {
    pub(super) of: Weights<'a>,
}

impl Kernel for Kernels<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let Weights { lanes, dense, inputs, outputs, wide, places, weights, .. } = self.of;
        let channels = lanes.channels.len();
        // The taps whose sum a slot along an axis is multiplied by: a, b, a + c, b, c.
        const TAPS: [&[usize]; INPUTS] = [&[0], &[1], &[0, 2], &[1], &[2]];
        for place in places {
            let Some(channel) = lanes.channels[place] else { continue };
            for (at, o) in outputs.clone().enumerate() {
                let taps = &dense[(o * inputs + channel) * 27..][..27];
                for slot in 0..SLOTS {
                    let [z, y, x] = [slot / (INPUTS * INPUTS), slot / INPUTS % INPUTS, slot % INPUTS];
                    let mut sum = 0.0;
                    for z in TAPS[z] {
                        for y in TAPS[y] {
                            for x in TAPS[x] {
                                sum += taps[(z * 3 + y) * 3 + x];
                            }
                        }
                    }
                    // SAFETY: `weights` hold all slots, and no other task has these channels.
                    unsafe { *weights.at((ORDER.place[slot] * channels + place) * wide + at) = sum };
                }
            }
        }
    }
}

/// Transforms a block's inputs of some stacks, as [`Inputs`] describes.
pub(super) struct Columns<'a> {
    pub(super) of: Inputs<'a>,
}

impl Kernel for Columns<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let Inputs { shape, blocks, from, item, block, stacks, values, .. } = self.of;
        let layout = item.layout(shape, blocks);
        let mut tile_values = Values::<{ SLOTS * BLOCK }>::new();
        let tile_values = tile_values.start();
        for at in stacks {
            let Stack { part, first } = item.stacks[at];
            let (window, from) = from[part];
            for tile in 0..item.depth {
                let read = [first[0] + tile * OUTPUTS, first[1], first[2]].map(|at| 2 * at as isize - 1);
                let inside = |axis: usize, at: usize| {
                    (0..window.layer[axis] as isize).contains(&(read[axis] + at as isize))
                };
                let to = layout.at(item, block, tile * item.stacks.len() + at);
                for lane in (0..BLOCK).step_by(V::LANES) {
                    // SAFETY: the caller has V's instructions; `Winograd::run` saw that the window holds what its box reads, and a
                    // tile's place among the transformed values is this task's alone.
                    unsafe {
                        let place = |slot: usize| tile_values.add(slot * V::LANES);
                        for z in 0..INPUTS {
                            for y in 0..INPUTS {
                                let row = (z * INPUTS + y) * INPUTS;
                                if !(inside(0, z) && inside(1, y)) {
                                    place(row).write_bytes(0, INPUTS * V::LANES);
                                    continue;
                                }
                                for x in 0..INPUTS {
                                    let value = if inside(2, x) {
                                        let voxel = [
                                            read[0] + z as isize,
                                            read[1] + y as isize,
                                            read[2] + x as isize,
                                        ];
                                        V::load(from.as_ptr().add(window.at(block, voxel) + lane))
                                    } else {
                                        V::splat(0.0)
                                    };
                                    value.store(place(row + x));
                                }
                            }
                        }
                        for line in 0..INPUTS * INPUTS {
                            differences::<V>(place(line * INPUTS), 1);
                        }
                        for line in 0..INPUTS * INPUTS {
                            differences::<V>(place(line / INPUTS * INPUTS * INPUTS + line % INPUTS), INPUTS);
                        }
                        for line in 0..INPUTS * INPUTS {
                            differences::<V>(place(line), INPUTS * INPUTS);
                        }
                        for (slot, &order) in ORDER.place.iter().enumerate() {
                            V::load(place(slot)).store(values.at(to + order * layout.slot + lane));
                        }
                    }
                }
            }
        }
    }
}

/// The way back from the sums of a tile.
pub(super) struct Halves;

impl Way for Halves {
    #[inline(always)]
    unsafe fn back<V: Vector>(tile: &Tile<'_>) {
        let depth = OUTPUTS.min(tile.part.window.layer[0] - tile.first[0]);
        for lane in (0..BLOCK).step_by(V::LANES) {
            for z in 0..depth {
                // SAFETY: the caller's contract.
                unsafe {
                    // Each output is the sum of two neighbouring sums along every axis.
                    let mut sums = [[V::splat(0.0); SUMS]; SUMS];
                    for (y, sums) in sums.iter_mut().enumerate() {
                        for (x, sum) in sums.iter_mut().enumerate() {
                            let low = V::load(tile.sums((z * SUMS + y) * SUMS + x).add(lane));
                            *sum = low.add(V::load(tile.sums(((z + 1) * SUMS + y) * SUMS + x).add(lane)));
                        }
                    }
                    for row in 0..OUTPUTS {
                        let [a, b, c] = [
                            sums[row][0].add(sums[row + 1][0]),
                            sums[row][1].add(sums[row + 1][1]),
                            sums[row][2].add(sums[row + 1][2]),
                        ];
                        tile.finish_row::<V, OUTPUTS>(z, row, lane, [a.add(b), b.add(c)]);
                    }
                    if lane == 0 {
                        tile.clear_halos(z, OUTPUTS);
                    }
                }
            }
        }
    }
}
