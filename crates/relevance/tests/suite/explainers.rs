//! Each explainer on classifiers whose true relevance is known: a sum over a box, an AND of two regions, a saturated sum.
//! What an explainer cannot find is asserted too, as its documentation states it.
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicUsize, Ordering};

use ndarray::{Array2, Array3, Array4, ArrayView5, s};
use proptest::prelude::*;
use relevox_perturb::{ConstantFill, Fill, ImageView};
use relevox_relevance::{
    Attribution, Border, Classifier, Coalitions, Diffused, Diffusion, Error, Explainer, Hierarchical, Inputs,
    Lime, Masks, Occlusion, OneChannel, Perturbation, Progress, RegionGraph, RelevanceMap, Rise, ScoreKind,
    Sign, Target, ValidDiffusion, Weighting, deletion, insertion, mean_by_region, random_ablations, score,
    score_channels, silent,
};
use slic3d::Supervoxels;

const SHAPE: (usize, usize, usize) = (4, 6, 8);
/// The blocks that the classifiers below depend on.
const A: usize = 5;
const B: usize = 18;

/// Boxes of 2×2×2 voxels, counted row by row: 2 × 3 × 4 of them.
fn blocks() -> Supervoxels {
    let labels = Array3::from_shape_fn(SHAPE, |(z, y, x)| (z / 2 * 12 + y / 2 * 4 + x / 2) as u32);
    Supervoxels::from_labels(labels, None).unwrap()
}

/// Two sequences of ones, air in the last column of blocks.
fn image() -> Array4<f32> {
    let mut image = Array4::ones((2, SHAPE.0, SHAPE.1, SHAPE.2));
    image.slice_mut(s![.., .., .., 6..]).fill(0.0);
    image
}

fn is_air(block: usize) -> bool {
    block % 4 == 3
}

fn blank() -> ConstantFill {
    ConstantFill::from_values("blank", vec![0.0; 2]).unwrap()
}

/// The mean of a block over both sequences.
fn block(image: &ImageView<'_>, block: usize) -> f32 {
    let [z, y, x] = [block / 12 * 2, block / 4 % 3 * 2, block % 4 * 2];
    image.slice(s![.., z..z + 2, y..y + 2, x..x + 2]).mean().unwrap()
}

fn of(logit: impl Fn(f32, f32) -> f32 + Sync) -> impl Classifier {
    move |batch: ArrayView5<'_, f32>| {
        Ok(batch.outer_iter().map(|image| logit(block(&image, A), block(&image, B))).collect())
    }
}

fn explain(explainer: &dyn Explainer, classifier: &dyn Classifier) -> Attribution {
    explain_with(explainer, classifier, &silent).unwrap()
}

fn explain_with(
    explainer: &dyn Explainer,
    classifier: &dyn Classifier,
    progress: Progress<'_>,
) -> Result<Attribution, Error> {
    let image = image();
    let baseline = classifier.baseline(image.view()).unwrap();
    let (regions, blank, target) = (blocks(), blank(), Target::default());
    explainer
        .explain(&Inputs { baseline: &*baseline, regions: &regions, fill: &blank, target: &target }, progress)
}

/// Three quarters in A, one in B, and a bias.
fn sum() -> impl Classifier {
    of(|a, b| 3.0 * a + b - 2.0)
}

fn and() -> impl Classifier {
    of(|a, b| 2.0 * a.min(b))
}

/// Either is enough.
fn saturated() -> impl Classifier {
    of(|a, b| (2.0 * (a + b)).min(2.0))
}

#[track_caller]
fn finds(found: &Attribution, a: f64, b: f64, tolerance: f64) {
    for (region, &value) in found.values.iter().enumerate() {
        let expected = match region {
            A => a,
            B => b,
            _ => 0.0,
        };
        assert!((value - expected).abs() <= tolerance, "region {region}: {value}, expected {expected}");
        assert!(!is_air(region) || value == 0.0, "region {region} is air and has {value}");
    }
}

fn surrogate(classifier: &dyn Classifier, weighting: Weighting, samples: usize) -> Attribution {
    explain(&Lime { samples, seed: 11, ridge: 1e-6, weighting, width: 0.25 }, classifier)
}

const LIME: Weighting = Weighting::Lime;

#[test]
fn lime_finds_all_three() {
    // Of 18 regions that are not air: exact on a sum once there are more samples than regions.
    finds(&surrogate(&sum(), LIME, 60), 3.0, 1.0, 1e-4);
    // An AND is worth 1 to each part where the other is there half of the time, and so is an OR.
    finds(&surrogate(&and(), LIME, 4000), 1.0, 1.0, 0.2);
    finds(&surrogate(&saturated(), LIME, 4000), 1.0, 1.0, 0.2);
}

#[test]
fn kernel_shap_finds_shapley_values() {
    for (classifier, a, b) in
        [(&sum() as &dyn Classifier, 3.0, 1.0), (&and(), 1.0, 1.0), (&saturated(), 1.0, 1.0)]
    {
        let found = surrogate(classifier, Weighting::KernelShap, 3000);
        finds(&found, a, b, 0.1);
        let total: f64 = found.values.iter().sum();
        assert!((total - (a + b)).abs() < 1e-6, "efficiency: {total}");
    }
    finds(&surrogate(&sum(), Weighting::KernelShap, 60), 3.0, 1.0, 1e-4);
}

#[test]
fn lime_records_its_convergence() {
    let few = surrogate(&and(), LIME, 40);
    let many = surrogate(&and(), LIME, 4000);
    let last = |found: &Attribution| found.convergence.last().unwrap().change;
    assert!(last(&many) < 0.1 && last(&many) < last(&few), "{} {}", last(&many), last(&few));
    assert_eq!(many.convergence.len(), 9);
    assert_eq!(many.convergence.last().unwrap().samples, 4000);
}

fn masked(classifier: &dyn Classifier, masks: Masks, samples: usize) -> Attribution {
    explain(&Rise { samples, seed: 5, keep: 0.5, masks }, classifier)
}

#[test]
fn rise_finds_all_three() {
    // A value is the mean logit with the region kept less the mean: half of what its presence adds.
    // The logit's deviation is 1.6 at most, so that a value's standard error is at most 1.6 / √8000 = 0.018.
    finds(&masked(&sum(), Masks::Regions, 8000), 1.5, 0.5, 0.09);
    finds(&masked(&and(), Masks::Regions, 8000), 0.5, 0.5, 0.09);
    finds(&masked(&saturated(), Masks::Regions, 8000), 0.5, 0.5, 0.09);
    let last = masked(&sum(), Masks::Regions, 8000).convergence.last().copied().unwrap();
    assert!(last.change < 0.05, "{last:?}");
}

#[test]
fn hierarchical_relevance_finds_all_three() {
    let run = |classifier: &dyn Classifier| explain(&Hierarchical::default(), classifier);
    finds(&run(&sum()), 3.0, 1.0, 1e-5);
    finds(&run(&and()), 1.0, 1.0, 1e-6);
    finds(&run(&saturated()), 1.0, 1.0, 1e-6);
}

#[test]
fn rise_with_cells_finds_the_neighbourhood() {
    for classifier in [&sum() as &dyn Classifier, &and(), &saturated()] {
        let found = masked(classifier, Masks::Cells([2, 3, 4]), 4000);
        let far = found.values[0].abs().max(found.values[23].abs());
        // Cells interpolate: the blocks beside A and B share in them, those two steps away don't.
        assert!(found.values[A] > 3.0 * far, "{:?}", found.values);
        assert!(found.values[B] > 0.0);
    }
    let values = masked(&sum(), Masks::Cells([2, 3, 4]), 4000).values;
    assert_eq!((0..24).max_by(|&a, &b| values[a].total_cmp(&values[b])), Some(A));
}

#[test]
fn occlusion_finds_what_one_box_can_hide() {
    let settings = Occlusion { size: [2; 3], overlap: 1 };
    let run = |classifier: &dyn Classifier| explain(&settings, classifier);
    finds(&run(&sum()), 3.0, 1.0, 1e-6);
    finds(&run(&and()), 2.0, 2.0, 1e-6);
    finds(&run(&saturated()), 0.0, 0.0, 0.0);
    // A box that slides by half of itself hides an eighth to the whole of a block: its neighbours share in it.
    let sliding = Occlusion { size: [2; 3], overlap: 2 };
    let found = explain(&sliding, &sum());
    assert!((0..24).all(|region| region == A || found.values[region] < found.values[A]));
}

#[test]
fn one_region_at_a_time_and_its_diffusion_find_nothing_of_a_saturated_sum() {
    let settings = Diffusion { score: ScoreKind::DeltaLogit, lambda: 0.3, ..Diffusion::default() };
    let diffused = |classifier: &dyn Classifier| explain(&settings, classifier);
    let single = Perturbation { score: ScoreKind::DeltaLogit, channel: None };
    finds(&explain(&single, &sum()), 3.0, 1.0, 1e-6);
    finds(&explain(&single, &and()), 2.0, 2.0, 1e-6);
    finds(&explain(&single, &saturated()), 0.0, 0.0, 0.0);
    let top_two = |found: &Attribution| {
        let mut order: Vec<usize> = (0..24).collect();
        order.sort_by(|&a, &b| found.values[b].total_cmp(&found.values[a]));
        [order[0].min(order[1]), order[0].max(order[1])]
    };
    assert_eq!(diffused(&sum()).relevance(Sign::Magnitude)[A], 100.0);
    assert_eq!(top_two(&diffused(&and())), [A, B]);
    assert_eq!(diffused(&saturated()).values, [0.0; 24]);
}

fn valid(lambda: f64, scale: f64, border: Border) -> ValidDiffusion {
    Diffusion { lambda, scale, border, ..Diffusion::default() }.check().unwrap()
}

#[test]
fn diffusion_heals_a_hole_in_a_region_of_one_kind() {
    // Two slabs of three blocks in a row, bright and dark: scores of the bright one's middle are lost.
    let image = Array4::from_shape_fn((1, 1, 1, 6), |(.., x)| if x < 3 { 1.0 } else { 0.0 });
    let labels = Array3::from_shape_fn((1, 1, 6), |(.., x)| x as u32);
    let regions = Supervoxels::from_labels(labels, None).unwrap();
    let settings = valid(10.0, 0.3, Border::Length);
    let graph = RegionGraph::new(image.view(), &regions, &settings).unwrap();
    let found = graph.diffuse(&[4.0, 0.0, 4.0, 0.0, 0.0, 0.0], &settings).unwrap().values;
    assert!(found[..3].iter().all(|value| (value - 8.0 / 3.0).abs() < 0.2), "{found:?}");
    assert!(found[3..].iter().all(|value| *value < 0.2), "the dark slab stays dark: {found:?}");
}

#[test]
fn evidence_for_and_against_does_not_cancel_in_diffused_relevance() {
    // A bright slab of opposite scores beside a dark one without any.
    let image = Array4::from_shape_fn((1, 1, 1, 4), |(.., x)| if x < 2 { 1.0 } else { 0.0 });
    let regions =
        Supervoxels::from_labels(Array3::from_shape_fn((1, 1, 4), |(.., x)| x as u32), None).unwrap();
    let settings = valid(10.0, 0.3, Border::Ignored);
    let graph = RegionGraph::new(image.view(), &regions, &settings).unwrap();
    let found = graph.diffuse(&[3.0, -2.0, 0.0, 0.0], &settings).unwrap();
    assert!(found.values.iter().all(|value| value.abs() < 0.7), "{found:?}");
    assert!(found.magnitudes[..2].iter().all(|value| (value - 2.5).abs() < 0.2), "{found:?}");
    let [both, positive, negative] =
        [Sign::Magnitude, Sign::Positive, Sign::Negative].map(|sign| found.relevance(sign));
    assert!(both[0] == 100.0 && both[1] > 90.0 && both[2] < 10.0, "{both:?}");
    assert!(positive[0] == 100.0 && positive[1] > 80.0 && positive[3] == 0.0, "{positive:?}");
    assert!(negative[1] == 100.0 && negative[0] > 80.0 && negative[3] == 0.0, "{negative:?}");
}

#[test]
fn each_channel_has_its_own_part() {
    // A in channel 0 only, B in channel 1 only.
    let classifier = |batch: ArrayView5<'_, f32>| -> Result<Vec<f32>, Error> {
        Ok(batch.outer_iter().map(|i| 3.0 * i[[0, 0, 2, 2]] + i[[1, 2, 2, 4]]).collect())
    };
    let (image, regions) = (image(), blocks());
    let baseline = classifier.baseline(image.view()).unwrap();
    let tables = score_channels(&*baseline, &regions, &blank(), &Target::default(), &silent).unwrap();
    let moved = |channel: usize, region: usize| tables[channel].rows[region].delta_logit;
    assert_eq!((moved(0, A), moved(0, B), moved(1, A), moved(1, B)), (3.0, 0.0, 0.0, 1.0));
    for (channel, table) in tables.iter().enumerate() {
        let one = Perturbation { score: ScoreKind::DeltaLogit, channel: Some(channel) };
        assert_eq!(explain(&one, &classifier).values, table.values(ScoreKind::DeltaLogit));
    }
    assert_eq!(OneChannel::new(&blank(), 1).name(), blank().name());
    let found = OneChannel::new(&blank(), 2).patch(image.view(), &regions, A);
    assert!(matches!(found, Err(relevox_perturb::Error::OutOfRange { len: 2, found: 2, .. })));
}

#[test]
fn partitions_average_where_they_agree() {
    let map = |values: [f32; 4]| RelevanceMap {
        voxels: Array3::from_shape_vec((1, 1, 4), values.to_vec()).unwrap(),
        flat: values.iter().all(|value| *value == 0.0),
    };
    let maps = [map([100.0, 100.0, 0.0, 0.0]), map([0.0, 100.0, 100.0, 0.0]), map([0.0; 4])];
    let average = RelevanceMap::average(&maps).unwrap();
    assert_eq!(average, map([50.0, 100.0, 50.0, 0.0]));
    let halves = Array3::from_shape_vec((1, 1, 4), vec![1, 1, 7, 7]).unwrap();
    let halves = Supervoxels::from_labels(halves, Some(7)).unwrap();
    assert_eq!(mean_by_region(&halves, average.voxels.view()).unwrap(), [75.0]);
    assert!(RelevanceMap::average(&[]).is_err());
}

#[test]
fn a_coalition_that_lacks_one_region_is_the_input_of_its_score() {
    let (image, regions, fill) = (image(), blocks(), blank());
    let classifier = sum();
    let (baseline, target) = (classifier.baseline(image.view()).unwrap(), Target::default());
    let scores = score(&*baseline, &regions, &fill, &target, &silent).unwrap();
    let coalitions = Coalitions::new(&*baseline, &regions, &fill, &target).unwrap();
    assert_eq!(coalitions.players().len(), 18);
    let without = |region: usize| (0..24).map(|other| other != region).collect();
    let asked: Vec<Vec<bool>> = (0..24).map(without).chain([vec![true; 24]]).collect();
    let logits = coalitions.logits(&asked).unwrap();
    for (row, logit) in scores.rows.iter().zip(&logits) {
        assert_eq!(row.delta_logit, logits[24] - logit);
    }
    assert!(matches!(coalitions.logits(&[vec![true; 3]]), Err(Error::ShapeMismatch { .. })));
}

fn with_coalitions_of_a_sum(check: fn(&Coalitions<'_>)) {
    let (image, regions, fill) = (image(), blocks(), blank());
    let classifier = sum();
    let baseline = classifier.baseline(image.view()).unwrap();
    check(&Coalitions::new(&*baseline, &regions, &fill, &Target::default()).unwrap());
}

#[test]
fn curves_fall_and_rise_at_the_regions_that_count() {
    with_coalitions_of_a_sum(check_curves);
}

fn check_curves(coalitions: &Coalitions<'_>) {
    let mut best: Vec<usize> = vec![A, B];
    best.extend((0..24).filter(|region| ![A, B].contains(region)));
    let worst: Vec<usize> = best.iter().rev().copied().collect();
    let gone = deletion(coalitions, &best, 18).unwrap();
    assert_eq!((gone.shares[0], gone.shares[18], gone.logits.len()), (0.0, 1.0, 19));
    assert_eq!((gone.logits[0], gone.logits[1]), (2.0, -1.0));
    assert!(gone.logits[2..].iter().all(|logit| *logit == -2.0));
    let late = deletion(coalitions, &worst, 18).unwrap();
    assert!(late.logits[..17].iter().all(|logit| *logit == 2.0) && late.logits[18] == -2.0);
    let back = insertion(coalitions, &best, 18).unwrap();
    assert_eq!(back.logits[..3], [-2.0, 1.0, 2.0]);
    assert_eq!(deletion(coalitions, &best, 3).unwrap().shares, [0.0, 1.0 / 3.0, 2.0 / 3.0, 1.0]);
    assert!(deletion(coalitions, &[A, A], 3).is_err() && deletion(coalitions, &[24], 3).is_err());
}

#[test]
fn of_a_sum_the_true_parts_predict_every_drop() {
    with_coalitions_of_a_sum(check_ablations);
}

fn check_ablations(coalitions: &Coalitions<'_>) {
    let ablations = random_ablations(coalitions, 40, 2).unwrap();
    assert_eq!(ablations, random_ablations(coalitions, 40, 2).unwrap());
    for ablation in &ablations {
        assert!(ablation.removed.iter().all(|&region| !is_air(region)));
        let predicted: f64 = ablation
            .removed
            .iter()
            .map(|&region| if region == A { 3.0 } else { f64::from(u8::from(region == B)) })
            .sum();
        assert!((ablation.drop - predicted).abs() < 1e-6);
    }
    let sizes: Vec<usize> = ablations.iter().map(|ablation| ablation.removed.len()).collect();
    assert!(sizes.iter().any(|size| *size < 6) && sizes.iter().any(|size| *size > 12), "{sizes:?}");
}

#[test]
fn seeds_batches_and_stopping() {
    struct Batched(usize);
    impl Classifier for Batched {
        fn logits(&self, batch: ArrayView5<'_, f32>) -> Result<Array2<f32>, Error> {
            assert!(batch.dim().0 <= self.0);
            and().logits(batch)
        }
        fn batch_size(&self, _: [usize; 4]) -> usize {
            self.0
        }
    }
    let told = AtomicUsize::new(0);
    let count = |n| {
        told.fetch_add(n, Ordering::Relaxed);
        ControlFlow::Continue(())
    };
    let lime_of = |batch: usize, seed: u64| {
        explain_with(&Lime { samples: 50, seed, ..Lime::default() }, &Batched(batch), &count).unwrap()
    };
    assert_eq!(lime_of(1, 3), lime_of(7, 3));
    assert_ne!(lime_of(7, 3), lime_of(7, 4));
    assert_eq!(told.swap(0, Ordering::Relaxed), 4 * 50);
    for masks in [Masks::Regions, Masks::Cells([2, 2, 2])] {
        let rise_of = |batch: usize, seed: u64| {
            explain_with(&Rise { samples: 30, seed, keep: 0.4, masks }, &Batched(batch), &count).unwrap()
        };
        assert_eq!(rise_of(1, 3), rise_of(7, 3));
        assert_ne!(rise_of(7, 3), rise_of(7, 4));
    }
    assert_eq!(told.swap(0, Ordering::Relaxed), 8 * 30);
    let boxes = Occlusion { size: [3, 2, 4], overlap: 2 }.check().unwrap();
    explain_with(&boxes, &and(), &count).unwrap();
    assert_eq!(told.into_inner(), boxes.boxes([SHAPE.0, SHAPE.1, SHAPE.2]));
    let stop = |_| ControlFlow::Break(());
    let all: [&dyn Explainer; 6] = [
        &Hierarchical::default(),
        &Lime::default(),
        &Rise::default(),
        &Perturbation::default(),
        &Diffusion::default(),
        &Occlusion { size: [2; 3], overlap: 1 },
    ];
    for explainer in all {
        assert!(matches!(explain_with(explainer, &and(), &stop), Err(Error::Cancelled)));
    }
}

#[test]
fn settings_out_of_range_are_named() {
    let named = |explainer: &dyn Explainer, setting: &str| {
        let found = explain_with(explainer, &sum(), &silent).unwrap_err();
        assert!(
            matches!(found, Error::InvalidSetting { .. }) && found.to_string().contains(setting),
            "{found}"
        );
    };
    named(&Lime { samples: 0, ..Lime::default() }, "LIME: samples");
    named(&Lime { ridge: 0.0, ..Lime::default() }, "LIME: ridge");
    named(&Lime { width: -1.0, ..Lime::default() }, "LIME: width");
    named(&Rise { samples: 1, ..Rise::default() }, "RISE: samples");
    named(&Rise { keep: 1.0, ..Rise::default() }, "RISE: keep");
    named(&Rise { masks: Masks::Cells([0, 1, 1]), ..Rise::default() }, "RISE: cells");
    named(&Occlusion { size: [2; 3], overlap: 3 }, "occlusion: overlap");
    named(&Diffusion { scale: 0.0, ..Diffusion::default() }, "scale");
    named(&Diffusion { lambda: -1.0, ..Diffusion::default() }, "lambda");
    let (image, regions) = (image(), blocks());
    let settings = valid(1.0, 1.0, Border::Ignored);
    let graph = RegionGraph::new(image.view(), &regions, &settings).unwrap();
    assert!(
        graph.diffuse(&[0.0; 3], &settings).is_err() && graph.diffuse(&[f64::NAN; 24], &settings).is_err()
    );
}

#[test]
fn kernel_shap_gives_a_single_region_the_whole_difference() {
    let image = image();
    let labels = Array3::from_shape_fn(SHAPE, |(.., x)| u32::from(x < 6));
    let regions = Supervoxels::from_labels(labels, None).unwrap();
    let settings = Lime { weighting: Weighting::KernelShap, ..Lime::default() };
    let classifier = sum();
    let baseline = classifier.baseline(image.view()).unwrap();
    let (blank, target) = (blank(), Target::default());
    let inputs = Inputs { baseline: &*baseline, regions: &regions, fill: &blank, target: &target };
    let found = settings.explain(&inputs, &silent).unwrap();
    assert_eq!(found.values, [0.0, 4.0]);
    assert!(found.convergence.is_empty());
}

fn labels_image_scores() -> impl Strategy<Value = (Array3<u32>, Array4<f32>, Vec<f64>)> {
    let voxels = 3 * 4 * 5;
    (
        proptest::collection::vec(0..9_u32, voxels),
        proptest::collection::vec(0.0..1.0_f32, 2 * voxels),
        proptest::collection::vec(-1.0..1.0_f64, 9),
    )
        .prop_map(|(labels, image, scores)| {
            (
                Array3::from_shape_vec((3, 4, 5), labels).unwrap(),
                Array4::from_shape_vec((2, 3, 4, 5), image).unwrap(),
                scores,
            )
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn diffusion_solves_its_equation_and_keeps_sum_and_range(
        (labels, image, scores) in labels_image_scores(),
        lambda in 0.0..50.0_f64,
        scale in 0.1..3.0_f64,
        by_length in any::<bool>(),
    ) {
        let regions = Supervoxels::from_labels(labels, None).unwrap();
        let scores = &scores[..regions.len()];
        let border = if by_length { Border::Length } else { Border::Ignored };
        let settings = valid(lambda, scale, border);
        let graph = RegionGraph::new(image.view(), &regions, &settings).unwrap();
        // The edges are the partition's own neighbours.
        let pairs: usize = regions.adjacency().iter().map(Vec::len).sum();
        prop_assert_eq!(graph.edges().len(), pairs / 2);
        let Diffused { values: found, magnitudes } = graph.diffuse(scores, &settings).unwrap();
        prop_assert!(found.iter().zip(&magnitudes).all(|(value, magnitude)| value.abs() <= magnitude + 1e-10));
        let given: f64 = scores.iter().map(|score| score.abs()).sum();
        prop_assert!((magnitudes.iter().sum::<f64>() - given).abs() < 1e-10);
        let mut back = found.clone();
        for &(i, j, weight) in graph.edges() {
            prop_assert!(weight >= 0.0 && weight.is_finite());
            back[i] += lambda * weight * (found[i] - found[j]);
            back[j] += lambda * weight * (found[j] - found[i]);
        }
        for (back, score) in back.iter().zip(scores) {
            prop_assert!((back - score).abs() < 1e-10);
        }
        let (low, high) = scores.iter().fold((f64::MAX, f64::MIN), |(l, h), &s| (l.min(s), h.max(s)));
        prop_assert!(found.iter().all(|value| (low - 1e-10..=high + 1e-10).contains(value)));
        prop_assert!((found.iter().sum::<f64>() - scores.iter().sum::<f64>()).abs() < 1e-10);
        if lambda == 0.0 {
            prop_assert_eq!(&found[..], scores);
        }
    }

    #[test]
    fn the_unit_of_intensities_does_not_matter((labels, image, scores) in labels_image_scores()) {
        let regions = Supervoxels::from_labels(labels, None).unwrap();
        let diffused = |image: &Array4<f32>| {
            let settings = valid(3.0, 0.7, Border::Ignored);
            let graph = RegionGraph::new(image.view(), &regions, &settings).unwrap();
            graph.diffuse(&scores[..regions.len()], &settings).unwrap().values
        };
        let (one, other) = (diffused(&image), diffused(&(&image * 1024.0)));
        for (a, b) in one.iter().zip(other) {
            prop_assert!((a - b).abs() < 1e-9);
        }
    }
}
