//! The register kernel of the blocked convolution.
//!
//! A tile is some rows of `M` neighbouring voxels, `P` in all, × `NV` vectors of output channels, all in registers. It passes over
//! spans: the taps along x and the channels of one block, which lie side by side for a voxel and its neighbours, so that
//! a step is `NV` loads of weights, `P` broadcasts and `P · NV` multiply-adds. Whatever the tile's size, an
//! output's sum starts at its bias and takes its products in the order of the spans: sizes, passes and boxes do not
//! change a bit of it.

use super::rectifier::Rectifier;
use super::window::BLOCK;
use crate::simd::{Kernel, Vector};

/// Rows of the tallest tile.
pub(super) const MOST_ROWS: usize = 4;
/// Voxels of the widest tile.
const WIDEST: usize = 14;

/// Values between the columns of a convolution in tiles of 4 × 4 × 4 outputs: those at its 216 points, and a line of the cache
/// without which 14 columns would share 8 sets of the first-level cache.
pub(super) const COLUMN: usize = (216 + 1) * BLOCK;

/// Returns the number of rows per tile for rows of this width: enough accumulators to hide a multiply-add's latency.
pub(super) fn rows_for(width: usize, accumulators: usize, vectors: usize) -> usize {
    let voxels = accumulators / vectors;
    match width {
        0..=3 if voxels >= 4 * width.max(1) => 4,
        0..=7 if voxels >= 2 * width.max(1) => 2,
        _ => 1,
    }
}

/// Initial values of the accumulators.
#[derive(Clone, Copy)]
pub(super) enum Start {
    /// One value per channel.
    Bias(*const f32),
    /// The sums of earlier passes, in the output.
    Sums,
}

/// End of a sum: a residual to add per block of channels (null for none), then the activation.
#[derive(Clone, Copy)]
pub(super) struct Finish {
    pub(super) residual: [*const f32; 2],
    /// Values between a row's neighbouring voxels, and between rows.
    pub(super) steps: [usize; 2],
    pub(super) rectifier: Rectifier,
}

/// A run of tiles along `rows` rows of output.
#[derive(Clone, Copy)]
pub(super) struct Work<'a> {
    /// Weights of each span, `[step][NV · LANES]`.
    pub(super) weights: &'a [*const f32],
    /// Inputs of voxel 0 of each row, for each span.
    pub(super) inputs: &'a [[*const f32; MOST_ROWS]],
    /// Values of a span.
    pub(super) steps: usize,
    /// Input values between neighbouring output voxels.
    pub(super) stride: usize,
    pub(super) start: Start,
    /// Voxel 0 of row 0 of the output.
    pub(super) output: *mut f32,
    /// Values between a row's neighbouring voxels, between rows, and between blocks of the output.
    pub(super) output_steps: [usize; 3],
    /// Applied after the last pass.
    pub(super) finish: Option<Finish>,
}

/// Computes `rows` rows of `width` voxels.
///
/// # Safety
/// The CPU must have V's instructions; every pointer of `work` must be valid for `rows`, `width`, `steps` and `vectors`.
#[inline(always)]
pub(super) unsafe fn run<V: Vector>(vectors: usize, rows: usize, width: usize, work: &Work<'_>) {
    let widest = (V::ACCUMULATORS / (vectors * rows)).clamp(1, WIDEST);
    let tiles = width.div_ceil(widest);
    let mut x = 0;
    for tile in 0..tiles {
        let end = (tile + 1) * width / tiles;
        // SAFETY: the caller's contract; the tile lies inside the row.
        unsafe { by_size::<V>(vectors, rows, end - x, x, work) };
        x = end;
    }
}

/// Picks the tile compiled for this size.
#[inline(always)]
unsafe fn by_size<V: Vector>(vectors: usize, rows: usize, width: usize, x: usize, work: &Work<'_>) {
    macro_rules! pick {
        ($step:tt; $(($nv:literal, $r:literal, $($m:literal)*))*) => {
            match (vectors, rows, width) {
                $($(($nv, $r, $m) if const { fits::<V>($nv, $r, $m) } => {
                    // SAFETY: the caller's contract.
                    unsafe { V::enter(Tile::<$nv, $m, { $r * $m }, $step> { x, work }) }
                })*)*
                _ => unreachable!("a tile of {rows} rows, {width} voxels and {vectors} vectors"),
            }
        };
    }
    macro_rules! all {
        ($step:tt) => {
            pick!($step; (1, 1, 1 2 3 4 5 6 7 8 9 10 11 12 13 14) (1, 2, 1 2 3 4 5 6 7) (1, 4, 1 2 3)
                (2, 1, 1 2 3 4 5 6 7 8 9 10 11 12 13 14) (2, 2, 1 2 3 4 5 6 7) (2, 4, 1 2 3)
                (4, 1, 1 2 3 4 5 6) (4, 2, 1 2 3) (4, 4, 1))
        };
    }
    macro_rules! single {
        ($step:tt) => {
            pick!($step; (1, 1, 1 2 3 4 5 6 7 8 9 10 11 12 13 14) (2, 1, 1 2 3 4 5 6 7 8 9 10 11 12 13 14)
                (4, 1, 1 2 3 4 5 6))
        };
    }
    match (work.stride, rows) {
        (16, _) => all!(16),
        (32, _) => all!(32),
        // Images of four channels, with strides 1 and 2.
        (4, 1) => single!(4),
        (8, 1) => single!(8),
        (COLUMN, 1) => single!(COLUMN),
        _ => all!(0),
    }
}

/// Returns whether a vector type has a tile of this size.
const fn fits<V: Vector>(vectors: usize, rows: usize, width: usize) -> bool {
    let by_block = BLOCK / V::LANES;
    // A tile takes one block, or two where a block is one vector.
    let blocks = vectors == by_block || (by_block == 1 && vectors == 2);
    blocks && vectors * rows * width <= V::ACCUMULATORS
}

/// `P` voxels in rows of `M` × `NV` vectors, whose inputs are `STEP` values apart (0: `work.stride`).
struct Tile<'a, const NV: usize, const M: usize, const P: usize, const STEP: usize> {
    x: usize,
    work: &'a Work<'a>,
}

impl<const NV: usize, const M: usize, const P: usize, const STEP: usize> Kernel for Tile<'_, NV, M, P, STEP> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let Tile { x, work } = self;
        let stride = if STEP == 0 { work.stride } else { STEP };
        let by_block = BLOCK / V::LANES;
        let [step, row, block] = work.output_steps;
        // SAFETY: the caller vouches for `P / M` rows of inputs, weights, outputs and residuals from voxel `x` on.
        unsafe {
            let output = work.output.add(x * step);
            let place = |r: usize, m: usize, v: usize| {
                output.add(r * row + m * step + v / by_block * block + v % by_block * V::LANES)
            };
            // Loops over accumulators are nested by row, voxel and vector and so simple that all unroll: a single index that is
            // known only at run time would spill all of them to memory. With one loop over `P` voxels, tiles of 14 did.
            let mut acc = [[V::splat(0.0); NV]; P];
            match work.start {
                Start::Bias(bias) => {
                    for r in 0..P / M {
                        for m in 0..M {
                            for (v, sum) in acc[r * M + m].iter_mut().enumerate() {
                                *sum = V::load(bias.add(v * V::LANES));
                            }
                        }
                    }
                }
                Start::Sums => {
                    for r in 0..P / M {
                        for m in 0..M {
                            for (v, sum) in acc[r * M + m].iter_mut().enumerate() {
                                *sum = V::load(place(r, m, v));
                            }
                        }
                    }
                }
            }
            for (span, (&from, inputs)) in work.weights.iter().zip(work.inputs).enumerate() {
                let mut weights = from;
                let inputs = inputs.map(|input| input.wrapping_add(x * stride));
                // The rows of the next span lie elsewhere in memory: unless requested, each begins with a miss.
                if let Some(next) = work.inputs.get(span + 1) {
                    for next in next.iter().take(P / M) {
                        for m in 0..M {
                            V::prefetch(next.wrapping_add((x + m) * stride));
                        }
                    }
                }
                for at in 0..work.steps {
                    let mut w = [V::splat(0.0); NV];
                    for (v, value) in w.iter_mut().enumerate() {
                        *value = V::load(weights.add(v * V::LANES));
                    }
                    for r in 0..P / M {
                        for m in 0..M {
                            let value = V::splat(*inputs[r].add(at + m * stride));
                            for (v, sum) in acc[r * M + m].iter_mut().enumerate() {
                                *sum = sum.fma(value, w[v]);
                            }
                        }
                    }
                    weights = weights.add(NV * V::LANES);
                }
            }
            if let Some(finish) = &work.finish {
                if finish.residual.iter().any(|residual| !residual.is_null()) {
                    for r in 0..P / M {
                        for m in 0..M {
                            for (v, sum) in acc[r * M + m].iter_mut().enumerate() {
                                let residual = finish.residual[v / by_block];
                                if !residual.is_null() {
                                    let lane = v % by_block * V::LANES;
                                    let at = (x + m) * finish.steps[0] + r * finish.steps[1] + lane;
                                    *sum = sum.add(V::load(residual.add(at)));
                                }
                            }
                        }
                    }
                }
                if finish.rectifier != Rectifier::None {
                    for sums in &mut acc {
                        for sum in sums {
                            *sum = finish.rectifier.apply(*sum);
                        }
                    }
                }
            }
            for r in 0..P / M {
                for m in 0..M {
                    for (v, sum) in acc[r * M + m].iter().enumerate() {
                        sum.store(place(r, m, v));
                    }
                }
            }
        }
    }
}
