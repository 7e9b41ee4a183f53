//! Piecewise linear activations, applied to sums while they are in registers.

use crate::simd::Vector;

/// An activation of two linear pieces.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Rectifier {
    /// `x`.
    #[default]
    None,
    /// `max(x, 0)`.
    Relu,
    /// `x` if positive, else `slope · x`.
    Leaky(f32),
}

impl Rectifier {
    /// Computes the activation of one vector.
    ///
    /// # Safety
    /// The CPU must have V's instructions.
    #[inline(always)]
    pub(crate) unsafe fn apply<V: Vector>(self, x: V) -> V {
        // SAFETY: the caller's contract.
        unsafe {
            let zero = V::splat(0.0);
            match self {
                Rectifier::None => x,
                Rectifier::Relu => zero.max(x),
                Rectifier::Leaky(slope) => zero.max(x).fma(zero.min(x), V::splat(slope)),
            }
        }
    }
}
