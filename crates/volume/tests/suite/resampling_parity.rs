//! Parity of resampling with SimpleITK, scipy and scikit-image, on oblique grids.

use ndarray::{Array3, Axis};
use relevox_volume::{Frame, Geometry, Intensity, Preprocess, Spacing, Study, ValidPreprocess, Volume};

use crate::fixtures::{Cells, rows};
use crate::orientation_parity::same_place;
use crate::scans::{settings, write_case};

/// The pattern of `preprocessing.py`.
fn pattern(shape: [usize; 3]) -> Array3<f32> {
    Array3::from_shape_fn(shape, |(z, y, x)| {
        ((x * 37 + y * 101 + z * 53 + x * y * 7 + y * z * 3) % 97) as f32
    })
}

fn resample(crop: [usize; 3], spacing: [f64; 3]) -> ValidPreprocess {
    let preprocess = Preprocess {
        spacing_mm: Spacing::Millimetres(spacing),
        intensity: Intensity::None,
        ..settings(1, crop, 1)
    };
    preprocess.check().unwrap()
}

#[test]
fn values_and_positions_equal_the_peers() {
    let mut peers = Vec::new();
    for row in rows("resampled.csv") {
        let mut cells = Cells::of(&row);
        let name = cells.text();
        let shape = cells.shape();
        let scan = Volume { voxels: pattern(shape), geometry: Geometry::from_affine(shape, cells.affine()) };
        let spacing = cells.zyx();
        let size = cells.shape();
        let grid = Geometry::from_affine(size, cells.affine());
        let peer = cells.text();
        let expected = cells.rest(size);
        peers.push(peer.to_owned());
        let folder = tempfile::tempdir().unwrap();
        let study = Study::load(
            &write_case(folder.path(), std::slice::from_ref(&scan), None),
            &resample(size, spacing),
        )
        .unwrap();
        same_place(&study.frame.geometry(), &grid);
        let known = expected.iter().filter(|v| v.is_finite()).count();
        assert!(3 * known >= expected.len(), "{name}: {peer} knows {known} of {} voxels", expected.len());
        let found = match peer {
            "nearest" => study.frame.to_network(scan.voxels.view()).unwrap(),
            _ => study.image.index_axis(Axis(0), 0).to_owned(),
        };
        for ((at, &expected), &found) in expected.indexed_iter().zip(&found) {
            let difference = (f64::from(found) - expected).abs();
            // 1e-4 of the range.
            assert!(expected.is_nan() || difference < 97e-4, "{name} {peer} {at:?}: {found}, not {expected}");
        }
    }
    for (peer, times) in [("scipy", 4), ("SimpleITK", 4), ("nearest", 7), ("block", 1), ("integral", 3)] {
        assert_eq!(peers.iter().filter(|name| *name == peer).count(), times, "{peer}");
    }
}

/// Mean position of a volume in millimetres, weighted by its values.
fn centre_of_mass(voxels: &Array3<f32>, geometry: &Geometry) -> [f64; 3] {
    let mut sums = [0.0; 3];
    let mut mass = 0.0;
    for ((z, y, x), &value) in voxels.indexed_iter() {
        let position = geometry.world([z, y, x].map(|i| i as f64));
        mass += f64::from(value);
        for (sum, mm) in sums.iter_mut().zip(position) {
            *sum += f64::from(value) * mm;
        }
    }
    sums.map(|sum| sum / mass)
}

#[test]
fn a_blob_stays_where_it_is() {
    let (shape, centre) = ([24, 26, 28], [11.3, 12.1, 15.8]);
    let geometry = Geometry::from_affine(shape, crate::scans::oblique());
    let voxels = Array3::from_shape_fn(shape, |(z, y, x)| {
        let squared: f64 = [z, y, x].iter().zip(centre).map(|(&i, c)| (i as f64 - c).powi(2)).sum();
        if squared < 64.0 { (1000.0 * (-squared / 8.0).exp()) as f32 } else { 0.0 }
    });
    let scan = Volume { voxels, geometry };
    let expected = centre_of_mass(&scan.voxels, &scan.geometry);
    let folder = tempfile::tempdir().unwrap();
    let files = write_case(folder.path(), std::slice::from_ref(&scan), None);
    for axis in 0..3 {
        for factor in [0.23, 0.5, 0.77, 1.0, 1.3, 2.0, 2.9] {
            for orientation in ["stored", "LPS", "ASR"] {
                let mut preprocess =
                    Preprocess { orientation: orientation.parse().unwrap(), ..settings(1, [130; 3], 1) };
                // The spacing of the axis after the turn.
                let turned =
                    Frame::centred(scan.geometry.clone(), &preprocess.clone().check().unwrap()).unwrap();
                let mut spacing = turned.geometry().spacing_mm;
                spacing[axis] *= factor;
                preprocess.spacing_mm = Spacing::Millimetres(spacing);
                let study = Study::load(&files, &preprocess.check().unwrap()).unwrap();
                let found =
                    centre_of_mass(&study.image.index_axis(Axis(0), 0).to_owned(), &study.frame.geometry());
                let voxel = scan.geometry.spacing_mm.into_iter().fold(f64::INFINITY, f64::min);
                for (a, b) in expected.into_iter().zip(found) {
                    assert!(
                        (a - b).abs() < 0.05 * voxel,
                        "axis {axis} x {factor}, {orientation}: {expected:?} {found:?}"
                    );
                }
            }
        }
    }
}

/// The nearest voxel of each grid is within half a voxel (of the coarser grid, along each axis) of the other's.
#[test]
fn labels_stay_where_they_are() {
    let shape = [12, 14, 16];
    let geometry = Geometry::from_affine(shape, crate::scans::oblique());
    let index = Array3::from_shape_fn(shape, |(z, y, x)| [z, y, x]);
    for factor in [[0.23, 1.0, 2.0], [0.5, 0.77, 3.1], [1.9, 0.4, 0.6]] {
        let spacing = std::array::from_fn(|axis| geometry.spacing_mm[axis] * factor[axis]);
        let frame = Frame::centred(geometry.clone(), &resample([60; 3], spacing)).unwrap();
        let network = frame.geometry();
        let inside = frame.to_network(Array3::from_elem(shape, true).view()).unwrap();
        let taken = frame.to_network(index.view()).unwrap();
        for (((z, y, x), from), _) in taken.indexed_iter().zip(&inside).filter(|(_, inside)| **inside) {
            let at = geometry.voxel(network.world([z, y, x].map(|i| i as f64))).unwrap();
            for axis in 0..3 {
                let distance = (at[axis] - from[axis] as f64).abs();
                assert!(
                    distance <= 0.5 + factor[axis].max(1.0) / 2.0
                        && (distance <= 0.502 || edge(from[axis], shape[axis]))
                );
            }
        }
    }
}

fn edge(index: usize, size: usize) -> bool {
    index == 0 || index + 1 == size
}
