//! The turn of a scan's stored axes to another orientation.

use ndarray::{ArrayView3, Axis};

use crate::{Geometry, Orientation};

/// A permutation and flips of array axes: axis `i` of the turned array is axis `source[i]` of the stored one, reversed
/// if `reversed[i]`. Axes are those of arrays, `z, y, x`.
///
/// ```
/// use relevox_volume::{Geometry, Orientation, Turn};
///
/// let ras = Geometry::from_affine([2, 3, 4], [[1.0, 0., 0., 0.], [0., 1.0, 0., 0.], [0., 0., 5.0, 0.]]);
/// let turn = Turn::of(&ras, Orientation::LPS);
/// assert_eq!((turn.source(), turn.reversed()), ([0, 1, 2], [false, true, true]));
/// assert_eq!(turn.geometry(&ras).axis_codes().to_string(), "LPS");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn {
    source: [usize; 3],
    reversed: [bool; 3],
}

impl Turn {
    /// The turn that changes nothing.
    pub const IDENTITY: Self = Self { source: [0, 1, 2], reversed: [false; 3] };

    /// Determines the turn of a grid to an orientation; of an oblique grid, from its nearest codes.
    pub fn of(scan: &Geometry, to: Orientation) -> Self {
        let Orientation::Codes(to) = to else { return Self::IDENTITY };
        let from = scan.axis_codes();
        let (mut source, mut reversed) = ([0; 3], [false; 3]);
        for target in 0..3 {
            let stored = (0..3).find(|&axis| from.world[axis] == to.world[target]).unwrap_or(target);
            // Codes are in the order x, y, z, arrays in the order z, y, x.
            source[2 - target] = 2 - stored;
            reversed[2 - target] = from.increases[stored] != to.increases[target];
        }
        Self { source, reversed }
    }

    /// Axis of the stored array for each axis of the turned one, both `z, y, x`.
    pub fn source(&self) -> [usize; 3] {
        self.source
    }

    /// Whether each axis of the turned array runs against its stored axis, `z, y, x`.
    pub fn reversed(&self) -> [bool; 3] {
        self.reversed
    }

    /// Returns whether the turn changes nothing.
    pub fn is_identity(&self) -> bool {
        *self == Self::IDENTITY
    }

    /// Views a stored array in the turned orientation.
    pub fn apply<'a, T>(&self, stored: ArrayView3<'a, T>) -> ArrayView3<'a, T> {
        let mut view = stored.permuted_axes(self.source);
        for (axis, _) in self.reversed.iter().enumerate().filter(|(_, reversed)| **reversed) {
            view.invert_axis(Axis(axis));
        }
        view
    }

    /// Views a turned array in the stored orientation.
    pub fn undo<'a, T>(&self, turned: ArrayView3<'a, T>) -> ArrayView3<'a, T> {
        let mut view = turned;
        for (axis, _) in self.reversed.iter().enumerate().filter(|(_, reversed)| **reversed) {
            view.invert_axis(Axis(axis));
        }
        let back = std::array::from_fn(|axis| self.source.iter().position(|&s| s == axis).unwrap_or(axis));
        view.permuted_axes::<[usize; 3]>(back)
    }

    /// Reorders per-axis values of the stored array.
    pub fn reorder<T: Copy>(&self, stored: [T; 3]) -> [T; 3] {
        self.source.map(|axis| stored[axis])
    }

    /// Returns the grid of the turned array. The voxels keep their positions.
    pub fn geometry(&self, scan: &Geometry) -> Geometry {
        if self.is_identity() {
            return scan.clone();
        }
        let mut rows = [[0.0; 4]; 3];
        let first: [f64; 3] = {
            let mut index = [0.0; 3];
            for axis in 0..3 {
                let stored = self.source[axis];
                index[stored] =
                    if self.reversed[axis] { scan.shape[stored].saturating_sub(1) as f64 } else { 0.0 };
            }
            index
        };
        let origin = scan.world(first);
        for (world, row) in rows.iter_mut().enumerate() {
            for axis in 0..3 {
                let column = scan.world_from_voxel[world][2 - self.source[axis]];
                row[2 - axis] = if self.reversed[axis] { -column } else { column };
            }
            row[3] = origin[world];
        }
        Geometry::from_affine(self.reorder(scan.shape), rows)
    }
}

#[cfg(test)]
mod tests {
    use ndarray::Array3;

    use super::*;
    use crate::orientation::tests::all_codes;

    #[test]
    fn every_turn_keeps_positions_and_is_undone() {
        let rows = [[0.9, 0.1, 0.0, -7.0], [-0.1, 2.0, 0.3, 5.0], [0.0, -0.2, 3.0, 1.0]];
        let scan = Geometry::from_affine([2, 3, 4], rows);
        let voxels = Array3::from_shape_fn((2, 3, 4), |(z, y, x)| (z * 12 + y * 4 + x) as u32);
        for codes in all_codes() {
            let turn = Turn::of(&scan, Orientation::Codes(codes));
            let turned = turn.apply(voxels.view());
            let geometry = turn.geometry(&scan);
            assert_eq!(geometry.axis_codes(), codes);
            assert_eq!(geometry.shape, <[usize; 3]>::from(turned.dim()));
            assert_eq!(turn.undo(turned), voxels);
            for ((z, y, x), value) in turned.indexed_iter() {
                let (stored, _) = voxels.indexed_iter().find(|(_, v)| *v == value).unwrap();
                let mut at = [0; 3];
                for (axis, index) in [z, y, x].into_iter().enumerate() {
                    let last = turned.len_of(Axis(axis)) - 1;
                    at[turn.source()[axis]] = if turn.reversed()[axis] { last - index } else { index };
                }
                assert_eq!(<[usize; 3]>::from(stored), at, "{codes}");
                let expected = scan.world([stored.0, stored.1, stored.2].map(|i| i as f64));
                let found = geometry.world([z, y, x].map(|i| i as f64));
                assert!(expected.iter().zip(found).all(|(a, b)| (a - b).abs() < 1e-5), "{codes}");
            }
        }
    }
}
