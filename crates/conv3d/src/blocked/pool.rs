//! Max- and mean-pooling of blocked activations, with the normalisation and activation before it.

use super::conv::Prologue;
use super::elementwise::close_row;
use super::job::Job;
use super::window::{BLOCK, Window};
use crate::ConvGeometry;
use crate::simd::scratch::SharedMut;
use crate::simd::{Isa, Kernel, Vector};
use rayon::prelude::*;
use std::ops::Range;

/// How a window is reduced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reduction {
    /// The largest value; voxels outside the layer are excluded.
    Max,
    /// The mean; voxels outside the layer are excluded.
    Mean,
    /// The mean; voxels outside the layer count as zeros.
    MeanWithPadding,
}

/// A pooling.
#[derive(Debug)]
pub struct Pool {
    /// Instruction set.
    pub isa: Isa,
    /// Window, stride and padding.
    pub geometry: ConvGeometry,
    /// How a window is reduced.
    pub reduction: Reduction,
    /// Normalisation and activation of the inputs.
    pub prologue: Option<Prologue>,
}

impl Pool {
    /// Computes the outputs of each job. Residuals are ignored.
    ///
    /// # Panics
    /// Panics if a job's windows do not hold the voxels that its outputs read and write, if it has parts, or if the prologue
    /// has other lanes.
    pub fn run(&self, jobs: &mut [Job<'_>]) {
        jobs.par_iter_mut().for_each(|job| {
            assert!(job.parts.is_none(), "pooling computes whole boxes");
            let (input, output) = (job.input.0, job.output.0);
            let read = self.geometry.reads(job.outputs, input.layer).signed();
            let written = job.outputs.signed();
            assert!(
                input.holds(&read) && job.input.1.len() == input.elements(),
                "{read:?} is not in {input:?}"
            );
            assert!(
                output.holds(&written) && job.output.1.len() == output.elements(),
                "{written:?} is not in {output:?}"
            );
            assert!(input.pitch == BLOCK && output.pitch == BLOCK && input.blocks == output.blocks);
            let lanes = input.blocks * BLOCK;
            assert!(
                self.prologue.as_ref().is_none_or(|of| of.scale.len() == lanes && of.shift.len() == lanes)
            );
            let [z, y, x] = job.outputs.ranges();
            if y.is_empty() || x.is_empty() {
                return;
            }
            let shared = SharedMut::new(job.output.1);
            let (input, values) = job.input;
            (0..input.blocks * z.len()).into_par_iter().for_each(|task| {
                let (block, z) = (task / z.len(), z.start + task % z.len());
                let (rows, x) = (y.clone(), x.clone());
                self.isa.run(Plane { pool: self, input, values, output, shared, block, z, rows, x });
            });
        });
    }
}

/// A plane of one block.
struct Plane<'a> {
    pool: &'a Pool,
    input: &'a Window,
    values: &'a [f32],
    output: &'a Window,
    shared: SharedMut<'a>,
    block: usize,
    z: usize,
    rows: Range<usize>,
    x: Range<usize>,
}

impl Kernel for Plane<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let Plane { pool, input, values, output, block, z, .. } = self;
        let taps = |axis: usize, at: usize| {
            let taps = pool.geometry.reads_along(axis, at..at + 1, input.layer[axis]);
            taps.start as isize..taps.end as isize
        };
        let padded: usize = pool.geometry.kernel.iter().product();
        for y in self.rows.clone() {
            let (along_z, along_y) = (taps(0, z), taps(1, y));
            for x in self.x.clone() {
                let at = output.at(block, [z as isize, y as isize, x as isize]);
                let along = taps(2, x);
                let inside = along_z.len() * along_y.len() * along.len();
                let factor = match pool.reduction {
                    Reduction::Max => 1.0,
                    Reduction::Mean => 1.0 / inside as f32,
                    Reduction::MeanWithPadding => 1.0 / padded as f32,
                };
                for lane in (0..BLOCK).step_by(V::LANES) {
                    // SAFETY: the caller has V's instructions; `Pool::run` saw that the windows hold what the box reads
                    // and writes and the prologue all lanes, and no two tasks share a plane of a block.
                    unsafe {
                        let parameter = block * BLOCK + lane;
                        let prologue = pool.prologue.as_ref().map(|of| {
                            let scale = V::load(of.scale[parameter..].as_ptr());
                            (scale, V::load(of.shift[parameter..].as_ptr()), of.rectifier)
                        });
                        let mut reduced = match pool.reduction {
                            Reduction::Max => V::splat(f32::NEG_INFINITY),
                            _ => V::splat(0.0),
                        };
                        for z in along_z.clone() {
                            for y in along_y.clone() {
                                let from = input.at(block, [z, y, along.start]) + lane;
                                for tap in 0..along.len() {
                                    let mut value = V::load(values.as_ptr().add(from + tap * BLOCK));
                                    if let Some((scale, shift, rectifier)) = prologue {
                                        value = rectifier.apply(shift.fma(value, scale));
                                    }
                                    reduced = match pool.reduction {
                                        Reduction::Max => reduced.max(value),
                                        _ => reduced.add(value),
                                    };
                                }
                            }
                        }
                        if pool.reduction != Reduction::Max {
                            reduced = reduced.mul(V::splat(factor));
                        }
                        reduced.store(self.shared.at(at + lane));
                    }
                }
            }
            // SAFETY: the row is this task's alone.
            unsafe { close_row(output, self.shared, block, [z, y], [self.x.start, self.x.end]) };
        }
    }
}
