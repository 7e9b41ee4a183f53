//! Requests the inputs of the next units while others are computed.

use super::super::window::BLOCK;
use super::spans::{Unit, View};
use crate::simd::Vector;

/// Rows of inputs to request, by block, unit and row, which is their order in memory.
pub(super) struct Ahead<'a> {
    conv: &'a View<'a>,
    units: &'a [Unit],
    /// Next row: block, unit, row of the unit.
    next: [usize; 3],
    /// Rows by request.
    rows: usize,
}

impl<'a> Ahead<'a> {
    /// Divides the rows of a pointwise convolution's units among a number of requests. Others read their inputs several times, and
    /// request them as they do.
    pub(super) fn new(conv: &'a View<'a>, units: &'a [Unit], requests: usize) -> Ahead<'a> {
        let units = if conv.layout.is_pointwise() { units } else { &[] };
        let rows = units.iter().map(|unit| unit.rows).sum::<usize>() * conv.layout.in_blocks;
        Ahead { conv, units, next: [0; 3], rows: rows.div_ceil(requests.max(1)) }
    }

    /// Requests the next rows.
    ///
    /// # Safety
    /// The CPU must have V's instructions.
    #[inline(always)]
    pub(super) unsafe fn request<V: Vector>(&mut self) {
        let stride = self.conv.layout.taps.stride;
        for _ in 0..self.rows {
            let [block, at, row] = self.next;
            let Some(unit) = self.units.get(at).filter(|_| block < self.conv.layout.in_blocks) else {
                return;
            };
            if self.conv.is_inside(unit) {
                let (window, values) = self.conv.parts[unit.part].input;
                let voxel = [unit.z * stride[0], (unit.y + row) * stride[1], unit.x.0 * stride[2]];
                let from = values[window.at(block, voxel.map(|at| at as isize))..].as_ptr();
                for x in 0..unit.width() {
                    // SAFETY: the caller has V's instructions; any address may be requested.
                    unsafe { V::prefetch_far(from.wrapping_add(x * stride[2] * BLOCK)) };
                }
            }
            self.next = match () {
                () if row + 1 < unit.rows => [block, at, row + 1],
                () if at + 1 < self.units.len() => [block, at + 1, 0],
                () => [block + 1, 0, 0],
            };
        }
    }
}
