//! The unit of work of all kernels: a box of one image's output layer.

use super::window::{BLOCK, Window};
use crate::ConvGeometry;
use relevox_grid::Box3;
use std::ops::Range;

/// Placement of outputs in the output layer: voxel o is written to `o · step + offset`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spread {
    /// Distance between neighbouring outputs, per axis.
    pub step: [usize; 3],
    /// Position of output 0.
    pub offset: [usize; 3],
}

impl Spread {
    /// Voxel o is written to o.
    pub const NONE: Spread = Spread { step: [1; 3], offset: [0; 3] };
}

/// One image of a call: the box of outputs to compute, its input and its output.
pub struct Job<'a> {
    /// The box of outputs, before [`Spread`].
    pub outputs: Box3,
    /// Disjoint boxes within `outputs` to compute instead of all of it.
    pub parts: Option<&'a [Box3]>,
    /// The input layer and its values.
    pub input: (&'a Window, &'a [f32]),
    /// Second input.
    pub residual: Option<Residual<'a>>,
    /// The output layer and its values.
    pub output: (&'a Window, &'a mut [f32]),
}

/// A second input: voxel `o · stride` belongs to output `o`. Missing blocks count as zeros.
#[derive(Clone, Copy)]
pub struct Residual<'a> {
    /// The layer.
    pub window: &'a Window,
    /// Its values.
    pub values: &'a [f32],
    /// Step between voxels that are read, in voxels of the layer.
    pub stride: usize,
}

impl Job<'_> {
    /// Returns the boxes to compute.
    ///
    /// # Panics
    /// Panics if a part lies outside the outputs or, with debug assertions, if two overlap.
    pub(super) fn boxes(&self) -> &[Box3] {
        let Some(parts) = self.parts else { return std::slice::from_ref(&self.outputs) };
        for part in parts {
            assert!(self.outputs.contains(part), "{part:?} is not in {:?}", self.outputs);
        }
        debug_assert!(disjoint(parts), "{parts:?} overlap");
        parts
    }

    /// Validates that the windows hold all that the job reads and writes, for `[input blocks, their pitch, output blocks]`.
    ///
    /// # Panics
    /// Panics if they do not.
    pub(super) fn check(&self, geometry: ConvGeometry, channels: [usize; 3]) {
        self.check_spread(geometry, Spread::NONE, channels);
    }

    /// As [`Job::check`], for outputs that are spread.
    pub(super) fn check_spread(
        &self,
        geometry: ConvGeometry,
        spread: Spread,
        [blocks, pitch, outputs]: [usize; 3],
    ) {
        let (input, layer) = (self.input.0, self.input.0.layer);
        assert!(input.blocks == blocks && input.pitch == pitch, "input channels of {input:?}");
        let read = Window::read(geometry, self.outputs, layer);
        assert!(input.holds(&read) && self.input.1.len() == input.elements(), "{read:?} is not in {input:?}");
        let Spread { step, offset } = spread;
        let written: Box3<isize> = std::array::from_fn(|axis| {
            let Range { start, end } = self.outputs.range(axis);
            let first = start * step[axis] + offset[axis];
            first as isize..(first + (end.max(start + 1) - 1 - start) * step[axis] + 1) as isize
        })
        .into();
        self.check_output(outputs, written);
        if let Some(residual) = &self.residual {
            let read = ConvGeometry::strided([residual.stride; 3]).receptive_field(self.outputs);
            residual.check(outputs, read);
        }
    }

    /// Validates that the output window holds what is written, in this number of blocks.
    ///
    /// # Panics
    /// Panics if it does not.
    pub(super) fn check_output(&self, blocks: usize, written: Box3<isize>) {
        let output = self.output.0;
        assert!(output.blocks == blocks && output.pitch == BLOCK, "output channels of {output:?}");
        assert!(
            output.holds(&written) && self.output.1.len() == output.elements(),
            "{written:?} is not in {output:?}"
        );
    }
}

impl Residual<'_> {
    /// Validates that the window holds a box, in at most this number of blocks.
    ///
    /// # Panics
    /// Panics if it does not.
    pub(super) fn check(&self, blocks: usize, read: Box3<isize>) {
        let window = self.window;
        assert!(window.pitch == BLOCK && window.blocks <= blocks, "residual of {window:?}");
        assert!(
            window.holds(&read) && self.values.len() == window.elements(),
            "{read:?} is not in {window:?}"
        );
    }
}

/// Returns whether no two boxes share a voxel.
fn disjoint(boxes: &[Box3]) -> bool {
    let mut sorted: Vec<&Box3> = boxes.iter().collect();
    sorted.sort_by_key(|bounds| bounds.start[0]);
    sorted.iter().enumerate().all(|(at, a)| {
        let mut near = sorted[at + 1..].iter().take_while(|b| b.start[0] < a.end[0]);
        near.all(|b| a.intersection(b).is_none())
    })
}
