//! Convolutions with fewer multiplications: Winograd's algorithm along y and x, the taps along z summed among the
//! transformed values (Lavin and Gray 2016, <https://arxiv.org/abs/1509.09308>).
//!
//! A tile is `M × M` outputs of a plane, seen through the `A²` *points* of its transformed inputs. Of a 3³ kernel, a tile of
//! 4 × 4 outputs takes 36 · 3 multiplications an input channel where the direct form takes 16 · 27: a quarter; and so does
//! one of a 7³ kernel with stride 2, whose inputs are taken two by two along y and x ([`Shape::Stem`]). Tiles lie on the
//! layer's own grid, so that a box is the bits of the whole; boxes are as tiles are.
//!
//! Inputs are transformed plane by plane (`inputs`), then each point is a matrix product over channels and the taps
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
pub(crate) use shape::Shape;

use super::conv::{Dense, Geometry, Job, Lanes, Residual, check};
use super::window::{BLOCK, Window};
use crate::simd::Isa;
use crate::simd::scratch::{SharedMut, Spare};
use inputs::Inputs;
use outputs::Outputs;
use rayon::prelude::*;
use std::ops::Range;
use weights::Weights;

/// Transformed inputs that are in memory together, about: 16 MiB.
const TOGETHER: usize = 1 << 22;
/// Values of a task's sums at the points: a quarter MiB, which a second-level cache holds.
const SUMS: usize = 1 << 16;
/// Values between the end of one point's inputs and the next point's: without them a tile's points would all fall on
/// the same lines of the first-level cache.
const GAP: usize = 2 * BLOCK;

/// Memory of transformed values, from call to call.
static SPARE: Spare = Spare::new();

/// A convolution with transformed weights.
#[derive(Debug)]
pub(crate) struct Winograd {
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
    /// `[group][point][tz][input block][channel][output]`
    weights: Vec<f32>,
    bias: Vec<f32>,
}

impl Winograd {
    /// Transforms the weights.
    pub(crate) fn new(isa: Isa, shape: Shape, lanes: &Lanes, dense: Dense<'_>, relu: bool) -> Winograd {
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
        Winograd { isa, shape, in_blocks, out_blocks, group, relu, products, weights, bias }
    }

    /// Kernel, stride and padding.
    pub(crate) fn geometry(&self) -> Geometry {
        self.shape.geometry()
    }

    /// What boxes are multiples of, along y and x, but where they end with the layer.
    pub(crate) fn grid(&self) -> usize {
        self.shape.outputs()
    }

    /// Multiply-adds of one output voxel as the direct form takes them.
    pub(crate) fn products(&self) -> usize {
        self.products
    }

    fn points(&self) -> usize {
        self.shape.points().pow(2)
    }

    /// Computes each job's box.
    ///
    /// # Panics
    /// If a job's windows do not hold what its box reads and writes, or a box is not of whole tiles.
    pub(crate) fn run(&self, jobs: &mut [Job<'_>]) {
        let mut parts: Vec<Part<'_>> = Vec::with_capacity(jobs.len());
        let mut items: Vec<Item> = Vec::new();
        for job in jobs {
            check(self.geometry(), [self.in_blocks, self.shape.pitch(), self.out_blocks], job);
            self.shape.check_tiles(&job.region, job.output.0.layer);
            let part = parts.len();
            let pieces = pieces(self.shape, &job.region, self.in_blocks).into_iter();
            items.extend(pieces.map(|[z, y, x]| Item { part, z, tiles: [y, x], values: 0 }));
            let Job { input, residual, output, .. } = job;
            parts.push(Part {
                input: *input,
                residual: *residual,
                window: output.0,
                output: SharedMut::new(output.1),
            });
        }
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
            let (now, later) = rest.split_at_mut(count);
            self.compute(&parts, now, &mut SPARE.take(total));
            rest = later;
        }
    }

    /// Values of one point's inputs, the gap included.
    fn by_point(&self, item: &Item) -> usize {
        item.by_point(self.shape, self.in_blocks)
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
                let planes = self.shape.planes(item.z.len());
                (0..self.in_blocks * planes).map(move |task| (at, task / planes, task % planes))
            })
            .collect();
        planes.into_par_iter().with_min_len(1).for_each(|(at, block, plane)| {
            let item = &items[at];
            self.isa.run(Inputs {
                shape: self.shape,
                by_point: self.by_point(item),
                from: parts[item.part].input,
                item,
                block,
                plane,
                values: shared,
            });
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
    /// Where its transformed inputs begin: `[point][block][plane][tile][channel]`, of all planes that `z` sees.
    values: usize,
}

impl Item {
    fn by_plane(&self) -> usize {
        self.tiles[0].len() * self.tiles[1].len()
    }

    /// Values of one point's inputs, the gap included.
    fn by_point(&self, shape: Shape, blocks: usize) -> usize {
        blocks * shape.planes(self.z.len()) * self.by_plane() * BLOCK + GAP
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

/// Cuts a box of whole tiles along z and y into boxes, in tiles along y and x, of about [`TOGETHER`] transformed values of `blocks`
/// blocks each. What is cut follows from the sizes alone.
pub(crate) fn pieces(shape: Shape, region: &[Range<usize>; 3], blocks: usize) -> Vec<[Range<usize>; 3]> {
    let [z, y, x] = [region[0].clone(), shape.tiles(&region[1]), shape.tiles(&region[2])];
    if z.is_empty() || y.is_empty() || x.is_empty() {
        return Vec::new();
    }
    // Rows of tiles of one plane that there is room for.
    let room = TOGETHER / (shape.points().pow(2) * BLOCK * blocks * x.len()).max(1);
    let outputs = |planes: usize| (1..=z.len()).rev().find(|&n| shape.planes(n) <= planes).unwrap_or(1);
    // Planes beyond those that are computed are transformed too, and rows beyond are packed: deep boxes, then, and a few
    // tiles high.
    let high = (room / 7).isqrt().clamp(1, y.len());
    let deep = outputs(room / high);
    let high = (room / shape.planes(deep)).clamp(1, y.len());
    let (along_z, along_y) = (z.len().div_ceil(deep), y.len().div_ceil(high));
    let part = |of: &Range<usize>, parts: usize, at: usize| {
        of.start + at * of.len() / parts..of.start + (at + 1) * of.len() / parts
    };
    (0..along_z * along_y)
        .map(|at| [part(&z, along_z, at / along_y), part(&y, along_y, at % along_y), x.clone()])
        .collect()
}
