//! Regions from a label volume.

use std::path::Path;

use relevox_experiment::failure::invalid_input;
use relevox_volume::{Frame, nifti};
use slic3d::Supervoxels;

/// Reads regions and maps them to the network's grid; also returns what was assumed about their position.
///
/// # Errors
/// Returns an error if the file cannot be read, or its labels do not overlap the crop.
pub(super) fn read_labels(
    path: &Path,
    background: Option<u32>,
    frame: &Frame,
) -> anyhow::Result<(Supervoxels, Option<String>)> {
    let volume = nifti::read_labels(path)?;
    let placed = volume.geometry.same_grid(&frame.geometry()) || volume.geometry.same_grid(frame.scan());
    if volume.geometry.shape == frame.shape() && !placed {
        let assumed = format!(
            "{}: labels of the crop's shape at another position, taken as on the crop's grid",
            path.display()
        );
        return Ok((Supervoxels::from_labels(volume.voxels, background)?, Some(assumed)));
    }
    // Voxels that the labels do not reach belong to no region.
    let unused = volume.voxels.iter().max().and_then(|largest| largest.checked_add(1));
    let outside = background
        .or(unused)
        .ok_or_else(|| invalid_input(format!("{}: expected labels below {}", path.display(), u32::MAX)))?;
    let labels = frame.labels_to_network(&volume, outside).map_err(|error| match error {
        relevox_volume::Error::InvalidSetting { expected, found, .. } => {
            invalid_input(format!("{}: expected {expected}, found {found}", path.display()))
        }
        other => other.into(),
    })?;
    let reaches = labels.iter().any(|&label| label == outside);
    Ok((Supervoxels::from_labels(labels, background.or(reaches.then_some(outside)))?, None))
}
