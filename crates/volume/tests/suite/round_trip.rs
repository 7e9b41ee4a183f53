//! Written volumes are read back unchanged, for any shape and any values.

use std::fs;

use ndarray::Array3;
use proptest::prelude::*;
use relevox_volume::{Geometry, Volume, nifti};

use crate::scans::oblique;

fn shapes() -> impl Strategy<Value = [usize; 3]> {
    [1_usize..7, 1_usize..7, 1_usize..7]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn scans(shape in shapes(), seed in any::<u32>(), compressed in any::<bool>()) {
        let geometry = Geometry::from_affine(shape, oblique());
        let mut state = seed;
        let voxels = Array3::from_shape_simple_fn(shape, || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            f32::from_bits(state & 0x7f7f_ffff)
        });
        let volume = Volume { voxels, geometry };
        let folder = tempfile::tempdir()?;
        let name = if compressed { "a scan.of.x.nii.gz" } else { "a scan.of.x.nii" };
        let path = folder.path().join(name);
        nifti::write(&path, &volume)?;
        prop_assert_eq!(&nifti::read(&path)?, &volume);
        let first = fs::read(&path)?;
        nifti::write(&path, &volume)?;
        prop_assert_eq!(first, fs::read(&path)?);
        prop_assert_eq!(fs::read_dir(folder.path())?.count(), 1);
    }

    #[test]
    fn labels(shape in shapes(), largest in prop_oneof![0_u32..300, 60_000_u32..70_000, any::<u32>()]) {
        let mut voxels = Array3::from_shape_fn(shape, |(z, y, x)| (z * 49 + y * 7 + x) as u32 % largest.max(1));
        voxels[[0, 0, 0]] = largest;
        let volume = Volume { voxels, geometry: Geometry::axis_aligned(shape, [3.0, 0.5, 0.25]) };
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("labels.nii");
        nifti::write_labels(&path, &volume)?;
        prop_assert_eq!(&nifti::read_labels(&path)?, &volume);
        let bytes = match volume.voxels.iter().max() {
            Some(0..=0xff) => 1,
            Some(0x100..=0xffff) => 2,
            _ => 4,
        };
        prop_assert_eq!(fs::metadata(&path)?.len(), 352 + volume.voxels.len() as u64 * bytes);
    }

    /// No header makes the reader panic or allocate more than the file can hold.
    #[test]
    fn any_header_bytes(
        patches in prop::collection::vec((0_usize..352, any::<u8>()), 1..12),
        compressed in any::<bool>(),
    ) {
        let mut bytes = crate::scans::zeros_nifti();
        for (at, byte) in patches {
            bytes[at] = byte;
        }
        let bytes = if compressed { crate::scans::gzip(&bytes) } else { bytes };
        let (_folder, path) = crate::scans::file("patched.nii", &bytes);
        match nifti::read(&path) {
            Ok(volume) => prop_assert_eq!(volume.voxels.len(), volume.geometry.shape.iter().product::<usize>()),
            Err(error) => prop_assert!(error.to_string().contains("patched.nii")),
        }
    }
}
