//! Products at the points, and the way back from them to a layer's outputs.

use super::inputs::{PLANE, Values};
use super::{GAP, Item, Part, Segment, Stack, Winograd, transform};
use crate::blocked::tile::{self, Start, Work};
use crate::blocked::window::{BLOCK, Window};
use crate::simd::scratch::SharedMut;
use crate::simd::{Kernel, Vector};
use std::marker::PhantomData;
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

impl Outputs<'_> {
    /// Returns the number of columns.
    fn columns(&self) -> usize {
        self.segments.last().map_or(0, |segment| segment.place + segment.len)
    }

    /// Returns the number of a group's sums at a point, including the gap.
    fn by_point(&self) -> usize {
        self.conv.group * self.columns() * BLOCK + GAP
    }

    /// Returns the number of sums.
    pub(super) fn values_of_sums(&self) -> usize {
        self.groups.len() * self.conv.points() * self.by_point()
    }

    /// For each point, the matrix product of weights and transformed inputs: sums `[group][point][block][column][output]`.
    #[inline(always)]
    pub(super) unsafe fn products<V: Vector>(&self, sums: &mut [f32]) {
        let (conv, columns, by_point) = (self.conv, self.columns(), self.by_point());
        let zeros = [0.0f32; 2 * BLOCK];
        let (depth, slots) = (conv.shape.depth(), conv.shape.slots());
        let span = BLOCK * conv.group * BLOCK;
        let by_slot = depth * conv.in_blocks * span;
        let mut weights: Vec<*const f32> = Vec::new();
        let mut inputs: Vec<[*const f32; tile::MOST_ROWS]> = Vec::new();
        for point in 0..conv.points() {
            for (at, group) in self.groups.clone().enumerate() {
                let of_point = conv.shape.slots_of(point);
                let of_point =
                    &conv.weights[(group * slots + of_point.start) * by_slot..][..of_point.len() * by_slot];
                weights.clear();
                weights.extend(of_point.chunks_exact(span).map(<[f32]>::as_ptr));
                for segment in self.segments {
                    let item = &self.items[segment.item];
                    let planes = conv.shape.planes(item.depth);
                    let layout = item.layout(conv.shape, conv.in_blocks);
                    inputs.clear();
                    for slot in conv.shape.slots_of(point) {
                        for tz in 0..depth {
                            let column = conv.shape.place(tz, planes) * item.stacks.len() + segment.first;
                            for block in 0..conv.in_blocks {
                                let at = layout.at(item, block, column) + slot * layout.slot;
                                // SAFETY: the transformed inputs of the item hold the columns of all planes that it sees.
                                let from = unsafe { self.values.at(at) };
                                inputs.push([from.cast_const(); tile::MOST_ROWS]);
                            }
                        }
                    }
                    let to = (at * conv.points() + point) * by_point + segment.place * BLOCK;
                    let work = Work {
                        weights: &weights,
                        inputs: &inputs,
                        steps: BLOCK,
                        stride: layout.column,
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

/// Inputs, products and outputs of a few columns, whose values mostly stay in the second-level cache in between.
pub(super) struct Fused<'a> {
    pub(super) conv: &'a Winograd,
    pub(super) parts: &'a [Part<'a>],
    /// By part.
    pub(super) from: &'a [(&'a Window, &'a [f32])],
    pub(super) item: &'a Item,
}

/// Sums at the points back into outputs, with their bias, residual and ReLU.
pub(super) struct Back<'a, 'b, W> {
    pub(super) of: &'b Outputs<'a>,
    pub(super) sums: &'b [f32],
    pub(super) way: PhantomData<W>,
}

impl<'a, 'b> Back<'a, 'b, ()> {
    pub(super) fn by<W: Way>(self) -> Back<'a, 'b, W> {
        let Back { of, sums, .. } = self;
        Back { of, sums, way: PhantomData }
    }
}

/// The way back from a tile's sums to its outputs.
pub(super) trait Way {
    /// Computes a block of one tile's outputs.
    ///
    /// # Safety
    /// The CPU must have V's instructions, the tile must hold the sums of all points, and no other task may touch its outputs.
    unsafe fn back<V: Vector>(tile: &Tile<'_>);
}

/// Tiles of `M × M` outputs of a plane.
pub(super) struct Planes<const A: usize, const M: usize>;

impl<const A: usize, const M: usize> Way for Planes<A, M> {
    #[inline(always)]
    unsafe fn back<V: Vector>(tile: &Tile<'_>) {
        for lane in (0..BLOCK).step_by(V::LANES) {
            // SAFETY: the caller's contract.
            unsafe { tile.plane::<V, A, M>(tile.sums(0).add(lane), tile.by_point, 0, lane) };
        }
    }
}

impl<W: Way> Kernel for Back<'_, '_, W> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let Back { of, sums, .. } = self;
        let (conv, columns, by_point) = (of.conv, of.columns(), of.by_point());
        for segment in of.segments {
            let item = &of.items[segment.item];
            for (at, group) in of.groups.clone().enumerate() {
                let first = group * conv.group;
                for block in first..(first + conv.group).min(conv.out_blocks) {
                    for column in 0..segment.len {
                        let place = segment.first + column;
                        let Stack { part, first: [z, y, x] } = item.stacks[place % item.stacks.len()];
                        let z = z + place / item.stacks.len() * conv.shape.deep();
                        let from = at * conv.points() * by_point
                            + ((block - first) * columns + segment.place + column) * BLOCK;
                        let (part, sums) = (&of.parts[part], &sums[from..]);
                        let tile = Tile { conv, part, sums, by_point, block, first: [z, y, x] };
                        // SAFETY: the caller has V's instructions; sums hold all points of the column, and the output
                        // voxels of a tile and block are this task's alone.
                        unsafe { W::back::<V>(&tile) };
                    }
                }
            }
        }
    }
}

/// One block of one tile's outputs.
pub(super) struct Tile<'a> {
    conv: &'a Winograd,
    pub(super) part: &'a Part<'a>,
    /// From those of the tile's first point on.
    sums: &'a [f32],
    by_point: usize,
    block: usize,
    /// First voxel.
    pub(super) first: [usize; 3],
}

impl Tile<'_> {
    /// Computes the outputs of a plane from its points, the `p`-th of which is at `p · step`.
    ///
    /// # Safety
    /// The CPU must have V's instructions, all points must be held, and no other task may touch the tile's outputs.
    #[inline(always)]
    pub(super) unsafe fn plane<V: Vector, const A: usize, const M: usize>(
        &self,
        points: *const f32,
        step: usize,
        z: usize,
        lane: usize,
    ) {
        let mut lines = Values::<PLANE>::new();
        let lines = lines.start();
        // SAFETY: the caller's contract.
        unsafe {
            for column in 0..A {
                let mut line = [V::splat(0.0); A];
                for (row, value) in line.iter_mut().enumerate() {
                    *value = V::load(points.add((row * A + column) * step));
                }
                let back: [V; M] = transform::output(line);
                for (row, value) in back.into_iter().enumerate() {
                    value.store(lines.add((row * A + column) * V::LANES));
                }
            }
            for row in 0..M {
                let mut line = [V::splat(0.0); A];
                for (column, value) in line.iter_mut().enumerate() {
                    *value = V::load(lines.add((row * A + column) * V::LANES));
                }
                let back: [V; M] = transform::output(line);
                self.finish_row::<V, M>(z, row, lane, back);
            }
            if lane == 0 {
                self.clear_halos(z, M);
            }
        }
    }

    /// Returns the sums at a point.
    pub(super) fn sums(&self, point: usize) -> *const f32 {
        self.sums[point * self.by_point..][..BLOCK].as_ptr()
    }

    /// Writes a row of outputs, of those inside the layer.
    ///
    /// # Safety
    /// See [`Tile::plane`].
    #[inline(always)]
    pub(super) unsafe fn finish_row<V: Vector, const M: usize>(
        &self,
        plane: usize,
        row: usize,
        lane: usize,
        values: [V; M],
    ) {
        let Tile { conv, part, block, first: [z, y, x], .. } = *self;
        let [_, height, width] = part.window.layer;
        if row >= height - y {
            return;
        }
        let signed = |[z, y, x]: [usize; 3], stride: usize| [z, y, x].map(|at| (at * stride) as isize);
        let residual = part.residual.as_ref().filter(|residual| block < residual.window.blocks);
        // SAFETY: the caller's contract; voxels outside the layer are left out.
        unsafe {
            let bias = V::load(conv.bias.as_ptr().add(block * BLOCK + lane));
            let to = part.output.at(part.window.at(block, signed([z + plane, y + row, x], 1)) + lane);
            for (column, value) in values.into_iter().enumerate().take(width - x) {
                let mut value = value.add(bias);
                if let Some(residual) = residual {
                    let at = signed([z + plane, y + row, x + column], residual.stride);
                    let at = residual.window.at(block, at) + lane;
                    value = value.add(V::load(residual.values.as_ptr().add(at)));
                }
                value = conv.rectifier.apply(value);
                value.store(to.add(column * BLOCK));
            }
        }
    }

    /// Writes the zeros around rows, which belong to the tiles at their ends.
    ///
    /// # Safety
    /// See [`Tile::plane`].
    #[inline(always)]
    pub(super) unsafe fn clear_halos(&self, plane: usize, outputs: usize) {
        let Tile { part, block, first: [z, y, x], .. } = *self;
        let window = part.window;
        let [_, height, width] = window.layer;
        let columns = outputs.min(width - x);
        let halo = (-window.start[2]).max(0) as usize;
        let after = (window.start[2] + window.size[2] as isize - width as isize).max(0) as usize;
        for row in 0..outputs.min(height - y) {
            let at = |x: usize| window.at(block, [z + plane, y + row, x].map(|at| at as isize));
            // SAFETY: the caller's contract; the window holds what lies beside its rows' ends.
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
}
