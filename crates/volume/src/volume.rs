//! A voxel array and where it lies.

use ndarray::Array3;

use crate::Geometry;

/// Voxels in C order `[z, y, x]` (x moves fastest), with the grid that they lie on.
#[derive(Clone, Debug, PartialEq)]
pub struct Volume<T = f32> {
    /// The values, `[z, y, x]`.
    pub voxels: Array3<T>,
    /// The grid; its shape is the array's.
    pub geometry: Geometry,
}
