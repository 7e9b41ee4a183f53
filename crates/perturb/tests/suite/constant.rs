//! Constant fills: the patch's values, the voxels that stay, and the errors.
use ndarray::{Array3, Array4, Axis, s};
use proptest::prelude::*;
use relevox_perturb::{Box3, ConstantFill, Error, Fill, FillKind, ImageView, Patch, Result, check_patch};
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
        for kind in FillKind::CONSTANT {
            let fill = ConstantFill::new(kind, image.view(), brain.view()).unwrap();
            for region in 0..regions.len() {
                let patch = fill.patch(image.view(), &regions, region).unwrap();
                let changed = check_patch(fill.name(), image.view(), &patch).unwrap();
                let mut after = image.clone();
                patch.apply(&mut after.view_mut()).unwrap();
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
                prop_assert_eq!(changed, differing);
            }
        }
    }

    #[test]
    fn constants_are_the_brains_extremes_and_mean((image, _regions, brain) in scenes()) {
        let values = |kind| ConstantFill::new(kind, image.view(), brain.view()).unwrap();
        for (c, sequence) in image.axis_iter(Axis(0)).enumerate() {
            let inside: Vec<f32> =
                sequence.iter().zip(&brain).filter(|(_, inside)| **inside).map(|(v, _)| *v).collect();
            let (min, max) = (values(FillKind::Min).values()[c], values(FillKind::Max).values()[c]);
            prop_assert!(inside.contains(&min) && inside.contains(&max));
            prop_assert!(inside.iter().all(|v| (min..=max).contains(v)));
            let mean = inside.iter().sum::<f32>() / inside.len() as f32;
            prop_assert!((values(FillKind::Mean).values()[c] - mean).abs() < 1e-4 * (1.0 + max.abs() + min.abs()));
            prop_assert_eq!(values(FillKind::Blank).values()[c], 0.0);
        }
    }

    #[test]
    fn a_batch_is_its_regions_one_by_one((image, regions, brain) in scenes()) {
        let fill = ConstantFill::new(FillKind::Max, image.view(), brain.view()).unwrap();
        let all: Vec<usize> = (0..regions.len()).rev().collect();
        let batch = fill.patches(image.view(), &regions, &all).unwrap();
        for (patch, region) in batch.into_iter().zip(all) {
            prop_assert_eq!(patch, fill.patch(image.view(), &regions, region).unwrap());
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
    let blank = ConstantFill::new(FillKind::Blank, image.view(), brain.view()).unwrap();
    let changed = |fill: ConstantFill| {
        fill.patch(image.view(), &regions, 1).unwrap().changed_voxels(image.view()).unwrap()
    };
    assert_eq!(changed(blank), 0);
    let max = ConstantFill::new(FillKind::Max, image.view(), brain.view()).unwrap();
    assert_eq!(changed(max), 32, "max fills air too");
}

#[test]
fn what_does_not_fit_is_named() {
    let scan = image((2, 3, 4, 5));
    let brain = Array3::from_elem((3, 4, 5), true);
    let regions = Supervoxels::from_labels(Array3::zeros((3, 4, 5)), None).unwrap();
    let fill = ConstantFill::new(FillKind::Min, scan.view(), brain.view()).unwrap();

    let found = fill.patch(scan.view(), &regions, 1).unwrap_err();
    assert!(matches!(found, Error::OutOfRange { what: "region", len: 1, found: 1 }), "{found}");

    let other = Supervoxels::from_labels(Array3::zeros((3, 4, 4)), None).unwrap();
    let found = fill.patch(scan.view(), &other, 0).unwrap_err().to_string();
    assert!(found.contains("[3, 4, 5]") && found.contains("[3, 4, 4]"), "{found}");

    let found = ConstantFill::new(FillKind::Max, scan.view(), Array3::from_elem((3, 4, 4), true).view());
    assert!(matches!(found, Err(Error::ShapeMismatch { .. })));

    let found = ConstantFill::new(FillKind::Max, scan.view(), Array3::from_elem((3, 4, 5), false).view());
    assert!(matches!(found, Err(Error::EmptyMask { .. })));

    let three = image((3, 3, 4, 5));
    assert!(matches!(fill.patch(three.view(), &regions, 0), Err(Error::ShapeMismatch { .. })));

    let found = ConstantFill::from_values("odd", vec![0.0, f32::NAN]).unwrap_err();
    assert_eq!(found.to_string(), "fill odd, channel 1: expected a finite value, found NaN");

    let found = ConstantFill::new(FillKind::Learned, scan.view(), brain.view()).unwrap_err().to_string();
    assert_eq!(found, "fill: expected one of blank, min, max, mean, found learned");

    let mut broken = scan.clone();
    broken[[1, 0, 0, 0]] = f32::INFINITY;
    let found = ConstantFill::new(FillKind::Min, broken.view(), brain.view()).unwrap_err();
    assert!(matches!(found, Error::NonFinite { .. }), "{found}");
}

#[test]
fn a_patch_of_an_unknown_fill_is_validated() {
    let scan = image((2, 3, 4, 5));
    let inside = Patch::new(Box3::new([1; 3], [3, 4, 5]), Array4::zeros((2, 2, 3, 4))).unwrap();
    check_patch("unknown", scan.view(), &inside).unwrap();
    check_patch("unknown", image((2, 3, 4, 4)).view(), &inside).unwrap_err();
    check_patch("unknown", image((1, 3, 4, 5)).view(), &inside).unwrap_err();
    let mut odd = inside;
    odd.values_mut()[[1, 0, 2, 3]] = f32::NAN;
    let found = check_patch("unknown", scan.view(), &odd).unwrap_err().to_string();
    assert_eq!(found, "fill unknown, channel 1: expected a finite value, found NaN");
}

#[test]
fn a_fill_that_returns_too_few_patches_is_refused() {
    struct Lazy;
    impl Fill for Lazy {
        fn name(&self) -> &str {
            "lazy"
        }
        fn patches(&self, _: ImageView<'_>, _: &Supervoxels, _: &[usize]) -> Result<Vec<Patch>> {
            Ok(Vec::new())
        }
    }
    let regions = Supervoxels::from_labels(Array3::zeros((3, 4, 5)), None).unwrap();
    let found = Lazy.patch(image((2, 3, 4, 5)).view(), &regions, 0);
    assert!(matches!(found, Err(Error::ShapeMismatch { .. })));
}

#[test]
fn names_go_both_ways() {
    for kind in FillKind::ALL {
        assert_eq!(kind.to_string().parse::<FillKind>().unwrap(), kind);
        assert!(kind.label().to_lowercase().starts_with(kind.name()));
    }
    let found = "blnk".parse::<FillKind>().unwrap_err().to_string();
    assert_eq!(found, "fill: expected one of blank, min, max, mean, learned, found `blnk`");
}
