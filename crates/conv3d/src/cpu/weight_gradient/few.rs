//! The gradient of weights of few output channels, neighbouring voxels in the vector lanes.
//!
//! Where the output channels fill less of their vectors than the voxels of a row do of theirs, a step loads a vector of one row of
//! each channel's output gradient and one of the inputs of each pair of input channel and tap along x. Sums remain divided by lane
//! until the end. Rows are padded to whole vectors with zeros, which add nothing.

use super::super::shape::Gather;
use super::{Chunk, JOBS, Pass, planes_of_chunk};
use crate::simd::scratch::{Lines, SharedMut};
use crate::simd::{Isa, Kernel, Vector};
use rayon::prelude::*;
use std::ops::Range;

/// Output gradients that stay in the first-level cache while all pairs pass over them: half of 32 KiB.
const RUN_ELEMENTS: usize = 4 * 1024;
/// Pairs of input channel and tap along x in one pass.
const WIDEST: usize = 6;

/// As [`run`](super::run), with rows of outputs padded to `padded` voxels.
pub(super) fn run(
    isa: Isa,
    gather: &Gather,
    padded: usize,
    input: &[f32],
    output_gradient: &[f32],
    gradient: &mut [f32],
) {
    let [az, ay, ax] = gather.axes;
    let (lanes, outputs) = (isa.lanes(), gather.outputs);
    let per_channel = ax.taps * outputs * lanes;
    // Vectors that do not lie across two lines of the cache.
    let mut sums = Lines::zeros(az.taps * ay.taps * gather.inputs * per_channel);
    let groups = JOBS.div_ceil((az.taps * ay.taps).max(1)).clamp(1, gather.inputs.max(1));
    let per_group = gather.inputs.div_ceil(groups).max(1);
    let groups = gather.inputs.div_ceil(per_group);
    let width = ax.span(padded);
    let planes = planes_of_chunk(gather, outputs * padded, width);
    let per_plane = ay.output * outputs * padded;
    let mut packed_output = Lines::zeros(planes * per_plane);
    let mut packed_input = Vec::new();
    for image in 0..gather.batch {
        for start in (0..az.output).step_by(planes) {
            let chunk = Chunk::new(gather, image, start..(start + planes).min(az.output), width);
            packed_input.resize(chunk.reach.len() * ay.input * gather.inputs * width, 0.0);
            pack_output(
                &chunk,
                padded,
                output_gradient,
                &mut packed_output[..chunk.planes.len() * per_plane],
            );
            chunk.pack_input(input, &mut packed_input);
            let sums = SharedMut::new(&mut sums);
            (0..az.taps * ay.taps * groups).into_par_iter().for_each(|job| {
                let (rest, group) = (job / groups, job % groups);
                isa.run(Job {
                    chunk: &chunk,
                    padded,
                    output: &packed_output,
                    input: &packed_input,
                    taps: [rest / ay.taps, rest % ay.taps],
                    channels: group * per_group..((group + 1) * per_group).min(gather.inputs),
                    sums,
                });
            });
        }
    }
    // [tz][ty][input][tx][output][lane] becomes [output][input][tz][ty][tx].
    let rows = az.taps * ay.taps;
    for (at, sums) in sums.chunks_exact(lanes).enumerate() {
        let (rest, output) = (at / outputs, at % outputs);
        let (rest, tx) = (rest / ax.taps, rest % ax.taps);
        let (row, channel) = (rest / gather.inputs, rest % gather.inputs);
        let to = ((output * gather.inputs + channel) * rows + row) * ax.taps + tx;
        gradient[to] = sums.iter().sum();
    }
}

/// Packs `[z][y][channel][x]`, zeros beyond the ends of rows.
fn pack_output(chunk: &Chunk<'_>, padded: usize, output_gradient: &[f32], to: &mut [f32]) {
    let Chunk { gather, image, .. } = *chunk;
    let [_, ay, ax] = gather.axes;
    let (plane, channel) = (ay.output * ax.output, gather.output_voxels());
    let image = &output_gradient[image * gather.outputs * channel..];
    let per_plane = (ay.output * gather.outputs * padded).max(1);
    to.par_chunks_mut(per_plane).zip(chunk.planes.clone()).for_each(|(to, z)| {
        for (row, to) in to.chunks_exact_mut(padded).enumerate() {
            let (y, c) = (row / gather.outputs, row % gather.outputs);
            let from = &image[c * channel + z * plane + y * ax.output..][..ax.output];
            to[..ax.output].copy_from_slice(from);
            to[ax.output..].fill(0.0);
        }
    });
}

/// One `(tz, ty)` of all outputs and a group of inputs, over a chunk.
struct Job<'a> {
    chunk: &'a Chunk<'a>,
    padded: usize,
    output: &'a [f32],
    input: &'a [f32],
    taps: [usize; 2],
    channels: Range<usize>,
    sums: SharedMut<'a>,
}

/// Rows that a run of the inner loops passes over.
#[derive(Clone, Copy)]
struct Run {
    rows: usize,
    vectors: usize,
    input_row: usize,
}

impl Kernel for Job<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let Job { chunk, padded, taps: [tz, ty], .. } = self;
        let gather = chunk.gather;
        let [_, ay, ax] = gather.axes;
        let outputs = gather.outputs;
        let widest = (V::ACCUMULATORS.saturating_sub(outputs) / outputs).clamp(1, WIDEST);
        let height = (RUN_ELEMENTS / (outputs * padded)).max(1);
        let sums = ((tz * ay.taps + ty) * gather.inputs + self.channels.start) * ax.taps * outputs * V::LANES;
        let work = |pass: Pass<WIDEST>| {
            let Pass { row: [z, y], rows, pair, pairs, inputs, input_row } = pass;
            let run = Run { rows, vectors: padded / V::LANES, input_row };
            let output = (z * ay.output + y) * outputs * padded;
            // SAFETY: the rows have this tap inside the image, and packed rows are as long as whole vectors of every tap; no
            // two jobs share sums.
            unsafe {
                let sums = self.sums.at(sums + pair * outputs * V::LANES);
                by_size::<V>(outputs, pairs, &inputs, self.output[output..].as_ptr(), run, sums);
            }
        };
        chunk.passes(self.input, self.taps, &self.channels, [widest, height], work);
    }
}

#[inline(always)]
unsafe fn by_size<V: Vector>(
    outputs: usize,
    pairs: usize,
    inputs: &[*const f32; WIDEST],
    output: *const f32,
    run: Run,
    sums: *mut f32,
) {
    macro_rules! pick {
        ($(($c:literal, $($m:literal)*))*) => {
            match (outputs, pairs) {
                $($(($c, $m) if const { $c * 2 <= V::LANES && ($m == 1 || $c * ($m + 1) <= V::ACCUMULATORS) } => {
                    // SAFETY: the caller's contract.
                    unsafe { V::enter(Tile::<$c, $m> { inputs, output, run, sums }) }
                })*)*
                _ => unreachable!("{pairs} pairs and {outputs} channels"),
            }
        };
    }
    pick!((1, 1 2 3 4 5 6) (2, 1 2 3 4 5 6) (3, 1 2 3 4 5 6) (4, 1 2 3 4 5 6) (5, 1 2 3 4) (6, 1 2 3) (7, 1 2 3) (8, 1 2));
}

/// `M` pairs of input channel and tap × `C` output channels, over a run of rows.
struct Tile<'a, const C: usize, const M: usize> {
    inputs: &'a [*const f32; WIDEST],
    output: *const f32,
    run: Run,
    sums: *mut f32,
}

impl<const C: usize, const M: usize> Kernel for Tile<'_, C, M> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let Tile { inputs, output, run: Run { rows, vectors, input_row }, sums } = self;
        // SAFETY: the caller's contract: M × C vectors of sums, and rows of whole vectors of inputs and gradients.
        unsafe {
            let mut acc = [[V::splat(0.0); C]; M];
            for (m, pair) in acc.iter_mut().enumerate() {
                for (c, value) in pair.iter_mut().enumerate() {
                    *value = V::load(sums.add((m * C + c) * V::LANES));
                }
            }
            let padded = vectors * V::LANES;
            for row in 0..rows {
                for vector in 0..vectors {
                    let x = vector * V::LANES;
                    let mut gradient = [V::splat(0.0); C];
                    for (c, value) in gradient.iter_mut().enumerate() {
                        *value = V::load(output.add((row * C + c) * padded + x));
                    }
                    for (m, pair) in acc.iter_mut().enumerate() {
                        let input = V::load(inputs[m].add(row * input_row + x));
                        for (value, &gradient) in pair.iter_mut().zip(&gradient) {
                            *value = value.fma(input, gradient);
                        }
                    }
                }
            }
            for (m, pair) in acc.iter().enumerate() {
                for (c, value) in pair.iter().enumerate() {
                    value.store(sums.add((m * C + c) * V::LANES));
                }
            }
        }
    }
}
