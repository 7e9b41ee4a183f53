//! Statistics of a partition against those computed voxel by voxel.

use std::collections::{BTreeMap, BTreeSet};

use ndarray::{Array3, Array4};
use proptest::prelude::*;
use slic3d::{Error, Supervoxels};

/// Clumps of labels with gaps between them, one of which serves as background.
fn labels([depth, height, width]: [usize; 3], clump: usize, seed: u32) -> Array3<u32> {
    Array3::from_shape_fn((depth, height, width), |(z, y, x)| {
        let cell = (z / clump * 31 + y / clump) * 37 + x / clump;
        ((cell as u32 ^ seed).wrapping_mul(0x9e37_79b1) >> 17) % 7 * 1000
    })
}

proptest! {
    #[test]
    fn statistics_equal_those_of_the_voxels(
        shape in [1_usize..6, 1_usize..8, 1_usize..20],
        clump in 1_usize..5,
        with_background: bool,
        seed: u32,
    ) {
        let labels = labels(shape, clump, seed);
        let background = with_background.then_some(3000);
        let members = labels.indexed_iter().filter(|(_, id)| Some(**id) != background).fold(
            BTreeMap::<u32, Vec<[usize; 3]>>::new(),
            |mut members, ((z, y, x), &id)| {
                members.entry(id).or_default().push([z, y, x]);
                members
            },
        );
        let found = match Supervoxels::from_labels(labels.clone(), background) {
            Ok(found) => found,
            Err(error) => {
                prop_assert_eq!(error, Error::NoRegions { voxels: labels.len() });
                prop_assert!(members.is_empty());
                return Ok(());
            }
        };
        let [depth, height, width] = shape;
        let image = Array4::from_shape_fn((2, depth, height, width), |(c, z, y, x)| (c * 100 + z * z + y * x) as f32);
        let centroids = found.centroids();
        let means = found.mean_features(image.view()).unwrap();
        let neighbours = found.adjacency();
        prop_assert_eq!(found.ids(), &members.keys().copied().collect::<Vec<_>>()[..]);
        for (region, (&id, voxels)) in members.iter().enumerate() {
            prop_assert_eq!(found.index_of(id), Some(region));
            prop_assert_eq!(found.voxel_counts()[region], voxels.len());
            prop_assert_eq!(&found.voxels(region).collect::<Vec<_>>(), voxels);
            let count = voxels.len() as f64;
            for axis in 0..3 {
                let along = || voxels.iter().map(|voxel| voxel[axis]);
                prop_assert_eq!(found.bounds(region)[axis].clone(), along().min().unwrap()..along().max().unwrap() + 1);
                prop_assert!((centroids[region][axis] - along().sum::<usize>() as f64 / count).abs() < 1e-9);
            }
            for channel in 0..2 {
                let sum: f64 = voxels.iter().map(|&[z, y, x]| f64::from(image[[channel, z, y, x]])).sum();
                prop_assert!((means[[region, channel]] - sum / count).abs() < 1e-6);
            }
            let mut expected = BTreeSet::new();
            for &voxel in voxels {
                for (axis, back) in [(0, false), (0, true), (1, false), (1, true), (2, false), (2, true)] {
                    let mut there = voxel;
                    there[axis] = if back { there[axis].wrapping_sub(1) } else { there[axis] + 1 };
                    let other = labels.get(there).copied().filter(|other| *other != id);
                    expected.extend(other.and_then(|other| found.index_of(other)));
                }
            }
            prop_assert_eq!(&neighbours[region], &expected.into_iter().collect::<Vec<_>>());
        }
    }
}

#[test]
fn an_image_of_another_shape_is_rejected() {
    let found = Supervoxels::from_labels(Array3::zeros((2, 3, 4)), None).unwrap();
    let error = found.mean_features(Array4::zeros((1, 2, 4, 3)).view()).unwrap_err();
    assert_eq!(error, Error::ShapeMismatch { what: "image", expected: vec![2, 3, 4], found: vec![2, 4, 3] });
}
