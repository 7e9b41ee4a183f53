//! A convolution, its gradients and a transposed convolution as one operation: a gather along three axes.
//!
//! Unlike [`ConvGeometry`](crate::ConvGeometry), an axis may begin before or after its input and skip taps, as the phases of
//! a strided input gradient do.

use std::ops::Range;

/// One axis: output `o` reads inputs `o * stride + offset + t * step` for taps `t` in `0..taps`. Inputs outside
/// `0..input` count as zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Axis {
    pub(crate) input: usize,
    pub(crate) output: usize,
    pub(crate) taps: usize,
    pub(crate) step: usize,
    pub(crate) stride: usize,
    pub(crate) offset: isize,
}

impl Axis {
    /// Returns the axes of a convolution from `input` to `output` voxels.
    pub(crate) fn all(
        input: [usize; 3],
        output: [usize; 3],
        taps: [usize; 3],
        stride: [usize; 3],
        padding: [usize; 3],
        dilation: [usize; 3],
    ) -> [Axis; 3] {
        std::array::from_fn(|axis| Axis {
            input: input[axis],
            output: output[axis],
            taps: taps[axis],
            step: dilation[axis],
            stride: stride[axis],
            offset: -(padding[axis] as isize),
        })
    }

    /// Returns one axis of a convolution, or `None` if the kernel does not fit into the padded input.
    #[cfg(test)]
    pub(crate) fn conv(
        input: usize,
        kernel: usize,
        stride: usize,
        padding: usize,
        dilation: usize,
    ) -> Option<Axis> {
        let params =
            crate::Conv3dParams { stride: [stride; 3], padding: [padding; 3], dilation: [dilation; 3] };
        let output = params.output_size([input; 3], [kernel; 3])?;
        let [axis, ..] =
            Axis::all([input; 3], output, [kernel; 3], params.stride, params.padding, params.dilation);
        Some(axis)
    }

    /// Returns the input that tap 0 of output `o` reads; it may lie outside the input.
    pub(crate) fn start(&self, o: usize) -> isize {
        (o * self.stride) as isize + self.offset
    }

    /// Returns the taps of output `o` that read inside the input.
    pub(crate) fn taps_inside(&self, o: usize) -> Range<usize> {
        let start = self.start(o);
        let step = self.step as isize;
        let first = if start >= 0 { 0 } else { (-start + step - 1) / step };
        let end = (self.input as isize - start + step - 1).div_euclid(step).max(0);
        let end = (end as usize).min(self.taps);
        (first as usize).min(end)..end
    }

    /// Returns the inputs that outputs `range` read, clipped to the input.
    pub(crate) fn reach(&self, range: Range<usize>) -> Range<usize> {
        if range.is_empty() || self.taps == 0 {
            return 0..0;
        }
        let clip = |i: isize| i.clamp(0, self.input as isize) as usize;
        let last = self.start(range.end - 1) + ((self.taps - 1) * self.step) as isize;
        let first = clip(self.start(range.start));
        first..clip(last + 1).max(first)
    }

    /// Returns the number of consecutive inputs that neighbouring outputs span, including those outside the input.
    pub(crate) fn span(&self, outputs: usize) -> usize {
        (outputs.max(1) - 1) * self.stride + self.taps.saturating_sub(1) * self.step + 1
    }

    /// Returns the axes of this convolution's gradient with respect to its input, one for each residue `r` of the input
    /// modulo the stride: input `stride * j + r` receives from outputs `j + offset + t * step`, with kernel taps
    /// `first_tap + t * tap_step` (descending). Residues that receive nothing have no taps.
    pub(crate) fn phases(&self) -> Vec<Phase> {
        let (stride, step) = (self.stride as isize, self.step as isize);
        (0..self.stride.min(self.input))
            .map(|residue| {
                let position = residue as isize - self.offset;
                let gives = |tap: usize| (position - tap as isize * step).rem_euclid(stride) == 0;
                let giving: Vec<usize> = (0..self.taps).filter(|&tap| gives(tap)).collect();
                let taps = giving.len();
                let last = giving.last().copied().unwrap_or(0) as isize;
                let tap_step = if taps > 1 { (giving[1] - giving[0]) as isize } else { 1 };
                let axis = Axis {
                    input: self.output,
                    output: (self.input - residue).div_ceil(self.stride),
                    taps,
                    step: if taps > 1 { (tap_step * step / stride) as usize } else { 1 },
                    stride: 1,
                    offset: (position - last * step).div_euclid(stride),
                };
                Phase { axis, residue, last_tap: last as usize, tap_step: -tap_step }
            })
            .collect()
    }
}

/// Gather of the inputs of one residue modulo the stride; see [`Axis::phases`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Phase {
    pub(crate) axis: Axis,
    pub(crate) residue: usize,
    /// The kernel tap that the gather's tap 0 uses.
    pub(crate) last_tap: usize,
    /// How far the kernel tap moves with each tap of the gather.
    pub(crate) tap_step: isize,
}

/// A convolution: `batch` images of `inputs` channels to `outputs` channels over axes z, y, x.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Gather {
    pub(crate) batch: usize,
    pub(crate) inputs: usize,
    pub(crate) outputs: usize,
    pub(crate) axes: [Axis; 3],
}

impl Gather {
    /// Kernel taps of one input and output channel.
    pub(crate) fn taps(&self) -> usize {
        self.axes.iter().map(|axis| axis.taps).product()
    }

    /// Voxels of one input channel.
    pub(crate) fn input_voxels(&self) -> usize {
        self.axes.iter().map(|axis| axis.input).product()
    }

    /// Voxels of one output channel.
    pub(crate) fn output_voxels(&self) -> usize {
        self.axes.iter().map(|axis| axis.output).product()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn taps_inside_are_exactly_those_inside(
            input in 1usize..12, kernel in 1usize..8, stride in 1usize..4, padding in 0usize..5, dilation in 1usize..4,
        ) {
            let Some(axis) = Axis::conv(input, kernel, stride, padding, dilation) else { return Ok(()) };
            let inside = |i: isize| (0..input as isize).contains(&i);
            for o in 0..axis.output {
                let want: Vec<usize> =
                    (0..kernel).filter(|&t| inside(axis.start(o) + (t * dilation) as isize)).collect();
                prop_assert_eq!(axis.taps_inside(o).collect::<Vec<_>>(), want);
            }
        }

        #[test]
        fn phases_list_every_pair_of_input_and_output_once(
            input in 1usize..12, kernel in 1usize..8, stride in 1usize..4, padding in 0usize..5, dilation in 1usize..4,
        ) {
            let Some(axis) = Axis::conv(input, kernel, stride, padding, dilation) else { return Ok(()) };
            let mut want = Vec::new();
            for o in 0..axis.output {
                for t in axis.taps_inside(o) {
                    want.push(((axis.start(o) + (t * dilation) as isize) as usize, o, t));
                }
            }
            let mut found = Vec::new();
            for phase in axis.phases() {
                for j in 0..phase.axis.output {
                    for t in phase.axis.taps_inside(j) {
                        let o = (phase.axis.start(j) + (t * phase.axis.step) as isize) as usize;
                        let tap = phase.last_tap as isize + t as isize * phase.tap_step;
                        found.push((stride * j + phase.residue, o, tap as usize));
                    }
                }
            }
            want.sort_unstable();
            found.sort_unstable();
            prop_assert_eq!(found, want);
        }
    }
}
