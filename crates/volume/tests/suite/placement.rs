//! A map made on the crop comes back exactly over the scan, on an oblique, anisotropic grid too.

use ndarray::{Array3, Axis};
use proptest::prelude::*;
use relevox_volume::{Frame, Geometry, Study, nifti};

use crate::nibabel_parity::unpacked;
use crate::scans::{oblique, preprocess, scan, write_case};

/// The channel of a study, written back, is the scan itself inside the crop and 0 outside it.
#[test]
fn voxels_come_back_to_their_own_place() {
    let folder = tempfile::tempdir().unwrap();
    let shape = [20, 17, 23];
    let original = scan(shape, &Geometry::from_affine(shape, oblique()));
    let files = write_case(folder.path(), std::slice::from_ref(&original), None);
    let study = Study::load(&files, &preprocess(1, [12, 10, 16], 1)).unwrap();
    assert_eq!(study.frame.start, [4, 3, 3]);

    let path = folder.path().join("map.nii.gz");
    nifti::write(&path, &study.frame.to_scan(study.image.index_axis(Axis(0), 0))).unwrap();
    let map = nifti::read(&path).unwrap();
    assert!(map.geometry.same_grid(&original.geometry));
    assert_eq!(map.geometry, nifti::read(&files.sequences[0]).unwrap().geometry);
    let largest = original.voxels.iter().copied().fold(0.0, f32::max);
    for ((z, y, x), &value) in map.voxels.indexed_iter() {
        let inside = (4..16).contains(&z) && (3..13).contains(&y) && (3..19).contains(&x);
        let expected = if inside { f64::from(original.voxels[[z, y, x]]) / f64::from(largest) } else { 0.0 };
        assert_eq!(value, expected as f32, "z {z} y {y} x {x}");
    }
}

/// A scan smaller than the crop is padded, and the map has the scan's size again.
#[test]
fn scans_smaller_than_the_crop() {
    let folder = tempfile::tempdir().unwrap();
    let shape = [5, 6, 9];
    let original = scan(shape, &Geometry::from_affine(shape, oblique()));
    let files = write_case(folder.path(), std::slice::from_ref(&original), None);
    let study = Study::load(&files, &preprocess(1, [8, 8, 8], 1)).unwrap();
    // floor((n − c) / 2) of −3, −2 and 1.
    assert_eq!(study.frame.start, [-2, -1, 0]);
    let channel = study.image.index_axis(Axis(0), 0);
    let brain_voxels = original.voxels.iter().filter(|v| **v > 0.0).count();
    assert_eq!(channel.iter().filter(|v| **v > 0.0).count(), brain_voxels);
    let back = study.frame.to_scan(channel);
    assert_eq!(back.voxels.dim(), (5, 6, 9));
    for (value, raw) in back.voxels.iter().zip(&original.voxels) {
        assert_eq!(*value > 0.0, *raw > 0.0);
    }
}

/// The oracle: every scan voxel asks which network voxel holds it.
fn painted(frame: &Frame, map: &Array3<f32>) -> Array3<f32> {
    Array3::from_shape_fn(frame.scan.shape, |(z, y, x)| {
        let at: [isize; 3] = std::array::from_fn(|axis| {
            ([z, y, x][axis] as isize - frame.start[axis]).div_euclid(frame.downsample as isize)
        });
        let inside = at.iter().zip(frame.shape()).all(|(&i, n)| (0..n as isize).contains(&i));
        if inside { map[at.map(|i| i as usize)] } else { 0.0 }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_window_and_factor(
        shape in [1_usize..12, 1_usize..12, 1_usize..12],
        blocks in [1_usize..6, 1_usize..6, 1_usize..6],
        factor in 1_usize..4,
    ) {
        let frame = Frame::centred(Geometry::from_affine(shape, oblique()), blocks.map(|n| n * factor), factor);
        prop_assert_eq!(frame.shape(), blocks);
        let mut next = 0.0;
        let map = Array3::from_shape_simple_fn(blocks, || { next += 1.0; next });
        let back = frame.to_scan(map.view());
        prop_assert_eq!(&back.voxels, &painted(&frame, &map));
        prop_assert_eq!(&back.geometry, &frame.scan);
        let labels = frame.labels_to_scan(map.mapv(|v| v as u32).view());
        prop_assert_eq!(labels.voxels.mapv(|v| v as f32), back.voxels);

        // A network voxel lies at the mean of the scan voxels that it stands for.
        let geometry = frame.geometry();
        prop_assert_eq!(geometry.shape, blocks);
        let last = blocks.map(|n| n - 1);
        for at in [[0; 3], last] {
            let middle = std::array::from_fn(|axis| {
                frame.start[axis] as f64 + (at[axis] * factor) as f64 + (factor as f64 - 1.0) / 2.0
            });
            let (expected, found) = (frame.scan.world(middle), geometry.world(at.map(|i| i as f64)));
            for (a, b) in expected.into_iter().zip(found) {
                prop_assert!((a - b).abs() < 1e-4, "{:?} {:?}", expected, found);
            }
        }
    }
}

#[test]
fn a_crop_keeps_both_transforms() {
    let (folder, _) = unpacked();
    let scan = nifti::read(&folder.path().join("placed-both.nii")).unwrap();
    let path = folder.path().join("crop.nii");
    let geometry = scan.geometry.window([1, 2, -1], [2, 2, 4], 2);
    let voxels = Array3::zeros(geometry.shape);
    nifti::write(&path, &relevox_volume::Volume { voxels, geometry }).unwrap();
    let mut bytes = std::fs::read(&path).unwrap();
    let by_sform = nifti::read(&path).unwrap().geometry;
    bytes[254..256].copy_from_slice(&0_i16.to_le_bytes());
    std::fs::write(&path, bytes).unwrap();
    let by_qform = nifti::read(&path).unwrap().geometry;
    // The fixture's qform lies 40 mm from its sform along every axis.
    for (s, q) in by_sform.world([0.0; 3]).into_iter().zip(by_qform.world([0.0; 3])) {
        assert!((q - s - 40.0).abs() < 1e-4, "{s} {q}");
    }
    let centre = scan.geometry.world([1.5, 2.5, -0.5]);
    for (expected, found) in centre.into_iter().zip(by_sform.world([0.0; 3])) {
        assert!((expected - found).abs() < 1e-4);
    }
}
