//! One changed region: a box of new values, and where it goes.

use ndarray::{Array4, ArrayView4, ArrayViewMut4, s};
use slic3d::Supervoxels;

use crate::Error;

/// A region of a scan as it reads after a fill.
///
/// The box is the region's own bounding box. Its voxels outside the region keep the scan's values, so that
/// pasting the box changes the region and nothing else.
#[derive(Clone, Debug, PartialEq)]
pub struct Perturbation {
    /// Index of the region in the partition's `ids()`.
    pub region: usize,
    /// First voxel of the box, `[z, y, x]`.
    pub origin: [usize; 3],
    /// The box as it reads after the change, `[c, dz, dy, dx]`.
    pub values: Array4<f32>,
    /// How many voxels differ from the scan, in any sequence. Where it is 0 nothing changes.
    pub changed: usize,
}

impl Perturbation {
    /// Replaces a region voxel by voxel: `value(c, [z, y, x])` is what sequence `c` reads there afterwards.
    ///
    /// # Shapes
    /// `image` is `[c, z, y, x]`, the partition `[z, y, x]`.
    ///
    /// # Errors
    /// A region out of range, a partition on another grid, a value that is not finite (named by `fill`).
    pub fn replace(
        fill: &str,
        image: ArrayView4<'_, f32>,
        regions: &Supervoxels,
        region: usize,
        mut value: impl FnMut(usize, [usize; 3]) -> f32,
    ) -> Result<Self, Error> {
        check_region(image, regions, region)?;
        let [z, y, x] = regions.bounds(region);
        let origin = [z.start, y.start, x.start];
        let mut values = image.slice(s![.., z.clone(), y.clone(), x.clone()]).to_owned();
        let labels = regions.labels();
        let id = regions.ids()[region];
        let channels = image.dim().0;
        let mut changed = 0;
        for (vz, vy, vx) in ndarray::indices((z.len(), y.len(), x.len())) {
            let voxel = [origin[0] + vz, origin[1] + vy, origin[2] + vx];
            if labels[voxel] != id {
                continue;
            }
            let mut differs = false;
            for channel in 0..channels {
                let new = value(channel, voxel);
                if !new.is_finite() {
                    return Err(Error::NonFinite { fill: fill.to_owned(), channel, value: new });
                }
                let old = &mut values[[channel, vz, vy, vx]];
                differs |= *old != new;
                *old = new;
            }
            changed += usize::from(differs);
        }
        Ok(Self { region, origin, values, changed })
    }

    /// Writes the box into an image of the scan's shape.
    ///
    /// # Panics
    /// Where the box does not lie inside `image`; [`Perturbation::check`] tells beforehand.
    pub fn apply(&self, image: &mut ArrayViewMut4<'_, f32>) {
        let [z, y, x] = self.origin;
        let (_, dz, dy, dx) = self.values.dim();
        image.slice_mut(s![.., z..z + dz, y..y + dy, x..x + dx]).assign(&self.values);
    }

    /// Makes sure that the box lies inside an image of this shape and holds finite values: what a scorer asks
    /// of a fill that it does not know.
    ///
    /// # Errors
    /// A box that does not fit, or a value that is not finite (named by `fill`).
    pub fn check(&self, fill: &str, shape: [usize; 4]) -> Result<(), Error> {
        let (channels, dz, dy, dx) = self.values.dim();
        let [z, y, x] = self.origin;
        let end = [channels, z + dz, y + dy, x + dx];
        if channels != shape[0] || (1..4).any(|axis| end[axis] > shape[axis]) {
            return Err(Error::ShapeMismatch {
                what: "the far corner of a perturbed box, which must lie inside the scan",
                expected: shape.to_vec(),
                found: end.to_vec(),
            });
        }
        match self.values.indexed_iter().find(|(_, value)| !value.is_finite()) {
            Some(((channel, ..), &value)) => Err(Error::NonFinite { fill: fill.to_owned(), channel, value }),
            None => Ok(()),
        }
    }
}

/// Makes sure that a partition lies on the image's grid and has this region.
///
/// # Errors
/// [`Error::ShapeMismatch`], [`Error::RegionOutOfRange`].
pub fn check_region(image: ArrayView4<'_, f32>, regions: &Supervoxels, region: usize) -> Result<(), Error> {
    let labels = regions.labels();
    if labels.shape() != &image.shape()[1..] {
        return Err(Error::ShapeMismatch {
            what: "the partition",
            expected: image.shape()[1..].to_vec(),
            found: labels.shape().to_vec(),
        });
    }
    if region >= regions.len() {
        return Err(Error::RegionOutOfRange { region, regions: regions.len() });
    }
    Ok(())
}
