//! From new values for a region to a patch, and checks of regions and patches.

use relevox_grid::{Box3, ImageView, Patch};
use slic3d::Supervoxels;

use crate::Error;

/// Replaces a region voxel by voxel: `value(c, [z, y, x])` is the new value of channel `c` there. Returns the patch of
/// the region's bounding box.
///
/// # Shapes
/// `image` is `[c, z, y, x]`, the partition `[z, y, x]`.
///
/// # Errors
/// Returns [`Error::OutOfRange`] if the partition has no such region, [`Error::ShapeMismatch`] if it lies on another
/// grid, and [`Error::NonFinite`], with the name of the `fill`, if a new value is NaN or infinite.
pub fn replace_region(
    fill: &str,
    image: ImageView<'_>,
    regions: &Supervoxels,
    region: usize,
    mut value: impl FnMut(usize, [usize; 3]) -> f32,
) -> Result<Patch, Error> {
    check_region(image, regions, region)?;
    let bounds = Box3::from(regions.bounds(region));
    let mut patch = Patch::copied(image, bounds)?;
    let (labels, id) = (regions.labels(), regions.ids()[region]);
    let channels = image.dim().0;
    let mut values = patch.values_mut();
    let [depth, height, width] = bounds.size();
    for (z, y, x) in ndarray::indices((depth, height, width)) {
        let voxel = [bounds.start[0] + z, bounds.start[1] + y, bounds.start[2] + x];
        if labels[voxel] != id {
            continue;
        }
        for channel in 0..channels {
            let new = value(channel, voxel);
            if !new.is_finite() {
                return Err(Error::non_finite(fill, channel, new));
            }
            values[[channel, z, y, x]] = new;
        }
    }
    Ok(patch)
}

/// Validates that a partition lies on the image's grid and has this region.
///
/// # Errors
/// Returns [`Error::ShapeMismatch`] or [`Error::OutOfRange`].
pub fn check_region(image: ImageView<'_>, regions: &Supervoxels, region: usize) -> Result<(), Error> {
    let labels = regions.labels();
    if labels.shape() != &image.shape()[1..] {
        return Err(Error::ShapeMismatch {
            what: "the partition",
            expected: image.shape()[1..].to_vec(),
            found: labels.shape().to_vec(),
        });
    }
    if region >= regions.len() {
        return Err(Error::OutOfRange { what: "region", len: regions.len(), found: region });
    }
    Ok(())
}

/// Validates a patch of any fill: that it lies inside the image, has its channels and holds finite values. Returns the
/// number of voxels that it changes.
///
/// # Errors
/// Returns [`Error::ShapeMismatch`], or [`Error::NonFinite`] with the name of the `fill`.
pub fn check_patch(fill: &str, image: ImageView<'_>, patch: &Patch) -> Result<usize, Error> {
    let changed = patch.changed_voxels(image)?;
    match patch.values().indexed_iter().find(|(_, value)| !value.is_finite()) {
        Some(((channel, ..), &value)) => Err(Error::non_finite(fill, channel, value)),
        None => Ok(changed),
    }
}
