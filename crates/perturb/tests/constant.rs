//! The constant fills: what changes, what stays, what is counted, what is refused.
#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

use ndarray::{Array3, Array4, Axis, s};
use proptest::prelude::*;
use relevox_perturb::{Constant, ConstantFill, Error, Fill, Perturbation};
use slic3d::Supervoxels;

fn image(shape: (usize, usize, usize, usize)) -> Array4<f32> {
    Array4::from_shape_fn(shape, |(c, z, y, x)| ((7 * z + 3 * y + 5 * x + 11 * c) % 13) as f32 / 13.0)
}

/// An image, a partition with gaps in its ids and perhaps a background, and a brain mask.
fn scenes() -> impl Strategy<Value = (Array4<f32>, Supervoxels, Array3<bool>)> {
    (1..4_usize, 1..6_usize, 1..6_usize, 1..6_usize, any::<bool>()).prop_flat_map(
        |(c, z, y, x, background)| {
            let voxels = z * y * x;
            (
                proptest::collection::vec(prop_oneof![Just(0.0_f32), 0.0..1.0_f32], c * voxels),
                proptest::collection::vec(prop_oneof![Just(0_u32), Just(2), Just(3), Just(9)], voxels),
                proptest::collection::vec(any::<bool>(), voxels),
            )
                .prop_map(move |(image, mut labels, mut brain)| {
                    labels[0] = 3;
                    brain[0] = true;
                    let labels = Array3::from_shape_vec((z, y, x), labels).unwrap();
                    let background = (background && labels.iter().any(|&l| l == 0)).then_some(0);
                    (
                        Array4::from_shape_vec((c, z, y, x), image).unwrap(),
                        Supervoxels::from_labels(labels, background).unwrap(),
                        Array3::from_shape_vec((z, y, x), brain).unwrap(),
                    )
                })
        },
    )
}

proptest! {
    #[test]
    fn a_region_takes_the_value_and_nothing_else_moves((image, regions, brain) in scenes()) {
        for constant in Constant::ALL {
            let fill = ConstantFill::new(constant, image.view(), brain.view()).unwrap();
            for region in 0..regions.len() {
                let change = fill.perturb(image.view(), &regions, region).unwrap();
                change.check(fill.name(), image.dim().into()).unwrap();
                let mut after = image.clone();
                change.apply(&mut after.view_mut());
                let mut differing = 0;
                for ((z, y, x), &label) in regions.labels().indexed_iter() {
                    let inside = label == regions.ids()[region];
                    let (old, new) = (image.slice(s![.., z, y, x]), after.slice(s![.., z, y, x]));
                    if inside {
                        prop_assert_eq!(new.to_vec(), fill.values().to_vec());
                    } else {
                        prop_assert_eq!(new, old);
                    }
                    differing += usize::from(new != old);
                }
                prop_assert_eq!(change.changed, differing);
            }
        }
    }

    #[test]
    fn constants_are_the_brains_extremes_and_mean((image, _regions, brain) in scenes()) {
        let values = |constant| ConstantFill::new(constant, image.view(), brain.view()).unwrap();
        for (c, sequence) in image.axis_iter(Axis(0)).enumerate() {
            let inside: Vec<f32> =
                sequence.iter().zip(&brain).filter(|(_, inside)| **inside).map(|(v, _)| *v).collect();
            let (min, max) = (values(Constant::Min).values()[c], values(Constant::Max).values()[c]);
            prop_assert!(inside.contains(&min) && inside.contains(&max));
            prop_assert!(inside.iter().all(|v| (min..=max).contains(v)));
            let mean = inside.iter().sum::<f32>() / inside.len() as f32;
            prop_assert!((values(Constant::Mean).values()[c] - mean).abs() < 1e-4 * (1.0 + max.abs() + min.abs()));
            prop_assert_eq!(values(Constant::Blank).values()[c], 0.0);
        }
    }

    #[test]
    fn a_batch_is_its_regions_one_by_one((image, regions, brain) in scenes()) {
        let fill = ConstantFill::new(Constant::Max, image.view(), brain.view()).unwrap();
        let all: Vec<usize> = (0..regions.len()).rev().collect();
        let batch = fill.perturb_batch(image.view(), &regions, &all).unwrap();
        for (change, region) in batch.into_iter().zip(all) {
            prop_assert_eq!(change, fill.perturb(image.view(), &regions, region).unwrap());
        }
    }
}

#[test]
fn blanking_air_changes_nothing() {
    let mut image = image((2, 4, 4, 4));
    image.slice_mut(s![.., 2.., .., ..]).fill(0.0);
    let brain = image.map_axis(Axis(0), |voxel| voxel.iter().any(|v| *v != 0.0));
    let halves = Array3::from_shape_fn((4, 4, 4), |(z, _, _)| (z / 2) as u32);
    let regions = Supervoxels::from_labels(halves, None).unwrap();
    let blank = ConstantFill::new(Constant::Blank, image.view(), brain.view()).unwrap();
    assert_eq!(blank.perturb(image.view(), &regions, 1).unwrap().changed, 0);
    let max = ConstantFill::new(Constant::Max, image.view(), brain.view()).unwrap();
    assert_eq!(max.perturb(image.view(), &regions, 1).unwrap().changed, 32, "max fills air too");
}

#[test]
fn what_does_not_fit_is_named() {
    let scan = image((2, 3, 4, 5));
    let brain = Array3::from_elem((3, 4, 5), true);
    let regions = Supervoxels::from_labels(Array3::zeros((3, 4, 5)), None).unwrap();
    let fill = ConstantFill::new(Constant::Min, scan.view(), brain.view()).unwrap();

    let found = fill.perturb(scan.view(), &regions, 1).unwrap_err();
    assert!(matches!(found, Error::RegionOutOfRange { region: 1, regions: 1 }), "{found}");

    let other = Supervoxels::from_labels(Array3::zeros((3, 4, 4)), None).unwrap();
    let found = fill.perturb(scan.view(), &other, 0).unwrap_err().to_string();
    assert!(found.contains("[3, 4, 5]") && found.contains("[3, 4, 4]"), "{found}");

    let found = ConstantFill::new(Constant::Max, scan.view(), Array3::from_elem((3, 4, 4), true).view());
    assert!(matches!(found, Err(Error::ShapeMismatch { .. })));

    let found = ConstantFill::new(Constant::Max, scan.view(), Array3::from_elem((3, 4, 5), false).view());
    assert!(matches!(found, Err(Error::EmptyBrain { .. })));

    let three = image((3, 3, 4, 5));
    assert!(matches!(fill.perturb(three.view(), &regions, 0), Err(Error::ShapeMismatch { .. })));

    let found = ConstantFill::from_values("odd", vec![0.0, f32::NAN]).unwrap_err();
    assert!(matches!(found, Error::NonFinite { channel: 1, .. }), "{found}");

    let mut broken = scan.clone();
    broken[[1, 0, 0, 0]] = f32::INFINITY;
    let found = ConstantFill::new(Constant::Min, broken.view(), brain.view()).unwrap_err();
    assert!(matches!(found, Error::NonFinite { channel: 1, .. }), "{found}");
}

#[test]
fn a_strangers_box_is_checked_before_it_is_pasted() {
    let inside =
        Perturbation { region: 0, origin: [1, 1, 1], values: Array4::zeros((2, 2, 3, 4)), changed: 1 };
    inside.check("stranger", [2, 3, 4, 5]).unwrap();
    inside.check("stranger", [2, 3, 4, 4]).unwrap_err();
    inside.check("stranger", [1, 3, 4, 5]).unwrap_err();
    let mut odd = inside.clone();
    odd.values[[1, 0, 2, 3]] = f32::NAN;
    assert!(matches!(odd.check("stranger", [2, 3, 4, 5]), Err(Error::NonFinite { channel: 1, .. })));
}

#[test]
fn names_go_both_ways() {
    for constant in Constant::ALL {
        assert_eq!(constant.to_string().parse::<Constant>().unwrap(), constant);
    }
    assert!("blnk".parse::<Constant>().unwrap_err().to_string().contains("blnk"));
}
