//! Max-pooling of blocked activations.

use super::conv::Job;
use super::window::{BLOCK, Window};
use crate::ConvGeometry;
use crate::simd::scratch::SharedMut;
use crate::simd::{Isa, Kernel, Vector};
use rayon::prelude::*;
use std::ops::Range;

/// Max-pooling; voxels outside the layer are excluded.
#[derive(Debug)]
pub struct MaxPool {
    /// Instruction set.
    pub isa: Isa,
    /// Window, stride and padding.
    pub geometry: ConvGeometry,
}

impl MaxPool {
    /// Computes the outputs of each job. Residuals are ignored.
    ///
    /// # Panics
    /// Panics if a job's windows do not hold the voxels that its outputs read and write, or if it has parts.
    pub fn run(&self, jobs: &mut [Job<'_>]) {
        for job in jobs {
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
            let [z, y, x] = job.outputs.ranges();
            if y.is_empty() || x.is_empty() {
                continue;
            }
            let shared = SharedMut::new(job.output.1);
            (0..input.blocks * z.len()).into_par_iter().for_each(|task| {
                let (block, z) = (task / z.len(), z.start + task % z.len());
                let rows = y.clone();
                let (input, values) = job.input;
                self.isa.run(Plane {
                    pool: self,
                    input,
                    values,
                    output,
                    shared,
                    block,
                    z,
                    rows,
                    x: x.clone(),
                });
            });
        }
    }
}

/// A plane of one block.
struct Plane<'a> {
    pool: &'a MaxPool,
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
        for y in self.rows.clone() {
            let row = output.at(block, [z as isize, y as isize, output.start[2]]);
            for x in self.x.clone() {
                let at = output.at(block, [z as isize, y as isize, x as isize]);
                let along = taps(2, x);
                for lane in (0..BLOCK).step_by(V::LANES) {
                    // SAFETY: the caller has V's instructions; `MaxPool::run` saw that the windows hold what the box
                    // reads and writes, and no two tasks share a plane of a block.
                    unsafe {
                        let mut largest = V::splat(f32::NEG_INFINITY);
                        for z in taps(0, z) {
                            for y in taps(1, y) {
                                let from = input.at(block, [z, y, along.start]) + lane;
                                for tap in 0..along.len() {
                                    largest = largest.max(V::load(values.as_ptr().add(from + tap * BLOCK)));
                                }
                            }
                        }
                        largest.store(self.shared.at(at + lane));
                    }
                }
            }
            let closes = [self.x.start == 0, self.x.end == output.layer[2]];
            for (zeros, closes) in output.halos().into_iter().zip(closes) {
                if closes && !zeros.is_empty() {
                    // SAFETY: the row is this task's alone.
                    unsafe { self.shared.at(row + zeros.start).write_bytes(0, zeros.len()) };
                }
            }
        }
    }
}
