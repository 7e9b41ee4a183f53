//! One volume of a file of several: only that one is decoded, and the whole file is checked.

use relevox_volume::{Error, ScanFile, nifti};

use crate::scans::{file, gzip, plain_nifti};

/// Bytes of a file of 4 x 3 x 2 x 3 voxels: 16-bit numbers from 0 to 71.
fn three_volumes() -> Vec<u8> {
    let voxels: Vec<u8> = (0..72_i16).flat_map(i16::to_le_bytes).collect();
    let mut bytes = plain_nifti(4, 16, &voxels);
    bytes[40..42].copy_from_slice(&4_i16.to_le_bytes());
    bytes[48..50].copy_from_slice(&3_i16.to_le_bytes());
    bytes
}

#[test]
fn a_volume_is_selected_by_its_index() {
    for (name, bytes) in [("four.nii", three_volumes()), ("four.nii.gz", gzip(&three_volumes()))] {
        let (_folder, path) = file(name, &bytes);
        for index in 0..3 {
            let scan = ScanFile::parse(&format!("{}#{index}", path.display()));
            assert_eq!(scan.volume, Some(index));
            let first = 24 * index as u32;
            assert!(scan.read().unwrap().voxels.iter().copied().eq((first..first + 24).map(|v| v as f32)));
            assert!(scan.read_labels().unwrap().voxels.iter().copied().eq(first..first + 24));
            assert_eq!(scan.read().unwrap(), nifti::read_volume(&path, Some(index)).unwrap());
        }
        let message = nifti::read_labels(&path).unwrap_err().to_string();
        assert!(message.ends_with(&format!(
            "expected a file of one volume, found 3 volumes (4 x 3 x 2 x 3); select one as {name}#0 to {name}#2"
        )));
        let message = ScanFile { path, volume: Some(3) }.read().unwrap_err().to_string();
        assert!(message.ends_with(
            "expected a volume of the file, found #3; the file has 3 volumes (4 x 3 x 2 x 3), #0 to #2"
        ));
    }
}

#[test]
fn a_file_of_one_volume_has_the_index_0() {
    let (_folder, path) = file("three.nii", &plain_nifti(2, 8, &[7; 24]));
    assert_eq!(nifti::read_volume(&path, Some(0)).unwrap(), nifti::read_volume(&path, None).unwrap());
    assert_eq!(nifti::read_label_volume(&path, Some(0)).unwrap().voxels[[1, 2, 3]], 7);
    let message = nifti::read_volume(&path, Some(1)).unwrap_err().to_string();
    assert!(message.ends_with("found #1; the file has 1 volume (4 x 3 x 2), #0"), "{message}");
}

/// Damage in another volume is damage of the file.
#[test]
fn the_other_volumes_are_checked_too() {
    let whole = three_volumes();
    for index in [0, 1, 2] {
        for length in [whole.len() - 1, 352 + 48 * index + 10] {
            for bytes in [whole[..length].to_vec(), gzip(&whole[..length])] {
                let (_folder, path) = file("cut.nii", &bytes);
                let error = nifti::read_volume(&path, Some(index)).unwrap_err();
                let expected = (length - 352) as u64;
                assert!(
                    matches!(&error, Error::Truncated { expected_bytes: 144, found_bytes, .. } if *found_bytes == expected),
                    "{error}"
                );
            }
        }
        let mut checksum = gzip(&whole);
        let at = checksum.len() - 8;
        checksum[at] ^= 1;
        let longer = gzip(&[&whole[..], &[1]].concat());
        for bytes in [checksum, longer] {
            let (_folder, path) = file("damaged.nii.gz", &bytes);
            let error = nifti::read_volume(&path, Some(index)).unwrap_err();
            assert!(matches!(error, Error::Damaged { .. } | Error::Overlong { .. }), "{error}");
        }
    }
    // Values that are no labels in another volume are not looked at.
    let mut scaled = three_volumes();
    scaled[352 + 48..354 + 48].copy_from_slice(&(-5_i16).to_le_bytes());
    let (_folder, path) = file("labels.nii", &scaled);
    assert!(nifti::read_label_volume(&path, Some(0)).is_ok());
    assert!(nifti::read_label_volume(&path, Some(1)).is_err());
}

#[test]
fn an_index_follows_the_name_of_a_nifti_file() {
    for (text, volume) in [
        ("a.nii#0", Some(0)),
        ("a.b/A.NII.GZ#12", Some(12)),
        ("a.hdr#1", Some(1)),
        ("a.img.gz#1", Some(1)),
        ("a.nii", None),
        ("a.nii#", None),
        ("a.nii#-1", None),
        ("a.nii#+1", None),
        ("a.nii#x", None),
        ("a.txt#1", None),
        ("a#1.nii", None),
        ("a.nii#99999999999999999999999", None),
    ] {
        let scan = ScanFile::parse(text);
        assert_eq!(scan.volume, volume, "{text}");
        assert_eq!(scan.to_string(), text);
    }
}
