//! Which inputs an output reads, and which outputs an input reaches.

use std::ops::Range;

use relevox_grid::Box3;

/// Kernel, stride and padding of a convolution or pooling, per axis z, y, x.
///
/// Output `o` reads inputs `o · stride − padding .. o · stride − padding + kernel`; those outside the input are padding.
/// A dilated kernel counts with the voxels that it spans, see [`Conv3dParams::geometry`](crate::Conv3dParams::geometry).
///
/// ```
/// use conv3d::ConvGeometry;
/// use relevox_grid::Box3;
///
/// let stem = ConvGeometry { kernel: [7; 3], stride: [2; 3], padding: [3; 3] };
/// assert_eq!(stem.output_size([128; 3]), Some([64; 3]));
/// // The outputs to compute again after a change of one voxel, and the inputs that they read.
/// let reached = stem.reached_by(Box3::new([10; 3], [11; 3]), [64; 3]).expect("a voxel inside");
/// assert_eq!(reached, Box3::new([4; 3], [7; 3]));
/// assert_eq!(stem.reads(reached, [128; 3]), Box3::new([5; 3], [16; 3]));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ConvGeometry {
    /// Voxels that the kernel spans, at least 1.
    pub kernel: [usize; 3],
    /// Step between outputs, in input voxels, at least 1.
    pub stride: [usize; 3],
    /// Voxels added before and after the input.
    pub padding: [usize; 3],
}

impl ConvGeometry {
    /// A pointwise convolution: output `o` reads input `o`.
    pub const POINTWISE: Self = Self::strided([1; 3]);

    /// A pointwise convolution with a stride: output `o` reads input `o · stride`.
    pub const fn strided(stride: [usize; 3]) -> Self {
        Self { kernel: [1; 3], stride, padding: [0; 3] }
    }

    /// Returns the size of the output, or `None` if the kernel does not fit into the padded input or kernel or stride
    /// is 0.
    pub fn output_size(&self, input: [usize; 3]) -> Option<[usize; 3]> {
        let mut output = [0; 3];
        for axis in 0..3 {
            if self.kernel[axis] == 0 || self.stride[axis] == 0 {
                return None;
            }
            let padded = self.padding[axis].checked_mul(2)?.checked_add(input[axis])?;
            output[axis] = padded.checked_sub(self.kernel[axis])? / self.stride[axis] + 1;
        }
        Some(output)
    }

    /// Returns the inputs that outputs read, padding included: from the first that the first output reads to the last
    /// that the last output reads.
    pub fn receptive_field(&self, outputs: Box3) -> Box3<isize> {
        std::array::from_fn(|axis| self.receptive_field_along(axis, outputs.range(axis))).into()
    }

    /// Returns the part of [`ConvGeometry::receptive_field`] that lies in an input of size `input`.
    pub fn reads(&self, outputs: Box3, input: [usize; 3]) -> Box3 {
        self.receptive_field(outputs).clipped(input)
    }

    /// Returns the outputs that read an input of a box, or `None` if there are none. `output` is the size of the output.
    pub fn reached_by(&self, changed: Box3, output: [usize; 3]) -> Option<Box3> {
        if changed.is_empty() {
            return None;
        }
        let reached: Box3 =
            std::array::from_fn(|axis| self.reached_along(axis, changed.range(axis), output[axis])).into();
        (!reached.is_empty()).then_some(reached)
    }

    /// [`ConvGeometry::receptive_field`] along one axis.
    pub fn receptive_field_along(&self, axis: usize, outputs: Range<usize>) -> Range<isize> {
        if outputs.is_empty() {
            return 0..0;
        }
        let first = |output: usize| (output * self.stride[axis]) as isize - self.padding[axis] as isize;
        first(outputs.start)..first(outputs.end - 1) + self.kernel[axis] as isize
    }

    /// [`ConvGeometry::reads`] along one axis.
    pub fn reads_along(&self, axis: usize, outputs: Range<usize>, input: usize) -> Range<usize> {
        let all = self.receptive_field_along(axis, outputs);
        let start = all.start.clamp(0, input as isize);
        start as usize..all.end.clamp(start, input as isize) as usize
    }

    /// [`ConvGeometry::reached_by`] along one axis; empty if no output reads the inputs.
    pub fn reached_along(&self, axis: usize, inputs: Range<usize>, output: usize) -> Range<usize> {
        if inputs.is_empty() {
            return 0..0;
        }
        let (kernel, stride, padding) = (self.kernel[axis], self.stride[axis], self.padding[axis]);
        let first = (inputs.start + padding + 1).saturating_sub(kernel).div_ceil(stride);
        let end = ((inputs.end - 1 + padding) / stride + 1).min(output);
        first..end.max(first)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A geometry whose kernel fits, with the sizes of its input and output.
    fn geometries() -> impl Strategy<Value = (ConvGeometry, [usize; 3], [usize; 3])> {
        let axis = || (1..6_usize, 1..4_usize, 0..4_usize, 1..9_usize);
        [axis(), axis(), axis()].prop_filter_map("the kernel fits", |axes| {
            let geometry = ConvGeometry {
                kernel: axes.map(|axis| axis.0),
                stride: axes.map(|axis| axis.1),
                padding: axes.map(|axis| axis.2),
            };
            let input = axes.map(|axis| axis.3);
            Some((geometry, input, geometry.output_size(input)?))
        })
    }

    /// A box that is not empty in a grid of this size, from six numbers.
    fn inside(size: [usize; 3], draw: [usize; 6]) -> Box3 {
        let start: [usize; 3] = std::array::from_fn(|axis| draw[axis] % size[axis]);
        let end = std::array::from_fn(|axis| start[axis] + 1 + draw[axis + 3] % (size[axis] - start[axis]));
        Box3::new(start, end)
    }

    /// Returns whether an output reads an input, by the definition of a convolution.
    fn reads(geometry: &ConvGeometry, axis: usize, output: usize, input: usize) -> bool {
        (0..geometry.kernel[axis])
            .any(|tap| output * geometry.stride[axis] + tap == input + geometry.padding[axis])
    }

    /// The smallest range of all that `which` holds for.
    fn hull(size: usize, which: impl Fn(usize) -> bool) -> Option<Range<usize>> {
        let first = (0..size).find(|&at| which(at))?;
        let last = (0..size).rev().find(|&at| which(at))?;
        Some(first..last + 1)
    }

    proptest! {
        #[test]
        fn the_last_output_fits_and_one_more_does_not((geometry, input, output) in geometries()) {
            for (axis, size) in input.into_iter().enumerate() {
                let room = size + 2 * geometry.padding[axis];
                let end = |output: usize| output * geometry.stride[axis] + geometry.kernel[axis];
                prop_assert!(end(output[axis] - 1) <= room && end(output[axis]) > room);
            }
        }

        #[test]
        fn reached_outputs_are_those_that_read_a_voxel_of_the_box(
            (geometry, input, output) in geometries(), draw: [usize; 6],
        ) {
            let changed = inside(input, draw);
            let reached = geometry.reached_by(changed, output);
            let expected: Vec<Option<Range<usize>>> = (0..3)
                .map(|axis| {
                    let reached = |o: usize| changed.range(axis).any(|i| reads(&geometry, axis, o, i));
                    hull(output[axis], reached)
                })
                .collect();
            match reached {
                Some(reached) => {
                    for (axis, expected) in expected.into_iter().enumerate() {
                        prop_assert_eq!(Some(reached.range(axis)), expected);
                    }
                }
                None => prop_assert!(expected.contains(&None)),
            }
        }

        #[test]
        fn read_inputs_are_those_that_an_output_of_the_box_reads(
            (geometry, input, output) in geometries(), draw: [usize; 6],
        ) {
            let outputs = inside(output, draw);
            let found = geometry.reads(outputs, input);
            for (axis, size) in input.into_iter().enumerate() {
                let read = |i: usize| outputs.range(axis).any(|o| reads(&geometry, axis, o, i));
                let (expected, found) = (hull(size, read).unwrap_or(0..0), found.range(axis));
                if geometry.kernel[axis] < geometry.stride[axis] {
                    // Clipping may end in a gap between kernels.
                    prop_assert!(
                        expected.is_empty() || (found.start <= expected.start && expected.end <= found.end)
                    );
                } else {
                    prop_assert!(found == expected || (found.is_empty() && expected.is_empty()));
                }
                let all = geometry.receptive_field(outputs).range(axis);
                let first = outputs.start[axis] * geometry.stride[axis];
                prop_assert_eq!(all.start, first as isize - geometry.padding[axis] as isize);
            }
        }

        #[test]
        fn a_box_lies_in_what_its_reached_outputs_read((geometry, input, output) in geometries(), draw: [usize; 6]) {
            let voxel = inside(input, draw);
            let voxel = Box3::new(voxel.start, voxel.start.map(|at| at + 1));
            if let Some(reached) = geometry.reached_by(voxel, output) {
                prop_assert!(geometry.reads(reached, input).contains(&voxel));
            }
        }
    }

    #[test]
    fn nothing_reads_and_reaches_nothing() {
        let geometry = ConvGeometry { kernel: [3; 3], stride: [1; 3], padding: [1; 3] };
        let empty = Box3::new([2; 3], [2; 3]);
        assert!(geometry.receptive_field(empty).is_empty());
        assert_eq!(geometry.reached_by(empty, [4; 3]), None);
        assert_eq!(ConvGeometry { kernel: [7; 3], ..geometry }.output_size([4; 3]), None);
    }
}
