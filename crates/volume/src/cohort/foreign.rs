//! Images in other formats than NIfTI, for messages that say how to convert them.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use super::scans::file_name;

const DCM2NIIX: &str = "convert them to .nii.gz with dcm2niix";
const SIMPLE_ITK: &str = "convert them to .nii.gz with SimpleITK";
const NIBABEL: &str = "convert them to .nii.gz with nibabel";
const SAVE: &str = "save their arrays as .nii.gz with nibabel, with the affine of the scan";
const UNPACK: &str = "unpack them";

/// Endings of names in lower case, what they are, and what to do.
const FORMATS: [(&str, &str, &str); 26] = [
    (".dcm", "DICOM files", DCM2NIIX),
    (".ima", "DICOM files", DCM2NIIX),
    ("dicomdir", "DICOM files", DCM2NIIX),
    (".mha", "MetaImage files", SIMPLE_ITK),
    (".mhd", "MetaImage files", SIMPLE_ITK),
    (".nrrd", "NRRD files", SIMPLE_ITK),
    (".nhdr", "NRRD files", SIMPLE_ITK),
    (".mgz", "FreeSurfer files", NIBABEL),
    (".mgh", "FreeSurfer files", NIBABEL),
    (".mnc", "MINC files", NIBABEL),
    (".par", "Philips files", DCM2NIIX),
    (".brik", "AFNI files", NIBABEL),
    (".tif", "TIFF images", SIMPLE_ITK),
    (".tiff", "TIFF images", SIMPLE_ITK),
    (".vtk", "VTK files", SIMPLE_ITK),
    (".npy", "NumPy arrays", SAVE),
    (".npz", "NumPy arrays", SAVE),
    (".mat", "MATLAB files", SAVE),
    (".img", "voxels without their .hdr", "put the .hdr files next to them"),
    (".nii.zip", "compressed files", UNPACK),
    (".nii.bz2", "compressed files", UNPACK),
    (".nii.xz", "compressed files", UNPACK),
    (".nii.zst", "compressed files", UNPACK),
    (".zip", "archives", UNPACK),
    (".tar", "archives", UNPACK),
    (".tar.gz", "archives", UNPACK),
];
/// Files without an extension that are opened to see whether they are DICOM.
const OPENED: usize = 4;

/// Describes the first file that is an image in another format, or an archive.
pub(super) fn describe(files: &[PathBuf]) -> Option<String> {
    let by_name = files.iter().find_map(|file| {
        let name = file_name(file).to_lowercase();
        let format = FORMATS.iter().find(|(ending, _, _)| name.ends_with(ending))?;
        Some((file, format.1, format.2))
    });
    let by_content = || {
        let plain = files.iter().filter(|file| {
            // Names of DICOM files are often numbers with dots.
            file.extension().is_none_or(|e| e.to_string_lossy().chars().all(|c| c.is_ascii_digit()))
        });
        plain.take(OPENED).find(|file| is_dicom(file)).map(|file| (file, "DICOM files", DCM2NIIX))
    };
    let (file, what, advice) = by_name.or_else(by_content)?;
    Some(format!("{what} such as {}; {advice}", file_name(file)))
}

fn is_dicom(path: &Path) -> bool {
    let read = || {
        let mut magic = [0; 4];
        let mut file = File::open(path)?;
        file.seek(SeekFrom::Start(128))?;
        file.read_exact(&mut magic)?;
        std::io::Result::Ok(magic)
    };
    path.is_file() && read().is_ok_and(|magic| &magic == b"DICM")
}
