//! Functions of single voxels: sums, products and gates of two layers, then `scale · x + shift` and an activation.

use super::function::Function;
use super::job::{Job, Residual};
use super::lanes::Lanes;
use super::rectifier::Rectifier;
use super::window::{BLOCK, Window};
use crate::ConvGeometry;
use crate::simd::scratch::SharedMut;
use crate::simd::{Isa, Kernel, Vector};
use rayon::prelude::*;
use std::fmt;
use std::ops::Range;

/// How the second input enters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Combine {
    /// There is none.
    Alone,
    /// The sum of both, voxel by voxel. Missing blocks count as zeros.
    Add,
    /// The product of both, voxel by voxel.
    Multiply,
    /// The product with one value per channel: the second input has a single voxel.
    Gate,
}

/// `activation(scale · (x ∘ y) + shift)`, by channel.
pub struct Elementwise {
    isa: Isa,
    combine: Combine,
    /// Factor and summand of each lane.
    affine: Option<[Vec<f32>; 2]>,
    rectifier: Rectifier,
    /// Factor of negative values of each lane.
    slopes: Option<Vec<f32>>,
    /// Applied last.
    function: Option<Function>,
    lanes: Lanes,
}

impl fmt::Debug for Elementwise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Elementwise").field("combine", &self.combine).finish_non_exhaustive()
    }
}

impl Elementwise {
    /// Creates the identity, or a sum or product, for layers of these lanes.
    ///
    /// # Panics
    /// Panics if the lanes are not of whole blocks.
    pub fn new(isa: Isa, lanes: &Lanes, combine: Combine) -> Elementwise {
        assert!(lanes.pitch == BLOCK, "{lanes:?}");
        Elementwise {
            isa,
            combine,
            affine: None,
            rectifier: Rectifier::None,
            slopes: None,
            function: None,
            lanes: lanes.clone(),
        }
    }

    /// Sets factor and summand of each lane.
    ///
    /// # Panics
    /// Panics if there are not as many as lanes.
    #[must_use]
    pub fn affine(mut self, scale: Vec<f32>, shift: Vec<f32>) -> Elementwise {
        let lanes = self.lanes.channels.len();
        assert!(scale.len() == lanes && shift.len() == lanes, "{} and {} values", scale.len(), shift.len());
        self.affine = Some([scale, shift]);
        self
    }

    /// Sets the activation.
    #[must_use]
    pub fn rectified(mut self, rectifier: Rectifier) -> Elementwise {
        self.rectifier = rectifier;
        self
    }

    /// Sets an activation that multiplies negative values by a factor of each lane.
    ///
    /// # Panics
    /// Panics if there are not as many as lanes.
    #[must_use]
    pub fn leaky(mut self, slopes: Vec<f32>) -> Elementwise {
        assert!(slopes.len() == self.lanes.channels.len(), "{} slopes", slopes.len());
        self.slopes = Some(slopes);
        self
    }

    /// Sets a smooth activation.
    #[must_use]
    pub fn function(mut self, function: Function) -> Elementwise {
        self.function = Some(function);
        self
    }

    /// Returns how the second input enters.
    pub fn combine(&self) -> Combine {
        self.combine
    }

    /// Computes the outputs of each job.
    ///
    /// # Panics
    /// Panics if a job's windows do not hold the voxels that its outputs read and write, if it has parts, or if it lacks a
    /// second input that is needed.
    pub fn run(&self, jobs: &mut [Job<'_>]) {
        let affine = self.affine.as_ref().map(|[scale, shift]| [&scale[..], &shift[..]]);
        jobs.par_iter_mut().for_each(|job| self.run_one(job, affine));
    }

    /// Computes one job with its own factors and summands.
    pub(super) fn run_one(&self, job: &mut Job<'_>, affine: Option<[&[f32]; 2]>) {
        assert!(job.parts.is_none(), "functions of voxels compute whole boxes");
        assert!((self.combine == Combine::Alone) == job.residual.is_none(), "{:?}", self.combine);
        let blocks = self.lanes.blocks();
        let residual = job.residual;
        if self.combine == Combine::Gate {
            let gate = residual.map(|gate| (gate.window.layer, gate.window.blocks, gate.window.elements()));
            assert!(
                gate.is_some_and(|(layer, of, values)| {
                    layer == [1; 3]
                        && of == blocks
                        && residual.is_some_and(|gate| gate.values.len() == values)
                }),
                "a gate of {gate:?}"
            );
            job.residual = None;
        }
        job.check(ConvGeometry::POINTWISE, [blocks, BLOCK, blocks]);
        job.residual = residual;
        let [z, y, x] = job.outputs.ranges();
        if y.is_empty() || x.is_empty() {
            return;
        }
        let shared = SharedMut::new(job.output.1);
        let (input, output) = (job.input, job.output.0);
        (0..blocks * z.len()).into_par_iter().for_each(|task| {
            let (block, z) = (task / z.len(), z.start + task % z.len());
            let (rows, x) = (y.clone(), x.clone());
            self.isa.run(Plane { of: self, affine, input, residual, output, shared, block, z, rows, x });
        });
    }
}

/// A plane of one block.
struct Plane<'a> {
    of: &'a Elementwise,
    affine: Option<[&'a [f32]; 2]>,
    input: (&'a Window, &'a [f32]),
    residual: Option<Residual<'a>>,
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
        let Plane { of, affine, input: (input, values), residual, output, block, z, .. } = self;
        let len = self.x.len() * BLOCK;
        // Values between the voxels of the second input, and the first of a row.
        let second = |y: usize| {
            let Residual { window, values, stride } = residual?;
            if block >= window.blocks {
                return None;
            }
            let (at, step) = match of.combine {
                Combine::Gate => ([0; 3], 0),
                _ => ([z, y, self.x.start].map(|at| (at * stride) as isize), stride * BLOCK),
            };
            Some((values[window.at(block, at)..].as_ptr(), step))
        };
        for y in self.rows.clone() {
            let first = [z, y, self.x.start].map(|at| at as isize);
            let from = values[input.at(block, first)..][..len].as_ptr();
            let to = output.at(block, first);
            let second = second(y);
            for lane in (0..BLOCK).step_by(V::LANES) {
                let parameter = block * BLOCK + lane;
                // SAFETY: the caller has V's instructions; `run_one` saw that the windows hold what the box reads and
                // writes and that there is a factor for each lane; no two tasks share a plane of a block.
                unsafe {
                    let affine = affine.map(|[scale, shift]| {
                        (V::load(scale[parameter..].as_ptr()), V::load(shift[parameter..].as_ptr()))
                    });
                    let zero = V::splat(0.0);
                    let slopes = of.slopes.as_ref().map(|slopes| V::load(slopes[parameter..].as_ptr()));
                    for voxel in 0..self.x.len() {
                        let mut value = V::load(from.add(voxel * BLOCK + lane));
                        if let Some((second, step)) = second {
                            let other = V::load(second.add(voxel * step + lane));
                            value = match of.combine {
                                Combine::Add | Combine::Alone => value.add(other),
                                Combine::Multiply | Combine::Gate => value.mul(other),
                            };
                        }
                        if let Some((scale, shift)) = affine {
                            value = shift.fma(value, scale);
                        }
                        value = match slopes {
                            Some(slopes) => zero.max(value).fma(zero.min(value), slopes),
                            None => of.rectifier.apply(value),
                        };
                        value.store(self.shared.at(to + voxel * BLOCK + lane));
                    }
                }
            }
            // SAFETY: the rows of this plane of this block are this task's alone.
            unsafe {
                if let Some(function) = of.function {
                    let row = std::slice::from_raw_parts_mut(self.shared.at(to), len);
                    function.apply(row);
                    if !function.keeps_zero() {
                        clear_padding(row, &of.lanes.channels[block * BLOCK..][..BLOCK]);
                    }
                }
                close_row(output, self.shared, block, [z, y], [self.x.start, self.x.end]);
            }
        }
    }
}

/// Sets the lanes of a row that belong to no channel to 0.
fn clear_padding(row: &mut [f32], channels: &[Option<usize>]) {
    for (lane, _) in channels.iter().enumerate().filter(|(_, channel)| channel.is_none()) {
        row[lane..].iter_mut().step_by(BLOCK).for_each(|value| *value = 0.0);
    }
}

/// Writes the zeros beside a row whose end was computed.
///
/// # Safety
/// No other task may write the row.
#[inline(always)]
pub(super) unsafe fn close_row(
    output: &Window,
    shared: SharedMut<'_>,
    block: usize,
    [z, y]: [usize; 2],
    [start, end]: [usize; 2],
) {
    let row = output.at(block, [z as isize, y as isize, output.start[2]]);
    let closes = [start == 0, end == output.layer[2]];
    for (zeros, closes) in output.halos().into_iter().zip(closes) {
        if closes && !zeros.is_empty() {
            // SAFETY: the caller's contract; the window holds what lies beside its rows' ends.
            unsafe { shared.at(row + zeros.start).write_bytes(0, zeros.len()) };
        }
    }
}
