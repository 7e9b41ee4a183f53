//! Transposed convolutions as convolutions, one for each position of an output relative to the stride.
//!
//! Output `s·q + r` of a transposed convolution of stride `s` reads input `q + d − j` through tap `t + s·j`, where
//! `t = (r + p) mod s`, `d = (r + p) div s` and `p` is the padding. For each `r` this is a convolution of `q`.

use super::Compiler;
use crate::graph::ConvTranspose;
use crate::plan::work::{Transposed, Work};
use conv3d::ConvGeometry;
use conv3d::blocked::conv::Convolution;
use conv3d::blocked::job::Spread;
use conv3d::blocked::lanes::Dense;
use conv3d::blocked::rectifier::Rectifier;

/// The taps of one position along one axis.
struct Phase {
    /// First input that is read, relative to the position, at most 0.
    first: isize,
    /// The tap of each input from there on; none for one that is not read.
    taps: Vec<Option<usize>>,
}

impl Phase {
    fn new(kernel: usize, stride: usize, padding: usize, position: usize) -> Phase {
        let (tap, ahead) = ((position + padding) % stride, ((position + padding) / stride) as isize);
        let count = kernel.saturating_sub(tap).div_ceil(stride) as isize;
        let first = (ahead - count + 1).min(0);
        let last = if count == 0 { 0 } else { ahead.max(first) };
        let taps = (first..=last)
            .map(|input| {
                let at = usize::try_from(ahead - input).ok()?;
                Some(tap + stride * at).filter(|&tap| tap < kernel)
            })
            .collect();
        Phase { first, taps }
    }
}

impl Compiler<'_> {
    /// Emits a transposed convolution.
    pub(super) fn emit_transposed(
        &mut self,
        input: usize,
        conv: &ConvTranspose,
        rectifier: Rectifier,
        place: Option<usize>,
    ) -> usize {
        let outputs = conv.bias.len();
        let inputs = self.lanes[input].count();
        let by_channel: usize = conv.kernel.iter().product();
        let [_, ky, kx] = conv.kernel;
        let [sz, sy, sx] = conv.stride;
        let mut phases = Vec::new();
        let (mut before, mut after) = ([0; 3], [0; 3]);
        for position in 0..sz * sy * sx {
            let offset = [position / (sy * sx), position / sx % sy, position % sx];
            let along: [Phase; 3] = std::array::from_fn(|axis| {
                Phase::new(conv.kernel[axis], conv.stride[axis], conv.padding.before[axis], offset[axis])
            });
            let kernel = along.each_ref().map(|phase| phase.taps.len());
            let padding = along.each_ref().map(|phase| phase.first.unsigned_abs());
            for axis in 0..3 {
                before[axis] = before[axis].max(padding[axis]);
                after[axis] = after[axis].max(kernel[axis] - 1 - padding[axis]);
            }
            let mut weights = Vec::with_capacity(outputs * inputs * kernel.iter().product::<usize>());
            for o in 0..outputs {
                for i in 0..inputs {
                    let from = &conv.weights[(i * outputs + o) * by_channel..][..by_channel];
                    for z in &along[0].taps {
                        for y in &along[1].taps {
                            for x in &along[2].taps {
                                let tap = z.zip(*y).zip(*x).map(|((z, y), x)| (z * ky + y) * kx + x);
                                weights.push(tap.map_or(0.0, |tap| from[tap]));
                            }
                        }
                    }
                }
            }
            let dense = Dense { weights: &weights, bias: &conv.bias };
            let geometry = ConvGeometry { kernel, stride: [1; 3], padding };
            let phase = Convolution::new(self.algorithms.isa, geometry, &self.lanes[input], dense)
                .spread(Spread { step: conv.stride, offset })
                .rectified(rectifier);
            phases.push(phase);
        }
        self.halo(input, before[2].max(after[2] + self.extra(conv)));
        let geometry = ConvGeometry {
            kernel: std::array::from_fn(|axis| before[axis] + 1 + after[axis]),
            stride: [1; 3],
            padding: before,
        };
        let missing = std::array::from_fn(|axis| {
            let removed = conv.padding.before[axis] + conv.padding.after[axis] + conv.stride[axis];
            removed as isize - (conv.kernel[axis] + conv.output_padding[axis]) as isize
        });
        let products = conv.weights.len();
        let work = Transposed { phases, stride: conv.stride, geometry, missing, products };
        let output = place.unwrap_or_else(|| self.layer(outputs));
        self.step(Work::Transposed(work), input, output, None)
    }

    /// Returns the positions along x beyond the input: of outputs that only the kernel's end reaches.
    fn extra(&self, conv: &ConvTranspose) -> usize {
        let beyond = (conv.kernel[2] + conv.output_padding[2])
            .saturating_sub(conv.padding.before[2] + conv.padding.after[2] + conv.stride[2]);
        beyond.div_ceil(conv.stride[2])
    }
}
