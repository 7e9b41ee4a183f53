//! Writing synthetic cohorts in BraTS's layout.

use std::fs;
use std::path::{Path, PathBuf};

use super::case::{PhantomCase, generate};
use super::settings::ValidPhantomConfig;
use crate::{Error, Geometry, Volume, nifti};

/// Writes a case to `<dir>/HGG/<case>/` or `<dir>/LGG/<case>/` and returns that folder. Scans and segmentation are
/// stored as the smallest unsigned integers that represent them, on a grid oriented like BraTS's.
///
/// # Errors
/// Returns [`Error::Io`] with the file or folder that could not be written.
pub fn write_case(case: &PhantomCase, spacing_mm: [f64; 3], dir: &Path) -> Result<PathBuf, Error> {
    let folder = dir.join(if case.positive { "HGG" } else { "LGG" }).join(&case.name);
    fs::create_dir_all(&folder).map_err(|source| Error::Io {
        path: folder.clone(),
        action: "write",
        source,
    })?;
    let (nz, ny, nx) = case.segmentation.dim();
    let geometry = Geometry::axis_aligned([nz, ny, nx], spacing_mm);
    let file = |suffix: &str| folder.join(format!("{}_{suffix}.nii.gz", case.name));
    for (sequence, voxels) in &case.sequences {
        let volume = Volume { voxels: voxels.mapv(|v| v as u32), geometry: geometry.clone() };
        nifti::write_labels(&file(sequence), &volume)?;
    }
    nifti::write_labels(&file("seg"), &Volume { voxels: case.segmentation.clone(), geometry })?;
    Ok(folder)
}

/// Generates and writes a whole cohort, one case after the other; calls `on_case` with the index of each written case.
/// The same configuration and seed always result in the same files.
///
/// # Errors
/// Returns [`Error::Io`] with the file or folder that could not be written.
pub fn write_cohort(
    config: &ValidPhantomConfig,
    seed: u64,
    dir: &Path,
    mut on_case: impl FnMut(usize),
) -> Result<(), Error> {
    for index in 0..config.settings().cases {
        write_case(&generate(config, seed, index), config.settings().spacing_mm, dir)?;
        on_case(index);
    }
    Ok(())
}
