//! Rows of few output channels, neighbouring voxels in the vector lanes.
//!
//! Where the output channels fill less of their vectors than the voxels of a row do of theirs, a tile is `C` output channels ×
//! `NX` vectors of voxels: each step loads `NX` vectors of inputs and broadcasts `C` weights. Every sum has its terms in the
//! order of [`Tile`](super::Tile), so that both give the same bits. A row of sums is `[channel][x]`, as the output is.

use super::super::few_outputs::FewOutputs;
use super::{Geometry, Span, Start};
use crate::simd::{Kernel, Vector};

/// Vectors of voxels of the widest tile.
const WIDEST: usize = 3;

/// Adds the spans' channels to the sums.
///
/// # Safety
/// As [`row`](super::row()); packed rows are followed by at least a vector of memory.
#[inline(always)]
pub(super) unsafe fn row<V: Vector>(
    few: FewOutputs,
    lanes_of_weights: usize,
    spans: &[Span],
    geometry: Geometry,
    start: Start,
    sums: *mut f32,
) {
    let vectors = few.padded / V::LANES;
    let widest = (V::ACCUMULATORS / few.outputs).clamp(1, WIDEST);
    let tiles = vectors.div_ceil(widest);
    let mut first = 0;
    for tile in 0..tiles {
        let end = (tile + 1) * vectors / tiles;
        let x = first * V::LANES;
        let row = Row { spans, x, geometry, start, lanes_of_weights, stride: few.padded };
        // SAFETY: the caller's contract; the tile lies inside the row.
        unsafe { by_size::<V>(few.outputs, end - first, row, sums.add(x)) };
        first = end;
    }
}

/// Inputs, weights and layout shared by all tiles of a row.
#[derive(Clone, Copy)]
struct Row<'a> {
    spans: &'a [Span],
    x: usize,
    geometry: Geometry,
    start: Start,
    /// Weights of one input channel and tap.
    lanes_of_weights: usize,
    /// Sums of one channel.
    stride: usize,
}

/// Picks the tile compiled for this number of channels and vectors.
#[inline(always)]
unsafe fn by_size<V: Vector>(outputs: usize, vectors: usize, row: Row<'_>, sums: *mut f32) {
    macro_rules! pick {
        ($(($c:literal, $($nx:literal)*))*) => {
            match (outputs, vectors) {
                $($(($c, $nx) if const { $c * 2 <= V::LANES && ($nx == 1 || $c * $nx <= V::ACCUMULATORS) } => {
                    // SAFETY: the caller's contract.
                    unsafe { V::enter(Tile::<$c, $nx> { row, sums }) }
                })*)*
                _ => unreachable!("a tile of {outputs} channels and {vectors} vectors"),
            }
        };
    }
    pick!((1, 1 2 3) (2, 1 2 3) (3, 1 2 3) (4, 1 2 3) (5, 1 2 3) (6, 1 2 3) (7, 1 2 3) (8, 1 2 3));
}

/// `C` output channels × `NX` vectors of voxels, over all spans, channels and taps.
struct Tile<'a, const C: usize, const NX: usize> {
    row: Row<'a>,
    sums: *mut f32,
}

impl<const C: usize, const NX: usize> Kernel for Tile<'_, C, NX> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let Row { spans, x, geometry, start, lanes_of_weights, stride } = self.row;
        // SAFETY: spans reach `channels` rows of packed input with a vector of memory behind them, weights follow one another
        // as they are read, and `sums` holds C rows of whole vectors.
        unsafe {
            let mut acc = [[V::splat(0.0); NX]; C];
            for (c, channel) in acc.iter_mut().enumerate() {
                for (v, value) in channel.iter_mut().enumerate() {
                    *value = match start {
                        Start::From(bias) => V::splat(*bias.add(c)),
                        Start::Sums => V::load(self.sums.add(c * stride + v * V::LANES)),
                    };
                }
            }
            for span in spans {
                let mut weights = span.weights;
                let mut channel = span.input.add(x);
                for _ in 0..geometry.channels {
                    let mut tap = channel;
                    for _ in 0..geometry.taps {
                        let mut inputs = [V::splat(0.0); NX];
                        for (v, value) in inputs.iter_mut().enumerate() {
                            *value = V::load(tap.add(v * V::LANES));
                        }
                        for (c, sums) in acc.iter_mut().enumerate() {
                            let weight = V::splat(*weights.add(c));
                            for (value, &input) in sums.iter_mut().zip(&inputs) {
                                *value = value.fma(input, weight);
                            }
                        }
                        weights = weights.add(lanes_of_weights);
                        tap = tap.add(geometry.tap_stride);
                    }
                    channel = channel.add(geometry.channel_stride);
                }
            }
            for (c, channel) in acc.iter().enumerate() {
                for (v, value) in channel.iter().enumerate() {
                    value.store(self.sums.add(c * stride + v * V::LANES));
                }
            }
        }
    }
}
