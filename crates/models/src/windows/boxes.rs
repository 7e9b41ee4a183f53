//! Positions of windows: the part of a layer that a patch reaches, and windows of one size around the patches of a
//! batch.

use conv3d::ConvGeometry;
use relevox_grid::Box3;

/// Sizes are rounded up to a multiple of this, so that few shapes occur: an algorithm is chosen for each.
const GRAIN: usize = 4;

/// Returns the outputs, of `output` in all, that read one of `inputs`; along an axis where none does, the nearest output.
pub(super) fn reached(geometry: ConvGeometry, inputs: Box3, output: [usize; 3]) -> Box3 {
    std::array::from_fn(|axis| {
        let reached = geometry.reached_along(axis, inputs.range(axis), output[axis]);
        let first = reached.start.min(output[axis] - 1);
        first..reached.end.max(first + 1)
    })
    .into()
}

/// Returns the voxels that are both reached and needed, or one of `needed` if there are none.
pub(super) fn common(reached: Box3, needed: Box3) -> Box3 {
    let first = Box3::new(needed.start, needed.start.map(|at| at + 1));
    reached.intersection(&needed).unwrap_or(first)
}

/// Windows of one size in a layer, one per patch.
#[derive(Clone, Debug)]
pub(super) struct Place {
    /// First voxel of each window.
    pub starts: Vec<[usize; 3]>,
    /// Size of a window.
    pub size: [usize; 3],
    /// Part of each that may differ from the cached layer.
    pub boxes: Vec<Box3>,
}

impl Place {
    /// Places windows around boxes in a layer of `layer` voxels.
    pub(super) fn around(boxes: Vec<Box3>, layer: [usize; 3]) -> Self {
        let size: [usize; 3] = std::array::from_fn(|axis| {
            let longest = boxes.iter().map(|bounds| bounds.size()[axis]).max().unwrap_or(1);
            longest.next_multiple_of(GRAIN).min(layer[axis])
        });
        let start =
            |bounds: &Box3| std::array::from_fn(|axis| bounds.start[axis].min(layer[axis] - size[axis]));
        Self { starts: boxes.iter().map(start).collect(), size, boxes }
    }

    /// Returns the first input that each window's outputs read, padding included.
    pub(super) fn first_inputs(&self, geometry: ConvGeometry) -> Vec<[isize; 3]> {
        let first =
            |&start: &[usize; 3]| geometry.receptive_field(Box3::new(start, start.map(|at| at + 1))).start;
        self.starts.iter().map(first).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn there_is_always_an_output_inside(
            input in 1usize..30, start in 0usize..30, kernel in 1usize..8, stride in 1usize..4,
        ) {
            let geometry = ConvGeometry { kernel: [kernel; 3], stride: [stride; 3], padding: [kernel / 2; 3] };
            let Some(output) = geometry.output_size([input; 3]) else { return Ok(()) };
            let start = start.min(input - 1);
            let inputs = Box3::new([start; 3], [start + 1; 3]);
            let found = reached(geometry, inputs, output);
            prop_assert!(!found.is_empty() && Box3::whole(output).contains(&found));
            if let Some(exact) = geometry.reached_by(inputs, output) {
                prop_assert_eq!(found, exact);
            }
        }

        #[test]
        fn windows_lie_in_the_layer_and_hold_their_boxes(
            layer in 1usize..20, boxes in prop::collection::vec((0usize..20, 1usize..20), 1..5),
        ) {
            let boxes: Vec<Box3> = boxes
                .into_iter()
                .map(|(start, length)| {
                    let start = start.min(layer - 1);
                    Box3::new([start; 3], [(start + length).min(layer); 3])
                })
                .collect();
            let Place { starts, size, boxes } = Place::around(boxes, [layer; 3]);
            for (&start, bounds) in starts.iter().zip(&boxes) {
                let window = Box3::new(start, std::array::from_fn(|axis| start[axis] + size[axis]));
                prop_assert!(window.contains(bounds) && Box3::whole([layer; 3]).contains(&window));
            }
        }
    }
}
