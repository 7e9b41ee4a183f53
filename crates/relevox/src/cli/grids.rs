//! Volumes that must lie on one grid.

use std::path::Path;

use relevox_experiment::failure::invalid_input;
use relevox_experiment::progress::print_status;
use relevox_volume::{ScanFile, Volume};

/// Reads a volume, of a 4D file as FILE#0; NaN outside the brain is 0, and said.
///
/// # Errors
/// Returns an error if the file cannot be read, or has a NaN inside the brain or an infinity.
pub(super) fn read_scan(path: &Path) -> anyhow::Result<Volume> {
    let file = ScanFile::parse(&path.to_string_lossy());
    let mut volume = file.read()?;
    let cleared = volume.clear_background_nan(&file.to_string())?;
    if cleared > 0 {
        print_status(format!("{file}: NaN of {cleared} voxels outside the brain read as 0"));
    }
    Ok(volume)
}

/// Reads a volume that must be on the grid of the first.
///
/// # Errors
/// As [`read_scan`], and an input error that names both grids if they differ.
pub(super) fn on_grid_of(
    path: &Path,
    what: &str,
    first: &Volume,
    first_path: &Path,
) -> anyhow::Result<Volume> {
    let volume = read_scan(path)?;
    require_grid_of(&volume, path, what, first, first_path)?;
    Ok(volume)
}

/// Checks that a volume is on the grid of the first.
///
/// # Errors
/// Returns an input error that names both grids if they differ.
pub(super) fn require_grid_of<T>(
    volume: &Volume<T>,
    path: &Path,
    what: &str,
    first: &Volume,
    first_path: &Path,
) -> anyhow::Result<()> {
    if volume.geometry.same_grid(&first.geometry) {
        return Ok(());
    }
    Err(invalid_input(format!(
        "{}: expected {what} on the grid of {}, {}, found {}",
        path.display(),
        first_path.display(),
        grid(first),
        grid(volume)
    )))
}

fn grid<T>(volume: &Volume<T>) -> String {
    let [z, y, x] = volume.geometry.shape;
    format!("{x} x {y} x {z} voxels starting at {:.3?} mm", volume.geometry.world([0.0; 3]))
}
