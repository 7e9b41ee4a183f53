//! Cohorts of phantoms on disk, in BraTS's layout.

use std::fs;
use std::path::{Path, PathBuf};

use super::{PhantomCase, PhantomConfig, generate};
use crate::{Error, Geometry, Volume, nifti};

/// Writes one case to `<dir>/HGG/<case>/` or `<dir>/LGG/<case>/` and returns that folder. Images and segmentation are
/// whole numbers of the smallest type that holds them, placed like BraTS's.
///
/// # Errors
///
/// [`Error::Write`] with the file or folder that could not be written.
pub fn write_case(case: &PhantomCase, spacing_mm: [f64; 3], dir: &Path) -> Result<PathBuf, Error> {
    let folder = dir.join(if case.positive { "HGG" } else { "LGG" }).join(&case.name);
    fs::create_dir_all(&folder).map_err(|source| Error::Write { path: folder.clone(), source })?;
    let (nz, ny, nx) = case.seg.dim();
    let geometry = Geometry::axis_aligned([nz, ny, nx], spacing_mm);
    let file = |suffix: &str| folder.join(format!("{}_{suffix}.nii.gz", case.name));
    for (sequence, voxels) in &case.sequences {
        let volume = Volume { voxels: voxels.mapv(|v| v as u32), geometry: geometry.clone() };
        nifti::write_labels(&file(sequence), &volume)?;
    }
    nifti::write_labels(&file("seg"), &Volume { voxels: case.seg.clone(), geometry })?;
    Ok(folder)
}

/// Makes and writes a whole cohort, one case after the other (each is made on all threads); `on_case` hears the index
/// of each case once it is written. The same config and seed leave the same files.
///
/// # Errors
///
/// [`Error::Write`] with the file or folder that could not be written.
pub fn write_cohort(
    config: &PhantomConfig,
    seed: u64,
    dir: &Path,
    mut on_case: impl FnMut(usize),
) -> Result<(), Error> {
    for index in 0..config.cases {
        write_case(&generate(config, seed, index), config.spacing_mm, dir)?;
        on_case(index);
    }
    Ok(())
}
