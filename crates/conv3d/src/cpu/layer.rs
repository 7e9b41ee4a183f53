//! The weights of a convolution with its geometry.

use super::shape::Gather;
use crate::simd::Isa;

/// A convolution of dense `f32` slices, and the instruction set that computes it.
#[derive(Clone, Copy)]
pub(crate) struct Layer<'a> {
    pub isa: Isa,
    pub gather: &'a Gather,
    /// `[o, i, kz, ky, kx]`
    pub weight: &'a [f32],
    /// One value per channel of the result; `None` for 0.
    pub bias: Option<&'a [f32]>,
}
