//! The tiled form against the plain one, over random shapes, images and settings: constant, smooth and noisy images,
//! which decide nothing or everything.

use proptest::prelude::*;

use super::clusters::Clusters;
use super::problem::Problem;
use super::{instructions, plain, tiled};
use crate::grid::regular_grid;
use crate::synthetic::hash;

/// Pseudorandom values of a limited number of levels, so that some are equal.
fn values(seed: u32, count: usize, levels: u32, ratio: f32) -> Vec<f32> {
    (0..count).map(|i| ((hash(seed, i) >> 8) % levels) as f32 / levels as f32 * ratio).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn the_tiled_form_equals_the_plain_one_bit_for_bit(
        shape in [1_usize..14, 1_usize..22, 1_usize..40],
        channels in 1_usize..6,
        regions in 1_usize..60,
        ratio in prop_oneof![
            Just(1e-12_f32), Just(1e-3), Just(0.1), Just(1.0), Just(30.0), Just(1e3), Just(1e6), Just(1e12)
        ],
        levels in prop_oneof![Just(1_u32), Just(2), Just(9), Just(100_000)],
        smooth in prop_oneof![Just(1_usize), Just(5), Just(37)],
        spacing in [0.3_f32..3.0, 0.3_f32..3.0, 0.3_f32..3.0],
        iterations in 1_usize..12,
        slic_zero: bool,
        masked: bool,
        by_position: bool,
        seed: u32,
    ) {
        let voxels = shape.iter().product::<usize>();
        let image: Vec<f32> = values(seed, voxels * channels / smooth + 1, levels, ratio);
        let image: Vec<f32> = (0..voxels * channels).map(|voxel| image[voxel / smooth]).collect();
        let mask: Vec<bool> = values(seed ^ 99, voxels, 8, 1.0).iter().map(|value| *value > 0.3).collect();
        let grid = regular_grid(shape, regions);
        let seeds = grid.points(shape);
        let problem = Problem {
            shape, image: &image, channels, mask: masked.then_some(&mask), spacing,
            reach: grid.step.map(|step| 2 * step), step: grid.step[0].max(1) as f32, iterations, slic_zero,
        };
        let start = Clusters::at(&seeds, channels);
        let mut expected_clusters = start.clone();
        let (expected, _) = plain::run(&problem, &mut expected_clusters, by_position);
        for set in instructions::available() {
            for threads in [1, 3] {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                let mut clusters = start.clone();
                let (found, _) = pool.install(|| tiled::run(&problem, &mut clusters, by_position, Some(set)));
                prop_assert_eq!(&found, &expected, "{:?}", set);
                if by_position {
                    for cluster in (0..clusters.len()).filter(|&cluster| clusters.active[cluster]) {
                        prop_assert!(expected_clusters.active[cluster]);
                        prop_assert_eq!(clusters.position[cluster], expected_clusters.position[cluster]);
                        let colours = cluster * channels..(cluster + 1) * channels;
                        prop_assert_eq!(&clusters.colour[colours.clone()], &expected_clusters.colour[colours]);
                    }
                }
            }
        }
    }
}

#[test]
fn bounds_exclude_most_distances_where_positions_decide() {
    let shape = [48; 3];
    let grid = regular_grid(shape, 64);
    let image = values(7, 48 * 48 * 48, 1000, 1.0);
    let problem = Problem {
        shape,
        image: &image,
        channels: 1,
        mask: None,
        spacing: [1.0; 3],
        reach: grid.step.map(|step| 2 * step),
        step: grid.step[0] as f32,
        iterations: 5,
        slic_zero: false,
    };
    let start = Clusters::at(&grid.points(shape), 1);
    let (_, plain) = plain::run(&problem, &mut start.clone(), false);
    let (_, tiled) = tiled::run(&problem, &mut start.clone(), false, None);
    assert!(tiled.distances > 0);
    assert!(tiled.distances * 10 < plain.distances, "{} of {}", tiled.distances, plain.distances);
}

/// Along a long axis, sums of positions pass 2²⁴, from where on `f32` rounds them in the order of the voxels.
#[test]
fn sums_of_positions_that_are_rounded_are_those_of_the_plain_form() {
    let shape = [1, 3, 40_001];
    let voxels = 3 * 40_001;
    let image = values(3, voxels, 1000, 1.0);
    let mask: Vec<bool> = values(5, voxels, 8, 1.0).iter().map(|value| *value > 0.2).collect();
    let grid = regular_grid(shape, 3);
    let problem = Problem {
        shape,
        image: &image,
        channels: 1,
        mask: Some(&mask),
        spacing: [1.0; 3],
        reach: grid.step.map(|step| 2 * step),
        step: grid.step[2] as f32,
        iterations: 6,
        slic_zero: false,
    };
    let mut expected = Clusters::at(&grid.points(shape), 1);
    let mut found = expected.clone();
    let (expected_labels, _) = plain::run(&problem, &mut expected, true);
    let (labels, _) = tiled::run(&problem, &mut found, true, None);
    let last =
        labels.iter().zip(0_usize..).filter(|(label, _)| **label == 2).map(|(_, voxel)| voxel % 40_001);
    assert!(last.sum::<usize>() > 1 << 24, "no sum is rounded");
    assert_eq!(labels, expected_labels);
    assert_eq!(found.position, expected.position);
}
