//! Some units of one group of output blocks.

use super::spans::{Spans, Unit, View};
use crate::simd::{Kernel, Vector};

/// Computes units from the input layers themselves.
pub(super) struct Task<'a> {
    pub(super) conv: View<'a>,
    pub(super) units: &'a [Unit],
    pub(super) group: usize,
    /// Inputs of a row outside the layer.
    pub(super) zeros: &'a [f32],
}

impl Kernel for Task<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let Task { conv, units, group, zeros } = self;
        let (_, blocks) = conv.layout.blocks_of(group);
        let mut spans = Spans::default();
        for inputs in conv.layout.passes(blocks) {
            let (begins, ends) = (inputs.start == 0, inputs.end == conv.layout.in_blocks);
            for unit in units {
                spans.fill(&conv, unit, group, &inputs, zeros);
                // SAFETY: the caller has V's instructions, and `Convolution::run` checked that the windows hold what the
                // unit reads and writes; no two units share a voxel of a block, nor the zeros beside a row's end.
                unsafe { conv.unit::<V>(unit, &spans, group, begins, ends) };
            }
        }
    }
}
