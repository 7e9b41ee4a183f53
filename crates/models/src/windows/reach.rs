//! Which outputs of an operation a changed input reaches, and which inputs an output reads.

use crate::graph::{Form, Node, Operation};
use conv3d::ConvGeometry;
use relevox_grid::Box3;

/// How far an operation of feature maps reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// A voxel depends on the inputs at its own position.
    Pointwise,
    /// A voxel depends on a window of the input, as of a convolution.
    Window(ConvGeometry),
    /// A voxel spreads to a window of the output, as of a transposed convolution.
    Spread(Spread),
    /// Everything depends on every voxel.
    Whole,
}

/// Geometry of a transposed convolution: input `i` reaches outputs `i · stride − before .. i · stride − before + kernel`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Spread {
    pub kernel: [usize; 3],
    pub stride: [usize; 3],
    /// Voxels removed before the first output.
    pub before: [usize; 3],
}

impl Reach {
    /// Returns the reach of an operation. `forms` are those of the node's inputs.
    pub(super) fn of(node: &Node, forms: &[Form]) -> Self {
        let window = |geometry: ConvGeometry, after: [usize; 3]| {
            if geometry == ConvGeometry::POINTWISE && after == [0; 3] {
                Self::Pointwise
            } else {
                Self::Window(geometry)
            }
        };
        match &node.operation {
            Operation::Conv(conv) => window(conv.geometry(), conv.padding.after),
            Operation::MaxPool(pool) | Operation::MeanPool { pool, .. } => {
                window(pool.geometry(), pool.padding.after)
            }
            Operation::ConvTranspose(conv) => {
                let spread = Spread { kernel: conv.kernel, stride: conv.stride, before: conv.padding.before };
                Self::Spread(spread)
            }
            Operation::Repeat(factors) => {
                Self::Spread(Spread { kernel: *factors, stride: *factors, before: [0; 3] })
            }
            operation if !operation.is_local() => Self::Whole,
            // A gate.
            Operation::Multiply if forms.iter().any(|form| matches!(form, Form::Vector(_))) => Self::Whole,
            _ => Self::Pointwise,
        }
    }

    /// Returns the outputs, of `output` in all, that read one of `inputs`; along an axis where none does, the nearest
    /// output.
    pub(super) fn reached(self, inputs: Box3, output: [usize; 3]) -> Box3 {
        let within = |axis: usize, start: usize, end: usize| {
            let start = start.min(output[axis].saturating_sub(1));
            start..end.min(output[axis]).max(start + 1)
        };
        match self {
            Self::Pointwise => inputs,
            Self::Whole => Box3::whole(output),
            Self::Window(geometry) => std::array::from_fn(|axis| {
                let reached = geometry.reached_along(axis, inputs.range(axis), output[axis]);
                within(axis, reached.start, reached.end)
            })
            .into(),
            Self::Spread(Spread { kernel, stride, before }) => std::array::from_fn(|axis| {
                let start = (inputs.start[axis] * stride[axis]).saturating_sub(before[axis]);
                let last = (inputs.end[axis].max(1) - 1) * stride[axis] + kernel[axis];
                within(axis, start, last.saturating_sub(before[axis]))
            })
            .into(),
        }
    }

    /// Returns the inputs, of `input` in all, that the outputs of a box read. It may be empty.
    pub(super) fn reads(self, outputs: Box3, input: [usize; 3]) -> Box3 {
        match self {
            Self::Pointwise => outputs,
            Self::Whole => Box3::whole(input),
            Self::Window(geometry) => geometry.reads(outputs, input),
            Self::Spread(spread) => spread.read_by(outputs).clipped(input),
        }
    }
}

impl Spread {
    /// Returns the inputs that reach an output of a box, also those outside the input. Outputs between kernels, which no
    /// input reaches, count as those of the input before them.
    pub(super) fn read_by(&self, outputs: Box3) -> Box3<isize> {
        std::array::from_fn(|axis| {
            let (kernel, stride) = (self.kernel[axis] as isize, self.stride[axis] as isize);
            let at = |output: usize| (output + self.before[axis]) as isize;
            let start = at(outputs.start[axis]);
            let first = (-(kernel - 1 - start).div_euclid(stride)).min(start.div_euclid(stride));
            first..at(outputs.end[axis].max(1) - 1).div_euclid(stride) + 1
        })
        .into()
    }

    /// Returns whether each input reaches a box of its own, of the size of the stride.
    pub(super) fn is_scaling(&self) -> bool {
        self.kernel == self.stride && self.before == [0; 3]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Returns whether an output reads an input of a convolution, or of its transpose.
    fn reads(reach: Reach, output: usize, input: usize) -> bool {
        match reach {
            Reach::Window(ConvGeometry { kernel, stride, padding }) => {
                (0..kernel[0]).any(|tap| output * stride[0] + tap == input + padding[0])
            }
            Reach::Spread(Spread { kernel, stride, before }) => {
                (0..kernel[0]).any(|tap| input * stride[0] + tap == output + before[0])
            }
            _ => unreachable!(),
        }
    }

    proptest! {
        #[test]
        fn reached_and_read_voxels_are_those_of_the_definition(
            input in 1usize..12, output in 1usize..24, kernel in 1usize..6, stride in 1usize..4, padding in 0usize..4,
            start in 0usize..24, length in 1usize..6, spread in any::<bool>(),
        ) {
            let (kernel, stride, padding) = ([kernel; 3], [stride; 3], [padding; 3]);
            let reach = if spread {
                Reach::Spread(Spread { kernel, stride, before: padding })
            } else {
                Reach::Window(ConvGeometry { kernel, stride, padding })
            };
            let part = |of: usize| {
                let start = start.min(of - 1);
                Box3::new([start; 3], [(start + length).min(of); 3])
            };
            let inputs = part(input);
            let reached = reach.reached(inputs, [output; 3]);
            prop_assert!(!reached.is_empty() && Box3::whole([output; 3]).contains(&reached));
            for at in 0..output {
                let is_reached = inputs.range(0).any(|input| reads(reach, at, input));
                prop_assert!(!is_reached || reached.range(0).contains(&at));
            }
            let outputs = part(output);
            let read = reach.reads(outputs, [input; 3]);
            prop_assert!(Box3::whole([input; 3]).contains(&read));
            for at in 0..input {
                let is_read = outputs.range(0).any(|output| reads(reach, output, at));
                prop_assert!(!is_read || read.range(0).contains(&at));
            }
        }
    }
}
