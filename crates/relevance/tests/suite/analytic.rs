//! Classifiers whose true relevance is known, and properties that hold for any classifier.
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicUsize, Ordering};

use ndarray::{Array2, Array3, Array4, ArrayView5, s};
use proptest::prelude::*;
use relevox_perturb::{Box3, ConstantFill, Fill, ImageView, Patch, Result, replace_region};
use relevox_relevance::{
    Classifier, Error, Explainer, Inputs, Perturbation, RegionLogits, RegionScores, RelevanceMap, ScoreKind,
    Sign, Target, from_fn, region_logits, sigmoid, sigmoid_difference, silent,
};
use slic3d::Supervoxels;

fn score(
    classifier: &dyn Classifier,
    image: ImageView<'_>,
    regions: &Supervoxels,
    fill: &dyn Fill,
    progress: relevox_relevance::Progress<'_>,
) -> Result<RegionScores, Error> {
    relevox_relevance::score(&*classifier.baseline(image)?, regions, fill, &Target::default(), progress)
}

const SHAPE: (usize, usize, usize) = (4, 6, 8);

/// Boxes of 2×2×2 voxels, counted row by row: 2 × 3 × 4 of them.
fn blocks() -> Array3<u32> {
    Array3::from_shape_fn(SHAPE, |(z, y, x)| (z / 2 * 12 + y / 2 * 4 + x / 2) as u32)
}

fn ones() -> Array4<f32> {
    Array4::ones((2, SHAPE.0, SHAPE.1, SHAPE.2))
}

fn blank() -> ConstantFill {
    ConstantFill::from_values("blank", vec![0.0; 2]).unwrap()
}

/// A linear classifier: the logit is a weighted sum of all voxels.
fn linear(weights: Array4<f32>, bias: f32) -> impl Classifier {
    move |batch: ArrayView5<'_, f32>| {
        Ok(batch.outer_iter().map(|image| (&image * &weights).sum() + bias).collect())
    }
}

/// Depends on blocks 5 (whole) and 6 (its half with x = 4).
fn sum_over_a_box(bias: f32) -> impl Classifier {
    let mut weights = Array4::zeros((2, SHAPE.0, SHAPE.1, SHAPE.2));
    weights.slice_mut(s![.., 0..2, 2..4, 2..5]).fill(0.125);
    linear(weights, bias)
}

#[test]
fn a_sum_over_a_box_is_relevant_by_its_share() {
    let regions = Supervoxels::from_labels(blocks(), None).unwrap();
    let scores = score(&sum_over_a_box(-3.0), ones().view(), &regions, &blank(), &silent).unwrap();
    // All 24 values that count are 1: the logit is 24/8 − 3 = 0; block 5 holds 16 of them, block 6 8.
    for row in &scores.rows {
        let expected = match row.id {
            5 => 2.0,
            6 => 1.0,
            _ => 0.0,
        };
        assert_eq!(row.p_original, 0.5);
        assert!((row.delta_logit - expected).abs() < 1e-6);
        assert!((row.delta_p - (0.5 - sigmoid(-expected))).abs() < 1e-7);
        assert_eq!(row.voxels, 8);
    }
    assert_eq!(scores.rows[5].relevance, 100.0);
    let half = (0.5 - sigmoid(-1.0)) / (0.5 - sigmoid(-2.0)) * 100.0;
    assert!((scores.rows[6].relevance - half).abs() < 1e-4);
    assert!(!scores.flat);
    let mean = (0.5 - sigmoid(-1.0) + 0.5 - sigmoid(-2.0)) / 24.0;
    assert!((scores.mean_abs_delta_p() - mean).abs() < 1e-7);

    let map = scores.map(&regions).unwrap();
    assert_eq!(map.voxels[[1, 3, 3]], 100.0);
    assert_eq!(map.voxels[[2, 3, 3]], 0.0);
    assert!(!map.flat);
}

#[test]
fn a_region_against_the_class_counts_as_much_as_one_for_it() {
    let mut weights = Array4::zeros((2, SHAPE.0, SHAPE.1, SHAPE.2));
    weights[[0, 0, 0, 0]] = 1.0;
    weights[[0, 3, 5, 7]] = -1.0;
    let regions = Supervoxels::from_labels(blocks(), None).unwrap();
    let scores = score(&linear(weights, 0.0), ones().view(), &regions, &blank(), &silent).unwrap();
    assert!(scores.rows[0].delta_p > 0.0 && scores.rows[23].delta_p < 0.0);
    assert_eq!((scores.rows[0].relevance, scores.rows[23].relevance), (100.0, 100.0));
}

#[test]
fn a_constant_classifier_gives_a_flat_map() {
    let regions = Supervoxels::from_labels(blocks(), None).unwrap();
    let nowhere = linear(Array4::zeros((2, SHAPE.0, SHAPE.1, SHAPE.2)), 0.7);
    let scores = score(&nowhere, ones().view(), &regions, &blank(), &silent).unwrap();
    assert!(scores.flat && scores.rows.iter().all(|row| row.relevance == 0.0 && row.delta_p == 0.0));
    let map = scores.map(&regions).unwrap();
    assert!(map.flat && map.voxels.iter().all(|v| *v == 0.0));
    let again = RegionScores::from_rows(scores.rows.clone());
    assert_eq!(RegionScores { original: scores.original.clone(), ..again }, scores);
}

#[test]
fn a_saturated_classifier_still_ranks_its_regions() {
    let regions = Supervoxels::from_labels(blocks(), None).unwrap();
    let scores = score(&sum_over_a_box(60.0), ones().view(), &regions, &blank(), &silent).unwrap();
    // p is 1 to the last bit with and without either block, and yet the difference is not lost.
    assert_eq!((scores.rows[5].p_original, scores.rows[5].p_perturbed), (1.0, 1.0));
    assert!(scores.rows[5].delta_p > scores.rows[6].delta_p && scores.rows[6].delta_p > 0.0);
    assert_eq!(scores.rows[5].relevance, 100.0);
    assert!((scores.rows[5].delta_logit - 2.0).abs() < 1e-4);
    assert!(!scores.flat);
}

#[test]
fn an_and_of_two_regions_needs_both_and_an_or_neither() {
    let at = |image: &ImageView<'_>, block: [usize; 3]| image[[0, block[0], block[1], block[2]]];
    let regions = Supervoxels::from_labels(blocks(), None).unwrap();
    let (a, b) = ([0, 0, 0], [3, 5, 7]);
    let and = |batch: ArrayView5<'_, f32>| -> Result<Vec<f32>, Error> {
        Ok(batch.outer_iter().map(|image| at(&image, a).min(at(&image, b))).collect())
    };
    let scores = score(&and, ones().view(), &regions, &blank(), &silent).unwrap();
    assert_eq!((scores.rows[0].relevance, scores.rows[23].relevance), (100.0, 100.0));
    // The known limit of one region at a time: where either region is enough, the loss of one moves nothing.
    let or = |batch: ArrayView5<'_, f32>| -> Result<Vec<f32>, Error> {
        Ok(batch.outer_iter().map(|image| at(&image, a).max(at(&image, b))).collect())
    };
    assert!(score(&or, ones().view(), &regions, &blank(), &silent).unwrap().flat);
}

/// [`crooked`], which counts the images that it is called with.
fn counted(seen: &AtomicUsize) -> impl Fn(ArrayView5<'_, f32>) -> Result<Vec<f32>, Error> + Sync + '_ {
    |batch| {
        seen.fetch_add(batch.dim().0, Ordering::Relaxed);
        crooked(batch)
    }
}

/// Any classifier: sums, squared, by sequence and place.
fn crooked(batch: ArrayView5<'_, f32>) -> Result<Vec<f32>, Error> {
    Ok(batch
        .outer_iter()
        .map(|image| {
            image
                .indexed_iter()
                .map(|((c, z, y, x), v)| (v * (1 + c + 2 * z + 3 * y + x) as f32 / 40.0).sin())
                .sum::<f32>()
                / 20.0
        })
        .collect())
}

fn labels_and_image() -> impl Strategy<Value = (Array3<u32>, Array4<f32>)> {
    let voxels = 3 * 4 * 5;
    (
        proptest::collection::vec(0..7_u32, voxels),
        proptest::collection::vec(prop_oneof![Just(0.0_f32), 0.0..1.0_f32], 2 * voxels),
    )
        .prop_map(|(labels, image)| {
            (
                Array3::from_shape_vec((3, 4, 5), labels).unwrap(),
                Array4::from_shape_vec((2, 3, 4, 5), image).unwrap(),
            )
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn permuting_label_ids_permutes_relevance((labels, image) in labels_and_image(), seed in 0..5040_usize) {
        // The seed-th order of the seven ids, spread out so that gaps come up too.
        let mut left: Vec<u32> = (0..7).collect();
        let mut rest = seed;
        let new: Vec<u32> = (1..=7_usize)
            .rev()
            .map(|n| {
                let id = left.remove(rest % n);
                rest /= n;
                3 * id + 1
            })
            .collect();
        let before = Supervoxels::from_labels(labels.clone(), None).unwrap();
        let after = Supervoxels::from_labels(labels.mapv(|l| new[l as usize]), None).unwrap();
        let a = score(&crooked, image.view(), &before, &blank(), &silent).unwrap();
        let b = score(&crooked, image.view(), &after, &blank(), &silent).unwrap();
        for row in &a.rows {
            let other = &b.rows[after.index_of(new[row.id as usize]).unwrap()];
            prop_assert_eq!((row.delta_p, row.relevance, row.voxels), (other.delta_p, other.relevance, other.voxels));
        }
        prop_assert_eq!(a.map(&before).unwrap(), b.map(&after).unwrap());
    }

    #[test]
    fn scores_keep_their_ranges_and_signs((labels, image) in labels_and_image()) {
        let regions = Supervoxels::from_labels(labels, None).unwrap();
        let scores = score(&crooked, image.view(), &regions, &blank(), &silent).unwrap();
        let relevance = scores.relevance();
        prop_assert!(relevance.iter().all(|r| (0.0..=100.0).contains(r)));
        if !scores.flat {
            prop_assert!(relevance.contains(&0.0) && relevance.contains(&100.0));
        }
        for row in &scores.rows {
            prop_assert!((row.p_original - row.p_perturbed - row.delta_p).abs() < 1e-15);
            prop_assert!(row.delta_p * row.delta_logit >= 0.0);
        }
    }

    #[test]
    fn the_size_of_a_batch_changes_nothing((labels, image) in labels_and_image(), size in 1..9_usize) {
        struct Batched(usize);
        impl Classifier for Batched {
            fn logits(&self, batch: ArrayView5<'_, f32>) -> Result<Array2<f32>, Error> {
                assert!(batch.dim().0 <= self.0);
                crooked.logits(batch)
            }
            fn batch_size(&self, _: [usize; 4]) -> usize {
                self.0
            }
        }
        let regions = Supervoxels::from_labels(labels, None).unwrap();
        let one = score(&Batched(1), image.view(), &regions, &blank(), &silent).unwrap();
        prop_assert_eq!(score(&Batched(size), image.view(), &regions, &blank(), &silent).unwrap(), one);
    }

    #[test]
    fn relevance_does_not_depend_on_scale(values in proptest::collection::vec(0.0..1.0_f32, 2..20)) {
        let n = values.len();
        let map = |factor: f32| {
            let values = values.iter().map(|v| v * factor).collect();
            RelevanceMap::from_values(Array3::from_shape_vec((1, 1, n), values).unwrap()).unwrap()
        };
        let (one, four) = (map(1.0), map(4.0));
        prop_assert_eq!(&one, &four);
        prop_assert!(one.voxels.iter().all(|v| (0.0..=100.0).contains(v)));
        prop_assert!(one.flat || one.voxels.iter().any(|v| *v == 100.0));
    }

    #[test]
    fn a_difference_of_sigmoids_is_what_it_says(a in -30.0..30.0_f64, b in -30.0..30.0_f64) {
        let exact = ((a - b) / 2.0).sinh() / (2.0 * (a / 2.0).cosh() * (b / 2.0).cosh());
        let found = sigmoid_difference(a, b);
        prop_assert!((found - exact).abs() <= 1e-12 * exact.abs() + 1e-16, "{found} {exact}");
        prop_assert_eq!(found, -sigmoid_difference(b, a));
    }
}

#[test]
fn unchanged_regions_cost_no_forward_pass() {
    let seen = AtomicUsize::new(0);
    let counting = counted(&seen);
    let mut image = ones();
    image.slice_mut(s![.., .., .., 4..]).fill(0.0);
    let regions = Supervoxels::from_labels(blocks(), None).unwrap();
    let finished = AtomicUsize::new(0);
    let progress = |n| {
        finished.fetch_add(n, Ordering::Relaxed);
        ControlFlow::Continue(())
    };
    let baseline = counting.baseline(image.view()).unwrap();
    let logits = region_logits(&*baseline, &regions, &blank(), &progress).unwrap();
    assert_eq!(seen.load(Ordering::Relaxed), 1 + 12, "the scan, and the 12 blocks that are not air");
    assert_eq!(finished.into_inner(), 24);
    for (logit, changed) in logits.perturbed.iter().zip(&logits.changed) {
        assert_eq!(*changed == 0, logit.to_bits() == logits.original[0].to_bits());
    }
}

#[test]
fn background_is_not_scored_and_stays_dark() {
    let labels = blocks().mapv(|label| if label < 12 { 0 } else { label });
    let regions = Supervoxels::from_labels(labels, Some(0)).unwrap();
    let scores = score(&crooked, ones().view(), &regions, &blank(), &silent).unwrap();
    assert_eq!(scores.rows.len(), 12);
    let map = scores.map(&regions).unwrap();
    assert!(map.voxels.slice(s![..2, .., ..]).iter().all(|v| *v == 0.0));
}

#[test]
fn a_caller_can_stop_the_work() {
    let seen = AtomicUsize::new(0);
    let slow = counted(&seen);
    let regions = Supervoxels::from_labels(blocks(), None).unwrap();
    let stop = |_| ControlFlow::Break(());
    let found = score(&slow, ones().view(), &regions, &blank(), &stop).unwrap_err();
    assert!(matches!(found, Error::Cancelled));
    assert!(seen.load(Ordering::Relaxed) < 24, "stopped after the first batch");
}

#[test]
fn what_does_not_fit_is_named() {
    let regions = Supervoxels::from_labels(blocks(), None).unwrap();
    let too_few = |_: ArrayView5<'_, f32>| -> Result<Vec<f32>, Error> { Ok(vec![]) };
    let found = score(&too_few, ones().view(), &regions, &blank(), &silent).unwrap_err();
    assert!(matches!(found, Error::ShapeMismatch { .. }), "{found}");

    let odd = |batch: ArrayView5<'_, f32>| -> Result<Vec<f32>, Error> {
        Ok(batch.outer_iter().map(|i| if i[[0, 0, 0, 0]] == 0.0 { f32::NAN } else { 0.0 }).collect())
    };
    let found = score(&odd, ones().view(), &regions, &blank(), &silent).unwrap_err().to_string();
    assert!(found.contains("region 0") && found.contains("NaN"), "{found}");

    let failing = |_: ArrayView5<'_, f32>| Err(Error::black_box("the service is down"));
    let found = score(&failing, ones().view(), &regions, &blank(), &silent).unwrap_err().to_string();
    assert!(found.contains("the service is down"), "{found}");

    let small = Array4::ones((2, 4, 6, 7));
    let found = score(&crooked, small.view(), &regions, &blank(), &silent).unwrap_err();
    assert!(matches!(found, Error::ShapeMismatch { .. }), "{found}");

    let short = RegionLogits { original: vec![0.0], perturbed: Array2::zeros((1, 1)), changed: vec![1] };
    assert!(matches!(
        RegionScores::from_logits(&regions, &short, &Target::default()),
        Err(Error::ShapeMismatch { .. })
    ));

    let scores = score(&crooked, ones().view(), &regions, &blank(), &silent).unwrap();
    let other = Supervoxels::from_labels(blocks().mapv(|l| l + 1), None).unwrap();
    let found = scores.map(&other).unwrap_err();
    assert!(matches!(found, Error::OtherPartition { row: 0, expected: 1, found: 0 }), "{found}");

    let found = RelevanceMap::from_values(Array3::from_elem((1, 1, 1), f32::NAN)).unwrap_err();
    assert!(matches!(found, Error::NonFinite { .. }), "{found}");
}

/// A fill of the user's own, which may do anything.
struct Custom(fn(Patch) -> Patch);

impl Fill for Custom {
    fn name(&self) -> &str {
        "custom"
    }
    fn patches(&self, image: ImageView<'_>, regions: &Supervoxels, batch: &[usize]) -> Result<Vec<Patch>> {
        let blank =
            |&region: &usize| replace_region("custom", image, regions, region, |_, _| 0.0).map(self.0);
        batch.iter().map(blank).collect()
    }
}

#[test]
fn a_custom_fill_is_validated_before_it_is_used() {
    let regions = Supervoxels::from_labels(blocks(), None).unwrap();
    let off = Custom(|patch| Patch::new(Box3::new([3, 0, 0], [5, 2, 2]), patch.values().to_owned()).unwrap());
    let found = score(&crooked, ones().view(), &regions, &off, &silent).unwrap_err();
    assert!(matches!(found, Error::Fill(relevox_perturb::Error::ShapeMismatch { .. })), "{found}");
    let odd = Custom(|mut patch| {
        patch.values_mut()[[1, 0, 0, 0]] = f32::INFINITY;
        patch
    });
    let found = score(&crooked, ones().view(), &regions, &odd, &silent).unwrap_err();
    assert_eq!(found.to_string(), "fill custom, channel 1: expected a finite value, found inf");
}

#[test]
fn each_output_is_a_target() {
    let regions = Supervoxels::from_labels(blocks(), None).unwrap();
    let image = ones();
    let blank = blank();
    let (a, b) = (sum_over_a_box(-3.0), linear(Array4::from_elem((2, 4, 6, 8), 0.01), 0.5));
    let both = from_fn(2, |batch: ArrayView5<'_, f32>| {
        Ok(ndarray::concatenate![ndarray::Axis(1), a.logits(batch)?, b.logits(batch)?])
    });
    let baseline = both.baseline(image.view()).unwrap();
    let explain = |target: &Target| {
        let explainer = Perturbation { score: ScoreKind::DeltaLogit, channel: None };
        let inputs = Inputs { baseline: &*baseline, regions: &regions, fill: &blank, target };
        explainer.explain(&inputs, &silent).unwrap()
    };
    for (output, single) in [&a as &dyn Classifier, &b].into_iter().enumerate() {
        let alone = score(single, image.view(), &regions, &blank, &silent).unwrap();
        let found = explain(&Target::sigmoid(output));
        assert_eq!(found.values, alone.values(ScoreKind::DeltaLogit));
        assert_eq!(found.original[output], alone.original[0]);
        assert_eq!(found.probability(), alone.rows[0].p_original);
    }
    // Of two exclusive classes the logit is the difference.
    let softmax = explain(&Target::softmax(0));
    let (first, second) = (explain(&Target::sigmoid(0)), explain(&Target::sigmoid(1)));
    for ((found, a), b) in softmax.values.iter().zip(&first.values).zip(&second.values) {
        assert!((found - (a - b)).abs() < 1e-12);
    }
    for target in [Target::sigmoid(2), Target::softmax(2)] {
        let found = relevox_relevance::score(&*baseline, &regions, &blank, &target, &silent);
        assert!(matches!(found, Err(Error::OutOfRange { len: 2, found: 2, .. })));
    }
}

#[test]
fn a_plain_value_is_scored_by_its_own_change() {
    let regions = Supervoxels::from_labels(blocks(), None).unwrap();
    let (image, age) = (ones(), sum_over_a_box(60.0));
    let baseline = age.baseline(image.view()).unwrap();
    let scores =
        relevox_relevance::score(&*baseline, &regions, &blank(), &Target::value(0), &silent).unwrap();
    let row = scores.rows[5];
    assert_eq!((row.p_original, row.p_perturbed, row.delta_p, row.relevance), (63.0, 61.0, 2.0, 100.0));
    assert_eq!(scores.rows[6].relevance, 50.0);
}

#[test]
fn tables_hold_what_was_computed() {
    let labels = Array3::from_shape_fn(SHAPE, |(z, ..)| 3 + z as u32 / 2 * 4);
    let regions = Supervoxels::from_labels(labels, None).unwrap();
    let (image, classifier) = (ones(), sum_over_a_box(-3.0));
    let baseline = classifier.baseline(image.view()).unwrap();
    let scores =
        relevox_relevance::score(&*baseline, &regions, &blank(), &Target::default(), &silent).unwrap();
    let p = sigmoid(-3.0);
    let expected = format!(
        "region,voxels,p_original,p_perturbed,delta_p,delta_logit,relevance\n\
         3,96,0.5,{p},{},3,100\n7,96,0.5,0.5,0,0,0\n",
        0.5 - p
    );
    assert_eq!(scores.to_csv(), expected);
    let found = scores.attribution(ScoreKind::DeltaLogit, &Target::default());
    assert_eq!(found.to_csv(Sign::Positive), "region,voxels,value,relevance\n3,96,3,100\n7,96,0,0\n");
    let map = found.map(&regions, Sign::Magnitude).unwrap();
    assert_eq!(map, scores.map(&regions).unwrap());
    assert_eq!(map.mask(Some(50.0), 0.1).iter().filter(|inside| **inside).count(), 96);
    assert!(map.mask(None, 0.1).iter().all(|inside| !inside));
    let other = Supervoxels::from_labels(blocks().mapv(|label| label / 12), None).unwrap();
    assert!(matches!(found.map(&other, Sign::Magnitude), Err(Error::OtherPartition { .. })));
}
