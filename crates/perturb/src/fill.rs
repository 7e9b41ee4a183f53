//! The contract of a fill.

use relevox_grid::{ImageView, Patch};
use slic3d::Supervoxels;

use crate::{Error, Result};

/// A method that replaces a region of a scan.
///
/// A fill returns a [`Patch`] that covers the region's bounding box. Voxels of the box outside the region carry the
/// scan's own values, so that pasting the patch changes the region only.
pub trait Fill: Sync {
    /// Returns the fill's name in file names and tables.
    fn name(&self) -> &str;

    /// Replaces several regions, each on its own, and returns their patches in the order of `batch`.
    ///
    /// # Shapes
    /// `image` is `[c, z, y, x]`, the partition `[z, y, x]`; `batch` holds region indices, counted from 0.
    ///
    /// # Errors
    /// Returns [`Error::OutOfRange`] if the partition has no such region, [`Error::ShapeMismatch`] if image, partition
    /// and fill do not fit together, [`Error::NonFinite`] if a new value is NaN or infinite.
    fn patches(&self, image: ImageView<'_>, regions: &Supervoxels, batch: &[usize]) -> Result<Vec<Patch>>;

    /// Replaces one region.
    ///
    /// # Errors
    /// As [`Fill::patches`].
    fn patch(&self, image: ImageView<'_>, regions: &Supervoxels, region: usize) -> Result<Patch, Error> {
        let mut patches = self.patches(image, regions, &[region])?;
        let found = patches.len();
        match patches.pop() {
            Some(patch) if found == 1 => Ok(patch),
            _ => Err(Error::ShapeMismatch {
                what: "the patches that a fill returns",
                expected: vec![1],
                found: vec![found],
            }),
        }
    }
}
