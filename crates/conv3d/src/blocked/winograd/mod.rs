//! Convolutions with fewer multiplications: Winograd's algorithm along y and x, with the taps along z summed among the
//! transformed values, or along all axes (Lavin and Gray 2016, <https://arxiv.org/abs/1509.09308>).
//!
//! A tile is `M × M` outputs of a plane, computed from the `A²` *points* of its transformed inputs. For a 3³ kernel, a tile
//! of 4 × 4 outputs takes 36 · 3 multiplications per input channel instead of the 16 · 27 of the direct algorithm, a quarter;
//! so does a 7³ kernel with stride 2, whose inputs are grouped two by two along y and x ([`Shape::Stem`]). A tile of
//! 4 × 4 × 4 outputs takes 216 instead of 64 · 27, an eighth ([`Shape::Cube`], `cube`). Tiles are
//! aligned to the layer's grid, so that a box of whole tiles has the bits of the whole output.
//!
//! The tiles of all images and boxes are arranged as *stacks* of neighbouring planes. Inputs are transformed plane by plane
//! (`inputs`). Each point is then a matrix product over channels and the taps along z, computed by the register kernel of
//! the direct algorithm with tiles as columns (`outputs`), and its sums are transformed back while they are in the cache. Layers
//! with few weights do all of it a few columns at a time, so that transformed inputs are read while most of them are
//! in the second-level cache (`outputs::Fused`). The gradient of the weights (`gradient`) is the transpose.

mod cube;
mod dilated;
mod gradient;
mod halved;
mod inputs;
mod kernels;
mod outputs;
mod shape;
#[cfg(test)]
mod tests;
mod transform;
mod weights;

pub use dilated::Dilated;
pub(crate) use gradient::WeightGradient;
pub use shape::Shape;

use super::job::{Job, Residual};
use super::lanes::{Dense, Lanes};
use super::rectifier::Rectifier;
use super::tile;
use super::window::{BLOCK, Window};
use crate::ConvGeometry;
use crate::simd::Isa;
use crate::simd::scratch::{Lines, SharedMut, Spare};
use inputs::Inputs;
use outputs::{Fused, Outputs};
use rayon::prelude::*;
use relevox_grid::Box3;
use std::collections::BTreeMap;
use std::ops::Range;
use weights::Weights;

/// Approximate number of transformed inputs in memory at once: 2 MiB, most of which stay in the second-level caches until they
/// are read, and 16 MiB with so many weights that all columns should use them at once.
const TOGETHER: [usize; 2] = [1 << 19, 1 << 22];
/// Products per sum from which the second value of [`TOGETHER`] applies.
const MANY_WEIGHTS: usize = 768;
/// Tiles along every axis whose transformed inputs are in memory at once: few enough for a third-level cache, enough that weights
/// are read rarely.
const CUBES: usize = 80;
/// Number of transformed inputs of such tiles in memory at once, at least: 8 MiB.
const LEAST_ROOM: usize = 1 << 21;
/// Largest number of output planes per stack; beyond it the overlap of transformed planes is small.
const DEEPEST: usize = 32;
/// Number of a task's sums at the points: 256 KiB, which fit into a second-level cache, and 4 MiB with so many products per
/// sum that they need not.
const SUMS: [usize; 2] = [1 << 16, 1 << 20];
/// Products per sum from which the second value of [`SUMS`] applies.
const MANY_PRODUCTS: usize = 384;
/// Inputs of one point, over all columns of a task, that fit into a second-level cache.
const INPUTS: usize = 100_000;
/// Columns of a tile of the register kernel with AVX-512, of which [`Fused`] takes one.
const COLUMNS: usize = 14;
/// Largest number of tiles of a stack there, so that several fill up the columns.
const LOWEST: usize = 7;
/// Products of input and output channels up to which tiles along every axis are computed a few columns at a time. Each such task reads
/// all weights, 216 for each product; more of them are better read for many columns at once. Measured on two threads of a Zen 4
/// with AVX-512: 128 channels to 32 take 0.96 of the time of the other way, 128 to 128 1.05; where other machines use the third-level
/// cache at the same time, 128 to 32 take 0.45.
const FEW_PRODUCTS: usize = 8192;
/// Number of tasks per thread below which it is rounded up, so that all threads have as many.
const FEW_TASKS: usize = 4;
/// Stacks whose inputs a task transforms.
const STACKS: usize = 4;
/// Unused values between the inputs of two points: without them all points of a tile would map to the same lines of the
/// first-level cache.
const GAP: usize = 2 * BLOCK;

/// Memory of transformed values, reused between calls.
static SPARE: Spare = Spare::new();

/// A convolution with transformed weights.
#[derive(Debug)]
pub struct Winograd {
    isa: Isa,
    shape: Shape,
    /// Blocks of the transformed inputs.
    in_blocks: usize,
    out_blocks: usize,
    /// Blocks of outputs per tile of the register kernel.
    group: usize,
    rectifier: Rectifier,
    /// Multiply-adds per output voxel of the direct algorithm.
    products: usize,
    /// Input and output channels, without those that pad blocks.
    channels: [usize; 2],
    /// `[group][slot][tz][input block][channel][output]`
    weights: Lines,
    bias: Vec<f32>,
}

impl Winograd {
    /// Transforms the weights.
    pub fn new(isa: Isa, shape: Shape, lanes: &Lanes, dense: Dense<'_>, rectifier: Rectifier) -> Winograd {
        assert!(lanes.pitch == shape.pitch(), "{shape:?} of {lanes:?}");
        let channels = dense.bias.len();
        let taps = shape.taps();
        let inputs = dense.weights.len() / (channels * taps).max(1);
        let cells = Lanes::parts(&[BLOCK]);
        let lanes = if shape.is_stem() { &cells } else { lanes };
        let (in_blocks, out_blocks) = (lanes.blocks(), channels.div_ceil(BLOCK));
        let group = if isa.lanes() == BLOCK { out_blocks.min(2) } else { 1 };
        let mut bias = dense.bias.to_vec();
        bias.resize(out_blocks * BLOCK, 0.0);
        let by_group = shape.slots() * shape.depth() * in_blocks * BLOCK * group * BLOCK;
        let groups = out_blocks.div_ceil(group.max(1));
        let mut weights = Lines::zeros(by_group * groups);
        let wide = group * BLOCK;
        // Each group's channels are divided too: one group has all weights of a layer with few outputs.
        let tasks: Vec<(usize, Range<usize>)> = (0..groups)
            .flat_map(|group| {
                let pieces = (0..lanes.channels.len()).step_by(BLOCK);
                pieces.map(move |first| (group, first..first + BLOCK))
            })
            .collect();
        let shared = SharedMut::new(&mut weights);
        tasks.into_par_iter().for_each(|(group, places)| {
            let outputs = group * wide..((group + 1) * wide).min(channels);
            let places = places.start..places.end.min(lanes.channels.len());
            let weights = shared.part(group * by_group..(group + 1) * by_group);
            isa.run(Weights { shape, lanes, dense: dense.weights, inputs, outputs, wide, places, weights });
        });
        let products = dense.weights.len();
        Winograd {
            isa,
            shape,
            in_blocks,
            out_blocks,
            group,
            rectifier,
            products,
            channels: [inputs, channels],
            weights,
            bias,
        }
    }

    /// Returns the geometry.
    pub fn geometry(&self) -> ConvGeometry {
        self.shape.geometry()
    }

    /// Returns the alignment of boxes along each axis; at the end of the layer they may be shorter.
    pub fn grid(&self) -> [usize; 3] {
        self.shape.grid()
    }

    /// Returns the numbers of input and output channels.
    pub fn channels(&self) -> [usize; 2] {
        self.channels
    }

    /// Returns the number of multiply-adds per output voxel of the direct algorithm.
    pub fn products(&self) -> usize {
        self.products
    }

    /// Returns the number of transformed weights: that of the multiply-adds of a tile, which computes the outputs of one cell of
    /// [`Winograd::grid`] in all channels.
    pub fn weights(&self) -> usize {
        self.weights.len()
    }

    fn points(&self) -> usize {
        self.shape.points()
    }

    /// Computes each job's boxes.
    ///
    /// # Panics
    /// Panics if a job's windows do not hold the voxels that its outputs read and write, or if a box is not of whole tiles.
    pub fn run(&self, jobs: &mut [Job<'_>]) {
        let mut parts: Vec<Part<'_>> = Vec::with_capacity(jobs.len());
        let mut inputs = Vec::with_capacity(jobs.len());
        // By depth, so that stacks of different jobs are computed together.
        let mut stacks: BTreeMap<usize, Vec<Stack>> = BTreeMap::new();
        let deepest = if self.is_fused() { LOWEST } else { DEEPEST };
        for (part, job) in jobs.iter_mut().enumerate() {
            job.check(self.geometry(), [self.in_blocks, self.shape.pitch(), self.out_blocks]);
            self.shape.check_tiles(&job.outputs, job.output.0.layer);
            for bounds in job.boxes() {
                self.shape.check_tiles(bounds, job.output.0.layer);
                self.shape.stacks(part, bounds, deepest, |depth, stack| {
                    stacks.entry(depth).or_default().push(stack);
                });
            }
            let Job { input, residual, output, .. } = job;
            inputs.push(*input);
            parts.push(Part { residual: *residual, window: output.0, output: SharedMut::new(output.1) });
        }
        if self.is_fused() {
            return self.fused(&inputs, &parts, stacks);
        }
        let mut items: Vec<Item> = Vec::new();
        let room = self.room();
        for (depth, stacks) in stacks {
            let by_stack = self.shape.slots() * self.shape.planes(depth) * self.in_blocks * BLOCK;
            for stacks in stacks.chunks((room / by_stack).max(1)) {
                items.push(Item {
                    depth,
                    stacks: stacks.to_vec(),
                    values: 0,
                    arrangement: Arrangement::ByPoint,
                });
            }
        }
        let mut rest = items.as_mut_slice();
        while !rest.is_empty() {
            let mut total = 0;
            let mut count = 0;
            for item in rest.iter_mut() {
                let values = item.layout(self.shape, self.in_blocks).total;
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

    /// Returns whether a task transforms a few columns and computes their outputs.
    fn is_fused(&self) -> bool {
        self.shape == Shape::Cube { outputs: 4 } && self.channels[0] * self.channels[1] <= FEW_PRODUCTS
    }

    /// Computes stacks by their depth a few columns at a time.
    fn fused(&self, from: &[(&Window, &[f32])], parts: &[Part<'_>], stacks: BTreeMap<usize, Vec<Stack>>) {
        let threads = rayon::current_num_threads();
        let mut items: Vec<Item> = Vec::new();
        for (depth, stacks) in stacks {
            let mut count = stacks.len().div_ceil((COLUMNS / depth).max(1));
            if count < FEW_TASKS * threads {
                count = count.next_multiple_of(threads).min(stacks.len());
            }
            items.extend((0..count).map(|at| Item {
                depth,
                stacks: stacks[at * stacks.len() / count..(at + 1) * stacks.len() / count].to_vec(),
                values: 0,
                arrangement: Arrangement::ByColumn,
            }));
        }
        items.par_iter().with_min_len(1).for_each(|item| {
            self.isa.run(Fused { conv: self, parts, from, item });
        });
    }

    /// Transforms the inputs of some items and computes their outputs.
    fn compute(&self, inputs: &[(&Window, &[f32])], parts: &[Part<'_>], items: &[Item], values: &mut [f32]) {
        let shared = SharedMut::new(values);
        let tasks: Vec<(usize, usize, usize, Range<usize>)> = items
            .iter()
            .enumerate()
            .flat_map(|(at, item)| {
                let stacks = item.stacks.len();
                // Neighbouring tiles along z share transformed planes, so that a task takes them all.
                let (planes, runs) = match self.shape.is_deep() {
                    true => (1, stacks.div_ceil(STACKS)),
                    false => (self.shape.planes(item.depth), 1),
                };
                (0..self.in_blocks * planes * runs).map(move |task| {
                    let (task, run) = (task / runs, task % runs);
                    (at, task / planes, task % planes, run * stacks / runs..(run + 1) * stacks / runs)
                })
            })
            .collect();
        tasks.into_par_iter().with_min_len(1).for_each(|(at, block, plane, stacks)| {
            self.isa.run(Inputs {
                shape: self.shape,
                blocks: self.in_blocks,
                from: inputs,
                item: &items[at],
                block,
                plane,
                stacks,
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

    /// Returns the number of transformed inputs in memory at once.
    fn room(&self) -> usize {
        if self.shape.is_deep() {
            return LEAST_ROOM.max(CUBES * self.shape.slots() * self.products_of_sum());
        }
        TOGETHER[usize::from(self.products_of_sum() >= MANY_WEIGHTS)]
    }

    /// Returns the number of multiply-adds per sum at a point.
    fn products_of_sum(&self) -> usize {
        self.shape.depth() * self.in_blocks * BLOCK
    }

    /// Returns the numbers of columns and of groups of output blocks per task that minimise the inputs and weights read per
    /// product: weights are read once for all columns, inputs once per group.
    fn task(&self, columns: usize, groups: usize) -> (usize, usize) {
        let products = self.products_of_sum();
        if self.shape.is_deep() {
            // A column has so many sums that those of one group fill the second-level cache: they lie in the third.
            let tasks = 4 * rayon::current_num_threads();
            return (columns.div_ceil(tasks.div_ceil(groups)).clamp(14, CUBES), 1);
        }
        let sums = SUMS[usize::from(products >= MANY_PRODUCTS)] / (self.points() * self.group * BLOCK);
        // Per product a group reads 16 weights and a column, whose planes overlap, about half an input: the minimum is at
        // 32 times as many columns as groups.
        let together = ((sums as f64 / 32.0).sqrt().round() as usize).clamp(1, groups);
        let tasks = 4 * rayon::current_num_threads();
        let each = columns.div_ceil(tasks.div_ceil(groups.div_ceil(together)));
        let room = (sums / together).min(2 * INPUTS / products).min(each).max(12);
        let batches = columns.div_ceil(room).max(1);
        (room, together.min((groups * batches).div_ceil(tasks)).max(1))
    }
}

/// Outputs of a job, shared by tasks.
struct Part<'a> {
    residual: Option<Residual<'a>>,
    window: &'a Window,
    output: SharedMut<'a>,
}

/// Tiles at one position of neighbouring planes.
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
    /// Index of its transformed inputs, of all planes that the outputs read.
    values: usize,
    arrangement: Arrangement,
}

/// The order of transformed inputs.
#[derive(Clone, Copy, Debug)]
enum Arrangement {
    /// `[slot][block][plane][stack][channel]`: those of a point lie side by side.
    ByPoint,
    /// `[block][plane][stack][slot][channel]`: those of a column do, and are written one after another.
    ByColumn,
}

impl Item {
    /// Returns where the values of `blocks` blocks lie.
    fn layout(&self, shape: Shape, blocks: usize) -> Layout {
        let columns = shape.planes(self.depth) * self.stacks.len();
        match self.arrangement {
            Arrangement::ByPoint => {
                let slot = columns * blocks * BLOCK + GAP;
                Layout { slot, column: BLOCK, block: columns * BLOCK, total: shape.slots() * slot }
            }
            Arrangement::ByColumn => {
                let column = tile::COLUMN;
                assert!(column > shape.slots() * BLOCK, "{shape:?}");
                Layout { slot: BLOCK, column, block: columns * column, total: blocks * columns * column }
            }
        }
    }

    /// Tiles of all planes.
    fn columns(&self) -> usize {
        self.depth * self.stacks.len()
    }
}

/// Where the transformed inputs of an item lie: values between neighbouring slots, columns and blocks, and of all.
#[derive(Clone, Copy, Debug)]
struct Layout {
    slot: usize,
    column: usize,
    block: usize,
    total: usize,
}

impl Layout {
    /// Returns the index of a column's first slot.
    fn at(&self, item: &Item, block: usize, column: usize) -> usize {
        item.values + block * self.block + column * self.column
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

/// Divides a box of whole tiles along z and y into boxes, in tiles along y and x, whose transformed values of `blocks` blocks
/// each fit into memory at once. The division depends on the sizes only.
pub(crate) fn pieces(shape: Shape, bounds: &Box3, blocks: usize) -> Vec<Box3> {
    let [z, y, x] = bounds.ranges();
    let [y, x] = [shape.tiles(&y), shape.tiles(&x)];
    if z.is_empty() || y.is_empty() || x.is_empty() {
        return Vec::new();
    }
    // Rows of tiles of one plane that fit.
    let room = TOGETHER[1] / (shape.points() * BLOCK * blocks * x.len()).max(1);
    let outputs = |planes: usize| (1..=z.len()).rev().find(|&n| shape.planes(n) <= planes).unwrap_or(1);
    // Neighbouring planes are transformed and neighbouring rows are packed too, so boxes are deep and a few tiles high.
    let high = (room / 7).isqrt().clamp(1, y.len());
    let deep = outputs(room / high);
    let high = (room / shape.planes(deep)).clamp(1, y.len());
    let (along_z, along_y) = (z.len().div_ceil(deep), y.len().div_ceil(high));
    let part = |of: &Range<usize>, parts: usize, at: usize| {
        of.start + at * of.len() / parts..of.start + (at + 1) * of.len() / parts
    };
    (0..along_z * along_y)
        .map(|at| [part(&z, along_z, at / along_y), part(&y, along_y, at % along_y), x.clone()].into())
        .collect()
}
