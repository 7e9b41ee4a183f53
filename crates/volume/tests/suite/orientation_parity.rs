//! Parity with nibabel: axis codes, and scans turned from any orientation to another.

use ndarray::{Array3, ArrayView3};
use relevox_volume::{Frame, Geometry, Preprocess};

use crate::fixtures::{Cells, rows};
use crate::scans::settings;

#[test]
fn axis_codes_equal_nibabels() {
    let rows = rows("axis_codes.csv");
    assert!(rows.len() > 300);
    for row in rows {
        let mut cells = Cells::of(&row);
        let geometry = Geometry::from_affine([2, 3, 4], cells.affine());
        let codes = cells.text();
        assert_eq!(geometry.axis_codes().to_string(), codes, "{:?}", geometry.world_from_voxel);
    }
}

#[test]
fn turned_scans_equal_nibabels_to_the_bit() {
    let rows = rows("reoriented.csv");
    assert_eq!(rows.len(), 48 * 3);
    for row in rows {
        let mut cells = Cells::of(&row);
        let (stored, target) = (cells.text(), cells.text());
        let mut volume = || {
            let shape = cells.shape();
            let affine = cells.affine();
            let voxels: Array3<u32> = cells.voxels(shape).mapv(|v| v as u32);
            (voxels, Geometry::from_affine(shape, affine))
        };
        let ((scan, scan_geometry), (turned, turned_geometry)) = (volume(), volume());
        assert_eq!(scan_geometry.axis_codes().to_string(), stored);
        let preprocess =
            Preprocess { orientation: target.parse().unwrap(), ..settings(1, turned_geometry.shape, 1) };
        let frame = Frame::centred(scan_geometry.clone(), &preprocess.check().unwrap()).unwrap();
        assert_eq!(frame.to_network(scan.view()).unwrap(), turned, "{stored} to {target}");
        same_place(&frame.geometry(), &turned_geometry);
        let back = frame.to_scan(turned.view()).unwrap();
        assert_eq!((back.voxels, back.geometry), (scan, scan_geometry), "{target} to {stored}");
        let labels: ArrayView3<u32> = turned.view();
        let volume = relevox_volume::Volume { voxels: labels.to_owned(), geometry: turned_geometry };
        assert_eq!(frame.labels_to_network(&volume, 0).unwrap(), turned, "{stored} to {target}");
    }
}

/// Two grids of the same shape whose affines agree to single precision.
#[track_caller]
pub fn same_place(found: &Geometry, expected: &Geometry) {
    assert_eq!(found.shape, expected.shape);
    let pairs = found.world_from_voxel.iter().flatten().zip(expected.world_from_voxel.iter().flatten());
    for (a, b) in pairs {
        assert!((a - b).abs() < 2e-5, "{:?}\n{:?}", found.world_from_voxel, expected.world_from_voxel);
    }
}
