//! Voxels on a grid.

use ndarray::Array3;

use crate::foreground::clear_background_nan;
use crate::{Error, Geometry, Orientation, Turn};

/// A 3D array of voxels with the grid that it lies on.
#[derive(Clone, Debug, PartialEq)]
pub struct Volume<T = f32> {
    /// Values, C order `[z, y, x]` (x varies fastest).
    pub voxels: Array3<T>,
    /// The grid; has the array's shape.
    pub geometry: Geometry,
}

impl<T: Copy> Volume<T> {
    /// Returns the voxels in the stored order of another grid, if they lie where its voxels do: the axes may be permuted
    /// and flipped. The axes of a grid that states no orientation (see [`Geometry::has_orientation`]) are not turned, and its
    /// voxels have no position on a grid that states one: [`Frame::labels_to_scan`](crate::Frame::labels_to_scan) decides by
    /// the settings.
    ///
    /// ```
    /// use ndarray::Array3;
    /// use relevox_volume::{Geometry, Volume};
    ///
    /// let grid = Geometry::from_affine([1, 1, 2], [[1.0, 0., 0., 0.], [0., 1.0, 0., 0.], [0., 0., 1.0, 0.]]);
    /// let flipped = Geometry::from_affine([1, 1, 2], [[-1.0, 0., 0., 1.0], [0., 1.0, 0., 0.], [0., 0., 1.0, 0.]]);
    /// let labels = Volume { voxels: Array3::from_shape_fn([1, 1, 2], |(.., x)| x), geometry: flipped };
    /// assert_eq!(labels.on_grid(&grid).unwrap().as_slice(), Some(&[1, 0][..]));
    /// assert_eq!(labels.on_grid(&Geometry::axis_aligned([1, 1, 3], [1.0; 3])), None);
    /// ```
    pub fn on_grid(&self, grid: &Geometry) -> Option<Array3<T>> {
        let [own, other] = [&self.geometry, grid].map(Geometry::has_orientation);
        if !own && other {
            return None;
        }
        if self.geometry.same_grid(grid) {
            return Some(self.voxels.clone());
        }
        if own != other {
            return None;
        }
        let turn = Turn::of(&self.geometry, Orientation::Codes(grid.axis_codes()));
        let turned = || turn.apply(self.voxels.view()).as_standard_layout().into_owned();
        turn.geometry(&self.geometry).same_grid(grid).then(turned)
    }
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
