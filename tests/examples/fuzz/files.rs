//! Checks for files on disk: pairs, volumes of 4D files, and every name that is read.

use std::fs;
use std::path::PathBuf;
use std::sync::OnceLock;

use relevox_volume::{ScanFile, nifti};
use tempfile::TempDir;

use crate::Read;
use crate::nifti::{check, decoded_bytes, gzip};

/// A folder for the inputs, in memory where the system has such a place.
fn folder() -> Result<PathBuf, String> {
    static FOLDER: OnceLock<Option<TempDir>> = OnceLock::new();
    let folder =
        FOLDER.get_or_init(|| tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).ok());
    folder.as_ref().map(|folder| folder.path().to_owned()).ok_or("no temporary folder".to_owned())
}

/// Writes an input as one file or as a pair, and reads a volume from it. The input's length selects which.
pub fn read(input: &[u8]) -> Result<Read, String> {
    let folder = folder()?;
    let unwritable = |error: std::io::Error| error.to_string();
    let kind = input.len() % 6;
    let names: &[&str] = match kind {
        0 | 1 => &["a.nii"],
        2 => &["a.nii.gz"],
        3 | 4 => &["a.hdr", "a.img"],
        _ => &["a.hdr.gz", "a.img.gz"],
    };
    if let [name] = names {
        let bytes = if kind == 2 { gzip(input) } else { input.to_vec() };
        fs::write(folder.join(name), &bytes).map_err(unwritable)?;
    } else {
        let header_bytes = if input.starts_with(&540_i32.to_le_bytes()) { 540 } else { 348 };
        let (header, rest) = input.split_at(header_bytes.min(input.len()));
        // Most seeds are single files, with 4 bytes between header and voxels.
        let image = rest.get(4..).unwrap_or_default();
        let mut header = header.to_vec();
        // A pair's magic, without an offset.
        if header.starts_with(&348_i32.to_le_bytes()) && header.len() == 348 && !input.len().is_multiple_of(4)
        {
            header[344..347].copy_from_slice(b"ni1");
            header[108..112].fill(0);
        } else if header.len() == 540 {
            header[4..7].copy_from_slice(b"ni2");
            header[168..176].fill(0);
        }
        for (name, bytes) in names.iter().zip([&header[..], image]) {
            let bytes = if kind == 5 { gzip(bytes) } else { bytes.to_vec() };
            fs::write(folder.join(name), bytes).map_err(unwritable)?;
        }
    }
    let index = match input.len() % 5 {
        0 => None,
        n => Some(n.saturating_sub(2)),
    };
    let mut accepted = false;
    for name in names {
        let file = ScanFile { path: folder.join(name), volume: index };
        accepted |= check(file.read(), "a.", |v| f64::from(*v))?.is_some();
        check(file.read_labels(), "a.", |v| f64::from(*v))?;
    }
    check(nifti::read(&folder.join(names[0])), "a.", |v| f64::from(*v))?;
    for name in names {
        fs::remove_file(folder.join(name)).map_err(unwritable)?;
    }
    Ok(Read { decoded_bytes: decoded_bytes(input), accepted })
}
