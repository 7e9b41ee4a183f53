//! Properties of every segmentation, over random images and settings.

use std::collections::BTreeSet;

use ndarray::{Array3, Array4};
use proptest::prelude::*;
use slic3d::{Slic, Supervoxels};

fn hash(seed: u32, n: usize) -> u32 {
    let mixed = (n as u32 ^ seed).wrapping_mul(0x9e37_79b1).rotate_left(15).wrapping_mul(0x85eb_ca6b);
    mixed ^ (mixed >> 13)
}

fn image(seed: u32, channels: usize, [depth, height, width]: [usize; 3], smooth: usize) -> Array4<f32> {
    Array4::from_shape_fn((channels, depth, height, width), |(c, z, y, x)| {
        (hash(seed, ((c * 97 + z / smooth) * 89 + y / smooth) * 83 + x / smooth) % 1000) as f32 - 200.0
    })
}

fn mask(seed: u32, [depth, height, width]: [usize; 3]) -> Array3<bool> {
    Array3::from_shape_fn((depth, height, width), |(z, y, x)| {
        hash(seed, (z / 2 * 50 + y / 3) * 50 + x / 3) & 3 > 0
    })
}

/// Returns the number of 6-connected components of one region.
fn components(supervoxels: &Supervoxels, region: usize) -> usize {
    let mut remaining: BTreeSet<[usize; 3]> = supervoxels.voxels(region).collect();
    let mut components = 0;
    while let Some(first) = remaining.pop_first() {
        components += 1;
        let mut stack = vec![first];
        while let Some(at) = stack.pop() {
            for axis in 0..3 {
                let (mut below, mut above) = (at, at);
                below[axis] = below[axis].wrapping_sub(1);
                above[axis] += 1;
                stack.extend([below, above].into_iter().filter(|there| remaining.remove(there)));
            }
        }
    }
    components
}

prop_compose! {
    fn input()(
        shape in [1_usize..10, 1_usize..14, 2_usize..24],
        channels in 1_usize..4,
        regions in 1_usize..30,
        compactness in prop_oneof![Just(10.0), Just(0.3), Just(0.01)],
        smooth in 1_usize..6,
        zero: bool,
        masked: bool,
        seed: u32,
    ) -> (Slic, Array4<f32>, Option<Array3<bool>>, usize) {
        let mask = masked.then(|| mask(seed, shape)).filter(|mask| mask.iter().any(|&inside| inside));
        let voxels = mask.as_ref().map_or(shape.iter().product(), |mask| mask.iter().filter(|&&inside| inside).count());
        let regions = regions.min(voxels);
        (Slic::new(regions).compactness(compactness).slic_zero(zero), image(seed, channels, shape, smooth), mask, regions)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(250))]

    #[test]
    fn labels_are_a_partition_with_contiguous_ids((slic, image, mask, _) in input(), start in 0_u32..5) {
        let found = slic.start_label(start).segment(image.view(), mask.as_ref().map(|m| m.view())).unwrap();
        let expected: Vec<u32> = (start..start + found.len() as u32).collect();
        prop_assert_eq!(found.ids(), &expected[..]);
        let background = found.labels().iter().filter(|&&label| Some(label) == found.background()).count();
        prop_assert_eq!(found.voxel_counts().iter().sum::<usize>() + background, found.labels().len());
        prop_assert!(mask.is_some() || background == 0);
        if let Some(mask) = &mask {
            prop_assert!(found.labels().iter().zip(mask).all(|(&l, &inside)| inside || Some(l) == found.background()));
        }
        for region in 0..found.len() {
            prop_assert_eq!(found.voxels(region).count(), found.voxel_counts()[region]);
        }
    }

    #[test]
    fn strict_regions_are_connected_and_fill_the_mask((slic, image, mask, _) in input()) {
        let found = slic.strict_connectivity(true).segment(image.view(), mask.as_ref().map(|m| m.view())).unwrap();
        for region in 0..found.len() {
            prop_assert_eq!(components(&found, region), 1);
        }
        let inside = mask.as_ref().map_or(found.labels().len(), |mask| mask.iter().filter(|&&inside| inside).count());
        prop_assert_eq!(found.voxel_counts().iter().sum::<usize>(), inside);
    }

    #[test]
    fn the_exact_count_is_reached((slic, image, mask, regions) in input()) {
        let (found, report) =
            slic.exact_count(true).segment_with_report(image.view(), mask.as_ref().map(|m| m.view())).unwrap();
        let of_mask = mask.as_ref().map_or(1, |mask| {
            let whole = Supervoxels::from_labels(mask.mapv(u32::from), Some(0)).unwrap();
            components(&whole, 0)
        });
        prop_assert_eq!(found.len(), regions.max(of_mask));
        prop_assert_eq!((report.requested, report.regions), (regions, found.len()));
        for region in 0..found.len() {
            prop_assert_eq!(components(&found, region), 1);
        }
    }

    #[test]
    fn empty_clusters_are_counted((slic, image, mask, _) in input(), iterations in 1_usize..40) {
        let slic = slic.enforce_connectivity(false).iterations(iterations);
        let (found, report) =
            slic.segment_with_report(image.view(), mask.as_ref().map(|m| m.view())).unwrap();
        prop_assert_eq!(found.len() + report.empty, report.seeds);
        prop_assert!(report.iterations <= iterations && (report.converged || report.iterations == iterations));
        // With a mask, the setting also limits the preceding k-means on positions.
        if report.converged && mask.is_none() {
            let longer = slic.iterations(iterations + 20);
            prop_assert_eq!(longer.segment(image.view(), mask.as_ref().map(|m| m.view())).unwrap(), found);
        }
    }

    #[test]
    fn scaling_by_a_power_of_two_changes_nothing((slic, image, mask, _) in input(), exponent in -20_i32..20) {
        let mask = mask.as_ref().map(|mask| mask.view());
        let scaled = image.mapv(|value| value * (exponent as f32).exp2());
        prop_assert_eq!(slic.segment(image.view(), mask).unwrap(), slic.segment(scaled.view(), mask).unwrap());
    }

    #[test]
    fn memory_order_and_threads_change_nothing((slic, image, mask, _) in input(), threads in 1_usize..6) {
        let mask = mask.as_ref().map(|mask| mask.view());
        let mut reversed = image.clone().reversed_axes();
        reversed = reversed.as_standard_layout().into_owned();
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let found = pool.install(|| slic.segment(reversed.view().reversed_axes(), mask)).unwrap();
        prop_assert_eq!(slic.segment(image.view(), mask).unwrap(), found);
    }
}

#[test]
fn physical_windows_make_regions_compact_in_millimetres() {
    let image = Array3::<f32>::zeros((12, 48, 48));
    let extent = |slic: &Slic| {
        let found = slic.segment_volume(image.view(), None).unwrap();
        let [z, y, _] = found.bounds(found.len() / 2);
        (z.len() as f64 * 4.0, y.len() as f64)
    };
    let slic = Slic::new(64).spacing([4.0, 1.0, 1.0]);
    let (z, y) = extent(&slic.clone().physical_windows(true));
    assert!(z / y < 1.5 && y / z < 1.5, "{z} mm by {y} mm");
}

#[test]
fn physical_windows_do_not_depend_on_the_unit_of_the_spacing() {
    let noise = image(3, 1, [16, 16, 16], 2);
    let labels = |slic: Slic| slic.segment(noise.view(), None).unwrap().into_labels();
    for compactness in [10.0, 0.01] {
        let slic = Slic::new(8).compactness(compactness).enforce_connectivity(false);
        let physical = |spacing: [f64; 3]| labels(slic.clone().physical_windows(true).spacing(spacing));
        // Voxels that are cubes of unit size are those of scikit-image's windows.
        assert_eq!(physical([1.0; 3]), labels(slic.clone()));
        assert_eq!(physical([4.0; 3]), physical([1.0; 3]));
        assert_eq!(physical([2.0, 0.5, 1.0]), physical([8.0, 2.0, 4.0]));
    }
}

#[test]
fn a_cluster_can_become_empty() {
    // With two random values, the mean of a cluster soon equals those of its neighbours, which win its voxels.
    let image =
        Array3::from_shape_fn((6, 12, 12), |(z, y, x)| (hash(5, (z * 12 + y) * 12 + x) >> 9 & 1) as f32);
    let slic = Slic::new(200).compactness(0.001).enforce_connectivity(false);
    let (found, report) = slic.segment_with_report(image.view().insert_axis(ndarray::Axis(0)), None).unwrap();
    assert!(report.empty > 0, "{report:?}");
    assert_eq!(found.len() + report.empty, report.seeds);
}
