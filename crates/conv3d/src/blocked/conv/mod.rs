//! Direct convolution of blocked activations, with fused bias, residual and activation.
//!
//! [`Convolution::run`] computes any box of the output, of any number of images at once, from windows that hold the
//! inputs of the box. The order of operations of an output (bias, then blocks of input channels, taps, channels, then the
//! residual) does not depend on the box, the tiles, the passes or the threads, so a box has the bits of the whole output.
//!
//! A pointwise convolution may have a [`Prologue`]: the normalisation and activation before it, applied to the inputs of a
//! task in a buffer that stays in the second-level cache, so that the activated layer is never stored.

mod ahead;
mod prologue;
mod spans;
mod task;

use super::job::{Job, Spread};
use super::lanes::{Dense, Lanes};
use super::rectifier::Rectifier;
use super::tile;
use super::window::BLOCK;
use crate::ConvGeometry;
use crate::simd::Isa;
use crate::simd::scratch::{Lines, SharedMut};
pub use prologue::Prologue;
use rayon::prelude::*;
use relevox_grid::Box3;
use spans::{Layout, Part, Unit};

/// Multiply-adds per task: a few milliseconds, so that threads finish at about the same time.
const TASK_PRODUCTS: usize = 1 << 25;

/// Share of a block up to which its empty lanes are skipped: beyond it, a span of all taps along x is faster.
const FEW: usize = BLOCK / 2;

/// Returns the number of values of a voxel that need to be read.
fn filled(lanes: &Lanes) -> usize {
    let used = lanes.channels.iter().rposition(Option::is_some).map_or(0, |last| last + 1);
    if lanes.pitch == BLOCK && lanes.blocks() == 1 && used <= FEW { used } else { lanes.pitch }
}

/// A convolution with packed weights.
#[derive(Debug)]
pub struct Convolution {
    isa: Isa,
    layout: Layout,
    rectifier: Rectifier,
    prologue: Option<Prologue>,
    /// Multiply-adds per output voxel, without the channels that pad blocks.
    products: usize,
    /// Input and output channels, without those that pad blocks.
    channels: [usize; 2],
    /// `[group][input block][tz][ty][tx][channel][output]`
    weights: Lines,
    bias: Lines,
}

impl Convolution {
    /// Packs the weights for an instruction set.
    pub fn new(isa: Isa, geometry: ConvGeometry, lanes: &Lanes, dense: Dense<'_>) -> Convolution {
        let outputs = dense.bias.len();
        let taps: usize = geometry.kernel.iter().product();
        let [kz, ky, kx] = geometry.kernel;
        let inputs = dense.weights.len() / (outputs * taps).max(1);
        let (pitch, in_blocks, out_blocks) = (lanes.pitch, lanes.blocks(), outputs.div_ceil(BLOCK));
        // Two blocks are two vectors of AVX-512; one block is two vectors of AVX2 and four of narrower ones.
        let group = if isa.lanes() == BLOCK { out_blocks.min(2) } else { 1 };
        let mut weights = Vec::with_capacity(out_blocks * BLOCK * lanes.channels.len() * taps);
        let mut bias = dense.bias.to_vec();
        bias.resize(out_blocks * BLOCK, 0.0);
        for first in (0..out_blocks).step_by(group.max(1)) {
            let wide = group.min(out_blocks - first) * BLOCK;
            for block in lanes.channels.chunks(pitch) {
                for row in 0..kz * ky {
                    for tx in 0..kx {
                        for &channel in block {
                            weights.extend((first * BLOCK..first * BLOCK + wide).map(|o| match channel {
                                Some(i) if o < outputs => {
                                    dense.weights[(o * inputs + i) * taps + row * kx + tx]
                                }
                                _ => 0.0,
                            }));
                        }
                    }
                }
            }
        }
        let layout = Layout {
            taps: geometry,
            dilation: [1; 3],
            spread: Spread::NONE,
            in_blocks,
            pitch,
            filled: filled(lanes),
            out_blocks,
            group,
        };
        Convolution {
            isa,
            layout,
            rectifier: Rectifier::None,
            prologue: None,
            products: dense.weights.len(),
            channels: [inputs, outputs],
            weights: Lines::of(&weights),
            bias: Lines::of(&bias),
        }
    }

    /// Sets the step between taps, in input voxels (default 1).
    #[must_use]
    pub fn dilated(mut self, dilation: [usize; 3]) -> Convolution {
        self.layout.dilation = dilation;
        self
    }

    /// Sets the placement of outputs (default [`Spread::NONE`]).
    #[must_use]
    pub fn spread(mut self, spread: Spread) -> Convolution {
        self.layout.spread = spread;
        self
    }

    /// Sets the activation after the residual (default none).
    #[must_use]
    pub fn rectified(mut self, rectifier: Rectifier) -> Convolution {
        self.rectifier = rectifier;
        self
    }

    /// Sets the normalisation and activation of the inputs.
    ///
    /// # Panics
    /// Panics if the convolution is not [`ConvGeometry::POINTWISE`] or the prologue has other lanes.
    #[must_use]
    pub fn after(mut self, prologue: Prologue) -> Convolution {
        let lanes = self.layout.in_blocks * BLOCK;
        assert!(
            self.layout.taps == ConvGeometry::POINTWISE && self.layout.pitch == BLOCK,
            "{:?}",
            self.layout
        );
        assert!(prologue.scale.len() == lanes && prologue.shift.len() == lanes, "a prologue of other lanes");
        self.prologue = Some(prologue);
        self
    }

    /// Returns the geometry; a dilated kernel counts with the voxels that it spans.
    pub fn geometry(&self) -> ConvGeometry {
        self.layout.geometry()
    }

    /// Returns the placement of outputs.
    pub fn placement(&self) -> Spread {
        self.layout.spread
    }

    /// Returns the numbers of input and output channels.
    pub fn channels(&self) -> [usize; 2] {
        self.channels
    }

    /// Returns the number of multiply-adds per output voxel, including taps outside the layer.
    pub fn products(&self) -> usize {
        self.products
    }

    /// Computes each job's boxes.
    ///
    /// # Panics
    /// Panics if a job's windows do not hold the voxels that its outputs read and write, or a part lies outside them.
    pub fn run(&self, jobs: &mut [Job<'_>]) {
        let layout = &self.layout;
        let geometry = layout.geometry();
        let mut parts: Vec<Part<'_>> = Vec::with_capacity(jobs.len());
        let mut units = Vec::new();
        let vectors = layout.group * (BLOCK / self.isa.lanes());
        let mut zeros = 0;
        for job in jobs {
            job.check_spread(geometry, layout.spread, [layout.in_blocks, layout.pitch, layout.out_blocks]);
            let part = parts.len();
            for [z, y, x] in job.boxes().iter().map(Box3::ranges) {
                let tallest = tile::rows_for(x.len(), self.isa.accumulators(), vectors);
                let ends = (x.start, x.end);
                for z in z.clone() {
                    let mut from = y.start;
                    while from < y.end && !x.is_empty() {
                        // A tile has 1, 2 or 4 rows.
                        let rows = tallest.min(1 << (y.end - from).ilog2());
                        units.push(Unit { part, z, y: from, rows, x: ends });
                        from += rows;
                    }
                }
                if tallest > 1 {
                    let read = x.len() * geometry.stride[2] + geometry.kernel[2];
                    zeros = zeros.max(read * layout.pitch);
                }
            }
            let Job { input, residual, output, .. } = job;
            parts.push(Part {
                input: *input,
                residual: *residual,
                window: output.0,
                output: SharedMut::new(output.1),
            });
        }
        if units.is_empty() {
            return;
        }
        let zeros = vec![0.0; zeros];
        let groups = layout.out_blocks.div_ceil(layout.group);
        let voxels: usize = units.iter().map(|unit| unit.rows * unit.width()).sum();
        let products = voxels * self.weights.len();
        // The number of threads may decide the division into tasks: no sum depends on it.
        let wanted = (products / TASK_PRODUCTS).max(2 * rayon::current_num_threads());
        // A task of a pointwise convolution computes all outputs of its inputs, which it reads from memory once, unless there are
        // fewer such tasks than threads; others read theirs again for each group and several taps.
        let (pieces, shares) = if layout.is_pointwise() {
            let pieces = wanted.clamp(1, units.len());
            (pieces, wanted.div_ceil(pieces).clamp(1, groups))
        } else {
            (wanted.div_ceil(groups).clamp(1, units.len()), groups)
        };
        (0..pieces * shares).into_par_iter().for_each(|task| {
            let (piece, share) = (task / shares, task % shares);
            let range = piece * units.len() / pieces..(piece + 1) * units.len() / pieces;
            let groups = share * groups / shares..(share + 1) * groups / shares;
            let (conv, prologue) = (self.view(&parts), self.prologue.as_ref());
            self.isa.run(task::Task { conv, prologue, units: &units, range, groups, zeros: &zeros });
        });
    }

    /// Returns the convolution as its tasks read it.
    fn view<'a>(&'a self, parts: &'a [Part<'a>]) -> spans::View<'a> {
        spans::View {
            layout: &self.layout,
            rectifier: self.rectifier,
            weights: &self.weights,
            bias: &self.bias,
            parts,
        }
    }
}
