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
    let absent = folder.path().join("absent.nii.gz");
    let message = nifti::read(&absent).unwrap_err().to_string();
    assert!(message.contains("cannot read") && message.contains("absent.nii.gz"), "{message}");
    let message = nifti::read(folder.path()).unwrap_err().to_string();
    assert!(
        message.ends_with("expected a NIfTI file (.nii, .nii.gz, or .hdr with .img), found a folder"),
        "{message}"
    );
}

#[test]
fn damaged_headers() {
    let expected = "expected a NIfTI file";
    rejected("short.nii", &zeros_nifti()[..200], &[expected, "200 bytes"]);
    header_rejected(344, &[0; 4], &[expected, "Analyze"]);
    let mut second = zeros_nifti();
    second.resize(600, 0);
    second[..4].copy_from_slice(&540_i32.to_be_bytes());
    rejected("second.nii", &second, &[expected, "NIfTI-2's size without its magic"]);
    second[..12].copy_from_slice(b"\x1c\x02\0\0n+2\0\n\x1a\n\0");
    rejected("text-mode.nii", &second, &[expected, "damaged by a transfer as text"]);
    rejected("short.nii.gz", &gzip(&second[..500]), &[expected, "500 bytes instead of 540"]);
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
    header_rejected(
        40,
        &dims(&[4, 4, 3, 1, 2]),
        &["expected a file of one volume", "2 volumes (4 x 3 x 1 x 2)"],
    );
    header_rejected(40, &dims(&[7, 4, 3, 2, 32767, 32767, 32767, 32767]), &["a file below 2^64 bytes"]);
    header_rejected(40, &dims(&[7, 32767, 32767, 32767, 32767, 32767, 32767, 32767]), &["2^64 bytes"]);
    header_rejected(40, &dims(&[5, 4, 3, 2, 32767, 32767]), &["one volume", "1073676289 volumes"]);
    header_rejected(108, &1e30_f32.to_le_bytes(), &[voxels]);
    header_rejected(108, &20.0_f32.to_le_bytes(), &["voxel offset"]);
    header_rejected(108, &f32::NAN.to_le_bytes(), &["voxel offset"]);
}

/// Bytes after the last voxel belong to an image that the header does not describe, unless they are a few zeros.
#[test]
fn files_longer_than_their_header_requires() {
    let longer = |more: &[u8]| [&zeros_nifti()[..], more].concat();
    for more in [&[0; 48][..], &[0; 512], &[1], &[0, 0, 1]] {
        let found = format!("found {}", 448 + more.len());
        rejected("long.nii", &longer(more), &["expected 448 bytes as its header requires", &found]);
        rejected("long.nii.gz", &gzip(&longer(more)), &["expected 448 bytes", "found more"]);
    }
    for zeros in [1, 3, 47] {
        for bytes in [longer(&vec![0; zeros]), gzip(&longer(&vec![0; zeros]))] {
            let (_folder, path) = file("padded.nii", &bytes);
            assert_eq!(nifti::read(&path).unwrap().geometry.shape, [2, 3, 4], "{zeros} zeros");
        }
    }
    // The header has one plane less than the file.
    header_rejected(42, &dims(&[4, 3, 1]), &["expected 400 bytes"]);
    // An offset that is not stated leaves no room for zeros: they may be voxels.
    let mut unstated = longer(&[0]);
    unstated[108..112].fill(0);
    rejected("unstated.nii", &unstated, &["expected 448 bytes", "found 449"]);
    // An extension before the voxels is no excess.
    let mut extended = zeros_nifti();
    extended[108..112].copy_from_slice(&384.0_f32.to_le_bytes());
    extended.splice(352..352, [0; 32]);
    let (_folder, path) = file("extended.nii", &extended);
    assert_eq!(nifti::read(&path).unwrap().geometry.shape, [2, 3, 4]);
}

/// At most a block of a disk, however large a slice is.
#[test]
fn padding_is_at_most_4096_bytes() {
    let mut bytes = zeros_nifti();
    bytes[42..48].copy_from_slice(&dims(&[100, 100, 1]));
    for (zeros, accepted) in [(4096, true), (4097, false)] {
        bytes.resize(352 + 40_000 + zeros, 0);
        let (_folder, path) = file("padded.nii", &bytes);
        assert_eq!(nifti::read(&path).is_ok(), accepted, "{zeros} zeros");
    }
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
    // Codes of qform and sform, the quaternion, its offset, and the sform's first row.
    let codes = |qform: i16, sform: i16| [&qform.to_le_bytes()[..], &sform.to_le_bytes(), &[0; 24]].concat();
    let expected = "an affine whose axes span space";
    header_rejected(252, &[&codes(0, 1)[..], &[0; 16]].concat(), &[expected, "found sform [[0.0"]);
    header_rejected(252, &[&codes(0, 1)[..], &f32::NAN.to_le_bytes()].concat(), &[expected, "NaN"]);
    let both = [&codes(1, 1)[..4], &f32::INFINITY.to_le_bytes(), &[0; 20], &[0; 16]].concat();
    header_rejected(252, &both, &[expected, "found sform [[0.0", " and qform [inf, 0.0, 0.0]"]);
    let mut scaled = zeros_nifti();
    scaled[112..116].copy_from_slice(&2.0_f32.to_le_bytes());
    scaled[116..120].copy_from_slice(&f32::INFINITY.to_le_bytes());
    rejected("inter.nii", &scaled, &["scl_inter"]);
}

#[test]
fn voxels_that_are_not_labels() {
    for found in [0.5_f32, -1.0, -0.02, 0.98, 3.02, f32::NAN, f32::INFINITY, 4_294_967_296.0, 1e12] {
        let mut bytes = zeros_nifti();
        // The voxel at x 2, y 1, z 1.
        bytes[352 + 4 * 18..][..4].copy_from_slice(&found.to_le_bytes());
        let (_folder, path) = file("labels.nii", &bytes);
        assert!(nifti::read(&path).is_ok());
        let message = nifti::read_labels(&path).unwrap_err().to_string();
        assert!(message.contains("labels.nii") && message.contains("z 1, y 1, x 2"), "{message}");
    }
}

/// nibabel stores labels of a float array as scaled integers: 2 is read as 2.0000305.
#[test]
fn labels_are_rounded_to_the_nearest_whole_number() {
    for (stored, label) in [
        (2.000_030_5_f32, 2),
        (1.995, 2),
        (2.0099, 2),
        (-0.004, 0),
        (-0.0, 0),
        (4_294_967_040.0, 4_294_967_040),
    ] {
        let mut bytes = zeros_nifti();
        bytes[352..356].copy_from_slice(&stored.to_le_bytes());
        let (_folder, path) = file("labels.nii", &bytes);
        assert_eq!(nifti::read_labels(&path).unwrap().voxels[[0, 0, 0]], label, "{stored}");
    }
    // 8-bit voxels with a scaling.
    for (slope, label) in [(1.004_f32, Some(2)), (1.3, None)] {
        let mut bytes = plain_nifti(2, 8, &[0; 24]);
        bytes[112..116].copy_from_slice(&slope.to_le_bytes());
        bytes[352 + 13] = 2;
        let (_folder, path) = file("labels.nii", &bytes);
        match (nifti::read_labels(&path), label) {
            (Ok(labels), Some(label)) => assert_eq!(labels.voxels[[1, 0, 1]], label),
            (Err(error), None) => assert!(error.to_string().contains("found 2.59"), "{error}"),
            (other, _) => panic!("{slope}: {other:?}"),
        }
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
