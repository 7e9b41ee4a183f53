//! Invalid input is rejected with an error that names it.

#![expect(clippy::unwrap_used, reason = "helpers of tests panic as tests do")]

use ndarray::{Array3, Array4};
use slic3d::{Error, Slic, Supervoxels};

fn message(slic: Slic, image: &Array4<f32>, mask: Option<&Array3<bool>>) -> String {
    slic.segment(image.view(), mask.map(|mask| mask.view())).unwrap_err().to_string()
}

fn ramp() -> Array4<f32> {
    Array4::from_shape_fn((2, 3, 4, 5), |(c, z, y, x)| (c + z + y + x) as f32)
}

#[test]
fn the_first_value_that_is_not_finite_is_named() {
    let assert_named = |error: Error| {
        assert!(matches!(error, Error::NonFinite { .. }), "{error}");
        assert!(
            error.to_string().starts_with("image[1, 2, 0, 3]: expected a finite value, found "),
            "{error}"
        );
    };
    for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let mut image = ramp();
        image[[1, 2, 0, 3]] = value;
        image[[1, 2, 1, 0]] = f32::NAN;
        assert_named(Slic::new(4).segment(image.view(), None).unwrap_err());
        let mut mask = Array3::from_elem((3, 4, 5), true);
        mask[[2, 0, 3]] = false;
        mask[[2, 1, 0]] = false;
        Slic::new(4).segment(image.view(), Some(mask.view())).unwrap();
        // Smoothing would spread the value into the mask.
        assert_named(Slic::new(4).sigma(1.0).segment(image.view(), Some(mask.view())).unwrap_err());
    }
}

#[test]
fn a_range_that_overflows_f32_is_rejected() {
    let mut image = ramp();
    image[[0, 0, 0, 0]] = f32::MAX;
    image[[0, 0, 0, 1]] = f32::MIN;
    assert!(message(Slic::new(4), &image, None).starts_with("image: expected values whose range is finite"));
}

#[test]
fn shapes_and_counts_are_checked() {
    assert!(message(Slic::new(1), &Array4::zeros((1, 0, 4, 5)), None).contains("found shape [1, 0, 4, 5]"));
    assert!(message(Slic::new(1), &Array4::zeros((0, 3, 4, 5)), None).contains("found shape [0, 3, 4, 5]"));
    assert_eq!(
        message(Slic::new(61), &ramp(), None),
        "regions: expected at most 60, the number of voxels, found 61"
    );
    let none = Array3::from_elem((3, 4, 5), false);
    assert_eq!(
        message(Slic::new(1), &ramp(), Some(&none)),
        "mask: expected at least one voxel that is set, found none of 60"
    );
    let mut few = none.clone();
    few[[1, 1, 1]] = true;
    assert_eq!(
        message(Slic::new(2), &ramp(), Some(&few)),
        "regions: expected at most 1, the number of voxels, found 2"
    );
    let other = Array3::from_elem((3, 5, 4), true);
    assert_eq!(
        message(Slic::new(2), &ramp(), Some(&other)),
        "mask: expected shape [3, 4, 5], found [3, 5, 4]"
    );
}

#[test]
fn settings_out_of_range_are_named() {
    let slic = || Slic::new(4);
    let wrong = [
        ("regions", Slic::new(0)),
        ("compactness", slic().compactness(0.0)),
        ("compactness", slic().compactness(-1.0)),
        ("compactness", slic().compactness(f64::NAN)),
        ("spacing", slic().spacing([1.0, 0.0, 1.0])),
        ("spacing", slic().spacing([1.0, 1.0, -2.0])),
        ("spacing", slic().spacing([1.0, 1.0, f64::INFINITY])),
        ("iterations", slic().iterations(0)),
        ("sigma", slic().sigma(-0.5)),
        ("sigma", slic().sigma([0.0, f64::NAN, 0.0])),
        ("smoothing_kernels", slic().smoothing_kernels([vec![0.5, 0.5], vec![], vec![]])),
        ("smoothing_kernels", slic().smoothing_kernels([vec![0.1, 0.5, 0.4], vec![], vec![]])),
        ("min_size_factor", slic().min_size_factor(-0.1)),
        ("max_size_factor", slic().max_size_factor(f64::NAN)),
    ];
    for (name, slic) in wrong {
        let text = message(slic, &ramp(), None);
        assert!(text.starts_with(&format!("{name}: expected ")) && text.contains(", found "), "{text}");
    }
}

#[test]
fn labels_without_a_region_are_rejected() {
    assert!(Supervoxels::from_labels(Array3::zeros((0, 2, 2)), None).is_err());
    let error = Supervoxels::from_labels(Array3::zeros((2, 2, 2)), Some(0)).unwrap_err();
    assert_eq!(error, Error::NoRegions { voxels: 8 });
}

#[test]
fn one_region_in_a_mask_is_the_mask() {
    let mask = Array3::from_shape_fn((3, 4, 5), |(_, y, _)| y > 1);
    let found = Slic::new(1).segment(ramp().view(), Some(mask.view())).unwrap();
    assert_eq!(found.labels(), mask.mapv(u32::from));
    assert_eq!((found.len(), found.background()), (1, Some(0)));
}
