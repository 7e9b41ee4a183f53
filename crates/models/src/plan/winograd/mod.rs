//! A 3 × 3 × 3 convolution with stride 1 with fewer multiplications: Winograd's algorithm along y and x, its taps along z
//! summed among the transformed values (Lavin and Gray 2016, <https://arxiv.org/abs/1509.09308>).
//!
//! A tile is `M × M` outputs of a plane, seen through the `(M + 2)²` *points* of its transformed inputs. A tile of 4 × 4
//! outputs takes 36 · 3 multiplications an input channel where the direct form takes 16 · 27: a quarter. Tiles lie on the
//! layer's own grid, so that a box is the bits of the whole; boxes are as tiles are.
//!
//! Inputs are transformed plane by plane (`Inputs`), then each point is a matrix product over channels and the taps
//! along z, done by the register kernel of the direct form on columns that are tiles (`Outputs`), whose sums are turned
//! back into outputs while they are still in the cache.

#[cfg(test)]
mod tests;
mod transform;

use super::conv::{Dense, Geometry, Job, Lanes, Residual, check};
use super::tile::{self, Start, Work};
use super::window::{BLOCK, Window};
use crate::ops::cpu::scratch::{Scratch, SharedMut};
use crate::ops::cpu::simd::{Isa, Kernel, Vector};
use rayon::prelude::*;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

/// Transformed inputs that are in memory together, about: 16 MiB.
const TOGETHER: usize = 1 << 22;
/// Values of a task's sums at the points: a quarter MiB, which a second-level cache holds.
const SUMS: usize = 1 << 16;
/// Values between the end of one point's inputs and the next point's: without them a tile's points would all fall on
/// the same lines of the first-level cache.
const GAP: usize = 2 * BLOCK;

/// Memory of transformed inputs, from call to call.
static SPARE: Mutex<Vec<Vec<f32>>> = Mutex::new(Vec::new());

/// A convolution with transformed weights.
#[derive(Debug)]
pub(crate) struct Winograd {
    isa: Isa,
    /// Outputs of a tile along y and x: 2 or 4.
    outputs: usize,
    in_blocks: usize,
    out_blocks: usize,
    /// Blocks of outputs that a tile of the register kernel takes together.
    group: usize,
    relu: bool,
    /// Multiply-adds of one output voxel as the direct form would take them.
    products: usize,
    /// `[group][point][tz][input block][channel][output]`
    weights: Vec<f32>,
    bias: Vec<f32>,
}

impl Winograd {
    /// Whether a convolution has the form that this is for.
    pub(crate) fn suits(geometry: Geometry, lanes: &Lanes) -> bool {
        let Geometry { kernel, stride, padding } = geometry;
        kernel == [3; 3] && stride == [1; 3] && padding == [1; 3] && lanes.pitch == BLOCK
    }

    /// Transforms the weights. A tile has `outputs` outputs along y and x, 2 or 4.
    pub(crate) fn new(isa: Isa, lanes: &Lanes, dense: Dense<'_>, relu: bool, outputs: usize) -> Winograd {
        assert!(outputs == 2 || outputs == 4, "tiles of {outputs} outputs");
        let channels = dense.bias.len();
        let (in_blocks, out_blocks) = (lanes.blocks(), channels.div_ceil(BLOCK));
        let inputs = dense.weights.len() / (channels * 27).max(1);
        let group = if isa.lanes() == BLOCK { out_blocks.min(2) } else { 1 };
        let points = outputs + 2;
        let mut bias = dense.bias.to_vec();
        bias.resize(out_blocks * BLOCK, 0.0);
        let by_group = points * points * 3 * in_blocks * BLOCK * group * BLOCK;
        let groups = out_blocks.div_ceil(group.max(1));
        let mut weights = vec![0.0; by_group * groups];
        weights.par_chunks_mut(by_group.max(1)).enumerate().for_each(|(at, weights)| {
            let first = at * group * BLOCK;
            for (tz, (place, channel)) in
                (0..3).flat_map(|tz| lanes.channels.iter().enumerate().map(move |lane| (tz, lane)))
            {
                let Some(channel) = *channel else { continue };
                for o in first..(first + group * BLOCK).min(channels) {
                    let taps = &dense.weights[(o * inputs + channel) * 27 + tz * 9..][..9];
                    let lines: Vec<Vec<f64>> = taps
                        .chunks_exact(3)
                        .map(|taps| {
                            let taps = [taps[0], taps[1], taps[2]].map(f64::from);
                            transform::kernel(points, taps)
                        })
                        .collect();
                    for px in 0..points {
                        let column = [lines[0][px], lines[1][px], lines[2][px]];
                        for (py, value) in transform::kernel(points, column).into_iter().enumerate() {
                            let step = ((py * points + px) * 3 + tz) * in_blocks * BLOCK + place;
                            weights[step * group * BLOCK + o - first] = value as f32;
                        }
                    }
                }
            }
        });
        let products = dense.weights.len();
        Winograd { isa, outputs, in_blocks, out_blocks, group, relu, products, weights, bias }
    }

    /// Kernel, stride and padding.
    pub(crate) fn geometry(&self) -> Geometry {
        Geometry { kernel: [3; 3], stride: [1; 3], padding: [1; 3] }
    }

    /// What boxes are multiples of, along y and x, but where they end with the layer.
    pub(crate) fn grid(&self) -> usize {
        self.outputs
    }

    /// Multiply-adds of one output voxel as the direct form takes them.
    pub(crate) fn products(&self) -> usize {
        self.products
    }

    fn points(&self) -> usize {
        (self.outputs + 2).pow(2)
    }

    /// Computes each job's box.
    ///
    /// # Panics
    /// If a job's windows do not hold what its box reads and writes, or a box is not of whole tiles.
    pub(crate) fn run(&self, jobs: &mut [Job<'_>]) {
        let mut parts: Vec<Part<'_>> = Vec::with_capacity(jobs.len());
        let mut items: Vec<Item> = Vec::new();
        for job in jobs {
            check(self.geometry(), [self.in_blocks, BLOCK, self.out_blocks], job);
            let layer = job.output.0.layer;
            for axis in [1, 2] {
                let Range { start, end } = job.region[axis];
                let whole = start % self.outputs == 0 && (end % self.outputs == 0 || end == layer[axis]);
                assert!(whole, "{:?} is not of whole tiles of {layer:?}", job.region);
            }
            let [z, y, x] = job.region.clone();
            let tiles = [y, x].map(|range| range.start / self.outputs..range.end.div_ceil(self.outputs));
            let by_plane = tiles[0].len() * tiles[1].len();
            let values = self.points() * self.in_blocks * BLOCK * by_plane;
            // Planes that are in memory together: as many as there is room for, but for those before and after.
            let planes = (TOGETHER / values.max(1)).max(3) - 2;
            let pieces = z.len().div_ceil(planes).max(1);
            if by_plane > 0 {
                items.extend((0..pieces).map(|piece| {
                    let z = z.start + piece * z.len() / pieces..z.start + (piece + 1) * z.len() / pieces;
                    Item { part: parts.len(), z, tiles: tiles.clone(), values: 0 }
                }));
            }
            let Job { input, residual, output, .. } = job;
            parts.push(Part {
                input: *input,
                residual: *residual,
                window: output.0,
                output: SharedMut::new(output.1),
            });
        }
        items.retain(|item| !item.z.is_empty());
        let mut memory = SPARE.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default();
        let mut rest = items.as_mut_slice();
        while !rest.is_empty() {
            let mut total = 0;
            let mut count = 0;
            for item in rest.iter_mut() {
                let values = self.values_of(item);
                if count > 0 && total + values > TOGETHER {
                    break;
                }
                item.values = total;
                total += values;
                count += 1;
            }
            if memory.len() < total {
                memory = vec![0.0; total];
            }
            let (now, later) = rest.split_at_mut(count);
            self.compute(&parts, now, &mut memory[..total]);
            rest = later;
        }
        SPARE.lock().unwrap_or_else(PoisonError::into_inner).push(memory);
    }

    /// Values of one point's inputs, the gap included.
    fn by_point(&self, item: &Item) -> usize {
        self.in_blocks * (item.z.len() + 2) * item.by_plane() * BLOCK + GAP
    }

    fn values_of(&self, item: &Item) -> usize {
        self.points() * self.by_point(item)
    }

    /// Transforms the inputs of some items and computes their outputs.
    fn compute(&self, parts: &[Part<'_>], items: &[Item], values: &mut [f32]) {
        let shared = SharedMut::new(values);
        let planes: Vec<(usize, usize, usize)> = items
            .iter()
            .enumerate()
            .flat_map(|(at, item)| {
                let planes = item.z.len() + 2;
                (0..self.in_blocks * planes).map(move |task| (at, task / planes, task % planes))
            })
            .collect();
        planes.into_par_iter().with_min_len(1).for_each(|(at, block, plane)| {
            let item = &items[at];
            self.isa.run(Inputs { conv: self, part: &parts[item.part], item, block, plane, values: shared });
        });

        // Columns side by side, as many as there is room for the sums of.
        let groups = self.out_blocks.div_ceil(self.group);
        let together = if groups > 1 { 2 } else { 1 };
        let room = (SUMS / (self.points() * self.group * BLOCK * together)).max(12);
        let total: usize = items.iter().map(Item::columns).sum();
        let wanted = total.div_ceil(room).max(1);
        let mut batches: Vec<Vec<Segment>> = vec![Vec::new(); wanted];
        let (mut batch, mut before) = (0, 0);
        for (at, item) in items.iter().enumerate() {
            let mut first = 0;
            while first < item.columns() {
                let end = (batch + 1) * total / wanted;
                let len = (end - before).min(item.columns() - first);
                let used: usize = batches[batch].iter().map(|segment| segment.len).sum();
                batches[batch].push(Segment { item: at, first, len, place: used });
                first += len;
                before += len;
                if before == end && batch + 1 < wanted {
                    batch += 1;
                }
            }
        }
        let pairs = groups.div_ceil(together);
        (0..batches.len() * pairs).into_par_iter().for_each(|task| {
            let (batch, pair) = (task / pairs, task % pairs);
            let groups = pair * together..((pair + 1) * together).min(groups);
            self.isa.run(Outputs {
                conv: self,
                parts,
                items,
                segments: &batches[batch],
                groups,
                values: shared,
            });
        });
    }
}

/// A job as tasks share it.
struct Part<'a> {
    input: (&'a Window, &'a [f32]),
    residual: Option<Residual<'a>>,
    window: &'a Window,
    output: SharedMut<'a>,
}

/// Some planes of a job.
#[derive(Debug)]
struct Item {
    part: usize,
    z: Range<usize>,
    /// Along y and x.
    tiles: [Range<usize>; 2],
    /// Where its transformed inputs begin: `[point][block][plane][tile][channel]`, from the plane before `z` to that
    /// after.
    values: usize,
}

impl Item {
    fn by_plane(&self) -> usize {
        self.tiles[0].len() * self.tiles[1].len()
    }

    /// Tiles of all planes.
    fn columns(&self) -> usize {
        self.z.len() * self.by_plane()
    }
}

/// Some columns of an item.
#[derive(Clone, Copy, Debug)]
struct Segment {
    item: usize,
    first: usize,
    len: usize,
    /// Its first column among a batch's.
    place: usize,
}

/// Transforms one plane of one block.
struct Inputs<'a> {
    conv: &'a Winograd,
    part: &'a Part<'a>,
    item: &'a Item,
    block: usize,
    /// From the plane before the item's first.
    plane: usize,
    values: SharedMut<'a>,
}

impl Kernel for Inputs<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        // SAFETY: the caller has V's instructions.
        unsafe {
            match self.conv.outputs {
                2 => V::enter(Plane::<4> { of: self }),
                _ => V::enter(Plane::<6> { of: self }),
            }
        }
    }
}

/// [`Inputs`] for tiles that read `A × A` voxels.
struct Plane<'a, const A: usize> {
    of: Inputs<'a>,
}

impl<const A: usize> Kernel for Plane<'_, A> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let Inputs { conv, part, item, block, plane, values } = self.of;
        let outputs = A - 2;
        let (window, from) = part.input;
        let by_point = conv.by_point(item);
        let tiles = item.by_plane();
        let first = item.values + (block * (item.z.len() + 2) + plane) * tiles * BLOCK;
        let z = (item.z.start + plane) as isize - 1;
        if !(0..window.layer[0] as isize).contains(&z) {
            for point in 0..A * A {
                // SAFETY: the point's plane is this task's alone.
                unsafe { values.at(first + point * by_point).write_bytes(0, tiles * BLOCK) };
            }
            return;
        }
        let mut tile = 0;
        for ty in item.tiles[0].clone() {
            for tx in item.tiles[1].clone() {
                let [y, x] = [ty, tx].map(|tile| (tile * outputs) as isize - 1);
                let inside = |first: isize, axis: usize| {
                    let end = window.layer[axis] as isize - first;
                    (-first).max(0) as usize..end.clamp(0, A as isize) as usize
                };
                let (rows, columns) = (inside(y, 1), inside(x, 2));
                let to = first + tile * BLOCK;
                tile += 1;
                for lane in (0..BLOCK).step_by(V::LANES) {
                    // SAFETY: the caller has V's instructions; `Winograd::run` saw that the window holds what its box
                    // reads, and a tile's place among the transformed values is this task's alone.
                    unsafe {
                        let zero = V::splat(0.0);
                        let mut lines = [[zero; A]; A];
                        for row in rows.clone() {
                            let at =
                                window.at(block, [z, y + row as isize, x + columns.start as isize]) + lane;
                            let from = from.as_ptr().add(at);
                            let mut line = [zero; A];
                            if columns.len() == A {
                                for (at, value) in line.iter_mut().enumerate() {
                                    *value = V::load(from.add(at * BLOCK));
                                }
                            } else {
                                for (at, value) in line[columns.clone()].iter_mut().enumerate() {
                                    *value = V::load(from.add(at * BLOCK));
                                }
                            }
                            lines[row] = transform::input(line);
                        }
                        for column in 0..A {
                            let mut line = [zero; A];
                            for (value, row) in line.iter_mut().zip(&lines) {
                                *value = row[column];
                            }
                            for (row, value) in transform::input(line).into_iter().enumerate() {
                                value.store(values.at(to + (row * A + column) * by_point + lane));
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Products and outputs of some columns and groups of output blocks.
struct Outputs<'a> {
    conv: &'a Winograd,
    parts: &'a [Part<'a>],
    items: &'a [Item],
    segments: &'a [Segment],
    groups: Range<usize>,
    values: SharedMut<'a>,
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
            match conv.outputs {
                2 => V::enter(Back::<4, 2> { of: &self, sums, columns, by_point }),
                _ => V::enter(Back::<6, 4> { of: &self, sums, columns, by_point }),
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
        let span = BLOCK * conv.group * BLOCK;
        let by_tap = conv.in_blocks * span;
        let mut weights: Vec<*const f32> = Vec::with_capacity(3 * conv.in_blocks);
        let mut inputs: Vec<[*const f32; tile::MOST_ROWS]> = Vec::with_capacity(3 * conv.in_blocks);
        for point in 0..conv.points() {
            for (at, group) in self.groups.clone().enumerate() {
                let blocks = conv.group.min(conv.out_blocks - group * conv.group);
                let of_point = &conv.weights[(group * conv.points() + point) * 3 * by_tap..][..3 * by_tap];
                weights.clear();
                weights.extend((0..3 * conv.in_blocks).map(|at| of_point[at * span..].as_ptr()));
                for segment in self.segments {
                    let item = &self.items[segment.item];
                    let (planes, tiles) = (item.z.len() + 2, item.by_plane());
                    let first = item.values + point * conv.by_point(item) + segment.first * BLOCK;
                    inputs.clear();
                    for tz in 0..3 {
                        for block in 0..conv.in_blocks {
                            // SAFETY: the transformed inputs of the item hold the columns of all three planes.
                            let from =
                                unsafe { self.values.at(first + (block * planes + tz) * tiles * BLOCK) };
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
                    // SAFETY: the caller has V's instructions; inputs, weights and sums are as long as a segment asks.
                    unsafe { tile::run::<V>(blocks * (BLOCK / V::LANES), 1, segment.len, &work) };
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
            let part = &of.parts[item.part];
            let [along_y, along_x] = [item.tiles[0].len(), item.tiles[1].len()];
            for column in 0..segment.len {
                let place = segment.first + column;
                let z = item.z.start + place / (along_y * along_x);
                let y = (item.tiles[0].start + place / along_x % along_y) * M;
                let x = (item.tiles[1].start + place % along_x) * M;
                for (at, group) in of.groups.clone().enumerate() {
                    let first = group * conv.group;
                    for block in first..(first + conv.group).min(conv.out_blocks) {
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
                    if conv.relu {
                        value = zero.max(value);
                    }
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
