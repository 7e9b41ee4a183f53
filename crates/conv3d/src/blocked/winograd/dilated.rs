//! Dilated kernels. The taps of an output lie a dilation apart, so that it reads voxels of one *phase* alone: those whose
//! positions differ by multiples of the dilation. Each phase is a layer of its own, on which the kernel is not dilated: its
//! voxels are copied together, computed in tiles, and the outputs copied back.

use super::{SPARE, Winograd};
use crate::ConvGeometry;
use crate::blocked::job::{Job, Residual};
use crate::blocked::window::{BLOCK, Window};
use crate::simd::scratch::SharedMut;
use rayon::prelude::*;
use relevox_grid::Box3;
use std::ops::Range;

/// Number of copied values in memory at once, as far as whole boxes of phases allow: 16 MiB.
const TOGETHER: usize = 1 << 22;

/// A dilated convolution with transformed weights.
#[derive(Debug)]
pub struct Dilated {
    conv: Winograd,
    dilation: [usize; 3],
}

/// A box of a job in one phase.
struct Piece {
    job: usize,
    /// First voxel of the phase in the layer.
    offset: [usize; 3],
    /// The box, in the layer.
    bounds: Box3,
    /// The box, in the phase.
    outputs: Box3,
    input: Window,
    output: Window,
    residual: Option<Window>,
}

/// Where the voxels of a phase lie in a layer.
#[derive(Clone, Copy)]
struct Places {
    first: [usize; 3],
    step: [usize; 3],
}

impl Places {
    fn of(self, voxel: [isize; 3]) -> [isize; 3] {
        std::array::from_fn(|axis| voxel[axis] * self.step[axis] as isize + self.first[axis] as isize)
    }
}

impl Dilated {
    /// Creates a convolution whose taps lie `dilation` voxels apart.
    ///
    /// # Panics
    /// Panics if the convolution has a stride.
    pub fn new(conv: Winograd, dilation: [usize; 3]) -> Dilated {
        let ConvGeometry { kernel, stride, .. } = conv.geometry();
        assert!(stride == [1; 3], "{:?} with a dilation", conv.shape);
        // Of a single tap there is no next one.
        let dilation = std::array::from_fn(|axis| if kernel[axis] == 1 { 1 } else { dilation[axis] });
        Dilated { conv, dilation }
    }

    /// Returns the geometry; the kernel counts with the voxels that it spans.
    pub fn geometry(&self) -> ConvGeometry {
        let ConvGeometry { kernel, stride, padding } = self.conv.geometry();
        ConvGeometry {
            kernel: std::array::from_fn(|axis| (kernel[axis] - 1) * self.dilation[axis] + 1),
            stride,
            padding: std::array::from_fn(|axis| padding[axis] * self.dilation[axis]),
        }
    }

    /// Returns the alignment of boxes along each axis; at the end of the layer they may be shorter.
    pub fn grid(&self) -> [usize; 3] {
        let grid = self.conv.grid();
        std::array::from_fn(|axis| grid[axis] * self.dilation[axis])
    }

    /// Returns the numbers of input and output channels.
    pub fn channels(&self) -> [usize; 2] {
        self.conv.channels()
    }

    /// Returns the convolution of each phase.
    pub fn phase(&self) -> &Winograd {
        &self.conv
    }

    /// Returns the number of multiply-adds per output voxel of the direct algorithm.
    pub fn products(&self) -> usize {
        self.conv.products()
    }

    /// Computes each job's boxes.
    ///
    /// # Panics
    /// Panics if a job's windows do not hold the voxels that its outputs read and write, or if a box is not of whole tiles.
    pub fn run(&self, jobs: &mut [Job<'_>]) {
        let mut pieces = Vec::new();
        for (at, job) in jobs.iter().enumerate() {
            job.check(self.geometry(), [self.conv.in_blocks, BLOCK, self.conv.out_blocks]);
            for bounds in job.boxes() {
                self.check_tiles(bounds, job.output.0.layer);
                pieces.extend(self.phases().filter_map(|offset| self.piece(at, job, *bounds, offset)));
            }
        }
        let mut rest = pieces.as_slice();
        while !rest.is_empty() {
            let (mut total, mut count) = (0, 0);
            for piece in rest {
                total += piece.elements();
                if count > 0 && total > TOGETHER {
                    break;
                }
                count += 1;
            }
            let (now, later) = rest.split_at(count);
            self.compute(now, jobs);
            rest = later;
        }
    }

    /// Validates that a box consists of whole tiles, except at the end of the layer.
    ///
    /// # Panics
    /// Panics if it does not.
    fn check_tiles(&self, bounds: &Box3, layer: [usize; 3]) {
        for (axis, grid) in self.grid().into_iter().enumerate() {
            let Range { start, end } = bounds.range(axis);
            let whole = start % grid == 0 && (end % grid == 0 || end == layer[axis]);
            assert!(whole, "{bounds:?} is not of whole tiles of {layer:?}");
        }
    }

    /// Returns the first voxel of each phase.
    fn phases(&self) -> impl Iterator<Item = [usize; 3]> {
        let [deep, high, wide] = self.dilation;
        (0..deep * high * wide).map(move |at| [at / (high * wide), at / wide % high, at % wide])
    }

    /// Returns a box of a job in a phase, unless it has no voxel there.
    fn piece(&self, at: usize, job: &Job<'_>, bounds: Box3, offset: [usize; 3]) -> Option<Piece> {
        let to_phase =
            |end: usize, axis: usize| end.saturating_sub(offset[axis]).div_ceil(self.dilation[axis]);
        let outputs = Box3 {
            start: std::array::from_fn(|axis| bounds.start[axis] / self.dilation[axis]),
            end: std::array::from_fn(|axis| to_phase(bounds.end[axis], axis)),
        };
        if outputs.is_empty() {
            return None;
        }
        let layer = std::array::from_fn(|axis| to_phase(job.output.0.layer[axis], axis));
        let read = Window::read(self.conv.geometry(), outputs, layer);
        let written = |blocks: usize| Window::new(layer, outputs.signed(), blocks, BLOCK);
        Some(Piece {
            job: at,
            offset,
            bounds,
            outputs,
            input: Window::new(layer, read, self.conv.in_blocks, BLOCK),
            output: written(self.conv.out_blocks),
            residual: job.residual.as_ref().map(|residual| written(residual.window.blocks)),
        })
    }

    /// Returns where a phase's voxels lie in a layer of which every `stride`-th voxel counts.
    fn places(&self, offset: [usize; 3], stride: usize) -> Places {
        Places { first: offset.map(|first| first * stride), step: self.dilation.map(|step| step * stride) }
    }

    /// Copies pieces together, computes them and copies their outputs back.
    fn compute(&self, pieces: &[Piece], jobs: &mut [Job<'_>]) {
        let total = |len: fn(&Piece) -> usize| pieces.iter().map(len).sum::<usize>();
        let mut read = SPARE.take(total(Piece::read));
        let mut written = SPARE.take(total(|piece| piece.output.elements()));

        let mut copies = Vec::new();
        let mut rest = &mut read[..];
        for piece in pieces {
            let job = &jobs[piece.job];
            let of_residual = job.residual.as_ref().zip(piece.residual.as_ref());
            let residual = of_residual.map(|(of, to)| (of.window, of.values, to, of.stride));
            let both = [Some((job.input.0, job.input.1, &piece.input, 1)), residual];
            for (from, values, to, stride) in both.into_iter().flatten() {
                let (voxels, later) = rest.split_at_mut(to.elements());
                rest = later;
                let places = self.places(piece.offset, stride);
                let blocks = voxels.chunks_exact_mut(to.block_len().max(1)).enumerate();
                copies.extend(blocks.map(|(block, voxels)| (from, values, to, places, block, voxels)));
            }
        }
        copies.into_par_iter().with_min_len(1).for_each(|(from, values, to, places, block, voxels)| {
            gather((from, values, block), to, places, voxels);
        });

        let (mut inputs, mut outputs) = (&read[..], &mut written[..]);
        let mut of_phases: Vec<Job<'_>> = Vec::with_capacity(pieces.len());
        for piece in pieces {
            let (input, later) = inputs.split_at(piece.input.elements());
            let (values, later) = later.split_at(piece.residual.as_ref().map_or(0, Window::elements));
            let (output, rest) = outputs.split_at_mut(piece.output.elements());
            (inputs, outputs) = (later, rest);
            of_phases.push(Job {
                outputs: piece.outputs,
                parts: None,
                input: (&piece.input, input),
                residual: piece.residual.as_ref().map(|window| Residual { window, values, stride: 1 }),
                output: (&piece.output, output),
            });
        }
        self.conv.run(&mut of_phases);

        let mut copies = Vec::new();
        let mut rest = &written[..];
        let to: Vec<(&Window, SharedMut<'_>)> =
            jobs.iter_mut().map(|job| (job.output.0, SharedMut::new(job.output.1))).collect();
        for piece in pieces {
            let (voxels, later) = rest.split_at(piece.output.elements());
            rest = later;
            let blocks = voxels.chunks_exact(piece.output.block_len().max(1)).enumerate();
            copies.extend(blocks.map(|(block, voxels)| (piece, block, voxels)));
        }
        copies.into_par_iter().with_min_len(1).for_each(|(piece, block, voxels)| {
            let (window, shared) = to[piece.job];
            scatter(piece, self.places(piece.offset, 1), block, voxels, window, shared);
        });
    }
}

impl Piece {
    /// Returns the number of copied values that the convolution reads.
    fn read(&self) -> usize {
        self.input.elements() + self.residual.as_ref().map_or(0, Window::elements)
    }

    fn elements(&self) -> usize {
        self.read() + self.output.elements()
    }
}

/// Copies the voxels of a block that a phase's window holds; those beside the layer's rows are zeros.
fn gather((from, values, block): (&Window, &[f32], usize), to: &Window, places: Places, voxels: &mut [f32]) {
    let inside = 0..to.layer[2] as isize;
    for (row, voxels) in voxels.chunks_exact_mut(to.row_len().max(1)).enumerate() {
        let [z, y] = [to.start[0] + (row / to.size[1]) as isize, to.start[1] + (row % to.size[1]) as isize];
        for (x, voxel) in to.held(2).zip(voxels.chunks_exact_mut(BLOCK)) {
            if inside.contains(&x) {
                voxel.copy_from_slice(&values[from.at(block, places.of([z, y, x]))..][..BLOCK]);
            } else {
                voxel.fill(0.0);
            }
        }
    }
}

/// Copies a phase's outputs of a block to their places in the layer. The first phase also writes the zeros around rows.
fn scatter(piece: &Piece, places: Places, block: usize, voxels: &[f32], to: &Window, shared: SharedMut<'_>) {
    let from = &piece.output;
    let copy = |values: &[f32], place: usize| {
        assert!(place + values.len() <= to.elements(), "{place} of {to:?}");
        // SAFETY: the place is inside the output, and each of its voxels belongs to one phase of one box.
        unsafe { std::ptr::copy_nonoverlapping(values.as_ptr(), shared.at(place), values.len()) };
    };
    let [before, after] = to.halos();
    let zeros = vec![0.0; before.len().max(after.len())];
    for (row, voxels) in voxels.chunks_exact(from.row_len().max(1)).enumerate() {
        let [z, y] =
            [from.start[0] + (row / from.size[1]) as isize, from.start[1] + (row % from.size[1]) as isize];
        for (x, voxel) in from.held(2).zip(voxels.chunks_exact(BLOCK)) {
            copy(voxel, to.at(block, places.of([z, y, x])));
        }
        if piece.offset[2] == 0 {
            let [z, y, _] = places.of([z, y, 0]);
            let row = to.at(block, [z, y, to.start[2]]);
            if piece.bounds.start[2] == 0 {
                copy(&zeros[..before.len()], row + before.start);
            }
            if piece.bounds.end[2] == to.layer[2] {
                copy(&zeros[..after.len()], row + after.start);
            }
        }
    }
}
