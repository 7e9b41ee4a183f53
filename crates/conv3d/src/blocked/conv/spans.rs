//! Rows of outputs and what they read: the inputs and weights of each tile's spans.

use super::super::job::{Residual, Spread};
use super::super::rectifier::Rectifier;
use super::super::tile::{self, Finish, MOST_ROWS, Start, Work};
use super::super::window::{BLOCK, Window};
use crate::ConvGeometry;
use crate::simd::Vector;
use crate::simd::scratch::SharedMut;
use std::ops::Range;

/// Approximate number of weights per pass over a task's voxels, at least those of one block of inputs: 27 KiB for 3³ taps
/// and 16 outputs, which fit into a first-level cache.
const PASS_ELEMENTS: usize = 1 << 13;

/// Sizes of a convolution.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layout {
    /// The kernel counts taps, not the voxels that they span.
    pub(super) taps: ConvGeometry,
    pub(super) dilation: [usize; 3],
    pub(super) spread: Spread,
    pub(super) in_blocks: usize,
    pub(super) pitch: usize,
    /// Values of a voxel that are read: all of the pitch, or those up to the last channel of a single block with few.
    pub(super) filled: usize,
    pub(super) out_blocks: usize,
    /// Blocks of outputs per tile.
    pub(super) group: usize,
}

impl Layout {
    pub(super) fn geometry(&self) -> ConvGeometry {
        let kernel = std::array::from_fn(|axis| match self.taps.kernel[axis] {
            0 => 0,
            taps => (taps - 1) * self.dilation[axis] + 1,
        });
        ConvGeometry { kernel, ..self.taps }
    }

    /// Returns whether an output reads one voxel of whole blocks.
    pub(super) fn is_pointwise(&self) -> bool {
        let ConvGeometry { kernel, padding, .. } = self.taps;
        kernel == [1; 3] && padding == [0; 3] && self.pitch == BLOCK && self.filled == BLOCK
    }

    /// Returns the weights of one block of inputs for one block of outputs.
    pub(super) fn by_input(&self) -> usize {
        self.pitch * self.taps.kernel.iter().product::<usize>() * BLOCK
    }

    /// Returns the first block of a group of output blocks, and their number.
    pub(super) fn blocks_of(&self, group: usize) -> (usize, usize) {
        let first = group * self.group;
        (first, self.group.min(self.out_blocks - first))
    }

    /// Returns the blocks of inputs of each pass for so many blocks of outputs.
    pub(super) fn passes(&self, blocks: usize) -> impl Iterator<Item = Range<usize>> + use<> {
        let in_blocks = self.in_blocks;
        let per_pass = (PASS_ELEMENTS / (blocks * self.by_input())).clamp(1, in_blocks);
        let passes = in_blocks.div_ceil(per_pass);
        (0..passes).map(move |pass| pass * in_blocks / passes..(pass + 1) * in_blocks / passes)
    }
}

/// A job, shared by tasks.
pub(super) struct Part<'a> {
    pub(super) input: (&'a Window, &'a [f32]),
    pub(super) residual: Option<Residual<'a>>,
    pub(super) window: &'a Window,
    pub(super) output: SharedMut<'a>,
}

/// Rows of a job that are computed by the same tiles.
#[derive(Clone, Copy)]
pub(super) struct Unit {
    pub(super) part: usize,
    pub(super) z: usize,
    pub(super) y: usize,
    pub(super) rows: usize,
    /// First voxel and one past the last.
    pub(super) x: (usize, usize),
}

impl Unit {
    pub(super) fn width(&self) -> usize {
        self.x.1 - self.x.0
    }
}

/// A convolution as its tasks see it.
#[derive(Clone, Copy)]
pub(super) struct View<'a> {
    pub(super) layout: &'a Layout,
    pub(super) rectifier: Rectifier,
    pub(super) weights: &'a [f32],
    pub(super) bias: &'a [f32],
    pub(super) parts: &'a [Part<'a>],
}

impl<'a> View<'a> {
    /// Returns the weights of a group of output blocks.
    pub(super) fn weights_of(&self, group: usize) -> &'a [f32] {
        let (first, blocks) = self.layout.blocks_of(group);
        let by_input = self.layout.by_input() * self.layout.in_blocks;
        &self.weights[first * by_input..][..blocks * by_input]
    }

    /// Returns the number of inputs of a unit of a pointwise convolution.
    pub(super) fn inputs(&self, unit: &Unit) -> usize {
        unit.rows * unit.width() * self.layout.in_blocks * self.layout.pitch
    }

    /// Returns whether the voxels that a unit of a pointwise convolution reads are all inside the layer along z and y: with padding
    /// after the layer some are not.
    pub(super) fn is_inside(&self, unit: &Unit) -> bool {
        let (stride, layer) = (self.layout.taps.stride, self.parts[unit.part].input.0.layer);
        unit.z * stride[0] < layer[0] && (unit.y + unit.rows - 1) * stride[1] < layer[1]
    }

    /// Computes one unit's outputs of a group of blocks: a pass over its spans.
    ///
    /// # Safety
    /// The CPU must have V's instructions; the pass must be valid for the unit; the part's windows must hold the unit;
    /// no other task may write the unit's voxels in these blocks or the zeros beside a row's end.
    #[inline(always)]
    pub(super) unsafe fn unit<V: Vector>(
        &self,
        unit: &Unit,
        pass: Pass<'_>,
        group: usize,
        begins: bool,
        ends: bool,
    ) {
        let (layout, part) = (self.layout, &self.parts[unit.part]);
        let (first, blocks) = layout.blocks_of(group);
        let Spread { step, offset } = layout.spread;
        let window = part.window;
        let place = |axis: usize, at: usize| (at * step[axis] + offset[axis]) as isize;
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
        // SAFETY: this function's contract.
        unsafe {
            let work = Work {
                weights: pass.weights,
                inputs: pass.inputs,
                steps: pass.steps,
                stride: pass.stride,
                start: if begins { Start::Bias(self.bias[first * BLOCK..].as_ptr()) } else { Start::Sums },
                output: part.output.at(output),
                output_steps: [step[2] * BLOCK, step[1] * window.row_len(), window.block_len()],
                finish: ends.then_some(Finish { residual, steps, rectifier: self.rectifier }),
            };
            tile::run::<V>(blocks * (BLOCK / V::LANES), unit.rows, unit.width(), &work);
            // Of the convolutions of a spread, the first writes the padding at the start of rows, the last at their end.
            let closes = [x == 0, place(2, unit.x.1 - 1) + 1 == window.layer[2] as isize];
            if ends && closes != [false; 2] {
                for block in first..first + blocks {
                    for row in 0..unit.rows {
                        let at = window.at(block, [z, y + (row * step[1]) as isize, window.start[2]]);
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

/// A pass over a unit's spans.
#[derive(Clone, Copy)]
pub(super) struct Pass<'a> {
    pub(super) weights: &'a [*const f32],
    pub(super) inputs: &'a [[*const f32; MOST_ROWS]],
    /// Values of a span.
    pub(super) steps: usize,
    /// Values between the inputs of neighbouring outputs.
    pub(super) stride: usize,
}

/// Inputs and weights of a unit's pass: a span per input block and row of taps inside the layer; per tap if taps along x
/// are apart, or if not all values of a voxel are read.
#[derive(Default)]
pub(super) struct Spans {
    pub(super) weights: Vec<*const f32>,
    inputs: Vec<[*const f32; MOST_ROWS]>,
    steps: usize,
    stride: usize,
}

impl Spans {
    /// Returns the pass over the collected spans.
    pub(super) fn pass(&self) -> Pass<'_> {
        Pass { weights: &self.weights, inputs: &self.inputs, steps: self.steps, stride: self.stride }
    }

    /// Collects the spans of a unit for some blocks of inputs and the weights of a group.
    pub(super) fn fill(
        &mut self,
        of: &View<'_>,
        unit: &Unit,
        group: usize,
        blocks: &Range<usize>,
        zeros: &[f32],
    ) {
        self.weights.clear();
        self.inputs.clear();
        let Layout { taps, dilation, pitch, filled, .. } = *of.layout;
        let ConvGeometry { kernel: [kz, ky, kx], stride, padding } = taps;
        let weights = of.weights_of(group);
        let (window, values) = of.parts[unit.part].input;
        let by_tap = pitch * of.layout.blocks_of(group).1 * BLOCK;
        let (together, apart) = if dilation[2] == 1 && filled == pitch { (kx, 1) } else { (1, kx) };
        self.steps = together * filled;
        self.stride = stride[2] * pitch;
        let first = |axis: usize, at: usize| (at * stride[axis]) as isize - padding[axis] as isize;
        let x = first(2, unit.x.0);
        let inside = |at: isize, axis: usize| (0..window.layer[axis] as isize).contains(&at);
        for block in blocks.clone() {
            for tz in 0..kz {
                let z = first(0, unit.z) + (tz * dilation[0]) as isize;
                if !inside(z, 0) {
                    continue;
                }
                for ty in 0..ky {
                    for tx in 0..apart {
                        let mut rows = [zeros.as_ptr(); MOST_ROWS];
                        let mut any = false;
                        for (row, pointer) in rows.iter_mut().enumerate().take(unit.rows) {
                            let y = first(1, unit.y + row) + (ty * dilation[1]) as isize;
                            if inside(y, 1) {
                                let x = x + (tx * dilation[2]) as isize;
                                *pointer = values[window.at(block, [z, y, x])..].as_ptr();
                                any = true;
                            }
                        }
                        if any {
                            let tap = ((block * kz + tz) * ky + ty) * kx + tx;
                            self.weights.push(weights[tap * by_tap..].as_ptr());
                            self.inputs.push(rows);
                        }
                    }
                }
            }
        }
    }
}
