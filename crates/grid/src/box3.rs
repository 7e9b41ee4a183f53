//! Axis-aligned boxes of voxels.

use std::ops::{Add, Range, Sub};

/// An axis-aligned box of voxels, `[z, y, x]`, half-open: `start` is inside, `end` is not.
///
/// With `T = isize` a box may reach outside its grid, as the input of a convolution with padding does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Box3<T = usize> {
    /// First voxel, `[z, y, x]`.
    pub start: [T; 3],
    /// One past the last voxel, `[z, y, x]`.
    pub end: [T; 3],
}

impl<T: Copy + Ord> Box3<T> {
    /// Creates the box from `start` to `end`, which is excluded.
    pub const fn new(start: [T; 3], end: [T; 3]) -> Self {
        Self { start, end }
    }

    /// Returns whether the box holds no voxel.
    pub fn is_empty(&self) -> bool {
        (0..3).any(|axis| self.start[axis] >= self.end[axis])
    }

    /// Returns the range of an axis (0 is z).
    pub fn range(&self, axis: usize) -> Range<T> {
        self.start[axis]..self.end[axis]
    }

    /// Returns the ranges of the three axes.
    pub fn ranges(&self) -> [Range<T>; 3] {
        std::array::from_fn(|axis| self.range(axis))
    }

    /// Returns the voxels that lie in both boxes, or `None` if there are none.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Option<Self> {
        let both = Self {
            start: std::array::from_fn(|axis| self.start[axis].max(other.start[axis])),
            end: std::array::from_fn(|axis| self.end[axis].min(other.end[axis])),
        };
        (!both.is_empty()).then_some(both)
    }

    /// Returns the smallest box that contains both.
    #[must_use]
    pub fn hull(&self, other: &Self) -> Self {
        Self {
            start: std::array::from_fn(|axis| self.start[axis].min(other.start[axis])),
            end: std::array::from_fn(|axis| self.end[axis].max(other.end[axis])),
        }
    }

    /// Returns whether every voxel of `other` lies in this box.
    pub fn contains(&self, other: &Self) -> bool {
        other.is_empty()
            || (0..3).all(|axis| self.start[axis] <= other.start[axis] && other.end[axis] <= self.end[axis])
    }
}

impl<T: Copy + Sub<Output = T> + Add<Output = T>> Box3<T> {
    /// Returns the box moved by `offset` voxels.
    #[must_use]
    pub fn shifted(&self, offset: [T; 3]) -> Self {
        Self {
            start: std::array::from_fn(|axis| self.start[axis] + offset[axis]),
            end: std::array::from_fn(|axis| self.end[axis] + offset[axis]),
        }
    }
}

impl Box3<usize> {
    /// Creates the box that covers a whole grid of this shape.
    pub const fn whole(shape: [usize; 3]) -> Self {
        Self { start: [0; 3], end: shape }
    }

    /// Returns the number of voxels along each axis.
    pub fn size(&self) -> [usize; 3] {
        std::array::from_fn(|axis| self.end[axis].saturating_sub(self.start[axis]))
    }

    /// Returns the number of voxels.
    pub fn voxels(&self) -> usize {
        self.size().iter().product()
    }

    /// Returns the box whose corners are multiplied by `factor`, as a transposed convolution with kernel and stride
    /// `factor` spreads it.
    #[must_use]
    pub fn scaled(&self, factor: usize) -> Self {
        Self { start: self.start.map(|at| at * factor), end: self.end.map(|at| at * factor) }
    }

    /// Returns the box with signed coordinates.
    pub fn signed(&self) -> Box3<isize> {
        Box3 { start: self.start.map(|at| at as isize), end: self.end.map(|at| at as isize) }
    }
}

impl Box3<isize> {
    /// Returns the number of voxels along each axis.
    pub fn size(&self) -> [usize; 3] {
        std::array::from_fn(|axis| usize::try_from(self.end[axis] - self.start[axis]).unwrap_or(0))
    }

    /// Returns the number of voxels.
    pub fn voxels(&self) -> usize {
        self.size().iter().product()
    }

    /// Returns the part inside a grid of this shape; empty (`start` equal to `end`) along an axis where nothing is.
    pub fn clipped(&self, shape: [usize; 3]) -> Box3<usize> {
        let clip = |at: isize, axis: usize| at.clamp(0, shape[axis] as isize) as usize;
        Box3 {
            start: std::array::from_fn(|axis| clip(self.start[axis], axis)),
            end: std::array::from_fn(|axis| clip(self.end[axis].max(self.start[axis]), axis)),
        }
    }
}

impl<T: Copy> From<[Range<T>; 3]> for Box3<T> {
    fn from(ranges: [Range<T>; 3]) -> Self {
        let [z, y, x] = ranges;
        Self { start: [z.start, y.start, x.start], end: [z.end, y.end, x.end] }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn boxes() -> impl Strategy<Value = Box3> {
        ([0..8_usize, 0..8, 0..8], [1..6_usize, 1..6, 1..6])
            .prop_map(|(start, size)| Box3::new(start, std::array::from_fn(|axis| start[axis] + size[axis])))
    }

    proptest! {
        #[test]
        fn the_hull_contains_both_and_both_contain_the_intersection(a in boxes(), b in boxes()) {
            let hull = a.hull(&b);
            prop_assert!(hull.contains(&a) && hull.contains(&b));
            if let Some(both) = a.intersection(&b) {
                prop_assert!(a.contains(&both) && b.contains(&both));
                prop_assert!(both.voxels() <= a.voxels().min(b.voxels()));
            }
            prop_assert_eq!(a.intersection(&a), Some(a));
        }

        #[test]
        fn clipping_equals_intersecting_with_the_grid(a in boxes(), by in -10..10_isize) {
            let moved = a.signed().shifted([by; 3]);
            let grid = Box3::whole([7; 3]);
            let clipped = moved.clipped([7; 3]);
            match moved.intersection(&grid.signed()) {
                Some(inside) => prop_assert_eq!(clipped.signed(), inside),
                None => prop_assert!(clipped.is_empty()),
            }
        }

        #[test]
        fn scaling_multiplies_the_voxels(a in boxes(), factor in 1..4_usize) {
            prop_assert_eq!(a.scaled(factor).voxels(), a.voxels() * factor.pow(3));
            prop_assert_eq!(a.signed().shifted([-9; 3]).size(), a.size());
        }
    }
}
