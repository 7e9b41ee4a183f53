//! Invalid files: each results in an error whose message names the file, never in a panic.

use std::path::Path;

use relevox_volume::nifti;

use crate::scans::{file, gzip, plain_nifti, zeros_nifti};

/// Asserts that a file of these bytes is rejected with a message that names it and contains all of `words`.
#[track_caller]
fn rejected(name: &str, bytes: &[u8], words: &[&str]) {
    let (_folder, path) = file(name, bytes);
    for error in [nifti::read(&path).map(|_| ()), nifti::read_labels(&path).map(|_| ())] {
        let message = error.expect_err("an error").to_string();
        for word in words.iter().chain([&name]) {
            assert!(message.contains(word), "{message:?} does not contain {word:?}");
        }
    }
}

/// Asserts that a plain and a compressed file are rejected with the header's bytes from `at` on replaced.
#[track_caller]
fn header_rejected(at: usize, with: &[u8], words: &[&str]) {
    let mut bytes = zeros_nifti();
    bytes[at..at + with.len()].copy_from_slice(with);
    rejected("patched.nii", &bytes, words);
    rejected("patched.nii.gz", &gzip(&bytes), words);
}

fn dims(dims: &[i16]) -> Vec<u8> {
    dims.iter().flat_map(|d| d.to_le_bytes()).collect()
}

#[test]
fn missing_files_and_folders() {
    let folder = tempfile::tempdir().unwrap();
    for path in [folder.path().join("absent.nii.gz"), folder.path().to_owned()] {
        let message = nifti::read(&path).unwrap_err().to_string();
        assert!(message.contains("cannot read") && message.contains(&*path.to_string_lossy()), "{message}");
    }
}

#[test]
fn files_of_other_formats() {
    let expected = "expected a NIfTI-1 file";
    rejected("empty.nii", &[], &[expected, "0 bytes"]);
    rejected("text.nii", b"this is no scan, but a page of text", &[expected, "without a NIfTI header"]);
    rejected(
        "text.nii.gz",
        &gzip(b"this is no scan, but a page of text"),
        &[expected, "without a NIfTI header"],
    );
    rejected("short.nii", &zeros_nifti()[..200], &[expected, "200 bytes"]);
    header_rejected(0, &540_i32.to_le_bytes(), &[expected, "NIfTI-2"]);
    header_rejected(0, &540_i32.to_be_bytes(), &[expected, "NIfTI-2"]);
    header_rejected(344, b"ni1\0", &[expected, ".hdr and .img"]);
    header_rejected(344, &[0; 4], &[expected, "Analyze"]);
}

#[test]
fn truncated_and_damaged_compression() {
    let noise: Vec<u8> = (0..96_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let whole = gzip(&plain_nifti(2, 8, &noise[..24]));
    rejected("cut-voxels.nii.gz", &whole[..whole.len() - 20], &["expected 24 bytes of voxels", "end early"]);
    rejected("cut-header.nii.gz", &whole[..40], &["compressed data that end after"]);
    rejected("cut-start.nii.gz", &whole[..12], &["compressed data that end after"]);
    let mut checksum = whole.clone();
    let at = checksum.len() - 8;
    checksum[at] ^= 0xff;
    rejected("checksum.nii.gz", &checksum, &["intact gzip", "damaged"]);
    let mut method = whole;
    method[2] = 9;
    rejected("method.nii.gz", &method, &["intact gzip", "damaged"]);
}

#[test]
fn dimensions_that_do_not_fit() {
    let voxels = "bytes of voxels";
    header_rejected(42, &dims(&[30_000, 30_000, 30_000]), &[voxels, "30000 x 30000 x 30000"]);
    header_rejected(42, &dims(&[4, 3, 200]), &[voxels]);
    rejected("cut.nii", &zeros_nifti()[..400], &["expected 96 bytes of voxels, found 48"]);
    header_rejected(42, &dims(&[0, 3, 2]), &["expected 3 dimensions", "0 x 3 x 2"]);
    header_rejected(42, &dims(&[4, -3, 2]), &["expected 3 dimensions", "4 x -3 x 2"]);
    header_rejected(40, &dims(&[0]), &["expected 3 dimensions"]);
    header_rejected(40, &dims(&[-1]), &["expected 3 dimensions"]);
    header_rejected(40, &dims(&[2]), &["expected 3 dimensions", "2 dimensions: 4 x 3"]);
    header_rejected(40, &dims(&[4, 4, 3, 1, 2]), &["expected 3 dimensions", "4 dimensions: 4 x 3 x 1 x 2"]);
    header_rejected(108, &1e30_f32.to_le_bytes(), &[voxels]);
    header_rejected(108, &20.0_f32.to_le_bytes(), &["voxel offset"]);
    header_rejected(108, &f32::NAN.to_le_bytes(), &["voxel offset"]);
}

/// Bytes after the last voxel belong to an image that the header does not describe.
#[test]
fn files_longer_than_their_header_requires() {
    for more in [1, 3, 48, 512] {
        let mut bytes = zeros_nifti();
        bytes.resize(448 + more, 0);
        let found = format!("found {}", 448 + more);
        rejected("long.nii", &bytes, &["expected 448 bytes as its header requires", &found]);
        rejected("long.nii.gz", &gzip(&bytes), &["expected 448 bytes", "found more"]);
    }
    // The header has one plane less than the file.
    header_rejected(42, &dims(&[4, 3, 1]), &["expected 400 bytes"]);
    // An extension before the voxels is no excess.
    let mut extended = zeros_nifti();
    extended[108..112].copy_from_slice(&384.0_f32.to_le_bytes());
    extended.splice(352..352, [0; 32]);
    let (_folder, path) = file("extended.nii", &extended);
    assert_eq!(nifti::read(&path).unwrap().geometry.shape, [2, 3, 4]);
}

#[test]
fn trailing_dimensions_of_1_are_ignored() {
    let mut bytes = zeros_nifti();
    bytes[40..52].copy_from_slice(&dims(&[5, 4, 3, 2, 1, 1]));
    let (_folder, path) = file("five.nii", &bytes);
    assert_eq!(nifti::read(&path).unwrap().geometry.shape, [2, 3, 4]);
}

#[test]
fn unsupported_data_types() {
    let expected = "expected integers of 8 to 64 bits, float32 or float64";
    for (datatype, name) in [
        (32_i16, "complex"),
        (1792, "complex"),
        (128, "RGB"),
        (2304, "RGB"),
        (1536, "float128"),
        (1, "datatype 1"),
    ] {
        header_rejected(70, &datatype.to_le_bytes(), &[expected, name]);
    }
}

#[test]
fn singular_affines() {
    header_rejected(280, &[0; 16], &["an affine whose axes span space"]);
    header_rejected(280, &f32::NAN.to_le_bytes(), &["an affine whose axes span space"]);
    let mut scaled = zeros_nifti();
    scaled[112..116].copy_from_slice(&2.0_f32.to_le_bytes());
    scaled[116..120].copy_from_slice(&f32::INFINITY.to_le_bytes());
    rejected("inter.nii", &scaled, &["scl_inter"]);
}

#[test]
fn voxels_that_are_not_labels() {
    for found in [0.5_f32, -1.0, f32::NAN, 1e12] {
        let mut bytes = zeros_nifti();
        // The voxel at x 2, y 1, z 1.
        bytes[352 + 4 * 18..][..4].copy_from_slice(&found.to_le_bytes());
        let (_folder, path) = file("labels.nii", &bytes);
        assert!(nifti::read(&path).is_ok());
        let message = nifti::read_labels(&path).unwrap_err().to_string();
        assert!(message.contains("labels.nii") && message.contains("z 1, y 1, x 2"), "{message}");
    }
}

#[test]
fn a_failed_write_leaves_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let (_held, path) = file("a.nii", &zeros_nifti());
    let scan = nifti::read(&path).unwrap();
    let into = |name: &str| nifti::write(&folder.path().join(name), &scan).unwrap_err().to_string();
    assert!(into("map.png").contains("expected a name ending in .nii or .nii.gz"));
    assert!(into("absent/map.nii.gz").contains("cannot write"));
    std::fs::create_dir(folder.path().join("taken.nii")).unwrap();
    assert!(into("taken.nii").contains("cannot write"));
    let mut other = scan.clone();
    other.geometry.shape = [2, 3, 5];
    let message = nifti::write(&folder.path().join("map.nii"), &other).unwrap_err().to_string();
    assert!(message.contains("expected shape [2, 3, 5], found [2, 3, 4]"), "{message}");
    assert_eq!(names(folder.path()), ["taken.nii"]);
}

fn names(folder: &Path) -> Vec<String> {
    std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect()
}
