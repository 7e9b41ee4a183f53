//! Where an image lies: from the axes of an array to those of a volume.

use ndarray::{Array3, ArrayView3};
use relevox::volume::Geometry;

/// Rows of an affine that maps array indices `(i, j, k, 1)` to millimetres.
pub(crate) type Affine = [[f64; 4]; 3];

/// Where an image lies: with an affine, its axes i, j, k are NIfTI's x, y, z; without one, they are z, y, x.
#[derive(Clone, Copy)]
pub(crate) struct Place(Option<Affine>);

impl Place {
    pub(crate) fn of(affine: Option<Affine>) -> Self {
        Self(affine)
    }

    /// Returns the grid of an image of this shape, `[i, j, k]`.
    pub(crate) fn geometry(self, [i, j, k]: [usize; 3]) -> Geometry {
        match self.0 {
            Some(affine) => Geometry::from_affine([k, j, i], affine),
            None => Geometry::unoriented([i, j, k], [1.0; 3]),
        }
    }

    /// Returns a volume `[i, j, k]` with the axes `[z, y, x]`.
    pub(crate) fn turned<T: Copy>(self, voxels: ArrayView3<'_, T>) -> Array3<T> {
        let turned = if self.0.is_some() { voxels.reversed_axes() } else { voxels };
        turned.as_standard_layout().into_owned()
    }
}
