//! Gradient of the weights: at each point the product of a tile's inputs and its output gradient, summed over tiles, then
//! transformed back to the kernel's taps.
//!
//! It takes a quarter of the direct algorithm's multiplications, as the forward pass does. The order of the sums, over runs
//! of tiles that each begin at 0, depends on the shapes only.

use super::inputs::Inputs;
use super::{Arrangement, GAP, Item, SPARE, Shape, Stack, transform};
use crate::blocked::window::{BLOCK, Window};
use crate::simd::scratch::SharedMut;
use crate::simd::{Isa, Kernel, Vector};
use rayon::prelude::*;
use relevox_grid::Box3;

/// Outputs of a tile along an axis.
const OUTPUTS: usize = 4;
/// Tiles per run: their values stay in the first-level cache for all sums.
const RUN: usize = 128;

/// Accumulates the gradient of a convolution's weights.
#[derive(Debug)]
pub(crate) struct WeightGradient {
    isa: Isa,
    shape: Shape,
    in_blocks: usize,
    out_blocks: usize,
    /// `[point][input block][output block][tz][input][output]`
    sums: Vec<f32>,
}

impl WeightGradient {
    /// Creates a gradient of 0, for tiles of 4 × 4 outputs of a plane.
    pub(crate) fn new(isa: Isa, shape: Shape, in_blocks: usize, out_blocks: usize) -> WeightGradient {
        assert!(shape.grid() == [1, OUTPUTS, OUTPUTS], "{shape:?}");
        let sums = vec![0.0; shape.points() * in_blocks * out_blocks * pair(shape)];
        WeightGradient { isa, shape, in_blocks, out_blocks, sums }
    }

    /// Adds the gradient of a box of an image's outputs.
    ///
    /// # Panics
    /// Panics if a window does not hold the voxels that the box reads, or the box is not of whole tiles.
    pub(crate) fn add(&mut self, input: (&Window, &[f32]), gradient: (&Window, &[f32]), bounds: &Box3) {
        let (shape, layer) = (self.shape, gradient.0.layer);
        let read = Window::read(shape.geometry(), *bounds, input.0.layer);
        assert!(input.0.holds(&read) && gradient.0.holds(&bounds.signed()), "{bounds:?} is not held");
        let pitches = [shape.pitch(), BLOCK];
        let blocks = [self.in_blocks, self.out_blocks];
        for (((window, values), pitch), blocks) in [input, gradient].into_iter().zip(pitches).zip(blocks) {
            assert!(window.pitch == pitch && window.blocks == blocks && values.len() == window.elements());
        }
        shape.check_tiles(bounds, layer);
        let mut item = Item {
            depth: bounds.range(0).len(),
            stacks: Vec::new(),
            values: 0,
            arrangement: Arrangement::ByPoint,
        };
        shape.stacks(0, bounds, usize::MAX, |_, stack| item.stacks.push(stack));
        let (planes, columns) = (item.depth, item.columns());
        let (seen, points) = (shape.planes(planes), shape.points());
        let by_point = item.layout(shape, self.in_blocks).slot;
        let by_gradient_point = self.out_blocks * columns * BLOCK + GAP;
        let mut memory = SPARE.take(points * (by_point + by_gradient_point));
        let (inputs, gradients) = memory.split_at_mut(points * by_point);
        let [inputs, gradients] = [inputs, gradients].map(SharedMut::new);
        let first = self.in_blocks * seen;
        (0..first + self.out_blocks * planes).into_par_iter().with_min_len(1).for_each(|task| {
            if task < first {
                let (block, plane) = (task / seen, task % seen);
                let (blocks, from) = (self.in_blocks, &[input]);
                let stacks = 0..item.stacks.len();
                self.isa.run(Inputs {
                    shape,
                    blocks,
                    from,
                    item: &item,
                    block,
                    plane,
                    stacks,
                    values: inputs,
                });
            } else {
                let (block, plane) = ((task - first) / planes, (task - first) % planes);
                let by_point = by_gradient_point;
                self.isa.run(Gradients {
                    shape,
                    by_point,
                    from: gradient,
                    item: &item,
                    block,
                    plane,
                    values: gradients,
                });
            }
        });
        let (in_blocks, out_blocks) = (self.in_blocks, self.out_blocks);
        self.sums.par_chunks_mut(pair(shape)).enumerate().for_each(|(task, sums)| {
            let (point, pair) = (task / (in_blocks * out_blocks), task % (in_blocks * out_blocks));
            let (i, o) = (pair / out_blocks, pair % out_blocks);
            let input = point * by_point + i * seen * item.stacks.len() * BLOCK;
            let gradient = point * by_gradient_point + o * columns * BLOCK;
            // SAFETY: both lie inside what the transforms have written, and nothing writes there now.
            let (inputs, gradients) = unsafe { (inputs.at(input), gradients.at(gradient)) };
            self.isa.run(Products { shape, inputs, gradients, item: &item, sums });
        });
    }

    /// Writes the gradient, `[o, i, kz, ky, kx]`.
    pub(crate) fn finish(&self, inputs: usize, to: &mut [f32]) {
        match self.shape {
            Shape::Stem { .. } => self.taps::<7, 4>(inputs, to),
            Shape::Plane { .. } => self.taps::<6, 3>(inputs, to),
            Shape::Cube { .. } | Shape::Halved => unreachable!("`new` accepts tiles of a plane"),
        }
    }

    fn taps<const A: usize, const R: usize>(&self, inputs: usize, to: &mut [f32]) {
        let (shape, pair) = (self.shape, pair(self.shape));
        let by_point = self.in_blocks * self.out_blocks * pair;
        let channels = if shape.is_stem() { BLOCK } else { inputs };
        let by_output = inputs * shape.taps();
        to.par_chunks_mut(by_output.max(1)).enumerate().for_each(|(o, to)| {
            for channel in 0..channels {
                let first = (channel / BLOCK * self.out_blocks + o / BLOCK) * pair;
                for tz in 0..shape.depth() {
                    let at = first + (tz * BLOCK + channel % BLOCK) * BLOCK + o % BLOCK;
                    let value = |py: usize, px: usize| f64::from(self.sums[at + (py * A + px) * by_point]);
                    let columns: [[f64; R]; A] = std::array::from_fn(|px| {
                        transform::kernel_gradient::<A, R>(std::array::from_fn(|py| value(py, px)))
                    });
                    for ty in 0..R {
                        let line = transform::kernel_gradient::<A, R>(columns.map(|column| column[ty]));
                        for (tx, value) in line.into_iter().enumerate() {
                            if let Some(tap) = shape.tap(inputs, 0, channel, [tz, ty, tx]) {
                                to[tap] = value as f32;
                            }
                        }
                    }
                }
            }
        });
    }
}

/// Sums of a pair of blocks at a point: taps along z, inputs, outputs.
fn pair(shape: Shape) -> usize {
    shape.depth() * BLOCK * BLOCK
}

/// Transforms one plane of one block of output gradients.
struct Gradients<'a> {
    shape: Shape,
    by_point: usize,
    from: (&'a Window, &'a [f32]),
    item: &'a Item,
    block: usize,
    /// From the item's first.
    plane: usize,
    values: SharedMut<'a>,
}

impl Kernel for Gradients<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        // SAFETY: the caller has V's instructions.
        unsafe {
            match self.shape {
                Shape::Stem { .. } => V::enter(Plane::<7> { of: self }),
                Shape::Plane { .. } => V::enter(Plane::<6> { of: self }),
                Shape::Cube { .. } | Shape::Halved => unreachable!("`new` accepts tiles of a plane"),
            }
        }
    }
}

/// [`Gradients`] at `A × A` points.
struct Plane<'a, const A: usize> {
    of: Gradients<'a>,
}

impl<const A: usize> Kernel for Plane<'_, A> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let Gradients { by_point, from: (window, from), item, block, plane, values, .. } = self.of;
        let [_, height, width] = window.layer;
        let first = (block * item.depth + plane) * item.stacks.len() * BLOCK;
        for (at, &Stack { first: [z, y, x], .. }) in item.stacks.iter().enumerate() {
            let (z, to) = ((z + plane) as isize, first + at * BLOCK);
            let (rows, columns) = ((height - y).min(OUTPUTS), (width - x).min(OUTPUTS));
            for lane in (0..BLOCK).step_by(V::LANES) {
                // SAFETY: the caller has V's instructions; `add` saw that the window holds the box, and a tile's place
                // among the transformed values is this task's alone.
                unsafe {
                    let zero = V::splat(0.0);
                    let mut lines = [[zero; A]; OUTPUTS];
                    for (row, line) in lines.iter_mut().enumerate().take(rows) {
                        let at = window.at(block, [z, (y + row) as isize, x as isize]) + lane;
                        let from = from.as_ptr().add(at);
                        let mut values = [zero; OUTPUTS];
                        for (column, value) in values.iter_mut().enumerate().take(columns) {
                            *value = V::load(from.add(column * BLOCK));
                        }
                        *line = transform::output_gradient(values);
                    }
                    for column in 0..A {
                        let mut line = [zero; OUTPUTS];
                        for (value, row) in line.iter_mut().zip(&lines) {
                            *value = row[column];
                        }
                        let points: [V; A] = transform::output_gradient(line);
                        for (row, value) in points.into_iter().enumerate() {
                            value.store(values.at(to + (row * A + column) * by_point + lane));
                        }
                    }
                }
            }
        }
    }
}

/// At one point, adds the sums over tiles of one block's inputs times another's output gradients, for each tap along z.
struct Products<'a> {
    shape: Shape,
    inputs: *const f32,
    gradients: *const f32,
    item: &'a Item,
    /// `[tz][input][output]`
    sums: &'a mut [f32],
}

impl Kernel for Products<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let Products { shape, inputs, gradients, item, sums } = self;
        let columns = item.columns();
        let planes = shape.planes(item.depth);
        let vectors = BLOCK / V::LANES;
        let widest = (V::ACCUMULATORS / vectors).min(BLOCK);
        let passes = BLOCK.div_ceil(widest);
        for first in (0..columns).step_by(RUN) {
            let tiles = RUN.min(columns - first);
            for tz in 0..shape.depth() {
                let place = shape.place(tz, planes);
                for pass in 0..passes {
                    let (start, end) = (pass * BLOCK / passes, (pass + 1) * BLOCK / passes);
                    // SAFETY: the caller has V's instructions; the inputs hold all planes that the gradients' taps see, and
                    // the sums all inputs of all taps.
                    unsafe {
                        let inputs = inputs.add((place * item.stacks.len() + first) * BLOCK + start);
                        let gradients = gradients.add(first * BLOCK);
                        let sums = sums.as_mut_ptr().add((tz * BLOCK + start) * BLOCK);
                        by_size::<V>(vectors, end - start, Outer { inputs, gradients, tiles, sums });
                    }
                }
            }
        }
    }
}

/// A run's values.
#[derive(Clone, Copy)]
struct Outer {
    inputs: *const f32,
    gradients: *const f32,
    tiles: usize,
    sums: *mut f32,
}

#[inline(always)]
unsafe fn by_size<V: Vector>(vectors: usize, inputs: usize, of: Outer) {
    macro_rules! pick {
        ($(($nv:literal, $($m:literal)*))*) => {
            match (vectors, inputs) {
                $($(($nv, $m) if const { $nv * V::LANES == BLOCK && $nv * $m <= V::ACCUMULATORS } => {
                    // SAFETY: the caller's contract.
                    unsafe { V::enter(Tile::<$nv, $m> { of }) }
                })*)*
                _ => unreachable!("{inputs} inputs and {vectors} vectors"),
            }
        };
    }
    pick!((1, 16) (2, 5 6) (4, 2 5 6));
}

/// `M` inputs × `NV` vectors of outputs.
struct Tile<const NV: usize, const M: usize> {
    of: Outer,
}

impl<const NV: usize, const M: usize> Kernel for Tile<NV, M> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let Outer { mut inputs, mut gradients, tiles, sums } = self.of;
        // SAFETY: the caller's contract: a block of inputs and one of gradients for each tile, and M × NV vectors of sums.
        unsafe {
            let mut acc = [[V::splat(0.0); NV]; M];
            for _ in 0..tiles {
                let mut gradient = [V::splat(0.0); NV];
                for (v, value) in gradient.iter_mut().enumerate() {
                    *value = V::load(gradients.add(v * V::LANES));
                }
                for (m, sums) in acc.iter_mut().enumerate() {
                    let input = V::splat(*inputs.add(m));
                    for (sum, gradient) in sums.iter_mut().zip(gradient) {
                        *sum = sum.fma(input, gradient);
                    }
                }
                inputs = inputs.add(BLOCK);
                gradients = gradients.add(BLOCK);
            }
            for (m, values) in acc.into_iter().enumerate() {
                for (v, value) in values.into_iter().enumerate() {
                    let to = sums.add(m * BLOCK + v * V::LANES);
                    V::load(to).add(value).store(to);
                }
            }
        }
    }
}
