//! Regions from a label volume.

use std::path::Path;
use std::str::FromStr;

use anyhow::Context;
use relevox_experiment::failure::invalid_input;
use relevox_volume::{Frame, nifti};
use slic3d::Supervoxels;

/// The label of voxels outside all regions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Background {
    /// Every label is a region.
    None,
    /// Voxels of this label belong to no region.
    Label(u32),
}

impl FromStr for Background {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "none" => Ok(Self::None),
            _ => text.parse().map(Self::Label).map_err(|_| "expected a label, or none".to_owned()),
        }
    }
}

impl Background {
    /// Returns the background of labels: as given, else 0 if it occurs, which `say` is told.
    pub(super) fn of<'a>(
        given: Option<Self>,
        mut labels: impl Iterator<Item = &'a u32>,
        path: &Path,
        say: &mut dyn FnMut(String),
    ) -> Option<u32> {
        match given {
            Some(Self::None) => None,
            Some(Self::Label(label)) => Some(label),
            None if labels.any(|&label| label == 0) => {
                say(format!(
                    "{}: label 0 is background; with --background none it is a region",
                    path.display()
                ));
                Some(0)
            }
            None => None,
        }
    }
}

/// Reads regions and maps them to the network's grid; `say` is told what is assumed about them.
///
/// # Errors
/// Returns an error if the file cannot be read, or its labels do not overlap the crop.
pub(super) fn read_labels(
    path: &Path,
    background: Option<Background>,
    frame: &Frame,
    say: &mut dyn FnMut(String),
) -> anyhow::Result<Supervoxels> {
    let named = || path.display().to_string();
    let volume = nifti::read_labels(path)?;
    let background = Background::of(background, volume.voxels.iter(), path, say);
    let placed = volume.geometry.same_grid(&frame.geometry()) || volume.geometry.same_grid(frame.scan());
    if volume.geometry.shape == frame.shape() && volume.geometry.has_orientation() && !placed {
        say(format!(
            "{}: labels of the crop's shape at another position, taken as on the crop's grid",
            path.display()
        ));
        return Supervoxels::from_labels(volume.voxels, background).with_context(named);
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
    Supervoxels::from_labels(labels, background.or(reaches.then_some(outside))).with_context(named)
}
