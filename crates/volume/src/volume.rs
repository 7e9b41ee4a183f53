//! Voxels on a grid.

use ndarray::Array3;

use crate::Geometry;

/// A 3D array of voxels with the grid that it lies on.
#[derive(Clone, Debug, PartialEq)]
pub struct Volume<T = f32> {
    /// Values, C order `[z, y, x]` (x varies fastest).
    pub voxels: Array3<T>,
    /// The grid; has the array's shape.
    pub geometry: Geometry,
}
