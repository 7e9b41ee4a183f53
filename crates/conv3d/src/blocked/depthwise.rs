//! Depthwise convolution: each channel with its own kernel.

use super::elementwise::close_row;
use super::job::{Job, Residual};
use super::lanes::{Dense, Lanes};
use super::rectifier::Rectifier;
use super::window::{BLOCK, Window};
use crate::ConvGeometry;
use crate::simd::scratch::SharedMut;
use crate::simd::{Isa, Kernel, Vector};
use rayon::prelude::*;
use std::ops::Range;

/// A depthwise convolution with packed weights.
#[derive(Debug)]
pub struct Depthwise {
    isa: Isa,
    /// The kernel counts taps.
    taps: ConvGeometry,
    dilation: [usize; 3],
    blocks: usize,
    channels: usize,
    rectifier: Rectifier,
    /// `[block][tap][lane]`
    weights: Vec<f32>,
    bias: Vec<f32>,
}

impl Depthwise {
    /// Packs weights `[c, 1, kz, ky, kx]`. The outputs have the lanes of the inputs.
    ///
    /// # Panics
    /// Panics if the lanes are not of whole blocks.
    pub fn new(
        isa: Isa,
        taps: ConvGeometry,
        dilation: [usize; 3],
        lanes: &Lanes,
        dense: Dense<'_>,
    ) -> Depthwise {
        assert!(lanes.pitch == BLOCK, "{lanes:?}");
        let by_channel: usize = taps.kernel.iter().product();
        let mut weights = Vec::with_capacity(lanes.channels.len() * by_channel);
        for block in lanes.channels.chunks(BLOCK) {
            for tap in 0..by_channel {
                let of =
                    |channel: &Option<usize>| channel.map_or(0.0, |at| dense.weights[at * by_channel + tap]);
                weights.extend(block.iter().map(of));
            }
        }
        Depthwise {
            isa,
            taps,
            dilation,
            blocks: lanes.blocks(),
            channels: lanes.count(),
            rectifier: Rectifier::None,
            weights,
            bias: lanes.arrange(dense.bias),
        }
    }

    /// Sets the activation after the residual (default none).
    #[must_use]
    pub fn rectified(mut self, rectifier: Rectifier) -> Depthwise {
        self.rectifier = rectifier;
        self
    }

    /// Returns the geometry; a dilated kernel counts with the voxels that it spans.
    pub fn geometry(&self) -> ConvGeometry {
        let kernel = std::array::from_fn(|axis| (self.taps.kernel[axis] - 1) * self.dilation[axis] + 1);
        ConvGeometry { kernel, ..self.taps }
    }

    /// Returns the number of channels.
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// Returns the number of multiply-adds per output voxel, including taps outside the layer.
    pub fn products(&self) -> usize {
        self.channels * self.taps.kernel.iter().product::<usize>()
    }

    /// Computes the outputs of each job.
    ///
    /// # Panics
    /// Panics if a job's windows do not hold the voxels that its outputs read and write, or if it has parts.
    pub fn run(&self, jobs: &mut [Job<'_>]) {
        jobs.par_iter_mut().for_each(|job| {
            assert!(job.parts.is_none(), "depthwise convolutions compute whole boxes");
            job.check(self.geometry(), [self.blocks, BLOCK, self.blocks]);
            let [z, y, x] = job.outputs.ranges();
            if y.is_empty() || x.is_empty() {
                return;
            }
            let shared = SharedMut::new(job.output.1);
            let (input, residual, output) = (job.input, job.residual, job.output.0);
            (0..self.blocks * z.len()).into_par_iter().for_each(|task| {
                let (block, z) = (task / z.len(), z.start + task % z.len());
                let (rows, x) = (y.clone(), x.clone());
                self.isa.run(Plane { of: self, input, residual, output, shared, block, z, rows, x });
            });
        });
    }
}

/// A plane of one block.
struct Plane<'a> {
    of: &'a Depthwise,
    input: (&'a Window, &'a [f32]),
    residual: Option<Residual<'a>>,
    output: &'a Window,
    shared: SharedMut<'a>,
    block: usize,
    z: usize,
    rows: Range<usize>,
    x: Range<usize>,
}

/// Neighbouring voxels of a row that are computed together.
const TOGETHER: usize = 4;

impl Kernel for Plane<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        for y in self.rows.clone() {
            let mut x = self.x.start;
            while x < self.x.end {
                // SAFETY: the caller has V's instructions.
                unsafe {
                    if x + TOGETHER <= self.x.end {
                        self.voxels::<V, TOGETHER>(y, x);
                        x += TOGETHER;
                    } else {
                        self.voxels::<V, 1>(y, x);
                        x += 1;
                    }
                }
            }
            // SAFETY: the row is this task's alone.
            unsafe {
                close_row(self.output, self.shared, self.block, [self.z, y], [self.x.start, self.x.end]);
            }
        }
    }
}

impl Plane<'_> {
    /// Computes `N` neighbouring voxels. The order of an output's sum does not depend on `N`.
    ///
    /// # Safety
    /// The CPU must have V's instructions; the row must have `N` voxels from `x` on.
    #[inline(always)]
    unsafe fn voxels<V: Vector, const N: usize>(&self, y: usize, x: usize) {
        let Plane { of, input: (window, values), block, z, .. } = *self;
        let ConvGeometry { kernel: [kz, ky, kx], stride, padding } = of.taps;
        let first = |axis: usize, at: usize| (at * stride[axis]) as isize - padding[axis] as isize;
        let inside = |at: isize, axis: usize| (0..window.layer[axis] as isize).contains(&at);
        let (step, apart) = (stride[2] * BLOCK, of.dilation[2] * BLOCK);
        let from_x = first(2, x);
        for lane in (0..BLOCK).step_by(V::LANES) {
            // SAFETY: the caller's contract; `Depthwise::run` saw that the windows hold what the box reads, with zeros
            // beside the rows, and writes; no two tasks share a plane of a block.
            unsafe {
                let mut sums = [V::load(of.bias[block * BLOCK + lane..].as_ptr()); N];
                for tz in 0..kz {
                    let z = first(0, z) + (tz * of.dilation[0]) as isize;
                    if !inside(z, 0) {
                        continue;
                    }
                    for ty in 0..ky {
                        let y = first(1, y) + (ty * of.dilation[1]) as isize;
                        if !inside(y, 1) {
                            continue;
                        }
                        let from = values[window.at(block, [z, y, from_x])..].as_ptr().add(lane);
                        let tap = ((block * kz + tz) * ky + ty) * kx * BLOCK + lane;
                        for tx in 0..kx {
                            let weight = V::load(of.weights[tap + tx * BLOCK..].as_ptr());
                            for (n, sum) in sums.iter_mut().enumerate() {
                                *sum = sum.fma(V::load(from.add(n * step + tx * apart)), weight);
                            }
                        }
                    }
                }
                let to = self.output.at(block, [z, y, x].map(|at| at as isize)) + lane;
                for (n, sum) in sums.into_iter().enumerate() {
                    let mut sum = sum;
                    if let Some(residual) = self.residual.as_ref().filter(|of| block < of.window.blocks) {
                        let at = [z, y, x + n].map(|at| (at * residual.stride) as isize);
                        let at = residual.window.at(block, at) + lane;
                        sum = sum.add(V::load(residual.values.as_ptr().add(at)));
                    }
                    of.rectifier.apply(sum).store(self.shared.at(to + n * BLOCK));
                }
            }
        }
    }
}
