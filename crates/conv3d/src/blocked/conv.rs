//! Direct convolution of blocked activations, with fused bias, residual and ReLU.
//!
//! [`Convolution::run`] computes any box of the output, of any number of images at once, from windows that hold the
//! inputs of the box. The order of operations of an output (bias, then blocks of input channels, taps, channels, then the
//! residual) does not depend on the box, the tiles, the passes or the threads, so a box has the bits of the whole output.

use super::tile::{self, Finish, MOST_ROWS, Start, Work};
use super::window::{BLOCK, Window};
use crate::ConvGeometry;
use crate::simd::scratch::SharedMut;
use crate::simd::{Isa, Kernel, Vector};
use rayon::prelude::*;
use relevox_grid::Box3;
use std::ops::Range;

/// Approximate number of weights per pass over a task's voxels, at least those of one block of inputs: 27 KiB for 3³ taps
/// and 16 outputs, which fit into a first-level cache.
const PASS_ELEMENTS: usize = 1 << 13;
/// Multiply-adds per task: a few milliseconds, so that threads finish at about the same time.
const TASK_PRODUCTS: usize = 1 << 25;

/// Placement of outputs in the output layer: voxel o is written to `o · step + offset`.
#[derive(Clone, Copy, Debug)]
pub struct Spread {
    /// Distance between neighbouring outputs.
    pub step: usize,
    /// Position of output 0.
    pub offset: [usize; 3],
}

impl Spread {
    /// Voxel o is written to o.
    pub const NONE: Spread = Spread { step: 1, offset: [0; 3] };
}

/// A convolution with packed weights.
#[derive(Debug)]
pub struct Convolution {
    isa: Isa,
    geometry: ConvGeometry,
    spread: Spread,
    in_blocks: usize,
    pitch: usize,
    out_blocks: usize,
    /// Blocks of outputs per tile.
    group: usize,
    relu: bool,
    /// Multiply-adds per output voxel, without the channels that pad blocks.
    products: usize,
    /// Input and output channels, without those that pad blocks.
    channels: [usize; 2],
    /// `[group][input block][tz][ty][tx][channel][output]`
    weights: Vec<f32>,
    bias: Vec<f32>,
}

/// Dense weights and bias of a convolution.
#[derive(Clone, Copy)]
pub struct Dense<'a> {
    /// Weights `[o, i, kz, ky, kx]`.
    pub weights: &'a [f32],
    /// One value per output channel.
    pub bias: &'a [f32],
}

/// Channels of an input voxel's values, block by block.
#[derive(Clone, Debug)]
pub struct Lanes {
    /// Values of a voxel in one block.
    pub pitch: usize,
    /// Channel of each value; `None` for padding.
    pub channels: Vec<Option<usize>>,
}

impl Lanes {
    /// Returns the layout of an image, which is not padded to a block if it has fewer channels.
    pub fn image(channels: usize) -> Lanes {
        if channels < BLOCK {
            return Lanes { pitch: channels, channels: (0..channels).map(Some).collect() };
        }
        Lanes::parts(&[channels])
    }

    /// Returns the layout of concatenated layers, each padded to whole blocks.
    pub fn parts(parts: &[usize]) -> Lanes {
        let mut channels = Vec::new();
        let mut next = 0;
        for &part in parts {
            channels.extend((next..next + part).map(Some));
            channels.resize(channels.len().next_multiple_of(BLOCK), None);
            next += part;
        }
        Lanes { pitch: BLOCK, channels }
    }

    /// Returns the number of blocks.
    pub fn blocks(&self) -> usize {
        self.channels.len() / self.pitch
    }
}

/// One image of a call: the box of outputs to compute, its input and its output.
pub struct Job<'a> {
    /// The box of outputs, before [`Spread`].
    pub outputs: Box3,
    /// Disjoint boxes within `outputs` to compute instead of all of it.
    pub parts: Option<&'a [Box3]>,
    /// The input layer and its values.
    pub input: (&'a Window, &'a [f32]),
    /// Layer that is added to the sums.
    pub residual: Option<Residual<'a>>,
    /// The output layer and its values.
    pub output: (&'a Window, &'a mut [f32]),
}

impl Job<'_> {
    /// Returns the boxes to compute.
    ///
    /// # Panics
    /// Panics if a part lies outside the outputs or, with debug assertions, if two overlap.
    pub(super) fn boxes(&self) -> &[Box3] {
        let Some(parts) = self.parts else { return std::slice::from_ref(&self.outputs) };
        for part in parts {
            assert!(self.outputs.contains(part), "{part:?} is not in {:?}", self.outputs);
        }
        debug_assert!(disjoint(parts), "{parts:?} overlap");
        parts
    }
}

/// Returns whether no two boxes share a voxel.
fn disjoint(boxes: &[Box3]) -> bool {
    let mut sorted: Vec<&Box3> = boxes.iter().collect();
    sorted.sort_by_key(|bounds| bounds.start[0]);
    sorted.iter().enumerate().all(|(at, a)| {
        let mut near = sorted[at + 1..].iter().take_while(|b| b.start[0] < a.end[0]);
        near.all(|b| a.intersection(b).is_none())
    })
}

/// A layer to add: voxel `o · stride` is added to output `o`. Missing blocks count as zeros.
#[derive(Clone, Copy)]
pub struct Residual<'a> {
    /// The layer.
    pub window: &'a Window,
    /// Its values.
    pub values: &'a [f32],
    /// Step between voxels that are added, in voxels of the layer.
    pub stride: usize,
}

impl Convolution {
    /// Packs the weights for an instruction set.
    pub fn new(
        isa: Isa,
        geometry: ConvGeometry,
        spread: Spread,
        lanes: &Lanes,
        dense: Dense<'_>,
        relu: bool,
    ) -> Convolution {
        let outputs = dense.bias.len();
        let taps: usize = geometry.kernel.iter().product();
        let [kz, ky, kx] = geometry.kernel;
        let inputs = dense.weights.len() / (outputs * taps).max(1);
        let (pitch, in_blocks, out_blocks) = (lanes.pitch, lanes.blocks(), outputs.div_ceil(BLOCK));
        // Two blocks are two vectors of AVX-512; one block is two vectors of AVX2 and four of narrower ones.
        let group = if isa.lanes() == BLOCK { out_blocks.min(2) } else { 1 };
        let mut weights = Vec::with_capacity(out_blocks * BLOCK * lanes.channels.len() * taps);
        let mut bias = dense.bias.to_vec();
        bias.resize(out_blocks * BLOCK, 0.0);
        for first in (0..out_blocks).step_by(group.max(1)) {
            let wide = group.min(out_blocks - first) * BLOCK;
            for block in lanes.channels.chunks(pitch) {
                for row in 0..kz * ky {
                    for tx in 0..kx {
                        for &channel in block {
                            weights.extend((first * BLOCK..first * BLOCK + wide).map(|o| match channel {
                                Some(i) if o < outputs => {
                                    dense.weights[(o * inputs + i) * taps + row * kx + tx]
                                }
                                _ => 0.0,
                            }));
                        }
                    }
                }
            }
        }
        let products = dense.weights.len();
        Convolution {
            isa,
            geometry,
            spread,
            in_blocks,
            pitch,
            out_blocks,
            group,
            relu,
            products,
            channels: [inputs, outputs],
            weights,
            bias,
        }
    }

    /// Returns the geometry.
    pub fn geometry(&self) -> ConvGeometry {
        self.geometry
    }

    /// Returns the numbers of input and output channels.
    pub fn channels(&self) -> [usize; 2] {
        self.channels
    }

    /// Returns the number of multiply-adds per output voxel, including taps outside the layer.
    pub fn products(&self) -> usize {
        self.products
    }

    /// Computes each job's boxes.
    ///
    /// # Panics
    /// Panics if a job's windows do not hold the voxels that its outputs read and write, or a part lies outside them.
    pub fn run(&self, jobs: &mut [Job<'_>]) {
        let mut parts: Vec<Part<'_>> = Vec::with_capacity(jobs.len());
        let mut units = Vec::new();
        let vectors = self.group * (BLOCK / self.isa.lanes());
        let mut zeros = 0;
        for job in jobs {
            check_spread(self.geometry, self.spread, [self.in_blocks, self.pitch, self.out_blocks], job);
            let part = parts.len();
            for [z, y, x] in job.boxes().iter().map(Box3::ranges) {
                let tallest = tile::rows_for(x.len(), self.isa.accumulators(), vectors);
                let ends = (x.start, x.end);
                for z in z.clone() {
                    let mut from = y.start;
                    while from < y.end && !x.is_empty() {
                        // A tile has 1, 2 or 4 rows.
                        let rows = tallest.min(1 << (y.end - from).ilog2());
                        units.push(Unit { part, z, y: from, rows, x: ends });
                        from += rows;
                    }
                }
                if tallest > 1 {
                    let read = x.len() * self.geometry.stride[2] + self.geometry.kernel[2];
                    zeros = zeros.max(read * self.pitch);
                }
            }
            let Job { input, residual, output, .. } = job;
            parts.push(Part {
                input: *input,
                residual: *residual,
                window: output.0,
                output: SharedMut::new(output.1),
            });
        }
        if units.is_empty() {
            return;
        }
        let zeros = vec![0.0; zeros];
        let groups = self.out_blocks.div_ceil(self.group);
        let voxels: usize = units.iter().map(|unit| unit.rows * unit.width()).sum();
        let products = voxels * self.weights.len();
        // The number of threads may decide the division into tasks: no sum depends on it.
        let wanted = (products / TASK_PRODUCTS).max(2 * rayon::current_num_threads());
        let pieces = wanted.div_ceil(groups).clamp(1, units.len());
        (0..pieces * groups).into_par_iter().for_each(|task| {
            let (piece, group) = (task / groups, task % groups);
            let units = &units[piece * units.len() / pieces..(piece + 1) * units.len() / pieces];
            self.isa.run(Task { conv: self, parts: &parts, units, group, zeros: &zeros });
        });
    }
}

/// Validates that a job's windows hold all that it reads and writes, for `[input blocks, their pitch, output blocks]`.
///
/// # Panics
/// Panics if they do not.
pub(super) fn check(geometry: ConvGeometry, channels: [usize; 3], job: &Job<'_>) {
    check_spread(geometry, Spread::NONE, channels, job);
}

fn check_spread(geometry: ConvGeometry, spread: Spread, [blocks, pitch, outputs]: [usize; 3], job: &Job<'_>) {
    let (input, layer) = (job.input.0, job.input.0.layer);
    assert!(input.blocks == blocks && input.pitch == pitch, "input channels of {input:?}");
    let read = Window::read(geometry, job.outputs, layer);
    assert!(input.holds(&read) && job.input.1.len() == input.elements(), "{read:?} is not in {input:?}");
    let output = job.output.0;
    let Spread { step, offset } = spread;
    let written: Box3<isize> = std::array::from_fn(|axis| {
        let Range { start, end } = job.outputs.range(axis);
        let first = start * step + offset[axis];
        first as isize..(first + (end.max(start + 1) - 1 - start) * step + 1) as isize
    })
    .into();
    assert!(output.blocks == outputs && output.pitch == BLOCK, "output channels of {output:?}");
    assert!(
        output.holds(&written) && job.output.1.len() == output.elements(),
        "{written:?} is not in {output:?}"
    );
    if let Some(residual) = &job.residual {
        let read = ConvGeometry::strided([residual.stride; 3]).receptive_field(job.outputs);
        let window = residual.window;
        assert!(window.pitch == BLOCK && window.blocks <= outputs, "residual of {window:?}");
        assert!(
            window.holds(&read) && residual.values.len() == window.elements(),
            "{read:?} is not in {window:?}"
        );
    }
}

/// A job, shared by tasks.
struct Part<'a> {
    input: (&'a Window, &'a [f32]),
    residual: Option<Residual<'a>>,
    window: &'a Window,
    output: SharedMut<'a>,
}

/// Rows of a job that are computed by the same tiles.
#[derive(Clone, Copy)]
struct Unit {
    part: usize,
    z: usize,
    y: usize,
    rows: usize,
    /// First voxel and one past the last.
    x: (usize, usize),
}

impl Unit {
    fn width(&self) -> usize {
        self.x.1 - self.x.0
    }
}

/// Some units of one group of output blocks.
struct Task<'a> {
    conv: &'a Convolution,
    parts: &'a [Part<'a>],
    units: &'a [Unit],
    group: usize,
    zeros: &'a [f32],
}

impl Kernel for Task<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let conv = self.conv;
        let first = self.group * conv.group;
        let blocks = conv.group.min(conv.out_blocks - first);
        let by_input = conv.pitch * conv.geometry.kernel.iter().product::<usize>() * BLOCK;
        let weights =
            &conv.weights[first * by_input * conv.in_blocks..][..blocks * by_input * conv.in_blocks];
        let per_pass = (PASS_ELEMENTS / (blocks * by_input)).clamp(1, conv.in_blocks);
        let passes = conv.in_blocks.div_ceil(per_pass);
        let mut spans = Spans::default();
        for pass in 0..passes {
            let inputs = pass * conv.in_blocks / passes..(pass + 1) * conv.in_blocks / passes;
            for unit in self.units {
                spans.fill(conv, &self.parts[unit.part], unit, &inputs, weights, blocks, self.zeros);
                // SAFETY: the caller has V's instructions, and `Convolution::run` checked that the windows hold what the
                // unit reads and writes; no two units share a voxel of a block, nor the zeros beside a row's end.
                unsafe { self.unit::<V>(unit, &spans, first, blocks, pass == 0, pass + 1 == passes) };
            }
        }
    }
}

impl Task<'_> {
    #[inline(always)]
    unsafe fn unit<V: Vector>(
        &self,
        unit: &Unit,
        spans: &Spans,
        first: usize,
        blocks: usize,
        begins: bool,
        ends: bool,
    ) {
        let (conv, part) = (self.conv, &self.parts[unit.part]);
        let Spread { step, offset } = conv.spread;
        let window = part.window;
        let place = |axis: usize, at: usize| (at * step + offset[axis]) as isize;
        let [z, y, x] = [place(0, unit.z), place(1, unit.y), place(2, unit.x.0)];
        let residual = part.residual.map(|residual| {
            let at = [unit.z, unit.y, unit.x.0].map(|at| (at * residual.stride) as isize);
            let block = |block: usize| {
                if block - first < blocks && block < residual.window.blocks {
                    residual.values[residual.window.at(block, at)..].as_ptr()
                } else {
                    std::ptr::null()
                }
            };
            let steps = [residual.stride * BLOCK, residual.stride * residual.window.row_len()];
            ([block(first), block(first + 1)], steps)
        });
        let (residual, steps) = residual.unwrap_or(([std::ptr::null(); 2], [0; 2]));
        let output = window.at(first, [z, y, x]);
        // SAFETY: `run`'s contract; the check before it saw that the windows hold all of the unit's box.
        unsafe {
            let work = Work {
                weights: &spans.weights,
                inputs: &spans.inputs,
                steps: conv.geometry.kernel[2] * conv.pitch,
                stride: conv.geometry.stride[2] * conv.pitch,
                start: if begins { Start::Bias(conv.bias[first * BLOCK..].as_ptr()) } else { Start::Sums },
                output: part.output.at(output),
                output_steps: [step * BLOCK, step * window.row_len(), window.block_len()],
                finish: ends.then_some(Finish { residual, steps, relu: conv.relu }),
            };
            tile::run::<V>(blocks * (BLOCK / V::LANES), unit.rows, unit.width(), &work);
            // Of the convolutions of a spread, the first writes the padding at the start of rows, the last at their end.
            let closes = [x == 0, place(2, unit.x.1 - 1) + 1 == window.layer[2] as isize];
            if ends && closes != [false; 2] {
                for block in first..first + blocks {
                    for row in 0..unit.rows {
                        let at = window.at(block, [z, y + (row * step) as isize, window.start[2]]);
                        for (zeros, closes) in window.halos().into_iter().zip(closes) {
                            if closes && !zeros.is_empty() {
                                part.output.at(at + zeros.start).write_bytes(0, zeros.len());
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Inputs and weights of a unit's pass: a span per input block and row of taps inside the layer.
#[derive(Default)]
struct Spans {
    weights: Vec<*const f32>,
    inputs: Vec<[*const f32; MOST_ROWS]>,
}

impl Spans {
    #[allow(clippy::too_many_arguments, reason = "the loop nest's indices")]
    fn fill(
        &mut self,
        conv: &Convolution,
        part: &Part<'_>,
        unit: &Unit,
        blocks: &Range<usize>,
        weights: &[f32],
        out_blocks: usize,
        zeros: &[f32],
    ) {
        self.weights.clear();
        self.inputs.clear();
        let ConvGeometry { kernel: [kz, ky, kx], stride, padding } = conv.geometry;
        let (window, values) = part.input;
        let len = kx * conv.pitch * out_blocks * BLOCK;
        let first = |axis: usize, at: usize| (at * stride[axis]) as isize - padding[axis] as isize;
        let x = first(2, unit.x.0);
        let inside = |at: isize, axis: usize| (0..window.layer[axis] as isize).contains(&at);
        for block in blocks.clone() {
            for tz in 0..kz {
                let z = first(0, unit.z) + tz as isize;
                if !inside(z, 0) {
                    continue;
                }
                for ty in 0..ky {
                    let mut rows = [zeros.as_ptr(); MOST_ROWS];
                    let mut any = false;
                    for (row, pointer) in rows.iter_mut().enumerate().take(unit.rows) {
                        let y = first(1, unit.y + row) + ty as isize;
                        if inside(y, 1) {
                            *pointer = values[window.at(block, [z, y, x])..].as_ptr();
                            any = true;
                        }
                    }
                    if any {
                        self.weights.push(weights[((block * kz + tz) * ky + ty) * len..].as_ptr());
                        self.inputs.push(rows);
                    }
                }
            }
        }
    }
}
