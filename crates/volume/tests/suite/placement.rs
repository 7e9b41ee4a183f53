//! Volumes are mapped exactly between the scan's grid and the network's, also on oblique, anisotropic grids.

use std::path::Path;

use ndarray::Array3;
use proptest::prelude::*;
use relevox_volume::{CaseFiles, Frame, Geometry, Study, Volume, nifti};

use crate::nibabel_parity::unpacked;
use crate::scans::{oblique, preprocess, scan, write_case};

/// An oblique scan of this shape, its file, and the study that a crop leaves of it.
fn cropped(folder: &Path, shape: [usize; 3], crop: [usize; 3]) -> (Volume<f32>, CaseFiles, Study) {
    let original = scan(shape, &Geometry::from_affine(shape, oblique()));
    let files = write_case(folder, std::slice::from_ref(&original), None);
    let study = Study::load(&files, &preprocess(1, crop, 1)).unwrap();
    (original, files, study)
}

/// A channel of a study, mapped to the scan's grid, equals the scan inside the crop and is 0 outside it.
#[test]
fn a_channel_overlays_its_scan() {
    let folder = tempfile::tempdir().unwrap();
    let (original, files, study) = cropped(folder.path(), [20, 17, 23], [12, 10, 16]);
    assert_eq!(study.frame.start(), [4, 3, 3]);

    let path = folder.path().join("map.nii.gz");
    nifti::write(&path, &study.frame.to_scan(study.channel("s0").unwrap()).unwrap()).unwrap();
    let map = nifti::read(&path).unwrap();
    assert!(map.geometry.same_grid(&original.geometry));
    assert_eq!(map.geometry, files.sequence("s0").unwrap().read().unwrap().geometry);
    let largest = original.voxels.iter().copied().fold(0.0, f32::max);
    for ((z, y, x), &value) in map.voxels.indexed_iter() {
        let inside = (4..16).contains(&z) && (3..13).contains(&y) && (3..19).contains(&x);
        let expected = if inside { f64::from(original.voxels[[z, y, x]]) / f64::from(largest) } else { 0.0 };
        assert_eq!(value, expected as f32, "z {z} y {y} x {x}");
    }
}

/// A scan smaller than the crop is padded; its map has the scan's shape.
#[test]
fn scans_smaller_than_the_crop() {
    let folder = tempfile::tempdir().unwrap();
    let (original, _, study) = cropped(folder.path(), [5, 6, 9], [8, 8, 8]);
    // Half of the padding, rounded down, comes first: of 3 and 2 voxels. Nine voxels are cut to eight at 4 − 4.
    assert_eq!(study.frame.start(), [-1, -1, 0]);
    let channel = study.channel("s0").unwrap();
    let brain_voxels = original.voxels.iter().filter(|v| **v > 0.0).count();
    assert_eq!(channel.iter().filter(|v| **v > 0.0).count(), brain_voxels);
    let back = study.frame.to_scan(channel).unwrap();
    assert_eq!(back.voxels.dim(), (5, 6, 9));
    for (value, raw) in back.voxels.iter().zip(&original.voxels) {
        assert_eq!(*value > 0.0, *raw > 0.0);
    }
}

/// Oracle of `to_scan`, which looks up each scan voxel on its own.
fn to_scan_by_voxel(frame: &Frame, map: &Array3<f32>) -> Array3<f32> {
    Array3::from_shape_fn(frame.scan().shape, |(z, y, x)| {
        let at: [isize; 3] = std::array::from_fn(|axis| {
            ([z, y, x][axis] as isize - frame.start()[axis]).div_euclid(frame.downsample() as isize)
        });
        let inside = at.iter().zip(frame.shape()).all(|(&i, n)| (0..n as isize).contains(&i));
        if inside { map[at.map(|i| i as usize)] } else { 0.0 }
    })
}

/// Oracle of `to_network`: of the scan voxels in each network voxel's block, the nearest to the block's centre.
fn to_network_by_voxel(frame: &Frame, scan: &Array3<u32>) -> Array3<u32> {
    let factor = frame.downsample() as f64;
    Array3::from_shape_fn(frame.shape(), |(z, y, x)| {
        let block: [f64; 3] =
            std::array::from_fn(|axis| frame.start()[axis] as f64 + [z, y, x][axis] as f64 * factor);
        let mut nearest = (f64::INFINITY, 0);
        for ((z, y, x), &value) in scan.indexed_iter() {
            let offset: [f64; 3] = std::array::from_fn(|axis| [z, y, x][axis] as f64 - block[axis]);
            let squared = offset.iter().map(|o| (o - (factor - 1.0) / 2.0).powi(2)).sum::<f64>();
            if offset.iter().all(|o| (0.0..factor).contains(o)) && squared < nearest.0 {
                nearest = (squared, value);
            }
        }
        nearest.1
    })
}

fn counting<T>(shape: [usize; 3], from: impl Fn(u32) -> T) -> Array3<T> {
    let mut next = 0;
    Array3::from_shape_simple_fn(shape, || {
        next += 1;
        from(next)
    })
}

/// Frames of scans and crops of any size, with any block size.
fn frames() -> impl Strategy<Value = Frame> {
    let sizes = || [1_usize..12, 1_usize..12, 1_usize..12];
    (sizes(), [1_usize..6, 1_usize..6, 1_usize..6], 1_usize..4).prop_map(|(shape, blocks, factor)| {
        let preprocess = preprocess(1, blocks.map(|n| n * factor), factor);
        Frame::centred(Geometry::from_affine(shape, oblique()), &preprocess).unwrap()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn both_directions_equal_their_oracles(frame in frames()) {
        let map = counting(frame.shape(), |n| n as f32);
        let on_scan = frame.to_scan(map.view())?;
        prop_assert_eq!(&on_scan.voxels, &to_scan_by_voxel(&frame, &map));
        prop_assert_eq!(&on_scan.geometry, frame.scan());
        let labels = frame.to_scan(map.mapv(|v| v as u32).view())?;
        prop_assert_eq!(labels.voxels.mapv(|v| v as f32), on_scan.voxels);

        let scan = counting(frame.scan().shape, |n| n);
        prop_assert_eq!(frame.to_network(scan.view())?, to_network_by_voxel(&frame, &scan));
    }

    #[test]
    fn a_map_survives_the_round_trip_where_it_overlaps_the_scan(frame in frames()) {
        let map = counting(frame.shape(), |n| n);
        let back = frame.to_network(frame.to_scan(map.view())?.voxels.view())?;
        let overlap = frame.to_network(Array3::from_elem(frame.scan().shape, true).view())?;
        for ((at, &value), (&expected, &inside)) in back.indexed_iter().zip(map.iter().zip(&overlap)) {
            prop_assert_eq!(value, if inside { expected } else { 0 }, "{:?}", at);
        }
        if frame.crop().iter().zip(frame.scan().shape).all(|(&crop, scan)| crop <= scan) {
            prop_assert_eq!(back, map);
        }
    }

    #[test]
    fn without_downsampling_a_scan_survives_the_round_trip_inside_the_crop(
        shape in [1_usize..12, 1_usize..12, 1_usize..12],
        crop in [1_usize..12, 1_usize..12, 1_usize..12],
    ) {
        let frame = Frame::centred(Geometry::from_affine(shape, oblique()), &preprocess(1, crop, 1)).unwrap();
        let scan = counting(shape, |n| n);
        let back = frame.to_scan(frame.to_network(scan.view())?.view())?.voxels;
        let inside = frame.to_scan(Array3::from_elem(crop, true).view())?.voxels;
        for ((&value, &expected), &inside) in back.iter().zip(&scan).zip(&inside) {
            prop_assert_eq!(value, if inside { expected } else { 0 });
        }
    }

    #[test]
    fn a_network_voxel_lies_at_the_mean_of_its_scan_voxels(frame in frames()) {
        let geometry = frame.geometry();
        prop_assert_eq!(geometry.shape, frame.shape());
        let factor = frame.downsample();
        for at in [[0; 3], frame.shape().map(|n| n - 1)] {
            let centre = std::array::from_fn(|axis| {
                frame.start()[axis] as f64 + (at[axis] * factor) as f64 + (factor as f64 - 1.0) / 2.0
            });
            let (expected, found) = (frame.scan().world(centre), geometry.world(at.map(|i| i as f64)));
            for (a, b) in expected.into_iter().zip(found) {
                prop_assert!((a - b).abs() < 1e-4, "{:?} {:?}", expected, found);
            }
        }
    }
}

/// Spacings that no scanner has are refused or read, without a panic or an allocation of their size.
#[test]
fn extreme_spacings() {
    for (stored, refused) in [(1e30, true), (1e6, true), (1e2, false), (1e-3, false), (1e-30, false)] {
        let rows = [[stored, 0.0, 0.0, 0.0], [0.0, stored, 0.0, 0.0], [0.0, 0.0, stored, 0.0]];
        let mut settings = crate::scans::settings(1, [4, 4, 4], 2);
        settings.spacing_mm = relevox_volume::Spacing::Millimetres([1.0, 0.01, 1.0]);
        match Frame::centred(Geometry::from_affine([20, 21, 22], rows), &settings.check().unwrap()) {
            Ok(frame) => {
                assert!(!refused, "{stored}");
                let map = counting(frame.shape(), |n| n);
                let scan = frame.to_scan(map.view()).unwrap();
                assert_eq!(frame.to_network(scan.voxels.view()).unwrap().dim(), (2, 2, 2));
            }
            Err(error) => {
                let message = error.to_string();
                assert!(
                    refused && message.starts_with("spacing_mm: expected a spacing that divides"),
                    "{message}"
                );
            }
        }
    }
}

#[test]
fn volumes_on_another_grid_are_rejected() {
    let frame =
        Frame::centred(Geometry::axis_aligned([9, 8, 7], [1.0; 3]), &preprocess(1, [4, 6, 8], 2)).unwrap();
    let message = frame.to_scan(Array3::<f32>::zeros([2, 3, 5]).view()).unwrap_err().to_string();
    assert!(message.contains("network's grid: expected shape [2, 3, 4], found [2, 3, 5]"), "{message}");
    let message = frame.to_network(Array3::<f32>::zeros([2, 3, 4]).view()).unwrap_err().to_string();
    assert!(message.contains("scan's grid: expected shape [9, 8, 7], found [2, 3, 4]"), "{message}");
}

#[test]
fn a_window_preserves_sform_and_qform() {
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
    // The fixture's qform is 40 mm from its sform along every axis.
    for (s, q) in by_sform.world([0.0; 3]).into_iter().zip(by_qform.world([0.0; 3])) {
        assert!((q - s - 40.0).abs() < 1e-4, "{s} {q}");
    }
    let centre = scan.geometry.world([1.5, 2.5, -0.5]);
    for (expected, found) in centre.into_iter().zip(by_sform.world([0.0; 3])) {
        assert!((expected - found).abs() < 1e-4);
    }
}
