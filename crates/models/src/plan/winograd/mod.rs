//! A 3 × 3 × 3 convolution with stride 1 with fewer multiplications: Winograd's algorithm along y and x, its taps along z
//! summed among the transformed values (Lavin and Gray 2016, <https://arxiv.org/abs/1509.09308>).
//!
//! A tile is `M × M` outputs of a plane, seen through the `(M + 2)²` *points* of its transformed inputs. A tile of 4 × 4
//! outputs takes 36 · 3 multiplications an input channel where the direct form takes 16 · 27: a quarter. Tiles lie on the
//! layer's own grid, so that a box is the bits of the whole; boxes are as tiles are.
//!
//! Inputs are transformed plane by plane (`inputs`), then each point is a matrix product over channels and the taps
//! along z, done by the register kernel of the direct form on columns that are tiles (`outputs`), whose sums are turned
//! back into outputs while they are still in the cache.

mod inputs;
mod outputs;
#[cfg(test)]
mod tests;
mod transform;

use super::conv::{Dense, Geometry, Job, Lanes, Residual, check};
use super::window::{BLOCK, Window};
use crate::ops::cpu::scratch::SharedMut;
use crate::ops::cpu::simd::Isa;
use inputs::Inputs;
use outputs::Outputs;
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
        let wide = group * BLOCK;
        weights.par_chunks_mut(by_group.max(1)).enumerate().for_each(|(at, weights)| {
            let outputs = at * wide..((at + 1) * wide).min(channels);
            for tz in 0..3 {
                for (place, channel) in lanes.channels.iter().enumerate() {
                    let Some(channel) = *channel else { continue };
                    for o in outputs.clone() {
                        let taps = &dense.weights[(o * inputs + channel) * 27 + tz * 9..][..9];
                        let line = |row: usize| {
                            let [a, b, c] = [0, 1, 2].map(|tap| f64::from(taps[3 * row + tap]));
                            transform::kernel(points, [a, b, c])
                        };
                        let lines = [line(0), line(1), line(2)];
                        for px in 0..points {
                            let column = transform::kernel(points, lines.map(|line| line[px]));
                            for (py, value) in column.into_iter().enumerate().take(points) {
                                let step = ((py * points + px) * 3 + tz) * in_blocks * BLOCK + place;
                                weights[step * wide + o - outputs.start] = value as f32;
                            }
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
