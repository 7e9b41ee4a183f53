//! Files of other formats, by their content or their name: each message is one line that names the format and what to
//! do.

use std::fs;

use relevox_volume::nifti;

use crate::scans::{file, gzip};

/// Asserts that a file of these bytes, plain or compressed, is named so.
#[track_caller]
fn named(name: &str, bytes: &[u8], found: &str) {
    for bytes in [bytes.to_vec(), gzip(bytes)] {
        let (_folder, path) = file(name, &bytes);
        let message = nifti::read(&path).unwrap_err().to_string();
        let expected =
            format!("{name}: expected a NIfTI file (.nii, .nii.gz, or .hdr with .img), found {found}");
        assert!(message.ends_with(&expected), "{message:?} does not end with {expected:?}");
        assert!(!message.contains('\n'), "{message}");
    }
}

fn binary(start: &[u8]) -> Vec<u8> {
    let mut bytes = start.to_vec();
    bytes.extend((0..600_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8));
    bytes
}

#[test]
fn images() {
    let mut dicom = binary(&[0; 128]);
    dicom[128..132].copy_from_slice(b"DICM");
    named("IM0001", &dicom, "a DICOM file; convert its series to .nii.gz with dcm2niix");
    named("slice.dcm", &binary(&[8, 0, 5, 0]), "a DICOM file; convert its series to .nii.gz with dcm2niix");
    let meta = b"ObjectType = Image\nNDims = 3\nDimSize = 4 3 2\nElementType = MET_SHORT\nElementDataFile = ";
    let found = "a MetaImage file (.mha, .mhd); convert it to .nii.gz with SimpleITK";
    named("a.mhd", &[meta, &b"a.raw\n"[..]].concat(), found);
    named("a.mha", &binary(&[meta, &b"LOCAL\n"[..]].concat()), found);
    named("a.nii", &binary(&[&b"NDims = 3\nBinaryData = True\n"[..], &[0xff]].concat()), found);
    named(
        "a.nrrd",
        &binary(b"NRRD0004\ntype: short\n\n"),
        "an NRRD file; convert it to .nii.gz with SimpleITK",
    );
    let nibabel = "convert it to .nii.gz with nibabel";
    named("a.mnc", &binary(b"\x89HDF\r\n\x1a\n"), &format!("an HDF5 or MINC 2 file; {nibabel}"));
    named("a.mnc", &binary(b"CDF\x01"), &format!("a NetCDF or MINC 1 file; {nibabel}"));
    let mgh: Vec<u8> = [1_i32, 256, 256, 256, 1, 3].iter().flat_map(|n| n.to_be_bytes()).collect();
    named("a.nii", &binary(&mgh), &format!("a FreeSurfer file (.mgh); {nibabel}"));
    named("a.mgz", &binary(b"\xff\xff"), &format!("a FreeSurfer file; {nibabel}"));
    named(
        "a.npy",
        &binary(b"\x93NUMPY\x01\0"),
        "a NumPy array, which has no affine; save it as .nii.gz with nibabel",
    );
    named("a.png", &binary(b"\x89PNG\r\n"), "a PNG image; give the scan itself");
    named("a.img", &binary(b"\x10\x20"), "voxels without their header; put it (.hdr) into the same folder");
    named(
        "a+orig.HEAD",
        b"type = string-attribute\nname = IDCODE_STRING\n",
        "a header of AFNI; convert it to .nii.gz with 3dAFNItoNIFTI",
    );
}

#[test]
fn archives_and_failed_downloads() {
    named("a.nii.gz", b"", "an empty file; download the scan again");
    named("a.nii.gz", b" \n", "a blank text; download the scan again");
    named("a.nii.gz", &[0; 1000], "only zeros; download the scan again");
    named("a.nii.gz", b"<!DOCTYPE html><title>Sign in</title>", "a web page; download the scan again");
    named("a.nii.gz", b"\xef\xbb\xbf\n<HTML>", "a web page; download the scan again");
    named("a.nii.gz", b"404: Not Found", "a text that begins with \"404: Not Found\"");
    let denied = b"<?xml version=\"1.0\"?>\n<Error><Code>AccessDenied</Code></Error>";
    named("a.nii.gz", denied, "a text that begins with \"<?xml version=\"1.0\"?> <Error><Code>Acces…\"");
    let pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n";
    named("a.nii.gz", pointer, "a pointer of Git LFS to the scan; run `git lfs pull`");
    let annex = b"/annex/objects/MD5E-s1--0.nii.gz\n";
    named("a.nii.gz", annex, "a pointer of git-annex to the scan; run `git annex get` or `datalad get`");
    named("a.nii.gz", &binary(b"PK\x03\x04"), "a zip archive; extract the scan from it first");
    let mut tar = binary(b"BRATS_001/");
    tar[257..262].copy_from_slice(b"ustar");
    named("a.tar.gz", &tar, "a tar archive; extract the scan from it first");
    named("a.nii.bz2", &binary(b"BZh9"), "a bzip2 file; decompress it first");
    named("a.nii.zst", &binary(b"\x28\xb5\x2f\xfd"), "a zstd file; decompress it first");
    named("a.nii", &binary(b"\x01\x02"), "a file without a NIfTI header");
    named("a.nii", b"\x01\x02\xff", "3 bytes without a NIfTI header");
    let (_folder, path) = file("twice.nii.gz", &gzip(&gzip(b"scan")));
    let message = nifti::read(&path).unwrap_err().to_string();
    assert!(message.contains("a gzip file in a gzip file; decompress it first"), "{message}");
}

#[test]
fn folders_of_dicom_files() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("README"), "one series").unwrap();
    let mut dicom = vec![0; 128];
    dicom.extend_from_slice(b"DICM rest");
    fs::write(folder.path().join("IM0001"), dicom).unwrap();
    let message = nifti::read(folder.path()).unwrap_err().to_string();
    assert!(
        message.ends_with("found a folder of DICOM files; convert it to .nii.gz with dcm2niix"),
        "{message}"
    );
}
