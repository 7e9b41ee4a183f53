//! Facts about files.

use std::path::Path;

use ndarray::{Array3, s};
use relevox_volume::{Geometry, ScanFile, Volume, inspect, inspect_labels, nifti};

const SHAPE: [usize; 3] = [10, 20, 30];

fn file(path: &Path) -> ScanFile {
    ScanFile::parse(&path.display().to_string())
}

#[test]
fn a_scan_s_facts_are_those_of_its_voxels() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("scan.nii");
    let mut voxels = Array3::zeros(SHAPE);
    // One of the eight corners, each of which has 1 x 2 x 3 voxels, and three voxels inside.
    voxels.slice_mut(s![..1, ..2, ..3]).fill(5.0);
    (voxels[[5, 9, 9]], voxels[[5, 9, 10]], voxels[[5, 9, 11]]) = (-3.0, -1.0, f32::NAN);
    let geometry = Geometry::axis_aligned(SHAPE, [3.0, 2.0, 1.0]);
    nifti::write(&path, &Volume { voxels, geometry }).unwrap();
    let facts = inspect(&file(&path)).unwrap();
    assert_eq!((facts.grid.shape, facts.grid.spacing_mm), ([30, 20, 10], [1.0, 2.0, 3.0]));
    assert_eq!((facts.grid.orientation.as_deref(), facts.grid.oblique_degrees), (Some("LPS"), 0.0));
    assert_eq!(facts.range, [-3.0, 5.0]);
    assert_eq!((facts.nonzero, facts.negative), (8.0 / 6000.0, 2.0 / 8.0));
    assert_eq!((facts.not_finite, facts.corners_nonzero), (1.0 / 6000.0, 6.0 / 48.0));
}

#[test]
fn labels_are_counted_without_the_background() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("labels.nii");
    let mut voxels = Array3::zeros(SHAPE);
    voxels.slice_mut(s![2, 3, ..5]).fill(2);
    voxels.slice_mut(s![4, 3, ..3]).fill(7);
    let geometry = Geometry::axis_aligned(SHAPE, [1.0; 3]);
    nifti::write_labels(&path, &Volume { voxels: voxels.clone(), geometry: geometry.clone() }).unwrap();
    let facts = inspect_labels(&file(&path)).unwrap();
    assert_eq!((facts.grid.shape, facts.labels), ([30, 20, 10], 2));
    assert_eq!(facts.voxels.into_iter().collect::<Vec<_>>(), [(2, 5), (7, 3)]);
    // Of many labels the first 20 are listed.
    (0..25).for_each(|x| voxels.slice_mut(s![6.., .., x]).fill(10 + x as u32));
    nifti::write_labels(&path, &Volume { voxels, geometry }).unwrap();
    let facts = inspect_labels(&file(&path)).unwrap();
    assert_eq!((facts.labels, facts.voxels.len()), (27, 20));
    assert_eq!(facts.voxels.last_key_value(), Some((&27, &80)));
}
