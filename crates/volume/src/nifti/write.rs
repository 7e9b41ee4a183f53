//! Volumes out, onto the grid they carry.

use std::fs::{self, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use ::nifti::writer::WriterOptions;
use ::nifti::{Endianness, NiftiHeader};
use flate2::Compression;
use ndarray::Array3;

use super::header::SMALLEST_VOXEL_OFFSET;
use crate::{Error, Geometry, Volume};

/// Maps and labels are mostly runs; more effort buys little.
const COMPRESSION_LEVEL: u32 = 3;

/// Writes a volume as float32, compressed where the name ends in `.gz`. The file appears whole or not at all, and the
/// same volume gives the same bytes.
///
/// # Errors
/// Where the name ends in neither `.nii` nor `.nii.gz`, the voxels do not have the geometry's shape, or the system
/// cannot write.
pub fn write(path: &Path, volume: &Volume<f32>) -> Result<(), Error> {
    write_as(path, &volume.voxels, &volume.geometry, |options, voxels| options.write_nifti(&voxels.t()))
}

/// Writes labels as the smallest unsigned integers that hold them, otherwise as [`write()`] does.
///
/// # Errors
/// As [`write()`].
pub fn write_labels(path: &Path, volume: &Volume<u32>) -> Result<(), Error> {
    let (voxels, geometry) = (&volume.voxels, &volume.geometry);
    let largest = voxels.iter().copied().max().unwrap_or(0);
    if largest <= u32::from(u8::MAX) {
        write_as(path, &voxels.mapv(|v| v as u8), geometry, |options, voxels| {
            options.write_nifti(&voxels.t())
        })
    } else if largest <= u32::from(u16::MAX) {
        write_as(path, &voxels.mapv(|v| v as u16), geometry, |options, voxels| {
            options.write_nifti(&voxels.t())
        })
    } else {
        write_as(path, voxels, geometry, |options, voxels| options.write_nifti(&voxels.t()))
    }
}

fn write_as<T>(
    path: &Path,
    voxels: &Array3<T>,
    geometry: &Geometry,
    encode: impl Fn(&WriterOptions, &Array3<T>) -> ::nifti::Result<()>,
) -> Result<(), Error> {
    let unwritable = |source| Error::Write { path: path.to_owned(), source };
    let refused = |why: String| unwritable(io::Error::new(io::ErrorKind::InvalidInput, why));
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let extension = if name.ends_with(".nii.gz") {
        "nii.gz"
    } else if name.ends_with(".nii") {
        "nii"
    } else {
        return Err(refused("expected a name ending in .nii or .nii.gz".to_owned()));
    };
    let (nz, ny, nx) = voxels.dim();
    if [nz, ny, nx] != geometry.shape || geometry.shape.iter().any(|n| !(1..=i16::MAX as usize).contains(n)) {
        return Err(refused(format!(
            "expected voxels of the geometry's shape {:?}, each 1 to 32767, found {nz} x {ny} x {nx}",
            geometry.shape
        )));
    }
    let beside = Beside::new(path, extension);
    let header = header(geometry);
    let mut options = WriterOptions::new(&beside.0).reference_header(&header);
    if extension == "nii.gz" {
        options = options.compression_level(Compression::new(COMPRESSION_LEVEL));
    }
    encode(&options, voxels).map_err(|error| match error {
        ::nifti::NiftiError::Io(source) => unwritable(source),
        other => refused(other.to_string()),
    })?;
    let file = OpenOptions::new().write(true).open(&beside.0).map_err(unwritable)?;
    let whole = SMALLEST_VOXEL_OFFSET + (voxels.len() * size_of::<T>()) as u64;
    if extension == "nii" && file.metadata().map_err(unwritable)?.len() != whole {
        return Err(unwritable(io::Error::from(io::ErrorKind::WriteZero)));
    }
    file.sync_all().map_err(unwritable)?;
    drop(file);
    fs::rename(&beside.0, path).map_err(unwritable)
}

fn header(geometry: &Geometry) -> NiftiHeader {
    let place = geometry.orientation();
    let [dx, dy, dz] = place.pixdim;
    let [quatern_b, quatern_c, quatern_d] = place.quatern;
    let [quatern_x, quatern_y, quatern_z] = place.qoffset;
    let [srow_x, srow_y, srow_z] = place.srow;
    NiftiHeader {
        pixdim: [place.qfac, dx, dy, dz, 1.0, 1.0, 1.0, 1.0],
        xyzt_units: place.xyzt_units,
        qform_code: place.qform_code,
        sform_code: place.sform_code,
        quatern_b,
        quatern_c,
        quatern_d,
        quatern_x,
        quatern_y,
        quatern_z,
        srow_x,
        srow_y,
        srow_z,
        endianness: Endianness::Little,
        ..NiftiHeader::default()
    }
}

/// A file's place beside its final one, removed again unless it was renamed.
struct Beside(PathBuf);

impl Beside {
    fn new(path: &Path, extension: &str) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        // The nifti crate rewrites extensions: a stem without further dots passes unchanged.
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        Self(path.with_file_name(format!(".{}-{n}.{extension}", std::process::id())))
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}
