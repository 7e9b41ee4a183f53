//! Convolutions with fewer multiplications: Winograd's algorithm along y and x, the taps along z summed among the
//! transformed values (Lavin and Gray 2016, <https://arxiv.org/abs/1509.09308>).
//!
//! A tile is `M × M` outputs of a plane, seen through the `A²` *points* of its transformed inputs. Of a 3³ kernel, a tile of
//! 4 × 4 outputs takes 36 · 3 multiplications an input channel where the direct form takes 16 · 27: a quarter; and so does
//! one of a 7³ kernel with stride 2, whose inputs are taken two by two along y and x ([`Shape::Stem`]). Tiles lie on the
//! layer's own grid, so that a box of whole tiles has the bits of the whole.
//!
//! The tiles to compute, of however many images and boxes, are put side by side as *stacks* of neighbouring planes. Inputs
//! are transformed plane by plane (`inputs`), then each point is a matrix product over channels and the taps
//! along z, done by the register kernel of the direct form on columns that are tiles (`outputs`), whose sums are turned
//! back into outputs while they are still in the cache. The gradient of the weights (`gradient`) is the same the other way
//! round.

mod gradient;
mod inputs;
mod outputs;
mod shape;
#[cfg(test)]
mod tests;
mod transform;
mod weights;

pub(crate) use gradient::WeightGradient;
pub use shape::Shape;

use super::conv::{Dense, Job, Lanes, Residual, check};
use super::window::{BLOCK, Window};
use crate::ConvGeometry;
use crate::simd::Isa;
use crate::simd::scratch::{SharedMut, Spare};
use inputs::Inputs;
use outputs::Outputs;
use rayon::prelude::*;
use relevox_grid::Box3;
use std::collections::BTreeMap;
use weights::Weights;

/// Transformed inputs that are in memory together, about: 4 MiB, which a third-level cache holds, and 16 MiB where
/// weights are so many that all columns should have them at once.
const TOGETHER: [usize; 2] = [1 << 20, 1 << 22];
/// Products of a sum from which on weights are so many.
const MANY_WEIGHTS: usize = 768;
/// Planes of outputs that a stack has at most: beyond, the planes around it that are transformed too are few.
const DEEPEST: usize = 32;
/// Values of a task's sums at the points: a quarter MiB, which a second-level cache holds, and 4 MiB where there are so
/// many products for each that they may leave it.
const SUMS: [usize; 2] = [1 << 16, 1 << 20];
/// Products of a sum from which on it may leave.
const MANY_PRODUCTS: usize = 384;
/// Values of one point's inputs, of all columns of a task, that a second-level cache holds while groups of outputs pass.
const INPUTS: usize = 100_000;
/// Values between the end of one point's inputs and the next point's: without them a tile's points would all fall on
/// the same lines of the first-level cache.
const GAP: usize = 2 * BLOCK;

/// Memory of transformed values, from call to call.
static SPARE: Spare = Spare::new();

/// A convolution with transformed weights.
#[derive(Debug)]
pub struct Winograd {
    isa: Isa,
    shape: Shape,
    /// Of what is transformed.
    in_blocks: usize,
    out_blocks: usize,
    /// Blocks of outputs that a tile of the register kernel takes together.
    group: usize,
    relu: bool,
    /// Multiply-adds of one output voxel as the direct form would take them.
    products: usize,
    /// Read and written, those that only fill blocks up left out.
    channels: [usize; 2],
    /// `[group][point][tz][input block][channel][output]`
    weights: Vec<f32>,
    bias: Vec<f32>,
}

impl Winograd {
    /// Transforms the weights.
    pub fn new(isa: Isa, shape: Shape, lanes: &Lanes, dense: Dense<'_>, relu: bool) -> Winograd {
        assert!(lanes.pitch == shape.pitch(), "{shape:?} of {lanes:?}");
        let channels = dense.bias.len();
        let taps = shape.depth().pow(3);
        let inputs = dense.weights.len() / (channels * taps).max(1);
        let cells = Lanes::parts(&[BLOCK]);
        let lanes = if shape == Shape::Stem { &cells } else { lanes };
        let (in_blocks, out_blocks) = (lanes.blocks(), channels.div_ceil(BLOCK));
        let group = if isa.lanes() == BLOCK { out_blocks.min(2) } else { 1 };
        let mut bias = dense.bias.to_vec();
        bias.resize(out_blocks * BLOCK, 0.0);
        let by_group = shape.points().pow(2) * shape.depth() * in_blocks * BLOCK * group * BLOCK;
        let groups = out_blocks.div_ceil(group.max(1));
        let mut weights = vec![0.0; by_group * groups];
        let wide = group * BLOCK;
        weights.par_chunks_mut(by_group.max(1)).enumerate().for_each(|(at, weights)| {
            let outputs = at * wide..((at + 1) * wide).min(channels);
            isa.run(Weights { shape, lanes, dense: dense.weights, inputs, outputs, wide, weights });
        });
        let products = dense.weights.len();
        Winograd {
            isa,
            shape,
            in_blocks,
            out_blocks,
            group,
            relu,
            products,
            channels: [inputs, channels],
            weights,
            bias,
        }
    }

    /// Kernel, stride and padding.
    pub fn geometry(&self) -> ConvGeometry {
        self.shape.geometry()
    }

    /// What boxes are multiples of, along y and x, but where they end with the layer.
    pub fn grid(&self) -> usize {
        self.shape.outputs()
    }

    /// Channels read and written.
    pub fn channels(&self) -> [usize; 2] {
        self.channels
    }

    /// Multiply-adds of one output voxel as the direct form takes them.
    pub fn products(&self) -> usize {
        self.products
    }

    fn points(&self) -> usize {
        self.shape.points().pow(2)
    }

    /// Computes each job's boxes.
    ///
    /// # Panics
    /// If a job's windows do not hold what its region reads and writes, or a box is not in it or not of whole tiles.
    pub fn run(&self, jobs: &mut [Job<'_>]) {
        let mut parts: Vec<Part<'_>> = Vec::with_capacity(jobs.len());
        let mut inputs = Vec::with_capacity(jobs.len());
        // By depth, so that stacks of different jobs lie side by side.
        let mut stacks: BTreeMap<usize, Vec<Stack>> = BTreeMap::new();
        for (part, job) in jobs.iter_mut().enumerate() {
            check(self.geometry(), [self.in_blocks, self.shape.pitch(), self.out_blocks], job);
            self.shape.check_tiles(&job.outputs, job.output.0.layer);
            for bounds in job.boxes() {
                self.shape.check_tiles(bounds, job.output.0.layer);
                self.shape.stacks(part, bounds, DEEPEST, |depth, stack| {
                    stacks.entry(depth).or_default().push(stack);
                });
            }
            let Job { input, residual, output, .. } = job;
            inputs.push(*input);
            parts.push(Part { residual: *residual, window: output.0, output: SharedMut::new(output.1) });
        }
        let mut items: Vec<Item> = Vec::new();
        let room = TOGETHER[usize::from(self.products_of_sum() >= MANY_WEIGHTS)];
        for (depth, stacks) in stacks {
            let by_stack = self.points() * self.shape.planes(depth) * self.in_blocks * BLOCK;
            for stacks in stacks.chunks((room / by_stack).max(1)) {
                items.push(Item { depth, stacks: stacks.to_vec(), values: 0 });
            }
        }
        let mut rest = items.as_mut_slice();
        while !rest.is_empty() {
            let mut total = 0;
            let mut count = 0;
            for item in rest.iter_mut() {
                let values = self.points() * self.by_point(item);
                if count > 0 && total + values > room {
                    break;
                }
                item.values = total;
                total += values;
                count += 1;
            }
            let (now, later) = rest.split_at_mut(count);
            self.compute(&inputs, &parts, now, &mut SPARE.take(total));
            rest = later;
        }
    }

    /// Values of one point's inputs, the gap included.
    fn by_point(&self, item: &Item) -> usize {
        item.by_point(self.shape, self.in_blocks)
    }

    /// Transforms the inputs of some items and computes their outputs.
    fn compute(&self, inputs: &[(&Window, &[f32])], parts: &[Part<'_>], items: &[Item], values: &mut [f32]) {
        let shared = SharedMut::new(values);
        let planes: Vec<(usize, usize, usize)> = items
            .iter()
            .enumerate()
            .flat_map(|(at, item)| {
                let planes = self.shape.planes(item.depth);
                (0..self.in_blocks * planes).map(move |task| (at, task / planes, task % planes))
            })
            .collect();
        planes.into_par_iter().with_min_len(1).for_each(|(at, block, plane)| {
            let item = &items[at];
            self.isa.run(Inputs {
                shape: self.shape,
                blocks: self.in_blocks,
                from: inputs,
                item,
                block,
                plane,
                values: shared,
            });
        });

        let groups = self.out_blocks.div_ceil(self.group);
        let total: usize = items.iter().map(Item::columns).sum();
        let (room, together) = self.task(total, groups);
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
        let shares = groups.div_ceil(together);
        (0..batches.len() * shares).into_par_iter().for_each(|task| {
            let (batch, share) = (task / shares, task % shares);
            let groups = share * together..((share + 1) * together).min(groups);
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

    /// Multiply-adds of a sum at a point.
    fn products_of_sum(&self) -> usize {
        self.shape.depth() * self.in_blocks * BLOCK
    }

    /// How many columns and how many groups of output blocks a task takes, so that it reads few inputs and weights for its
    /// products: weights are read once for all columns, inputs once for each group.
    fn task(&self, columns: usize, groups: usize) -> (usize, usize) {
        let products = self.products_of_sum();
        let sums = SUMS[usize::from(products >= MANY_PRODUCTS)] / (self.points() * self.group * BLOCK);
        // For each product a group reads 16 weights, and a column, whose planes overlap, about half an input: fewest are
        // read where columns are 32 times as many as groups.
        let together = ((sums as f64 / 32.0).sqrt().round() as usize).clamp(1, groups);
        let room = (sums / together).min(2 * INPUTS / products).max(12);
        let tasks = 4 * rayon::current_num_threads();
        let batches = columns.div_ceil(room).max(1);
        (room, together.min((groups * batches).div_ceil(tasks)).max(1))
    }
}

/// A job's outputs as tasks share them.
struct Part<'a> {
    residual: Option<Residual<'a>>,
    window: &'a Window,
    output: SharedMut<'a>,
}

/// Tiles of neighbouring planes, one above the other.
#[derive(Clone, Copy, Debug)]
struct Stack {
    part: usize,
    /// First plane of outputs, and the tiles' first voxels along y and x.
    first: [usize; 3],
}

/// Stacks of one depth, from any jobs.
#[derive(Debug)]
struct Item {
    /// Planes of outputs.
    depth: usize,
    stacks: Vec<Stack>,
    /// Where its transformed inputs begin: `[point][block][plane][stack][channel]`, of all planes that outputs see.
    values: usize,
}

impl Item {
    /// Values of one point's inputs, the gap included.
    fn by_point(&self, shape: Shape, blocks: usize) -> usize {
        shape.planes(self.depth) * self.stacks.len() * blocks * BLOCK + GAP
    }

    /// Tiles of all planes.
    fn columns(&self) -> usize {
        self.depth * self.stacks.len()
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

/// Cuts a box of whole tiles along z and y into boxes, in tiles along y and x, of about as many transformed values of `blocks`
/// blocks each as are in memory together. What is cut follows from the sizes alone.
pub(crate) fn pieces(shape: Shape, bounds: &Box3, blocks: usize) -> Vec<Box3> {
    let [z, y, x] = bounds.ranges();
    let [y, x] = [shape.tiles(&y), shape.tiles(&x)];
    if z.is_empty() || y.is_empty() || x.is_empty() {
        return Vec::new();
    }
    // Rows of tiles of one plane that there is room for.
    let room = TOGETHER[1] / (shape.points().pow(2) * BLOCK * blocks * x.len()).max(1);
    let outputs = |planes: usize| (1..=z.len()).rev().find(|&n| shape.planes(n) <= planes).unwrap_or(1);
    // Planes beyond those that are computed are transformed too, and rows beyond are packed: deep boxes, then, and a few
    // tiles high.
    let high = (room / 7).isqrt().clamp(1, y.len());
    let deep = outputs(room / high);
    let high = (room / shape.planes(deep)).clamp(1, y.len());
    let (along_z, along_y) = (z.len().div_ceil(deep), y.len().div_ceil(high));
    let part = |of: &std::ops::Range<usize>, parts: usize, at: usize| {
        of.start + at * of.len() / parts..of.start + (at + 1) * of.len() / parts
    };
    (0..along_z * along_y)
        .map(|at| [part(&z, along_z, at / along_y), part(&y, along_y, at % along_y), x.clone()].into())
        .collect()
}
