//! Positions of windows of one size around the patches of a batch.

use conv3d::ConvGeometry;
use relevox_grid::Box3;

/// Sizes are rounded up to a multiple of this, so that few shapes occur: an algorithm is chosen for each.
const GRAIN: usize = 4;

/// Windows of one size in a layer, one per patch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// First voxel of each window.
    pub starts: Vec<[usize; 3]>,
    /// Size of a window.
    pub size: [usize; 3],
}

impl Place {
    /// Places windows around boxes in a layer of `layer` voxels.
    pub(super) fn around(boxes: &[Box3], layer: [usize; 3]) -> Self {
        let size: [usize; 3] = std::array::from_fn(|axis| {
            let longest = boxes.iter().map(|bounds| bounds.size()[axis]).max().unwrap_or(1);
            longest.next_multiple_of(GRAIN).min(layer[axis])
        });
        let start =
            |bounds: &Box3| std::array::from_fn(|axis| bounds.start[axis].min(layer[axis] - size[axis]));
        Self { starts: boxes.iter().map(start).collect(), size }
    }

    /// Places windows of the whole layer.
    pub(super) fn whole(count: usize, layer: [usize; 3]) -> Self {
        Self { starts: vec![[0; 3]; count], size: layer }
    }

    /// Returns the windows whose corners are multiplied by `factors`.
    pub(super) fn scaled(&self, factors: [usize; 3]) -> Self {
        let scaled = |at: [usize; 3]| std::array::from_fn(|axis| at[axis] * factors[axis]);
        Self { starts: self.starts.iter().copied().map(scaled).collect(), size: scaled(self.size) }
    }

    /// Returns a window.
    pub(super) fn window(&self, index: usize) -> Box3 {
        let start = self.starts[index];
        Box3::new(start, std::array::from_fn(|axis| start[axis] + self.size[axis]))
    }

    /// Returns whether each window holds the box of its patch.
    pub(super) fn holds(&self, boxes: &[Box3]) -> bool {
        boxes.iter().enumerate().all(|(index, bounds)| self.window(index).contains(bounds))
    }

    /// Returns the first voxels with signed coordinates.
    pub(super) fn signed_starts(&self) -> Vec<[isize; 3]> {
        self.starts.iter().map(|start| start.map(|at| at as isize)).collect()
    }

    /// Returns the first input that each window's outputs read, padding included.
    pub(super) fn first_inputs(&self, geometry: ConvGeometry) -> Vec<[isize; 3]> {
        let first =
            |&start: &[usize; 3]| geometry.receptive_field(Box3::new(start, start.map(|at| at + 1))).start;
        self.starts.iter().map(first).collect()
    }
}

/// Returns the voxels that are both reached and needed, or one voxel if there are none: a window is never empty.
pub(super) fn common(reached: Box3, needed: Option<Box3>) -> Box3 {
    let needed = needed.filter(|needed| !needed.is_empty());
    let within = needed.unwrap_or(reached);
    let first = Box3::new(within.start, within.start.map(|at| at + 1));
    needed.and_then(|needed| reached.intersection(&needed)).unwrap_or(first)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
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
            let place = Place::around(&boxes, [layer; 3]);
            prop_assert!(place.holds(&boxes));
            for index in 0..boxes.len() {
                prop_assert!(Box3::whole([layer; 3]).contains(&place.window(index)));
            }
        }
    }

    #[test]
    fn what_is_not_needed_is_one_voxel() {
        let reached = Box3::new([2; 3], [6; 3]);
        assert_eq!(common(reached, Some(Box3::new([4; 3], [9; 3]))), Box3::new([4; 3], [6; 3]));
        assert_eq!(common(reached, Some(Box3::new([7; 3], [9; 3]))), Box3::new([7; 3], [8; 3]));
        for nothing in [None, Some(Box3::new([4; 3], [4; 3]))] {
            assert_eq!(common(reached, nothing), Box3::new([2; 3], [3; 3]));
        }
    }
}
