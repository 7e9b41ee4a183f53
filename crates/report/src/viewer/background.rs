//! The part of a grid that is worth storing: what is not background.

use std::ops::Range;

use ndarray::{ArrayView3, s};

/// Voxels around the foreground that are stored as well, so that its border is visible.
const MARGIN: usize = 2;

/// Returns the background's value, which all eight corners of a scan share; `None` if they differ.
pub(super) fn background(voxels: ArrayView3<'_, f32>) -> Option<f32> {
    let shape = voxels.dim();
    let last = [shape.0 - 1, shape.1 - 1, shape.2 - 1];
    let corner = |bits: usize| {
        let at: [usize; 3] = std::array::from_fn(|axis| if bits >> axis & 1 == 1 { last[axis] } else { 0 });
        voxels[at]
    };
    let first = corner(0);
    (1..8).all(|bits| corner(bits) == first).then_some(first)
}

/// A box of voxels that grows with the foreground of several volumes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Foreground {
    start: [usize; 3],
    end: [usize; 3],
}

impl Foreground {
    /// Nothing of a grid.
    pub(super) const NONE: Self = Self { start: [usize::MAX; 3], end: [0; 3] };

    /// Includes the voxels for which `inside` holds.
    pub(super) fn include<T>(&mut self, voxels: ArrayView3<'_, T>, inside: impl Fn(&T) -> bool) {
        for ((z, y, x), _) in voxels.indexed_iter().filter(|(_, value)| inside(value)) {
            for (axis, at) in [z, y, x].into_iter().enumerate() {
                self.start[axis] = self.start[axis].min(at);
                self.end[axis] = self.end[axis].max(at + 1);
            }
        }
    }

    /// Returns the crop: the foreground with a margin, inside a grid; of an empty foreground, the whole grid.
    pub(super) fn crop(&self, shape: [usize; 3]) -> Crop {
        let range = |axis: usize| {
            let range = self.start[axis].saturating_sub(MARGIN)..(self.end[axis] + MARGIN).min(shape[axis]);
            if self.end[axis] == 0 { 0..shape[axis] } else { range }
        };
        Crop([range(0), range(1), range(2)])
    }
}

/// The stored part of a grid, `[z, y, x]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Crop(pub(super) [Range<usize>; 3]);

impl Crop {
    pub(super) fn shape(&self) -> [usize; 3] {
        [0, 1, 2].map(|axis| self.0[axis].len())
    }

    pub(super) fn start(&self) -> [usize; 3] {
        [0, 1, 2].map(|axis| self.0[axis].start)
    }

    pub(super) fn contains(&self, at: [usize; 3]) -> bool {
        self.0.iter().zip(at).all(|(range, at)| range.contains(&at))
    }

    /// Views the crop of a volume on the grid.
    pub(super) fn of<'a, T>(&self, volume: ArrayView3<'a, T>) -> ArrayView3<'a, T> {
        let [z, y, x] = self.0.clone();
        volume.slice_move(s![z, y, x])
    }
}

#[cfg(test)]
mod tests {
    use ndarray::Array3;

    use super::*;

    #[test]
    fn the_crop_holds_the_foreground_and_a_margin_inside_the_grid() {
        let mut scan = Array3::from_elem((10, 11, 12), -5.0_f32);
        assert_eq!(background(scan.view()), Some(-5.0));
        let mut found = Foreground::NONE;
        found.include(scan.view(), |&value| value != -5.0);
        assert_eq!(found.crop([10, 11, 12]).shape(), [10, 11, 12]);
        scan[[1, 5, 9]] = 0.0;
        scan[[4, 6, 9]] = 0.0;
        found.include(scan.view(), |&value| value != -5.0);
        let crop = found.crop([10, 11, 12]);
        assert_eq!(crop, Crop([0..7, 3..9, 7..12]));
        assert_eq!(crop.of(scan.view())[[4, 3, 2]], 0.0);
        assert!(crop.contains([4, 6, 9]) && !crop.contains([7, 6, 9]));
        scan[[9, 0, 11]] = 1.0;
        assert_eq!(background(scan.view()), None);
    }
}
