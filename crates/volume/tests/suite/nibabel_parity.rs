//! Parity with nibabel on files that it wrote: every data type, both byte orders, sform and qform.

use std::fs;
use std::path::{Path, PathBuf};

use relevox_volume::{Volume, nifti};
use tempfile::TempDir;

/// A file with the affine and voxels that nibabel reads from it.
pub struct Expected {
    pub path: PathBuf,
    affine: Vec<f64>,
    voxels: Vec<f64>,
}

/// Writes the fixtures to a temporary folder, which is removed when the first value is dropped.
pub fn unpacked() -> (TempDir, Vec<Expected>) {
    let folder = tempfile::tempdir().unwrap();
    let table = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/nibabel.csv");
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_path(table).unwrap();
    assert!(reader.headers().unwrap()[0].starts_with("nibabel "));
    let expected: Vec<Expected> = reader
        .records()
        .map(|record| {
            let record = record.unwrap();
            let path = folder.path().join(&record[0]);
            fs::write(&path, bytes_of(&record[1])).unwrap();
            let numbers: Vec<f64> = record.iter().skip(2).map(|n| n.parse().unwrap()).collect();
            let (affine, voxels) = numbers.split_at(12);
            Expected { path, affine: affine.to_vec(), voxels: voxels.to_vec() }
        })
        .collect();
    assert_eq!(expected.len(), 25);
    (folder, expected)
}

pub fn bytes_of(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

#[test]
fn voxels_and_affines_equal_nibabels() {
    let (_folder, expected) = unpacked();
    for Expected { path, affine, voxels } in expected {
        let scan = nifti::read(&path).unwrap();
        assert_eq!(scan.geometry.shape, [3, 4, 5], "{}", path.display());
        // The fixture lists voxels with x fastest, like the file and like C order [z, y, x].
        let rounded: Vec<f32> = voxels.iter().map(|&v| v as f32).collect();
        assert_eq!(scan.voxels.as_slice().unwrap(), rounded, "{}", path.display());
        let found = scan.geometry.world_from_voxel.into_iter().flatten();
        for (expected, found) in affine.iter().zip(found) {
            assert!((expected - found).abs() < 1e-5, "{}: {expected} {found}", path.display());
        }
        for (expected, found) in [2.5, 1.3, 0.9].into_iter().zip(scan.geometry.spacing_mm) {
            assert!((expected - found).abs() < 1e-5, "{}: {expected} {found}", path.display());
        }
    }
}

#[test]
fn labels_are_read_from_whole_numbers_only() {
    let (_folder, expected) = unpacked();
    for Expected { path, voxels, .. } in expected {
        let fit = voxels.iter().all(|&v| v.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&v));
        match nifti::read_labels(&path) {
            Ok(Volume { voxels: labels, .. }) => {
                assert!(fit, "{}", path.display());
                assert!(labels.iter().map(|&v| f64::from(v)).eq(voxels.iter().copied()));
            }
            Err(error) => {
                assert!(!fit, "{error}");
                assert!(error.to_string().contains("expected whole labels"), "{error}");
            }
        }
    }
}

/// A volume written on a scan's geometry has the scan's header bytes in all fields that position it.
#[test]
fn position_and_orientation_are_written_as_they_were_read() {
    let (folder, expected) = unpacked();
    for Expected { path, .. } in expected {
        let original = decompressed(&path);
        if original[0] == 0 {
            continue; // Files are always written little-endian.
        }
        let copy = folder.path().join("copy.nii");
        nifti::write(&copy, &nifti::read(&path).unwrap()).unwrap();
        let written = fs::read(&copy).unwrap();
        for (what, range) in [("dim", 40..56), ("pixdim", 76..92), ("units", 123..124), ("forms", 252..328)] {
            assert_eq!(original[range.clone()], written[range], "{what} of {}", path.display());
        }
    }
}

fn decompressed(path: &Path) -> Vec<u8> {
    use std::io::Read;
    let bytes = fs::read(path).unwrap();
    if bytes[0] != 0x1f {
        return bytes;
    }
    let mut plain = Vec::new();
    flate2::read::GzDecoder::new(bytes.as_slice()).read_to_end(&mut plain).unwrap();
    plain
}
