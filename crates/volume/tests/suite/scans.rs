//! Small scans and cases in temporary folders.

use std::fs;
use std::path::{Path, PathBuf};

use ndarray::Array3;
use relevox_volume::{CaseFiles, Geometry, Orientation, Preprocess, ValidPreprocess, Volume, nifti};

/// An affine that is oblique about all axes, with a different spacing along each and a left-handed x.
pub fn oblique() -> [[f64; 4]; 3] {
    let (sin, cos) = 0.4_f64.sin_cos();
    let (tilt_sin, tilt_cos) = (-0.3_f64).sin_cos();
    let rotation = [
        [cos, -sin * tilt_cos, sin * tilt_sin],
        [sin, cos * tilt_cos, -cos * tilt_sin],
        [0.0, tilt_sin, tilt_cos],
    ];
    let (spacing, origin) = ([-0.9, 1.3, 2.5], [31.5, -47.25, 12.75]);
    std::array::from_fn(|i| {
        let [x, y, z] = std::array::from_fn(|axis| rotation[i][axis] * spacing[axis]);
        [x, y, z, origin[i]]
    })
}

/// A scan with air around a block of voxels that all differ.
pub fn scan(shape: [usize; 3], geometry: &Geometry) -> Volume<f32> {
    let voxels = Array3::from_shape_fn(shape, |(z, y, x)| {
        let edge = [z, y, x].iter().zip(shape).any(|(&i, n)| i == 0 || i + 1 == n);
        if edge { 0.0 } else { 10.0 + (z * 289 + y * 17 + x) as f32 }
    });
    Volume { voxels, geometry: geometry.clone() }
}

/// Writes the sequences `s0`, `s1`, … of a case as `0.nii.gz`, `1.nii.gz`, …, and its segmentation.
pub fn write_case(folder: &Path, sequences: &[Volume<f32>], segmentation: Option<&Volume<u32>>) -> CaseFiles {
    let sequences = sequences
        .iter()
        .enumerate()
        .map(|(i, scan)| {
            let path = folder.join(format!("{i}.nii.gz"));
            nifti::write(&path, scan).unwrap();
            (format!("s{i}"), path.into())
        })
        .collect();
    let segmentation = segmentation.map(|labels| {
        let path = folder.join("seg.nii.gz");
        nifti::write_labels(&path, labels).unwrap();
        path.into()
    });
    CaseFiles { id: "one".into(), sequences, segmentation }
}

/// Preprocessing of the first sequences of [`write_case`].
pub fn preprocess(sequences: usize, crop: [usize; 3], downsample: usize) -> ValidPreprocess {
    settings(sequences, crop, downsample).check().unwrap()
}

/// Unchecked settings of [`preprocess`].
pub fn settings(sequences: usize, crop: [usize; 3], downsample: usize) -> Preprocess {
    Preprocess {
        sequences: names(sequences),
        orientation: Orientation::Stored,
        crop,
        downsample,
        ..Preprocess::default()
    }
}

fn names(count: usize) -> Vec<String> {
    (0..count).map(|i| format!("s{i}")).collect()
}

/// The four sequences of BraTS.
pub fn brats_sequences() -> Vec<String> {
    ["t1", "t1ce", "t2", "flair"].map(str::to_owned).to_vec()
}

/// Creates empty files of these names, and their folders.
pub fn touch(root: &Path, names: &[&str]) {
    for name in names {
        let path = root.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, []).unwrap();
    }
}

/// Bytes of an uncompressed file of 4 x 3 x 2 voxels (x, y, z) of this data type.
pub fn plain_nifti(datatype: i16, bits: i16, voxel_bytes: &[u8]) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("base.nii");
    let geometry = Geometry::axis_aligned([2, 3, 4], [1.0; 3]);
    nifti::write(&path, &Volume { voxels: Array3::zeros([2, 3, 4]), geometry }).unwrap();
    let mut bytes = fs::read(&path).unwrap();
    bytes.truncate(352);
    bytes[70..72].copy_from_slice(&datatype.to_le_bytes());
    bytes[72..74].copy_from_slice(&bits.to_le_bytes());
    bytes.extend_from_slice(voxel_bytes);
    bytes
}

/// Bytes of an uncompressed file of 4 x 3 x 2 float32 zeros.
pub fn zeros_nifti() -> Vec<u8> {
    plain_nifti(16, 32, &[0; 96])
}

/// Compresses bytes as gzip.
pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Writes a file of these bytes to a temporary folder, which is removed when it is dropped.
pub fn file(name: &str, bytes: &[u8]) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    fs::write(&path, bytes).unwrap();
    (folder, path)
}
