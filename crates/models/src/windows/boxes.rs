//! Where windows lie: what of a layer a change reaches, and windows of one size around all changes of a batch.

use candle_core::{Result, bail};
use std::ops::Range;

/// A box of voxels, by axis.
pub(super) type Bounds = [Range<usize>; 3];

/// Sizes are rounded up to a multiple of this, so that few shapes occur: an algorithm is chosen for each.
const GRAIN: usize = 4;

/// How the outputs of a layer look back at its inputs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reach {
    pub kernel: [usize; 3],
    pub stride: [usize; 3],
    pub padding: [usize; 3],
}

impl Reach {
    /// Each output looks at one input, `stride` apart.
    pub(super) fn each(stride: [usize; 3]) -> Self {
        Self { kernel: [1; 3], stride, padding: [0; 3] }
    }

    /// Outputs of a layer of `input` voxels.
    pub(super) fn output_size(&self, input: [usize; 3]) -> Result<[usize; 3]> {
        let mut output = [0; 3];
        for axis in 0..3 {
            let Some(room) = (input[axis] + 2 * self.padding[axis]).checked_sub(self.kernel[axis]) else {
                bail!("windows: a layer of {input:?} voxels is too small for {self:?}")
            };
            output[axis] = room / self.stride[axis] + 1;
        }
        Ok(output)
    }

    /// The outputs, of `output` in all, that look at any of `inputs`; one of them where none does.
    pub(super) fn outputs(&self, inputs: &Bounds, output: [usize; 3]) -> Bounds {
        std::array::from_fn(|axis| {
            let (kernel, stride, padding) = (self.kernel[axis], self.stride[axis], self.padding[axis]);
            let first = (inputs[axis].start + padding + 1).saturating_sub(kernel).div_ceil(stride);
            let end = ((inputs[axis].end + padding - 1) / stride + 1).min(output[axis]);
            let first = first.min(output[axis] - 1);
            first..end.max(first + 1)
        })
    }

    /// The inputs, of `input` in all, that `outputs` look at.
    pub(super) fn looked_at(&self, outputs: &Bounds, input: [usize; 3]) -> Bounds {
        std::array::from_fn(|axis| {
            let (kernel, stride, padding) = (self.kernel[axis], self.stride[axis], self.padding[axis]);
            let end = (outputs[axis].end - 1) * stride + kernel;
            (outputs[axis].start * stride).saturating_sub(padding)
                ..end.saturating_sub(padding).min(input[axis])
        })
    }

    /// The first input that the outputs from `start` on look at, and how many there are to `size` outputs.
    pub(super) fn inputs(&self, start: [usize; 3], size: [usize; 3]) -> ([isize; 3], [usize; 3]) {
        let first = |axis: usize| (start[axis] * self.stride[axis]) as isize - self.padding[axis] as isize;
        let count = |axis: usize| (size[axis] - 1) * self.stride[axis] + self.kernel[axis];
        (std::array::from_fn(first), std::array::from_fn(count))
    }
}

/// The smallest box that holds both.
pub(super) fn hull(a: &Bounds, b: &Bounds) -> Bounds {
    std::array::from_fn(|axis| a[axis].start.min(b[axis].start)..a[axis].end.max(b[axis].end))
}

/// What lies in both; one voxel of `needed` where nothing does.
pub(super) fn common(reached: &Bounds, needed: &Bounds) -> Bounds {
    let both: Bounds = std::array::from_fn(|axis| {
        reached[axis].start.max(needed[axis].start)..reached[axis].end.min(needed[axis].end)
    });
    if both.iter().all(|range| !range.is_empty()) {
        return both;
    }
    std::array::from_fn(|axis| needed[axis].start..needed[axis].start + 1)
}

/// Windows of one size in a layer, one for each change.
#[derive(Clone, Debug)]
pub(super) struct Place {
    /// Where each begins.
    pub starts: Vec<[usize; 3]>,
    /// Voxels of a window.
    pub size: [usize; 3],
    /// What of each may differ from the layer as it was.
    pub boxes: Vec<Bounds>,
}

impl Place {
    /// Around boxes in a layer of `layer` voxels.
    pub(super) fn around(boxes: Vec<Bounds>, layer: [usize; 3]) -> Self {
        let size: [usize; 3] = std::array::from_fn(|axis| {
            let longest = boxes.iter().map(|bounds| bounds[axis].len()).max().unwrap_or(1);
            longest.next_multiple_of(GRAIN).min(layer[axis])
        });
        let start =
            |bounds: &Bounds| std::array::from_fn(|axis| bounds[axis].start.min(layer[axis] - size[axis]));
        Self { starts: boxes.iter().map(start).collect(), size, boxes }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn outputs_are_those_that_look_at_an_input(
            input in 4usize..30, start in 0usize..30, length in 1usize..12, kernel in 1usize..8, stride in 1usize..4,
        ) {
            let (start, padding) = (start.min(input - 1), kernel / 2);
            let inputs = start..(start + length).min(input);
            let reach = Reach { kernel: [kernel; 3], stride: [stride; 3], padding: [padding; 3] };
            let output = reach.output_size([input; 3]).unwrap()[0];
            let found = reach.outputs(&[inputs.clone(), inputs.clone(), inputs.clone()], [output; 3])[0].clone();
            let looks = |at: usize| {
                let first = (at * stride) as isize - padding as isize;
                (first..first + kernel as isize).any(|at| inputs.contains(&(at as usize)))
            };
            let expected: Vec<usize> = (0..output).filter(|&at| looks(at)).collect();
            if expected.is_empty() {
                prop_assert!(found.len() == 1 && found.end <= output);
            } else {
                prop_assert_eq!(found.collect::<Vec<_>>(), expected);
            }
        }

        #[test]
        fn inputs_are_those_that_an_output_looks_at(
            input in 4usize..30, start in 0usize..30, length in 1usize..12, kernel in 1usize..8, stride in 1usize..4,
        ) {
            let padding = kernel / 2;
            let reach = Reach { kernel: [kernel; 3], stride: [stride; 3], padding: [padding; 3] };
            let output = reach.output_size([input; 3]).unwrap()[0];
            let start = start.min(output - 1);
            let outputs = start..(start + length).min(output);
            let found = reach.looked_at(&[outputs.clone(), outputs.clone(), outputs.clone()], [input; 3]);
            let looked_at = |at: usize| {
                outputs.clone().any(|output| {
                    let first = (output * stride) as isize - padding as isize;
                    (first..first + kernel as isize).contains(&(at as isize))
                })
            };
            let seen: Vec<usize> = (0..input).filter(|&at| looked_at(at)).collect();
            // The hull: with a stride beyond the kernel some between are not looked at.
            prop_assert_eq!(found[0].start, seen[0]);
            prop_assert_eq!(found[0].end, seen[seen.len() - 1] + 1);
        }

        #[test]
        fn windows_lie_in_the_layer_and_hold_their_boxes(
            layer in 1usize..20, boxes in prop::collection::vec((0usize..20, 1usize..20), 1..5),
        ) {
            let boxes: Vec<Bounds> = boxes
                .into_iter()
                .map(|(start, length)| {
                    let start = start.min(layer - 1);
                    let one = start..(start + length).min(layer);
                    [one.clone(), one.clone(), one]
                })
                .collect();
            let Place { starts, size, boxes } = Place::around(boxes, [layer; 3]);
            for (start, bounds) in starts.iter().zip(&boxes) {
                prop_assert!(start[0] <= bounds[0].start && bounds[0].end <= start[0] + size[0]);
                prop_assert!(start[0] + size[0] <= layer);
            }
        }
    }
}
