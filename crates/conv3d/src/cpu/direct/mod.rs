//! Direct convolution, output channels in the vector lanes.
//!
//! A tile of `M` neighbouring voxels × `NV` vectors of output channels stays in registers (of few channels, [`few`] turns that
//! around); each step loads `NV`
//! vectors of packed weights and broadcasts `M` input values. The width of a tile follows the length of the row, so
//! that no voxel is computed needlessly. Taps outside the image along z and y are skipped; along x the packed rows hold
//! zeros. A task is a box of output rows: it packs the rows it reads (all channels of a row next to each other, so that they
//! neither alias in the cache nor take a page each). For each block of output channels and each block of input channels
//! whose weights fit into half of the first-level cache, it then passes over its tiles.

mod few;

use super::few_outputs::FewOutputs;
use super::shape::Gather;
use super::weights::PackedWeights;
use crate::simd::scratch::{Scratch, SharedMut};
use crate::simd::{Isa, Kernel, Vector};
use rayon::prelude::*;
use std::ops::Range;

/// Largest number of packed inputs of a task (three eighths of a 1 MiB second-level cache).
const BOX_ELEMENTS: usize = 96 * 1024;
/// Smallest number of tasks, if the shape allows.
const TASKS: usize = 16;

/// Destination of results: the strides of an array `[n, c, z, y, x]`, and the index of its first voxel.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Target {
    pub(crate) first: usize,
    pub(crate) batch: usize,
    pub(crate) channel: usize,
    pub(crate) axes: [usize; 3],
}

impl Target {
    /// Returns a dense array of the gather's output shape.
    pub(crate) fn dense(gather: &Gather) -> Target {
        let [_, y, x] = gather.axes.map(|axis| axis.output);
        let channel = gather.output_voxels();
        Target { first: 0, batch: channel * gather.outputs, channel, axes: [y * x, x, 1] }
    }
}

/// Runs the convolution of a dense `[n, c, z, y, x]` input into `target` within `output`.
///
/// Every element of `output` that the target's strides reach is written.
pub(crate) fn run(
    isa: Isa,
    gather: &Gather,
    input: &[f32],
    weights: &PackedWeights,
    target: Target,
    output: &mut [f32],
) {
    assert_eq!(input.len(), gather.batch * gather.inputs * gather.input_voxels());
    let last =
        [gather.batch, gather.outputs, gather.axes[0].output, gather.axes[1].output, gather.axes[2].output];
    if last.contains(&0) {
        return;
    }
    let strides = [target.batch, target.channel, target.axes[0], target.axes[1], target.axes[2]];
    let reach: usize = last.iter().zip(strides).map(|(n, stride)| (n - 1) * stride).sum();
    assert!(target.first + reach < output.len());
    let shape = Boxes::of(gather, weights.blocks());
    let output = SharedMut::new(output);
    (0..shape.tasks(gather)).into_par_iter().for_each(|task| {
        isa.run(BoxTask { gather, input, weights, target, output, part: shape.part(gather, task) });
    });
}

/// Division of the output into tasks, a function of the shape only, so that results do not depend on the threads.
#[derive(Clone, Copy, Debug)]
struct Boxes {
    planes: usize,
    rows: usize,
    blocks: usize,
    all_blocks: usize,
}

struct Part {
    image: usize,
    planes: Range<usize>,
    rows: Range<usize>,
    blocks: Range<usize>,
}

impl Boxes {
    fn of(gather: &Gather, all_blocks: usize) -> Boxes {
        let [z, y, x] = gather.axes;
        let row = gather.inputs * x.span(x.output);
        let reads = |axis: &super::shape::Axis, n: usize| axis.span(n).min(axis.input);
        let sizes = |n: usize| (0..).map(|i| 1usize << i).take_while(move |&s| s < n).chain([n]);
        let mut best = (1, 1);
        let mut best_cost = f64::INFINITY;
        for planes in sizes(z.output) {
            for rows in sizes(y.output) {
                let elements = reads(&z, planes) * reads(&y, rows) * row;
                let tasks = gather.batch * z.output.div_ceil(planes) * y.output.div_ceil(rows);
                let fits = elements <= BOX_ELEMENTS || planes * rows == 1;
                let spread = tasks >= TASKS || all_blocks * tasks >= TASKS || planes * rows == 1;
                let cost = elements as f64 / (planes * rows) as f64;
                if fits && spread && cost < best_cost {
                    (best, best_cost) = ((planes, rows), cost);
                }
            }
        }
        let (planes, rows) = best;
        let boxes = gather.batch * z.output.div_ceil(planes) * y.output.div_ceil(rows);
        let groups = TASKS.div_ceil(boxes).clamp(1, all_blocks.max(1));
        Boxes { planes, rows, blocks: all_blocks.div_ceil(groups).max(1), all_blocks }
    }

    fn tasks(&self, gather: &Gather) -> usize {
        let [z, y, _] = gather.axes;
        let boxes = z.output.div_ceil(self.planes) * y.output.div_ceil(self.rows);
        gather.batch * boxes * self.all_blocks.div_ceil(self.blocks)
    }

    fn part(&self, gather: &Gather, task: usize) -> Part {
        let [z, y, _] = gather.axes;
        let cut = |index: usize, size: usize, n: usize| index * size..((index + 1) * size).min(n);
        let (groups, across, down) = (
            self.all_blocks.div_ceil(self.blocks),
            y.output.div_ceil(self.rows),
            z.output.div_ceil(self.planes),
        );
        let (task, group) = (task / groups, task % groups);
        let (task, row) = (task / across, task % across);
        let (image, plane) = (task / down, task % down);
        Part {
            image,
            planes: cut(plane, self.planes, z.output),
            rows: cut(row, self.rows, y.output),
            blocks: cut(group, self.blocks, self.all_blocks),
        }
    }
}

struct BoxTask<'a> {
    gather: &'a Gather,
    input: &'a [f32],
    weights: &'a PackedWeights,
    target: Target,
    output: SharedMut<'a>,
    part: Part,
}

/// The rows a box reads, packed `[z][y][c][x]`.
struct Rows {
    planes: Range<usize>,
    rows: Range<usize>,
    channels: usize,
    width: usize,
}

impl Rows {
    fn row(&self, z: usize, y: usize) -> usize {
        ((z - self.planes.start) * self.rows.len() + (y - self.rows.start)) * self.channels * self.width
    }
}

/// One `(tz, ty)` of a tile: where its input row and its weights begin.
#[derive(Clone, Copy)]
struct Span {
    input: *const f32,
    weights: *const f32,
}

impl Kernel for BoxTask<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let [az, ay, ax] = self.gather.axes;
        let rows = Rows {
            planes: az.reach(self.part.planes.clone()),
            rows: ay.reach(self.part.rows.clone()),
            channels: self.gather.inputs,
            width: ax.span(ax.output),
        };
        let lines = self.part.planes.len() * self.part.rows.len();
        let packed = rows.planes.len() * rows.rows.len() * rows.channels * rows.width;
        let mut scratch = Scratch::take();
        let few = FewOutputs::of(self.gather.outputs, ax.output, ax.stride, V::LANES);
        let of_line = few.map_or(ax.output * self.weights.block(), |few| few.len());
        // The last row of inputs may be read to the end of a vector.
        let (buffer, sums) = scratch.lend(packed + V::LANES, lines * of_line);
        self.pack(&rows, buffer);
        for block in self.part.blocks.clone() {
            for pass in 0..self.weights.passes() {
                for line in 0..lines {
                    let z = self.part.planes.start + line / self.part.rows.len();
                    let y = self.part.rows.start + line % self.part.rows.len();
                    // SAFETY: the caller has V's instructions; `sums` holds `lines` rows of whole blocks, and the
                    // packed rows hold every input that taps inside the image read.
                    unsafe {
                        self.line::<V>(&rows, buffer, block, pass, [z, y], few, &mut sums[line * of_line..]);
                    }
                }
            }
            for line in 0..lines {
                let z = self.part.planes.start + line / self.part.rows.len();
                let y = self.part.rows.start + line % self.part.rows.len();
                // SAFETY: as above; no two tasks share an output row of a block.
                unsafe {
                    match few {
                        Some(few) => self.write_few([z, y], few, &sums[line * of_line..]),
                        None => self.write::<V>(block, [z, y], &sums[line * of_line..]),
                    }
                }
            }
        }
    }
}

impl BoxTask<'_> {
    /// Copies the box's input rows, padded with zeros.
    #[inline(always)]
    fn pack(&self, rows: &Rows, buffer: &mut [f32]) {
        let [az, ay, ax] = self.gather.axes;
        let channel = self.gather.input_voxels();
        let image =
            &self.input[self.part.image * self.gather.inputs * channel..][..self.gather.inputs * channel];
        let left = (-ax.offset).clamp(0, rows.width as isize) as usize;
        let skip = ax.offset.max(0) as usize;
        let length = (ax.input.saturating_sub(skip)).min(rows.width - left);
        debug_assert!(az.input * ay.input * ax.input == channel);
        let mut packed = buffer.chunks_exact_mut(rows.width);
        for z in rows.planes.clone() {
            for y in rows.rows.clone() {
                for c in 0..rows.channels {
                    let from = c * channel + (z * ay.input + y) * ax.input + skip;
                    let Some(to) = packed.next() else { return };
                    to[..left].fill(0.0);
                    to[left..left + length].copy_from_slice(&image[from..from + length]);
                    to[left + length..].fill(0.0);
                }
            }
        }
    }

    /// Adds one pass's input channels to the sums of one output row.
    #[inline(always)]
    #[allow(clippy::too_many_arguments, reason = "the loop nest's indices")]
    unsafe fn line<V: Vector>(
        &self,
        rows: &Rows,
        buffer: &[f32],
        block: usize,
        pass: usize,
        [z, y]: [usize; 2],
        few: Option<FewOutputs>,
        sums: &mut [f32],
    ) {
        let [az, ay, ax] = self.gather.axes;
        let chunk = self.weights.pass(pass);
        let weights = self.weights.at(block, pass);
        let vectors = self.weights.vectors(block);
        let lanes = vectors * V::LANES;
        let mut spans = [Span { input: buffer.as_ptr(), weights: weights.as_ptr() }; MAX_SPANS];
        let mut count = 0;
        let mut start = if pass == 0 { Start::From(self.weights.bias(block).as_ptr()) } else { Start::Sums };
        let geometry = Geometry {
            channels: chunk.len(),
            channel_stride: rows.width,
            taps: ax.taps,
            tap_stride: ax.step,
            x_stride: ax.stride,
        };
        let mut add = |spans: &[Span], start: Start| {
            // SAFETY: spans point at whole packed rows and whole weight blocks; `sums` holds the row.
            unsafe {
                match few {
                    Some(few) => few::row::<V>(few, lanes, spans, geometry, start, sums.as_mut_ptr()),
                    None => row::<V>(vectors, ax.output, spans, geometry, start, sums.as_mut_ptr()),
                }
            }
        };
        for tz in az.taps_inside(z) {
            let in_z = (az.start(z) + (tz * az.step) as isize) as usize;
            for ty in ay.taps_inside(y) {
                let in_y = (ay.start(y) + (ty * ay.step) as isize) as usize;
                if count == MAX_SPANS {
                    add(&spans[..count], start);
                    (count, start) = (0, Start::Sums);
                }
                let input = &buffer[rows.row(in_z, in_y) + chunk.start * rows.width..];
                let weights = &weights[(tz * ay.taps + ty) * chunk.len() * ax.taps * lanes..];
                spans[count] = Span { input: input.as_ptr(), weights: weights.as_ptr() };
                count += 1;
            }
        }
        if count > 0 || matches!(start, Start::From(_)) {
            add(&spans[..count], start);
        }
    }

    /// Writes one finished row of few channels.
    #[inline(always)]
    unsafe fn write_few(&self, [z, y]: [usize; 2], few: FewOutputs, sums: &[f32]) {
        let [sz, sy, sx] = self.target.axes;
        let at = self.target.first + self.part.image * self.target.batch + z * sz + y * sy;
        for c in 0..self.gather.outputs {
            let row = few.channel(sums, c);
            // SAFETY: `run` checked that every voxel of the target lies inside the output.
            unsafe {
                let to = self.output.at(at + c * self.target.channel);
                match sx {
                    1 => to.copy_from_nonoverlapping(row.as_ptr(), row.len()),
                    _ => row.iter().enumerate().for_each(|(x, &value)| *to.add(x * sx) = value),
                }
            }
        }
    }

    /// Writes one finished row of a block, turning `[x][channel]` into the target's layout.
    #[inline(always)]
    unsafe fn write<V: Vector>(&self, block: usize, [z, y]: [usize; 2], sums: &[f32]) {
        let width = self.gather.axes[2].output;
        let first = block * self.weights.block();
        let channels = (self.gather.outputs - first).min(self.weights.block());
        let lanes = self.weights.vectors(block) * V::LANES;
        let [sz, sy, sx] = self.target.axes;
        let at = self.target.first
            + self.part.image * self.target.batch
            + first * self.target.channel
            + z * sz
            + y * sy;
        let whole =
            if sx == 1 { (channels / V::LANES * V::LANES, width / V::LANES * V::LANES) } else { (0, 0) };
        for c in (0..whole.0).step_by(V::LANES) {
            for x in (0..whole.1).step_by(V::LANES) {
                // SAFETY: `run` checked that every voxel of the target lies inside the output; the block of sums is
                // inside the row.
                unsafe {
                    let to = self.output.at(at + c * self.target.channel + x);
                    V::transpose(sums.as_ptr().add(x * lanes + c), lanes, to, self.target.channel);
                }
            }
        }
        for c in 0..channels {
            let begin = if c < whole.0 { whole.1 } else { 0 };
            for x in begin..width {
                // SAFETY: as above.
                unsafe { *self.output.at(at + c * self.target.channel + x * sx) = sums[x * lanes + c] };
            }
        }
    }
}

/// Rows of taps per call of a tile, 7 × 7.
const MAX_SPANS: usize = 49;

/// Voxels of the widest tile.
const WIDEST: usize = 12;

/// Initial values of a tile's accumulators.
#[derive(Clone, Copy)]
enum Start {
    /// One value per channel (the bias).
    From(*const f32),
    /// The sums so far.
    Sums,
}

#[derive(Clone, Copy)]
struct Geometry {
    channels: usize,
    channel_stride: usize,
    taps: usize,
    tap_stride: usize,
    x_stride: usize,
}

/// Divides a row into tiles of nearly equal width and runs each.
#[inline(always)]
unsafe fn row<V: Vector>(
    vectors: usize,
    width: usize,
    spans: &[Span],
    geometry: Geometry,
    start: Start,
    sums: *mut f32,
) {
    let widest = (V::ACCUMULATORS / vectors).min(WIDEST);
    let tiles = width.div_ceil(widest);
    let mut x = 0;
    for tile in 0..tiles {
        let end = (tile + 1) * width / tiles;
        // SAFETY: the caller's contract; the tile lies inside the row.
        unsafe {
            let sums = sums.add(x * vectors * V::LANES);
            match geometry.x_stride {
                1 => by_size::<V, 1>(vectors, end - x, spans, x, geometry, start, sums),
                _ => by_size::<V, 0>(vectors, end - x, spans, x, geometry, start, sums),
            }
        }
        x = end;
    }
}

/// Picks the tile compiled for this width and number of vectors.
#[inline(always)]
unsafe fn by_size<V: Vector, const XS: usize>(
    vectors: usize,
    width: usize,
    spans: &[Span],
    x: usize,
    geometry: Geometry,
    start: Start,
    sums: *mut f32,
) {
    macro_rules! pick {
        ($(($nv:literal, $($m:literal)*))*) => {
            match (vectors, width) {
                $($(($nv, $m) if const { $nv * $m <= V::ACCUMULATORS && $nv * V::LANES <= 32 } => {
                    // SAFETY: the caller's contract.
                    unsafe { V::enter(Tile::<$nv, $m, XS> { spans, x, geometry, start, sums }) }
                })*)*
                _ => unreachable!("a tile of {width} voxels and {vectors} vectors"),
            }
        };
    }
    pick!((1, 1 2 3 4 5 6 7 8 9 10 11 12) (2, 1 2 3 4 5 6 7 8 9 10 11 12) (3, 1 2 3 4 5 6 7 8) (4, 1 2 3 4 5 6));
}

/// `M` voxels × `NV` vectors of output channels, over all spans, channels and taps.
struct Tile<'a, const NV: usize, const M: usize, const XS: usize> {
    spans: &'a [Span],
    x: usize,
    geometry: Geometry,
    start: Start,
    sums: *mut f32,
}

impl<const NV: usize, const M: usize, const XS: usize> Kernel for Tile<'_, NV, M, XS> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let Tile { spans, x, geometry, start, sums } = self;
        let x_stride = if XS == 0 { geometry.x_stride } else { XS };
        // SAFETY: spans reach `channels` rows of packed input wide enough for every voxel's taps, weights follow one
        // another as they are read, and `sums` holds M × NV vectors.
        unsafe {
            let mut acc = [[V::splat(0.0); NV]; M];
            for (m, voxel) in acc.iter_mut().enumerate() {
                for (v, value) in voxel.iter_mut().enumerate() {
                    *value = match start {
                        Start::From(bias) => V::load(bias.add(v * V::LANES)),
                        Start::Sums => V::load(sums.add((m * NV + v) * V::LANES)),
                    };
                }
            }
            for span in spans {
                let mut weights = span.weights;
                let mut channel = span.input.add(x * x_stride);
                for _ in 0..geometry.channels {
                    let mut tap = channel;
                    for _ in 0..geometry.taps {
                        let mut w = [V::splat(0.0); NV];
                        for (v, value) in w.iter_mut().enumerate() {
                            *value = V::load(weights.add(v * V::LANES));
                        }
                        for (m, voxel) in acc.iter_mut().enumerate() {
                            let input = V::splat(*tap.add(m * x_stride));
                            for (v, value) in voxel.iter_mut().enumerate() {
                                *value = value.fma(input, w[v]);
                            }
                        }
                        weights = weights.add(NV * V::LANES);
                        tap = tap.add(geometry.tap_stride);
                    }
                    channel = channel.add(geometry.channel_stride);
                }
            }
            for (m, voxel) in acc.iter().enumerate() {
                for (v, value) in voxel.iter().enumerate() {
                    value.store(sums.add((m * NV + v) * V::LANES));
                }
            }
        }
    }
}
