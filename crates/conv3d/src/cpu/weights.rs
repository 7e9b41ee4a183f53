//! Weights in the order in which the direct kernel reads them.

use super::shape::Gather;
use crate::simd::Isa;
use crate::simd::scratch::SharedMut;
use rayon::prelude::*;
use std::ops::Range;

/// Elements of weights that one pass reads: half of a 32 KiB first-level cache.
const PASS_ELEMENTS: usize = 4 * 1024;

/// Strides of a weight tensor by output channel, input channel and tap.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WeightStrides {
    pub(crate) first: usize,
    pub(crate) output: usize,
    pub(crate) input: usize,
    pub(crate) taps: [isize; 3],
}

impl WeightStrides {
    /// Returns the strides of a dense `[o, i, kz, ky, kx]` tensor.
    pub(crate) fn dense(inputs: usize, [kz, ky, kx]: [usize; 3]) -> WeightStrides {
        let kernel = kz * ky * kx;
        WeightStrides {
            first: 0,
            output: inputs * kernel,
            input: kernel,
            taps: [(ky * kx) as isize, kx as isize, 1],
        }
    }
}

/// Weights packed `[block of outputs][pass of inputs][tz][ty][input][tx][output]`, with one bias per output.
pub(crate) struct PackedWeights {
    data: Vec<f32>,
    bias: Vec<f32>,
    lanes: usize,
    block: usize,
    blocks: usize,
    outputs: usize,
    inputs: usize,
    per_pass: usize,
    taps: usize,
}

impl PackedWeights {
    /// Packs for the instruction set's vectors.
    pub(crate) fn new(
        isa: Isa,
        gather: &Gather,
        weights: &[f32],
        strides: WeightStrides,
        bias: Option<&[f32]>,
    ) -> PackedWeights {
        let lanes = isa.lanes();
        let block = lanes * (16 / lanes).max(2);
        let (inputs, outputs, taps) = (gather.inputs, gather.outputs, gather.taps());
        let blocks = outputs.div_ceil(block);
        let passes = inputs.div_ceil((PASS_ELEMENTS / (block * taps.max(1))).clamp(1, inputs.max(1)));
        let per_pass = inputs.div_ceil(passes.max(1)).max(1);
        let padded = outputs.next_multiple_of(lanes);
        let mut packed = PackedWeights {
            data: vec![0.0; padded * inputs * taps],
            bias: vec![0.0; padded],
            lanes,
            block,
            blocks,
            outputs,
            inputs,
            per_pass,
            taps,
        };
        if let Some(bias) = bias {
            packed.bias[..outputs].copy_from_slice(bias);
        }
        let mut data = std::mem::take(&mut packed.data);
        let shared = SharedMut::new(&mut data);
        let this = &packed;
        (0..blocks * this.passes()).into_par_iter().for_each(|job| {
            let (block, pass) = (job / this.passes(), job % this.passes());
            let range = this.range(block, pass);
            if range.is_empty() {
                return;
            }
            // SAFETY: ranges of different blocks and passes do not overlap, and all lie inside the data.
            let to = unsafe { std::slice::from_raw_parts_mut(shared.at(range.start), range.len()) };
            this.fill(gather, weights, strides, block, pass, to);
        });
        packed.data = data;
        packed
    }

    fn fill(
        &self,
        gather: &Gather,
        weights: &[f32],
        strides: WeightStrides,
        block: usize,
        pass: usize,
        to: &mut [f32],
    ) {
        let [tz, ty, tx] = gather.axes.map(|axis| axis.taps);
        let chunk = self.pass(pass);
        let wide = self.vectors(block) * self.lanes;
        let first = block * self.block;
        let outputs = (self.outputs - first).min(wide);
        let mut rest = to.chunks_exact_mut(wide);
        for z in 0..tz {
            for y in 0..ty {
                for input in chunk.clone() {
                    for x in 0..tx {
                        let tap =
                            [z, y, x].iter().zip(strides.taps).map(|(&t, s)| t as isize * s).sum::<isize>();
                        let from =
                            (strides.first + first * strides.output + input * strides.input) as isize + tap;
                        let Some(to) = rest.next() else { return };
                        for (o, to) in to[..outputs].iter_mut().enumerate() {
                            *to = weights[from as usize + o * strides.output];
                        }
                    }
                }
            }
        }
    }

    fn range(&self, block: usize, pass: usize) -> Range<usize> {
        let wide = self.vectors(block) * self.lanes;
        let chunk = self.pass(pass);
        let start = (block * self.block * self.inputs + chunk.start * wide) * self.taps;
        start..start + chunk.len() * wide * self.taps
    }

    /// Returns the number of output channels per block; the last block may be narrower.
    pub(crate) fn block(&self) -> usize {
        self.block
    }

    /// Returns the number of blocks of output channels.
    pub(crate) fn blocks(&self) -> usize {
        self.blocks
    }

    /// Returns the number of vectors of a block.
    pub(crate) fn vectors(&self, block: usize) -> usize {
        (self.outputs - block * self.block).min(self.block).div_ceil(self.lanes)
    }

    /// Returns the number of passes over the input channels.
    pub(crate) fn passes(&self) -> usize {
        self.inputs.div_ceil(self.per_pass)
    }

    /// Returns the input channels of a pass.
    pub(crate) fn pass(&self, pass: usize) -> Range<usize> {
        pass * self.per_pass..((pass + 1) * self.per_pass).min(self.inputs)
    }

    /// Returns the weights of a block and pass.
    #[inline(always)]
    pub(crate) fn at(&self, block: usize, pass: usize) -> &[f32] {
        &self.data[self.range(block, pass)]
    }

    /// Returns the biases of a block and those after it.
    pub(crate) fn bias(&self, block: usize) -> &[f32] {
        &self.bias[block * self.block..]
    }
}
