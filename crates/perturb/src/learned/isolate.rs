//! A region on its own: the U-Net's input.

use ndarray::{ArrayViewMut4, s};
use relevox_grid::{Box3, ImageView, Patch};
use slic3d::Supervoxels;

use crate::Error;

/// Copies a region's bounding box, with zeros outside the region.
pub(super) fn isolated(image: ImageView<'_>, regions: &Supervoxels, region: usize) -> Result<Patch, Error> {
    let bounds = Box3::from(regions.bounds(region));
    let mut patch = Patch::copied(image, bounds)?;
    let [z, y, x] = bounds.ranges();
    let labels = regions.labels().slice_move(s![z, y, x]);
    let id = regions.ids()[region];
    for mut channel in patch.values_mut().outer_iter_mut() {
        ndarray::Zip::from(&mut channel).and(&labels).for_each(|value, &label| {
            if label != id {
                *value = 0.0;
            }
        });
    }
    Ok(patch)
}

/// Copies a region's voxels into an image of zeros.
pub(super) fn isolate(
    image: ImageView<'_>,
    regions: &Supervoxels,
    region: usize,
    mut into: ArrayViewMut4<'_, f32>,
) {
    for [z, y, x] in regions.voxels(region) {
        for channel in 0..image.dim().0 {
            into[[channel, z, y, x]] = image[[channel, z, y, x]];
        }
    }
}

/// Returns whether all voxels of the region are 0 in all channels.
pub(super) fn is_air(image: ImageView<'_>, regions: &Supervoxels, region: usize) -> bool {
    let channels = image.dim().0;
    regions.voxels(region).all(|[z, y, x]| (0..channels).all(|channel| image[[channel, z, y, x]] == 0.0))
}
