//! Effects of a fill less those of the same values in other scans.
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicUsize, Ordering};

use ndarray::{Array3, Array4, ArrayView5, s};
use relevox_perturb::{ConstantFill, Fill, ImageView, Patch, Result as FillResult, replace_region};
use relevox_relevance::{
    Classifier, Error, RegionLogits, RegionScores, Target, controlled_logits, region_logits, silent,
};
use slic3d::Supervoxels;

/// Four slabs along z.
fn slabs() -> Supervoxels {
    Supervoxels::from_labels(Array3::from_shape_fn((4, 3, 3), |(z, _, _)| z as u32), None).unwrap()
}

/// 0.2, and a tumour of 0.6 in slab 2.
fn scan() -> Array4<f32> {
    let mut scan = Array4::from_elem((1, 4, 3, 3), 0.2);
    scan.slice_mut(s![.., 2, .., ..]).fill(0.6);
    scan
}

/// The brightness of the whole scan: what is bright counts wherever it is.
fn brightness(batch: ArrayView5<'_, f32>) -> Result<Vec<f32>, Error> {
    Ok(batch.outer_iter().map(|image| image.sum()).collect())
}

fn controlled(others: &[&Array4<f32>], fill: &dyn Fill) -> Result<RegionLogits, Error> {
    let (scan, classifier) = (scan(), brightness);
    let baseline = classifier.baseline(scan.view())?;
    let others: Vec<ImageView<'_>> = others.iter().map(|other| other.view()).collect();
    controlled_logits(&classifier, &*baseline, &others, &slabs(), fill, &silent)
}

#[test]
fn what_the_values_do_anywhere_is_removed() {
    let (scan, max) = (scan(), ConstantFill::from_values("max", vec![1.0]).unwrap());
    let baseline = brightness.baseline(scan.view()).unwrap();
    let plain = region_logits(&*baseline, &slabs(), &max, &silent).unwrap();
    assert_eq!(controlled(&[], &max).unwrap(), plain, "without other scans nothing is subtracted");
    let relevance = |logits: &RegionLogits| {
        RegionScores::from_logits(&slabs(), logits, &Target::default()).unwrap().relevance()
    };
    assert!(relevance(&plain)[2] == 0.0, "the fill moves the tumour least");

    let (healthy, other) = (Array4::from_elem((1, 4, 3, 3), 0.2), Array4::from_elem((1, 4, 3, 3), 0.4));
    for (others, expected) in
        [(vec![&healthy], [0.0, 0.0, 3.6, 0.0]), (vec![&healthy, &other], [-0.9, -0.9, 2.7, -0.9])]
    {
        let found = controlled(&others, &max).unwrap();
        assert_eq!((&found.original, &found.changed), (&plain.original, &plain.changed));
        for (row, expected) in found.perturbed.rows().into_iter().zip(expected) {
            assert!((found.original[0] - row[0] - expected).abs() < 1e-4, "{} {expected}", row[0]);
        }
        assert_eq!(relevance(&found)[2], 100.0);
    }
}

/// Replaces odd regions with the values of the scan and 0.5.
struct Odd;

impl Fill for Odd {
    fn name(&self) -> &str {
        "odd"
    }

    fn patches(
        &self,
        image: ImageView<'_>,
        regions: &Supervoxels,
        batch: &[usize],
    ) -> FillResult<Vec<Patch>> {
        let by = |region: usize| if region % 2 == 1 { 0.5 } else { 0.0 };
        batch
            .iter()
            .map(|&region| {
                replace_region("odd", image, regions, region, |c, [z, y, x]| image[[c, z, y, x]] + by(region))
            })
            .collect()
    }
}

#[test]
fn the_values_are_those_of_the_explained_scan() {
    let other = Array4::from_elem((1, 4, 3, 3), 0.3);
    let found = controlled(&[&other], &Odd).unwrap();
    // Values of 0.7 add 9 × 0.5 to the scan, and 9 × 0.4 to the other.
    let expected = [0.0, -0.9, 0.0, -0.9];
    for (row, expected) in found.perturbed.rows().into_iter().zip(expected) {
        assert!((found.original[0] - row[0] - expected).abs() < 1e-4, "{} {expected}", row[0]);
    }
    assert_eq!(found.changed, [0, 9, 0, 9]);
    assert_eq!(found.perturbed[[0, 0]], found.original[0], "an unchanged region stays as it is, to the bit");
}

#[test]
fn progress_counts_every_scan_and_what_does_not_fit_is_refused() {
    let (scan, classifier) = (scan(), brightness);
    let baseline = classifier.baseline(scan.view()).unwrap();
    let blank = ConstantFill::from_values("blank", vec![0.0]).unwrap();
    let count = AtomicUsize::new(0);
    let progress = |finished| {
        count.fetch_add(finished, Ordering::Relaxed);
        ControlFlow::Continue(())
    };
    let others = [scan.view(), scan.view()];
    controlled_logits(&classifier, &*baseline, &others, &slabs(), &blank, &progress).unwrap();
    assert_eq!(count.into_inner(), 12);
    let small = Array4::zeros((1, 4, 3, 2));
    assert!(matches!(controlled(&[&small], &blank), Err(Error::ShapeMismatch { .. })));
}
