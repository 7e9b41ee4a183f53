//! The gradient of a convolution with respect to its weights.
//!
//! The image is taken in chunks of planes. For each, the output gradient is packed `[z][y][x][channel]` by blocks of
//! output channels, and the input rows as in the forward pass; then every (block, tz, ty, group of input channels)
//! adds its sums, in registers over a run of rows: a step loads the vectors of one voxel's output gradient and
//! broadcasts the inputs of up to [`WIDEST`] pairs of input channel and tap along x (of few output channels, [`few`] turns that around).
//! Chunks follow one another, so that the order of every sum is fixed.

mod few;

use super::few_outputs::FewOutputs;
use super::shape::{Axis, Gather};
use crate::simd::scratch::SharedMut;
use crate::simd::{Isa, Kernel, Vector};
use rayon::prelude::*;
use std::ops::Range;

/// Elements that the packed rows of a chunk should keep to.
const CHUNK_ELEMENTS: usize = 1 << 20;
/// Voxels whose output gradients stay in the first-level cache while all pairs pass over them.
const RUN_VOXELS: usize = 128;
/// Jobs a chunk should have at least.
const JOBS: usize = 16;
/// Pairs of input channel and tap along x in one pass.
const WIDEST: usize = 8;

/// Writes the dense `[o, i, kz, ky, kx]` gradient of `Σ output · output_gradient`.
pub(crate) fn run(isa: Isa, gather: &Gather, input: &[f32], output_gradient: &[f32], gradient: &mut [f32]) {
    let [az, ay, ax] = gather.axes;
    let lanes = isa.lanes();
    if let Some(few) = FewOutputs::of(gather.outputs, ax.output, ax.stride, lanes) {
        return few::run(isa, gather, few.padded, input, output_gradient, gradient);
    }
    let block = lanes * 2;
    let blocks = gather.outputs.div_ceil(block);
    let padded = gather.outputs.next_multiple_of(lanes);
    let per_channel = ax.taps * padded;
    let mut sums = vec![0.0; az.taps * ay.taps * gather.inputs * per_channel];
    let groups = JOBS.div_ceil((blocks * az.taps * ay.taps).max(1)).clamp(1, gather.inputs.max(1));
    let per_group = gather.inputs.div_ceil(groups).max(1);
    let groups = gather.inputs.div_ceil(per_group);
    let width = ax.span(ax.output);
    let planes = planes_of_chunk(gather, ax.output * padded, width);
    let mut packed_output = Vec::new();
    let mut packed_input = Vec::new();
    for image in 0..gather.batch {
        for start in (0..az.output).step_by(planes) {
            let chunk = Chunk::new(gather, image, start..(start + planes).min(az.output), width);
            let layout = Layout { block, padded };
            packed_output.resize(chunk.planes.len() * ay.output * ax.output * padded, 0.0);
            packed_input.resize(chunk.reach.len() * ay.input * gather.inputs * width, 0.0);
            layout.pack_output(&chunk, output_gradient, &mut packed_output);
            chunk.pack_input(input, &mut packed_input);
            let shared = SharedMut::new(&mut sums);
            (0..blocks * az.taps * ay.taps * groups).into_par_iter().for_each(|job| {
                let (rest, group) = (job / groups, job % groups);
                let (rest, ty) = (rest / ay.taps, rest % ay.taps);
                let (block, tz) = (rest / az.taps, rest % az.taps);
                let channels = group * per_group..((group + 1) * per_group).min(gather.inputs);
                isa.run(Job {
                    chunk: &chunk,
                    layout,
                    output: &packed_output,
                    input: &packed_input,
                    block,
                    taps: [tz, ty],
                    channels,
                    sums: shared,
                });
            });
        }
    }
    unpack(gather, &sums, block, padded, lanes, gradient);
}

/// Returns the number of output planes whose packed rows keep to [`CHUNK_ELEMENTS`]; `output_row` is the elements of a row of
/// outputs.
fn planes_of_chunk(gather: &Gather, output_row: usize, input_width: usize) -> usize {
    let [az, ay, _] = gather.axes;
    let plane = ay.output * output_row + az.stride * ay.input * gather.inputs * input_width;
    (CHUNK_ELEMENTS / plane.max(1)).clamp(1, az.output.max(1))
}

/// Returns the rows of outputs whose tap along y lies inside the image.
fn rows_inside(axis: &Axis, tap: usize) -> Range<usize> {
    let mut inside = 0..0;
    for y in (0..axis.output).filter(|&y| axis.taps_inside(y).contains(&tap)) {
        inside = if inside.is_empty() { y..y + 1 } else { inside.start..y + 1 };
    }
    inside
}

/// Where the sums of a block, a `(tz, ty)` and an input channel begin: `[block][tz][ty][input][tx][output]`.
fn sums_at(
    gather: &Gather,
    block: usize,
    block_width: usize,
    wide: usize,
    [tz, ty]: [usize; 2],
    channel: usize,
) -> usize {
    let [az, ay, ax] = gather.axes;
    let whole = block * block_width * az.taps * ay.taps * ax.taps * gather.inputs;
    whole + (((tz * ay.taps + ty) * gather.inputs + channel) * ax.taps) * wide
}

/// Turns the sums into `[o, i, kz, ky, kx]`.
fn unpack(gather: &Gather, sums: &[f32], block: usize, padded: usize, lanes: usize, gradient: &mut [f32]) {
    let [az, ay, ax] = gather.axes;
    let taps = gather.taps();
    if gather.inputs * taps == 0 {
        return;
    }
    gradient.par_chunks_exact_mut(gather.inputs * taps).enumerate().for_each(|(o, to)| {
        let at = o / block;
        let wide = (padded - at * block).min(block);
        debug_assert!(wide.is_multiple_of(lanes));
        for tz in 0..az.taps {
            for ty in 0..ay.taps {
                for i in 0..gather.inputs {
                    let from = sums_at(gather, at, block, wide, [tz, ty], i) + o % block;
                    for tx in 0..ax.taps {
                        to[i * taps + (tz * ay.taps + ty) * ax.taps + tx] = sums[from + tx * wide];
                    }
                }
            }
        }
    });
}

/// Planes of one image.
struct Chunk<'a> {
    gather: &'a Gather,
    image: usize,
    planes: Range<usize>,
    reach: Range<usize>,
    /// Width of a packed row of inputs.
    width: usize,
}

/// Pairs of input channel and tap along x over a run of output rows.
struct Pass<const WIDEST: usize> {
    /// First output row: its plane in the chunk, and y.
    row: [usize; 2],
    rows: usize,
    /// First pair, and number of pairs.
    pair: usize,
    pairs: usize,
    /// First input of each pair.
    inputs: [*const f32; WIDEST],
    /// Values from an output row's inputs to those of the next.
    input_row: usize,
}

/// Width of a block of output channels, and the number of channels in whole vectors.
#[derive(Clone, Copy)]
struct Layout {
    block: usize,
    padded: usize,
}

impl Layout {
    /// Packs `[z][block][y][x][channel]`.
    fn pack_output(&self, chunk: &Chunk<'_>, output_gradient: &[f32], to: &mut [f32]) {
        let Chunk { gather, image, .. } = *chunk;
        let [_, ay, ax] = gather.axes;
        let plane = ay.output * ax.output;
        let channel = gather.output_voxels();
        let image = &output_gradient[image * gather.outputs * channel..];
        to.par_chunks_mut((plane * self.padded).max(1)).zip(chunk.planes.clone()).for_each(|(to, z)| {
            for block in 0..gather.outputs.div_ceil(self.block) {
                let first = block * self.block;
                let wide = (self.padded - first).min(self.block);
                let to = &mut to[first * plane..][..wide * plane];
                for (lane, c) in (first..first + wide).enumerate() {
                    if c < gather.outputs {
                        let from = &image[c * channel + z * plane..][..plane];
                        to[lane..].iter_mut().step_by(wide).zip(from).for_each(|(to, &from)| *to = from);
                    } else {
                        to[lane..].iter_mut().step_by(wide).for_each(|to| *to = 0.0);
                    }
                }
            }
        });
    }
}

impl<'a> Chunk<'a> {
    fn new(gather: &'a Gather, image: usize, planes: Range<usize>, width: usize) -> Chunk<'a> {
        let reach = gather.axes[0].reach(planes.clone());
        Chunk { gather, image, planes, reach, width }
    }

    /// Calls `work` for passes of at most `widest` pairs of these input channels over runs of at most `height` output rows that have the
    /// taps along z and y inside the image. `input` holds the packed rows.
    #[inline(always)]
    fn passes<const WIDEST: usize>(
        &self,
        input: &[f32],
        [tz, ty]: [usize; 2],
        channels: &Range<usize>,
        [widest, height]: [usize; 2],
        mut work: impl FnMut(Pass<WIDEST>),
    ) {
        let Chunk { gather, width, .. } = *self;
        let [az, ay, ax] = gather.axes;
        let pairs = channels.len() * ax.taps;
        let passes = pairs.div_ceil(widest);
        let inside = rows_inside(&ay, ty);
        for z in self.planes.clone().filter(|&z| az.taps_inside(z).contains(&tz)) {
            let in_z = (az.start(z) + (tz * az.step) as isize) as usize - self.reach.start;
            for y in inside.clone().step_by(height) {
                let in_y = (ay.start(y) + (ty * ay.step) as isize) as usize;
                let first = ((in_z * ay.input + in_y) * gather.inputs + channels.start) * width;
                let mut pair = 0;
                for pass in 0..passes {
                    let end = (pass + 1) * pairs / passes;
                    let mut inputs = [input.as_ptr(); WIDEST];
                    for (at, pair) in inputs.iter_mut().zip(pair..end) {
                        *at = input[first + pair / ax.taps * width + pair % ax.taps * ax.step..].as_ptr();
                    }
                    work(Pass {
                        row: [z - self.planes.start, y],
                        rows: height.min(inside.end - y),
                        pair,
                        pairs: end - pair,
                        inputs,
                        input_row: ay.stride * gather.inputs * width,
                    });
                    pair = end;
                }
            }
        }
    }

    /// Packs `[z][y][channel][x]`, zeros beyond the ends of rows.
    fn pack_input(&self, input: &[f32], to: &mut [f32]) {
        let [_, ay, ax] = self.gather.axes;
        let channels = self.gather.inputs;
        let channel = self.gather.input_voxels();
        let image = &input[self.image * channels * channel..];
        let left = (-ax.offset).clamp(0, self.width as isize) as usize;
        let skip = (ax.offset.max(0) as usize).min(ax.input);
        let length = (ax.input - skip).min(self.width - left);
        to.par_chunks_mut((ay.input * channels * self.width).max(1)).zip(self.reach.clone()).for_each(
            |(to, z)| {
                for (row, to) in to.chunks_exact_mut(self.width).enumerate() {
                    let (y, c) = (row / channels, row % channels);
                    let from = c * channel + (z * ay.input + y) * ax.input + skip;
                    to[..left].fill(0.0);
                    to[left..left + length].copy_from_slice(&image[from..from + length]);
                    to[left + length..].fill(0.0);
                }
            },
        );
    }
}

/// One `(tz, ty)` of a block of outputs and a group of inputs, over a chunk.
struct Job<'a> {
    chunk: &'a Chunk<'a>,
    layout: Layout,
    output: &'a [f32],
    input: &'a [f32],
    block: usize,
    taps: [usize; 2],
    channels: Range<usize>,
    sums: SharedMut<'a>,
}

/// Rows that a run of the inner loops passes over.
#[derive(Clone, Copy)]
struct Run {
    rows: usize,
    voxels: usize,
    input_row: usize,
    input_step: usize,
}

impl Kernel for Job<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let Layout { block, padded } = self.layout;
        let gather = self.chunk.gather;
        let [_, ay, ax] = gather.axes;
        let first = self.block * block;
        let wide = (padded - first).min(block);
        let vectors = wide / V::LANES;
        let widest = (V::ACCUMULATORS / vectors).min(WIDEST);
        let height = (RUN_VOXELS / ax.output.max(1)).max(1);
        let sums = sums_at(gather, self.block, block, wide, self.taps, self.channels.start);
        let plane = ay.output * ax.output;
        let work = |pass: Pass<WIDEST>| {
            let Pass { row: [z, y], rows, pair, pairs, inputs, input_row } = pass;
            let run = Run { rows, voxels: ax.output, input_row, input_step: ax.stride };
            let output = z * plane * padded + first * plane + y * ax.output * wide;
            // SAFETY: the rows have this tap inside the image, so the packed rows hold all that is read; no two jobs share
            // sums.
            unsafe {
                let sums = self.sums.at(sums + pair * wide);
                by_size::<V>(vectors, pairs, &inputs, self.output[output..].as_ptr(), run, sums);
            }
        };
        self.chunk.passes(self.input, self.taps, &self.channels, [widest, height], work);
    }
}

#[inline(always)]
unsafe fn by_size<V: Vector>(
    vectors: usize,
    pairs: usize,
    inputs: &[*const f32; WIDEST],
    output: *const f32,
    run: Run,
    sums: *mut f32,
) {
    macro_rules! pick {
        ($(($nv:literal, $($m:literal)*))*) => {
            match (vectors, pairs) {
                $($(($nv, $m) if const { $nv * $m <= V::ACCUMULATORS } => {
                    // SAFETY: the caller's contract.
                    unsafe { V::enter(Tile::<$nv, $m> { inputs, output, run, sums }) }
                })*)*
                _ => unreachable!("{pairs} pairs and {vectors} vectors"),
            }
        };
    }
    pick!((1, 1 2 3 4 5 6 7 8) (2, 1 2 3 4 5 6 7 8));
}

/// `M` pairs of input channel and tap × `NV` vectors of output channels, over a run of rows.
struct Tile<'a, const NV: usize, const M: usize> {
    inputs: &'a [*const f32; WIDEST],
    output: *const f32,
    run: Run,
    sums: *mut f32,
}

impl<const NV: usize, const M: usize> Kernel for Tile<'_, NV, M> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let Tile { inputs, output, run, sums } = self;
        // SAFETY: the caller's contract: M × NV vectors of sums, and rows that hold every voxel's inputs and gradients.
        unsafe {
            let mut acc = [[V::splat(0.0); NV]; M];
            for (m, pair) in acc.iter_mut().enumerate() {
                for (v, value) in pair.iter_mut().enumerate() {
                    *value = V::load(sums.add((m * NV + v) * V::LANES));
                }
            }
            let mut gradient = output;
            for row in 0..run.rows {
                let mut at = [inputs[0]; M];
                for (m, at) in at.iter_mut().enumerate() {
                    *at = inputs[m].add(row * run.input_row);
                }
                let mut x = 0;
                for _ in 0..run.voxels {
                    let mut g = [V::splat(0.0); NV];
                    for (v, value) in g.iter_mut().enumerate() {
                        *value = V::load(gradient.add(v * V::LANES));
                    }
                    for (m, pair) in acc.iter_mut().enumerate() {
                        let input = V::splat(*at[m].add(x));
                        for (v, value) in pair.iter_mut().enumerate() {
                            *value = value.fma(input, g[v]);
                        }
                    }
                    gradient = gradient.add(NV * V::LANES);
                    x += run.input_step;
                }
            }
            for (m, pair) in acc.iter().enumerate() {
                for (v, value) in pair.iter().enumerate() {
                    value.store(sums.add((m * NV + v) * V::LANES));
                }
            }
        }
    }
}
