//! Files that nibabel wrote, read as nibabel reads them: every data type, both byte orders, every way to place a grid.

use std::path::{Path, PathBuf};

use relevox_volume::{Volume, nifti};

struct Expected {
    path: PathBuf,
    affine: Vec<f64>,
    voxels: Vec<f64>,
}

fn expected() -> Vec<Expected> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_path(folder.join("expected.csv")).unwrap();
    assert!(reader.headers().unwrap()[0].starts_with("nibabel "));
    reader
        .records()
        .map(|record| {
            let record = record.unwrap();
            let numbers: Vec<f64> = record.iter().skip(1).map(|n| n.parse().unwrap()).collect();
            let (affine, voxels) = numbers.split_at(12);
            Expected { path: folder.join(&record[0]), affine: affine.to_vec(), voxels: voxels.to_vec() }
        })
        .collect()
}

#[test]
fn voxels_and_affines_are_nibabels() {
    let expected = expected();
    assert_eq!(expected.len(), 25);
    for Expected { path, affine, voxels } in expected {
        let scan = nifti::read(&path).unwrap();
        assert_eq!(scan.geometry.shape, [3, 4, 5], "{}", path.display());
        // nibabel lists voxels with x fastest, as the file does; so does C order [z, y, x].
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
    for Expected { path, voxels, .. } in expected() {
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

/// What is written from a scan's geometry has the scan's header bytes wherever they say where it lies.
#[test]
fn placement_is_written_as_it_was_read() {
    let folder = tempfile::tempdir().unwrap();
    for Expected { path, .. } in expected() {
        let original = decompressed(&path);
        if original[0] == 0 {
            continue; // Written little-endian, whichever order was read.
        }
        let copy = folder.path().join("copy.nii");
        nifti::write(&copy, &nifti::read(&path).unwrap()).unwrap();
        let written = std::fs::read(&copy).unwrap();
        for (what, range) in [("dim", 40..56), ("pixdim", 76..92), ("units", 123..124), ("forms", 252..328)] {
            assert_eq!(original[range.clone()], written[range], "{what} of {}", path.display());
        }
    }
}

fn decompressed(path: &Path) -> Vec<u8> {
    use std::io::Read;
    let bytes = std::fs::read(path).unwrap();
    if bytes[0] != 0x1f {
        return bytes;
    }
    let mut plain = Vec::new();
    flate2::read::GzDecoder::new(bytes.as_slice()).read_to_end(&mut plain).unwrap();
    plain
}
