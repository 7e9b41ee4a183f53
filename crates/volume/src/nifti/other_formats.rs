//! Recognition of files that are not NIfTI, by their first bytes or their name, for messages that say what to do.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::gzip;

/// Bytes of a text that a message quotes.
const QUOTED_CHARS: usize = 40;
/// Files of a folder, and of each folder in it, that are searched for DICOM.
const SEARCHED_FILES: usize = 64;
/// Offset of `DICM` in a DICOM file.
const DICOM_OFFSET: usize = 128;

const SIMPLE_ITK: &str = "convert it to .nii.gz with SimpleITK";
const NIBABEL: &str = "convert it to .nii.gz with nibabel";
const DICOM: &str = "convert its series to .nii.gz with dcm2niix";
const DECOMPRESS: &str = "decompress it first";
const EXTRACT: &str = "extract the scan from it first";
const HEADER: &str = "put it (.hdr) into the same folder";
const DOWNLOAD: &str = "download the scan again";

/// Bytes at an offset, the name of the format that they mark, and what to do.
const SIGNATURES: [(usize, &[u8], &str, &str); 24] = [
    (DICOM_OFFSET, b"DICM", "a DICOM file", DICOM),
    (0, b"NRRD000", "an NRRD file", SIMPLE_ITK),
    (0, b"\x89HDF\r\n\x1a\n", "an HDF5 or MINC 2 file", NIBABEL),
    (0, b"CDF\x01", "a NetCDF or MINC 1 file", NIBABEL),
    (0, b"CDF\x02", "a NetCDF or MINC 1 file", NIBABEL),
    (0, b"PK\x03\x04", "a zip archive", EXTRACT),
    (0, b"PK\x05\x06", "an empty zip archive", DOWNLOAD),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7z archive", EXTRACT),
    (0, b"Rar!", "a RAR archive", EXTRACT),
    (257, b"ustar", "a tar archive", EXTRACT),
    (0, &gzip::MAGIC, "a gzip file in a gzip file", DECOMPRESS),
    (0, b"BZh", "a bzip2 file", DECOMPRESS),
    (0, b"\xfd7zXZ\0", "an xz file", DECOMPRESS),
    (0, b"\x28\xb5\x2f\xfd", "a zstd file", DECOMPRESS),
    (0, b"\x93NUMPY", "a NumPy array, which has no affine", "save it as .nii.gz with nibabel"),
    (0, b"MATLAB ", "a MATLAB file", "save its array as .nii.gz with nibabel"),
    (0, b"II*\0", "a TIFF image", SIMPLE_ITK),
    (0, b"MM\0*", "a TIFF image", SIMPLE_ITK),
    (0, b"II+\0", "a BigTIFF image", SIMPLE_ITK),
    (0, b"MM\0+", "a BigTIFF image", SIMPLE_ITK),
    (0, b"\x89PNG", "a PNG image", "give the scan itself"),
    (0, b"\xff\xd8\xff", "a JPEG image", "give the scan itself"),
    (0, b"%PDF", "a PDF document", "give the scan itself"),
    (0, b"# vtk DataFile", "a VTK file", SIMPLE_ITK),
];

/// Endings of names (in lower case), for files whose bytes tell nothing.
const ENDINGS: [(&str, &str, &str); 16] = [
    (".img", "voxels without their header", HEADER),
    (".img.gz", "voxels without their header", HEADER),
    (".dcm", "a DICOM file", DICOM),
    (".ima", "a DICOM file", DICOM),
    (".mgz", "a FreeSurfer file", NIBABEL),
    (".mgh", "a FreeSurfer file", NIBABEL),
    (".mnc", "a MINC file", NIBABEL),
    (".mha", "a MetaImage file", SIMPLE_ITK),
    (".mhd", "a MetaImage header", SIMPLE_ITK),
    (".nrrd", "an NRRD file", SIMPLE_ITK),
    (".nhdr", "an NRRD header", SIMPLE_ITK),
    (".raw", "voxels without a header", "convert their header (.mhd, .nhdr) to .nii.gz with SimpleITK"),
    (".zraw", "voxels without a header", "convert their header (.mhd) to .nii.gz with SimpleITK"),
    (".brik", "voxels of AFNI", "convert them to .nii.gz with 3dAFNItoNIFTI"),
    (".brik.gz", "voxels of AFNI", "convert them to .nii.gz with 3dAFNItoNIFTI"),
    (".par", "a Philips header", "convert it to .nii.gz with dcm2niix"),
];

/// Describes a file that has no NIfTI header by its first (decompressed) bytes, or by its name.
pub(super) fn describe(path: &Path, head: &[u8]) -> String {
    if head.is_empty() {
        return format!("an empty file; {DOWNLOAD}");
    }
    for (at, signature, name, advice) in SIGNATURES {
        if head.get(at..).is_some_and(|rest| rest.starts_with(signature)) {
            return format!("{name}; {advice}");
        }
    }
    if let Some(text) = text(head) {
        return describe_text(text);
    }
    if is_freesurfer(head) {
        return format!("a FreeSurfer file (.mgh); {NIBABEL}");
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    match ENDINGS.into_iter().find(|(ending, ..)| name.ends_with(ending)) {
        Some((_, format, advice)) => format!("{format}; {advice}"),
        None if head.iter().all(|&b| b == 0) => format!("only zeros; {DOWNLOAD}"),
        None if head.len() < super::fields::HEADER_BYTES => {
            format!("{} bytes without a NIfTI header", head.len())
        }
        None => "a file without a NIfTI header".to_owned(),
    }
}

/// Describes a folder that was given for a file.
pub(super) fn describe_folder(folder: &Path) -> String {
    let files =
        entries(folder).flat_map(|path| if path.is_dir() { entries(&path).collect() } else { vec![path] });
    if files.take(SEARCHED_FILES).any(|path| is_dicom(&path)) {
        return "a folder of DICOM files; convert it to .nii.gz with dcm2niix".to_owned();
    }
    "a folder".to_owned()
}

/// Paths in a folder, up to a number.
fn entries(folder: &Path) -> impl Iterator<Item = PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().take(SEARCHED_FILES);
    entries.map(|entry| entry.path())
}

fn is_dicom(path: &Path) -> bool {
    let mut head = Vec::new();
    let length = DICOM_OFFSET + 4;
    // Opening a pipe would wait for its other end.
    let read = path.is_file()
        && fs::File::open(path).is_ok_and(|file| file.take(length as u64).read_to_end(&mut head).is_ok());
    read && head.len() == length && head.ends_with(b"DICM")
}

/// The bytes as a text, if they are one. The last character may be cut.
fn text(head: &[u8]) -> Option<&str> {
    let text = match std::str::from_utf8(head) {
        Ok(text) => text,
        Err(error) if error.error_len().is_none() => {
            std::str::from_utf8(head.get(..error.valid_up_to())?).ok()?
        }
        Err(_) => return text_header(head),
    };
    let plain = text.chars().all(|c| !c.is_control() || matches!(c, '\t' | '\r' | '\n'));
    if plain { Some(text) } else { text_header(head) }
}

/// The header of a MetaImage file, which is text before voxels.
fn text_header(head: &[u8]) -> Option<&str> {
    let length = head.iter().position(|b| !(b.is_ascii_graphic() || b.is_ascii_whitespace()))?;
    let text = std::str::from_utf8(head.get(..length)?).ok()?;
    is_meta_image(text).then_some(text)
}

fn is_meta_image(text: &str) -> bool {
    text.contains("ObjectType") || text.contains("NDims") || text.contains("ElementType")
}

fn describe_text(text: &str) -> String {
    let text = text.trim_start_matches('\u{feff}').trim();
    let start = text.to_ascii_lowercase();
    if text.is_empty() {
        return format!("a blank text; {DOWNLOAD}");
    }
    if text.starts_with("version https://git-lfs") {
        return "a pointer of Git LFS to the scan; run `git lfs pull`".to_owned();
    }
    if start.starts_with("<!doctype html") || start.contains("<html") {
        return format!("a web page; {DOWNLOAD}");
    }
    if start.contains("/annex/objects/") {
        return "a pointer of git-annex to the scan; run `git annex get` or `datalad get`".to_owned();
    }
    if is_meta_image(text) {
        return format!("a MetaImage file (.mha, .mhd); {SIMPLE_ITK}");
    }
    if start.contains("type = ") && start.contains("name = ") {
        return "a header of AFNI; convert it to .nii.gz with 3dAFNItoNIFTI".to_owned();
    }
    let quoted: String = text.chars().take(QUOTED_CHARS).collect();
    let more = if text.chars().count() > QUOTED_CHARS { "…" } else { "" };
    let quoted = quoted.split_whitespace().collect::<Vec<_>>().join(" ");
    format!("a text that begins with \"{quoted}{more}\"")
}

/// Whether the bytes are a header of FreeSurfer's format: version 1, four sizes, and a known type, big-endian.
fn is_freesurfer(head: &[u8]) -> bool {
    let number = |i: usize| {
        let bytes = head.get(4 * i..).and_then(|rest| rest.first_chunk::<4>()).copied();
        bytes.map_or(-1, i32::from_be_bytes)
    };
    number(0) == 1 && (1..5).all(|i| (1..=1 << 16).contains(&number(i))) && (0..=10).contains(&number(5))
}
