//! The contract every fill keeps.

use ndarray::ArrayView4;
use slic3d::Supervoxels;

use crate::{Error, Perturbation};

/// What a region is replaced by.
pub trait Fill: Sync {
    /// A short name, as it stands in file names and tables.
    fn name(&self) -> &str;

    /// One region of a scan, replaced.
    ///
    /// # Shapes
    /// `image` is `[c, z, y, x]`, the partition `[z, y, x]`.
    ///
    /// # Errors
    /// A region out of range, a partition on another grid, and what else can go wrong with the fill.
    fn perturb(
        &self,
        image: ArrayView4<'_, f32>,
        regions: &Supervoxels,
        region: usize,
    ) -> Result<Perturbation, Error>;

    /// Several regions, each replaced alone, in the order asked for. The same values as
    /// [`Fill::perturb`] one by one; a fill that gains from batches overrides it.
    ///
    /// # Errors
    /// As [`Fill::perturb`].
    fn perturb_batch(
        &self,
        image: ArrayView4<'_, f32>,
        regions: &Supervoxels,
        batch: &[usize],
    ) -> Result<Vec<Perturbation>, Error> {
        batch.iter().map(|&region| self.perturb(image, regions, region)).collect()
    }
}
