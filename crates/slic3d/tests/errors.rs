//! Bad input ends with an error that names what is wrong.

#![expect(clippy::unwrap_used, reason = "a test ends where input is taken that must not be")]

use ndarray::{Array3, Array4};
use slic3d::{Error, Slic, Supervoxels};

fn message(slic: Slic, image: &Array4<f32>, mask: Option<&Array3<bool>>) -> String {
    slic.segment(image.view(), mask.map(|mask| mask.view())).unwrap_err().to_string()
}

fn ramp() -> Array4<f32> {
    Array4::from_shape_fn((2, 3, 4, 5), |(c, z, y, x)| (c + z + y + x) as f32)
}

#[test]
fn values_that_are_not_finite_are_named_with_the_first_index() {
    for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let mut image = ramp();
        image[[1, 2, 0, 3]] = value;
        image[[1, 2, 1, 0]] = f32::NAN;
        let error = Slic::new(4).segment(image.view(), None).unwrap_err();
        assert!(matches!(error, Error::NotFinite { index: [1, 2, 0, 3], .. }), "{error}");
        assert!(error.to_string().contains("[1, 2, 0, 3]"));
        let mut mask = Array3::from_elem((3, 4, 5), true);
        mask[[2, 0, 3]] = false;
        mask[[2, 1, 0]] = false;
        Slic::new(4).segment(image.view(), Some(mask.view())).unwrap();
        let error = Slic::new(4).sigma(1.0).segment(image.view(), Some(mask.view())).unwrap_err();
        assert!(
            matches!(error, Error::NotFinite { index: [1, 2, 0, 3], .. }),
            "smoothing would spread it: {error}"
        );
    }
}

#[test]
fn a_range_beyond_f32_is_refused() {
    let mut image = ramp();
    image[[0, 0, 0, 0]] = f32::MAX;
    image[[0, 0, 0, 1]] = f32::MIN;
    assert!(message(Slic::new(4), &image, None).contains("span more than f32"));
}

#[test]
fn shapes_and_counts_are_checked() {
    assert!(message(Slic::new(1), &Array4::zeros((1, 0, 4, 5)), None).contains("[1, 0, 4, 5] has no voxels"));
    assert!(message(Slic::new(1), &Array4::zeros((0, 3, 4, 5)), None).contains("no voxels"));
    assert_eq!(message(Slic::new(61), &ramp(), None), "61 regions asked of 60 voxels");
    let none = Array3::from_elem((3, 4, 5), false);
    assert_eq!(message(Slic::new(1), &ramp(), Some(&none)), "mask: none of its 60 voxels is set");
    let mut few = none.clone();
    few[[1, 1, 1]] = true;
    assert_eq!(message(Slic::new(2), &ramp(), Some(&few)), "2 regions asked of 1 voxels");
    let other = Array3::from_elem((3, 5, 4), true);
    assert_eq!(
        message(Slic::new(2), &ramp(), Some(&other)),
        "mask: shape [z, y, x] = [3, 5, 4], expected [3, 4, 5]"
    );
}

#[test]
fn parameters_out_of_range_are_named() {
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
        assert!(text.starts_with(&format!("{name} = ")) && text.contains("expected"), "{text}");
    }
}

#[test]
fn labels_without_a_region_are_refused() {
    assert!(Supervoxels::from_labels(Array3::zeros((0, 2, 2)), None).is_err());
    let error = Supervoxels::from_labels(Array3::zeros((2, 2, 2)), Some(0)).unwrap_err();
    assert_eq!(error, Error::NoRegion { voxels: 8 });
}

#[test]
fn one_region_in_a_mask_is_the_mask() {
    let mask = Array3::from_shape_fn((3, 4, 5), |(_, y, _)| y > 1);
    let found = Slic::new(1).segment(ramp().view(), Some(mask.view())).unwrap();
    assert_eq!(found.labels(), mask.mapv(u32::from));
    assert_eq!((found.len(), found.background()), (1, Some(0)));
}
