//! Writing volumes to files.

use std::fs::{self, OpenOptions};
use std::io;
use std::path::Path;

use ::nifti::writer::WriterOptions;
use ::nifti::{Endianness, NiftiHeader};
use flate2::Compression;
use ndarray::Array3;

use super::description::{Description, DescriptionFields};
use crate::atomic::Temporary;
use crate::{Error, Geometry, Volume};

/// Maps and labels are mostly runs of one value; higher levels hardly reduce the size.
const COMPRESSION_LEVEL: u32 = 3;
/// Offset of the voxels in a file without extensions.
const VOXEL_OFFSET: u64 = 352;

/// Writes a volume as float32, compressed if the name ends in `.gz`. The write is atomic, and the same volume always
/// results in the same bytes.
///
/// # Errors
/// - [`Error::Format`] if the name ends in neither `.nii` nor `.nii.gz`.
/// - [`Error::ShapeMismatch`] if the voxels do not have the geometry's shape.
/// - [`Error::Io`] if the file cannot be written, or if an axis is outside 1 to 32767 voxels.
pub fn write(path: &Path, volume: &Volume<f32>) -> Result<(), Error> {
    write_scan(path, volume, &DescriptionFields::default())
}

/// Writes labels as the smallest unsigned integers that represent them, otherwise like [`write()`].
///
/// # Errors
/// Returns the errors of [`write()`].
pub fn write_labels(path: &Path, volume: &Volume<u32>) -> Result<(), Error> {
    write_integers(path, volume, &DescriptionFields::default())
}

/// Writes a map like [`write()`], with a description that viewers show.
///
/// # Errors
/// Returns the errors of [`write()`], and [`Error::InvalidSetting`] if the description does not fit the header.
///
/// # Example
/// ```
/// use relevox_volume::nifti::{self, Description};
/// use relevox_volume::{Geometry, Volume};
///
/// let folder = tempfile::tempdir()?;
/// let geometry = Geometry::axis_aligned([2, 3, 4], [1.0; 3]);
/// let map = Volume { voxels: ndarray::Array3::from_elem(geometry.shape, 50.0), geometry };
/// nifti::write_map(&folder.path().join("map.nii.gz"), &map, &Description::relevance("LIME, target HGG"))?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn write_map(path: &Path, volume: &Volume<f32>, description: &Description) -> Result<(), Error> {
    write_scan(path, volume, &description.fields()?)
}

/// Writes labels like [`write_labels`], with a description that viewers show.
///
/// # Errors
/// Returns the errors of [`write_map`].
pub fn write_label_map(path: &Path, volume: &Volume<u32>, description: &Description) -> Result<(), Error> {
    write_integers(path, volume, &description.fields()?)
}

fn write_scan(path: &Path, volume: &Volume<f32>, fields: &DescriptionFields) -> Result<(), Error> {
    write_as(path, &volume.voxels, &volume.geometry, fields, |options, voxels| {
        options.write_nifti(&voxels.t())
    })
}

fn write_integers(path: &Path, volume: &Volume<u32>, fields: &DescriptionFields) -> Result<(), Error> {
    let (voxels, geometry) = (&volume.voxels, &volume.geometry);
    let largest = voxels.iter().copied().max().unwrap_or(0);
    if largest <= u32::from(u8::MAX) {
        write_as(path, &voxels.mapv(|v| v as u8), geometry, fields, |options, voxels| {
            options.write_nifti(&voxels.t())
        })
    } else if largest <= u32::from(u16::MAX) {
        write_as(path, &voxels.mapv(|v| v as u16), geometry, fields, |options, voxels| {
            options.write_nifti(&voxels.t())
        })
    } else {
        write_as(path, voxels, geometry, fields, |options, voxels| options.write_nifti(&voxels.t()))
    }
}

fn write_as<T: Copy>(
    path: &Path,
    voxels: &Array3<T>,
    geometry: &Geometry,
    fields: &DescriptionFields,
    encode: impl Fn(&WriterOptions, &Array3<T>) -> ::nifti::Result<()>,
) -> Result<(), Error> {
    let unwritable = |source| Error::Io { path: path.to_owned(), action: "write", source };
    let invalid = |reason: String| unwritable(io::Error::new(io::ErrorKind::InvalidInput, reason));
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let extension = if name.ends_with(".nii.gz") {
        "nii.gz"
    } else if name.ends_with(".nii") {
        "nii"
    } else {
        return Err(Error::Format {
            path: path.to_owned(),
            expected: "a name ending in .nii or .nii.gz",
            found: format!("{name:?}"),
        });
    };
    let (nz, ny, nx) = voxels.dim();
    if [nz, ny, nx] != geometry.shape {
        return Err(Error::ShapeMismatch {
            what: "voxels to write",
            expected: geometry.shape.to_vec(),
            found: vec![nz, ny, nx],
        });
    }
    if geometry.shape.iter().any(|n| !(1..=i16::MAX as usize).contains(n)) {
        return Err(invalid(format!("expected 1 to 32767 voxels along each axis, found {nz} x {ny} x {nx}")));
    }
    let standard;
    let voxels = if voxels.is_standard_layout() {
        voxels
    } else {
        standard = voxels.as_standard_layout().into_owned();
        &standard
    };
    let temporary = Temporary::new(path, extension);
    let header = header(geometry, fields);
    let mut options = WriterOptions::new(&temporary.0).reference_header(&header);
    if extension == "nii.gz" {
        options = options.compression_level(Compression::new(COMPRESSION_LEVEL));
    }
    encode(&options, voxels).map_err(|error| match error {
        ::nifti::NiftiError::Io(source) => unwritable(source),
        other => invalid(other.to_string()),
    })?;
    let file = OpenOptions::new().write(true).open(&temporary.0).map_err(unwritable)?;
    let expected_bytes = VOXEL_OFFSET + (voxels.len() * size_of::<T>()) as u64;
    if extension == "nii" && file.metadata().map_err(unwritable)?.len() != expected_bytes {
        return Err(unwritable(io::Error::from(io::ErrorKind::WriteZero)));
    }
    file.sync_all().map_err(unwritable)?;
    drop(file);
    fs::rename(&temporary.0, path).map_err(unwritable)
}

fn header(geometry: &Geometry, fields: &DescriptionFields) -> NiftiHeader {
    let orientation = geometry.orientation();
    let [dx, dy, dz] = orientation.pixdim;
    let [quatern_b, quatern_c, quatern_d] = orientation.quatern;
    let [quatern_x, quatern_y, quatern_z] = orientation.qoffset;
    let [srow_x, srow_y, srow_z] = orientation.srow;
    NiftiHeader {
        pixdim: [orientation.qfac, dx, dy, dz, 1.0, 1.0, 1.0, 1.0],
        xyzt_units: orientation.xyzt_units,
        qform_code: orientation.qform_code,
        sform_code: orientation.sform_code,
        quatern_b,
        quatern_c,
        quatern_d,
        quatern_x,
        quatern_y,
        quatern_z,
        srow_x,
        srow_y,
        srow_z,
        cal_min: fields.range[0],
        cal_max: fields.range[1],
        intent_code: fields.intent_code,
        intent_name: fields.intent_name,
        descrip: fields.descrip.to_vec(),
        endianness: Endianness::Little,
        ..NiftiHeader::default()
    }
}
