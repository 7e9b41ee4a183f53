//! Products at the points, and the way back from them to a layer's outputs.

use super::{GAP, Item, Part, Segment, Shape, Stack, Winograd, transform};
use crate::blocked::tile::{self, Start, Work};
use crate::blocked::window::BLOCK;
use crate::simd::scratch::{Scratch, SharedMut};
use crate::simd::{Kernel, Vector};
use std::ops::Range;

/// Products and outputs of some columns and groups of output blocks.
pub(super) struct Outputs<'a> {
    pub(super) conv: &'a Winograd,
    pub(super) parts: &'a [Part<'a>],
    pub(super) items: &'a [Item],
    pub(super) segments: &'a [Segment],
    pub(super) groups: Range<usize>,
    pub(super) values: SharedMut<'a>,
}

impl Kernel for Outputs<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let conv = self.conv;
        let columns = self.segments.last().map_or(0, |segment| segment.place + segment.len);
        let by_point = conv.group * columns * BLOCK + GAP;
        let by_group = conv.points() * by_point;
        let mut scratch = Scratch::take();
        let (sums, _) = scratch.lend(self.groups.len() * by_group, 0);
        // SAFETY: the caller has V's instructions; sums are as long as the groups' points take.
        unsafe {
            self.products::<V>(sums, columns, by_point);
            match conv.shape {
                Shape::Plane { outputs: 2, .. } => {
                    V::enter(Back::<4, 2> { of: &self, sums, columns, by_point })
                }
                Shape::Plane { .. } => V::enter(Back::<6, 4> { of: &self, sums, columns, by_point }),
                Shape::Stem { .. } => V::enter(Back::<7, 4> { of: &self, sums, columns, by_point }),
            }
        }
    }
}

impl Outputs<'_> {
    /// For each point, the matrix product of weights and transformed inputs: sums `[group][point][block][column][output]`.
    #[inline(always)]
    unsafe fn products<V: Vector>(&self, sums: &mut [f32], columns: usize, by_point: usize) {
        let conv = self.conv;
        let zeros = [0.0f32; 2 * BLOCK];
        let depth = conv.shape.depth();
        let span = BLOCK * conv.group * BLOCK;
        let spans = depth * conv.in_blocks;
        let mut weights: Vec<*const f32> = Vec::with_capacity(spans);
        let mut inputs: Vec<[*const f32; tile::MOST_ROWS]> = Vec::with_capacity(spans);
        for point in 0..conv.points() {
            for (at, group) in self.groups.clone().enumerate() {
                let of_point =
                    &conv.weights[(group * conv.points() + point) * spans * span..][..spans * span];
                weights.clear();
                weights.extend(of_point.chunks_exact(span).map(<[f32]>::as_ptr));
                for segment in self.segments {
                    let item = &self.items[segment.item];
                    let (planes, stacks) = (conv.shape.planes(item.depth), item.stacks.len());
                    let first = item.values + point * conv.by_point(item) + segment.first * BLOCK;
                    inputs.clear();
                    for tz in 0..depth {
                        let place = conv.shape.place(tz, planes);
                        for block in 0..conv.in_blocks {
                            // SAFETY: the transformed inputs of the item hold the columns of all planes that it sees.
                            let from =
                                unsafe { self.values.at(first + (block * planes + place) * stacks * BLOCK) };
                            inputs.push([from.cast_const(); tile::MOST_ROWS]);
                        }
                    }
                    let to = (at * conv.points() + point) * by_point + segment.place * BLOCK;
                    let work = Work {
                        weights: &weights,
                        inputs: &inputs,
                        steps: BLOCK,
                        stride: BLOCK,
                        start: Start::Bias(zeros.as_ptr()),
                        output: sums[to..].as_mut_ptr(),
                        output_steps: [BLOCK, 0, columns * BLOCK],
                        finish: None,
                    };
                    // The last group may have fewer blocks than it has room and weights for; what fills it up is not read.
                    // SAFETY: the caller has V's instructions; inputs, weights and sums are as long as a segment asks.
                    unsafe { tile::run::<V>(conv.group * (BLOCK / V::LANES), 1, segment.len, &work) };
                }
            }
        }
    }
}

/// Sums at the points back into outputs, with their bias, residual and ReLU.
struct Back<'a, 'b, const A: usize, const M: usize> {
    of: &'b Outputs<'a>,
    sums: &'b [f32],
    columns: usize,
    by_point: usize,
}

impl<const A: usize, const M: usize> Kernel for Back<'_, '_, A, M> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let Back { of, sums, columns, by_point } = self;
        let conv = of.conv;
        for segment in of.segments {
            let item = &of.items[segment.item];
            for (at, group) in of.groups.clone().enumerate() {
                let first = group * conv.group;
                for block in first..(first + conv.group).min(conv.out_blocks) {
                    for column in 0..segment.len {
                        let place = segment.first + column;
                        let Stack { part, first: [z, y, x] } = item.stacks[place % item.stacks.len()];
                        let (part, z) = (&of.parts[part], z + place / item.stacks.len());
                        let from = at * A * A * by_point
                            + ((block - first) * columns + segment.place + column) * BLOCK;
                        // SAFETY: the caller has V's instructions; sums hold all points of the column, and the output
                        // voxels of a tile and block are this task's alone.
                        unsafe {
                            tile_back::<V, A, M>(conv, part, &sums[from..], by_point, block, [z, y, x])
                        };
                    }
                }
            }
        }
    }
}

/// One block of one tile.
///
/// # Safety
/// The CPU must have V's instructions; `sums` must hold all points, and no other task may touch the tile's outputs.
#[inline(always)]
unsafe fn tile_back<V: Vector, const A: usize, const M: usize>(
    conv: &Winograd,
    part: &Part<'_>,
    sums: &[f32],
    by_point: usize,
    block: usize,
    [z, y, x]: [usize; 3],
) {
    let window = part.window;
    let [_, height, width] = window.layer;
    let (rows, columns) = (M.min(height - y), M.min(width - x));
    let signed = |[z, y, x]: [usize; 3], stride: usize| [z, y, x].map(|at| (at * stride) as isize);
    let residual = part.residual.as_ref().filter(|residual| block < residual.window.blocks);
    debug_assert!(sums.len() >= (A * A - 1) * by_point + BLOCK);
    for lane in (0..BLOCK).step_by(V::LANES) {
        // SAFETY: the caller's contract; voxels outside the layer are left out.
        unsafe {
            let zero = V::splat(0.0);
            let bias = V::load(conv.bias.as_ptr().add(block * BLOCK + lane));
            let mut lines = [[zero; A]; M];
            for column in 0..A {
                let mut line = [zero; A];
                for (row, value) in line.iter_mut().enumerate() {
                    *value = V::load(sums.as_ptr().add((row * A + column) * by_point + lane));
                }
                let back: [V; M] = transform::output(line);
                for (line, value) in lines.iter_mut().zip(back) {
                    line[column] = value;
                }
            }
            for (row, line) in lines.into_iter().enumerate().take(rows) {
                let voxel = [z, y + row, x];
                let to = part.output.at(window.at(block, signed(voxel, 1)) + lane);
                let back: [V; M] = transform::output(line);
                for (column, value) in back.into_iter().enumerate().take(columns) {
                    let mut value = value.add(bias);
                    if let Some(residual) = residual {
                        let at = signed([z, y + row, x + column], residual.stride);
                        let at = residual.window.at(block, at) + lane;
                        value = value.add(V::load(residual.values.as_ptr().add(at)));
                    }
                    value = conv.rectifier.apply(value);
                    value.store(to.add(column * BLOCK));
                }
            }
        }
    }
    // The zeros around a row belong to the tiles at its ends.
    let halo = (-window.start[2]).max(0) as usize;
    let after = (window.start[2] + window.size[2] as isize - width as isize).max(0) as usize;
    for row in 0..rows {
        let at = |x: usize| window.at(block, signed([z, y + row, x], 1));
        // SAFETY: as above; the window holds what lies beside its rows' ends.
        unsafe {
            if x == 0 && halo > 0 {
                part.output.at(at(0) - halo * BLOCK).write_bytes(0, halo * BLOCK);
            }
            if x + columns == width && after > 0 {
                part.output.at(at(width - 1) + BLOCK).write_bytes(0, after * BLOCK);
            }
        }
    }
}
