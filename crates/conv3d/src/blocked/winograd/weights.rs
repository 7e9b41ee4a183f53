//! Weights at the points.

use super::{Shape, transform};
use crate::blocked::lanes::Lanes;
use crate::blocked::window::BLOCK;
use crate::simd::scratch::SharedMut;
use crate::simd::{Kernel, Vector};
use std::ops::Range;

/// Transforms the weights of some outputs and channels.
pub(super) struct Weights<'a> {
    pub(super) shape: Shape,
    pub(super) lanes: &'a Lanes,
    /// `[o, i, kz, ky, kx]`
    pub(super) dense: &'a [f32],
    pub(super) inputs: usize,
    pub(super) outputs: Range<usize>,
    /// Outputs that lie side by side, those that only fill up included.
    pub(super) wide: usize,
    /// Places of channels.
    pub(super) places: Range<usize>,
    /// `[slot][tz][input block][channel][output]`
    pub(super) weights: SharedMut<'a>,
}

/// [`Weights`] of `R × R` taps at `A × A` points.
pub(super) struct Points<'a, const A: usize, const R: usize> {
    pub(super) of: Weights<'a>,
}

impl<const A: usize, const R: usize> Kernel for Points<'_, A, R> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let Weights { shape, lanes, dense, inputs, outputs, wide, places, weights } = self.of;
        let channels = lanes.channels.len();
        assert!(wide.is_multiple_of(V::LANES) && V::LANES <= BLOCK, "{wide} outputs");
        for tz in 0..shape.depth() {
            for place in places.clone() {
                let Some(channel) = lanes.channels[place] else { continue };
                for lane in (0..wide).step_by(V::LANES) {
                    let mut taps = [[[0.0; BLOCK]; R]; R];
                    for (at, o) in (outputs.start + lane..outputs.end).take(V::LANES).enumerate() {
                        for (ty, line) in taps.iter_mut().enumerate() {
                            for (tx, tap) in line.iter_mut().enumerate() {
                                if let Some(from) = shape.tap(inputs, o, channel, [tz, ty, tx]) {
                                    tap[at] = dense[from];
                                }
                            }
                        }
                    }
                    // SAFETY: the caller has V's instructions; a tap has LANES values; `weights` hold all points, of which
                    // LANES values from `lane` on are inside `wide`, and no other task has these channels.
                    unsafe {
                        let mut lines = [[V::splat(0.0); A]; R];
                        for (line, taps) in lines.iter_mut().zip(&taps) {
                            let mut values = [V::splat(0.0); R];
                            for (value, tap) in values.iter_mut().zip(taps) {
                                *value = V::load(tap.as_ptr());
                            }
                            *line = transform::kernel::<V, A, R>(values);
                        }
                        for px in 0..A {
                            let mut column = [V::splat(0.0); R];
                            for (value, line) in column.iter_mut().zip(&lines) {
                                *value = line[px];
                            }
                            let column = transform::kernel::<V, A, R>(column);
                            for (py, value) in column.into_iter().enumerate() {
                                let step = ((py * A + px) * shape.depth() + tz) * channels + place;
                                value.store(weights.at(step * wide + lane));
                            }
                        }
                    }
                }
            }
        }
    }
}
