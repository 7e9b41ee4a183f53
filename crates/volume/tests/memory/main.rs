//! Memory in use while a file is read: at most four times its decoded size, whatever its header declares, and only the
//! selected volume of a 4D file.

#![allow(clippy::unwrap_used, reason = "a panic is the failure of a test")]

mod allocations;

use std::io::Write;

use ndarray::Array3;
use relevox_volume::{Geometry, Volume, nifti};

#[global_allocator]
static ALLOCATOR: allocations::Counting = allocations::Counting;

/// Buffers of the reader and the decoder.
const FIXED_BYTES: usize = 1 << 20;
const SHAPE: [usize; 3] = [64, 256, 256];
const VOXELS: usize = 64 * 256 * 256;

/// Bytes of a file of zeros with these dimensions (x, y, z, …) in its header, and this many voxels.
fn zeros(datatype: i16, size: usize, dims: &[i16], voxels: usize) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.nii");
    let geometry = Geometry::axis_aligned([1; 3], [1.0; 3]);
    nifti::write(&path, &Volume { voxels: Array3::zeros([1; 3]), geometry }).unwrap();
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[40..42].copy_from_slice(&(dims.len() as i16).to_le_bytes());
    for (i, n) in dims.iter().enumerate() {
        bytes[42 + 2 * i..][..2].copy_from_slice(&n.to_le_bytes());
    }
    bytes[70..72].copy_from_slice(&datatype.to_le_bytes());
    bytes.resize(352 + voxels * size, 0);
    bytes
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// One test, because the count is of the whole process.
#[test]
fn memory_is_bounded_by_the_decoded_size() {
    let [nz, ny, nx] = SHAPE.map(|n| n as i16);
    for (datatype, size) in [(2, 1), (256, 1), (4, 2), (16, 4), (64, 8)] {
        let bound = 4 * VOXELS * size.max(1) + FIXED_BYTES;
        let whole = gzip(&zeros(datatype, size, &[nx, ny, nz], VOXELS));
        let (read, used) = allocations::peak(|| nifti::read_from(whole.as_slice(), "whole"));
        assert!(read.is_ok() && used <= bound, "whole: {used} > {bound} for the datatype {datatype}");
        let endless = gzip(&zeros(datatype, size, &[32767; 3], VOXELS));
        let (read, used) = allocations::peak(|| nifti::read_labels_from(endless.as_slice(), "endless"));
        assert!(read.is_err() && used <= bound, "endless: {used} > {bound} for the datatype {datatype}");
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("four.nii.gz");
    std::fs::write(&path, gzip(&zeros(4, 2, &[nx, ny, nz, 8], 8 * VOXELS))).unwrap();
    for index in [0, 7] {
        let (read, used) = allocations::peak(|| nifti::read_volume(&path, Some(index)));
        assert_eq!(read.unwrap().voxels.dim(), (64, 256, 256));
        let bound = 4 * VOXELS + FIXED_BYTES;
        assert!(used <= bound, "volume {index}: {used} > {bound}");
    }
}
