//! Voxels on a grid.

use ndarray::Array3;

use crate::foreground::clear_background_nan;
use crate::{Error, Geometry};

/// A 3D array of voxels with the grid that it lies on.
#[derive(Clone, Debug, PartialEq)]
pub struct Volume<T = f32> {
    /// Values, C order `[z, y, x]` (x varies fastest).
    pub voxels: Array3<T>,
    /// The grid; has the array's shape.
    pub geometry: Geometry,
}

impl Volume {
    /// Sets NaN outside the brain to 0, as programs that mask with NaN mean it, and returns the number of such voxels. A
    /// NaN is outside if it is connected to the border of the volume through voxels that are NaN or 0. `name` stands for
    /// the file in errors.
    ///
    /// # Errors
    /// Returns [`Error::NonFinite`] with the first NaN inside the brain, or the first infinity.
    pub fn clear_background_nan(&mut self, name: &str) -> Result<usize, Error> {
        clear_background_nan(&mut self.voxels).map_err(|([z, y, x], value)| Error::NonFinite {
            what: format!("{name}: voxel z {z}, y {y}, x {x}"),
            value,
        })
    }
}
