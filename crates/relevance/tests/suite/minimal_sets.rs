//! Sufficient and necessary regions against all sets of a few regions.
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicUsize, Ordering};

use ndarray::{Array2, Array3, Array4, ArrayView5, Axis};
use proptest::prelude::*;
use relevox_perturb::ConstantFill;
use relevox_relevance::{
    Answer, Attribution, Classifier, Coalitions, Error, MinimalSets, Progress, RegionSet, Target, from_fn,
    necessary, silent, sufficient,
};
use slic3d::Supervoxels;

fn row(regions: usize) -> Supervoxels {
    Supervoxels::from_labels(Array3::from_shape_fn((1, 1, regions), |(.., x)| x as u32), None).unwrap()
}

/// A classifier of scans in which each region is a voxel, 1 where it is kept.
fn of(outputs: usize, logits: impl Fn(&[bool]) -> Vec<f32> + Sync) -> impl Classifier {
    from_fn(outputs, move |batch: ArrayView5<'_, f32>| {
        let mut found = Array2::zeros((batch.dim().0, outputs));
        for (image, mut row) in batch.axis_iter(Axis(0)).zip(found.rows_mut()) {
            let kept: Vec<bool> = image.iter().map(|voxel| *voxel != 0.0).collect();
            row.assign(&ndarray::aview1(&logits(&kept)));
        }
        Ok(found)
    })
}

/// Both sets, by a ranking.
struct Found {
    sufficient: Result<RegionSet, Error>,
    necessary: Result<Option<RegionSet>, Error>,
}

fn find(
    classifier: &dyn Classifier,
    target: Target,
    ranking: &[f64],
    answer: Answer,
    progress: Progress<'_>,
) -> Found {
    let regions = row(ranking.len());
    let image = Array4::ones((1, 1, 1, ranking.len()));
    let blank = ConstantFill::from_values("blank", vec![0.0]).unwrap();
    let baseline = classifier.baseline(image.view()).unwrap();
    let coalitions = Coalitions::new(&*baseline, &regions, &blank, &target).unwrap();
    let ranking = Attribution::new(&*baseline, &regions, &target, ranking.to_vec()).unwrap();
    let settings = MinimalSets { answer }.check().unwrap();
    Found {
        sufficient: sufficient(&coalitions, &ranking, &settings, progress),
        necessary: necessary(&coalitions, &ranking, &settings, progress),
    }
}

/// Both sets of one logit's sign.
fn sets(logit: impl Fn(&[bool]) -> f32 + Sync, ranking: &[f64]) -> (RegionSet, Option<RegionSet>) {
    let classifier = of(1, |kept| vec![logit(kept)]);
    let found = find(&classifier, Target::default(), ranking, Answer::Predicted, &silent);
    (found.sufficient.unwrap(), found.necessary.unwrap())
}

const EVEN: [f64; 8] = [0.0; 8];

#[test]
fn an_and_needs_all_and_loses_by_one() {
    let and = |kept: &[bool]| if kept[1] && kept[4] && kept[6] { 2.0 } else { -1.0 };
    let (enough, needed) = sets(and, &EVEN);
    assert_eq!((enough.regions, enough.logit), (vec![1, 4, 6], 2.0));
    let needed = needed.unwrap();
    assert_eq!((needed.regions.len(), needed.logit), (1, -1.0));
    // The ranking decides which of the three.
    let (_, needed) = sets(and, &[0.0, 0.1, 0.0, 0.0, 0.9, 0.0, 0.3, 0.0]);
    assert_eq!(needed.unwrap().regions, [4]);
}

#[test]
fn an_or_needs_one_and_loses_by_all() {
    let or = |kept: &[bool]| if kept[1] || kept[4] || kept[6] { 2.0 } else { -1.0 };
    let (enough, needed) = sets(or, &[0.0, 0.1, 0.0, 0.0, 0.9, 0.0, 0.3, 0.0]);
    assert_eq!((enough.regions, enough.logit), (vec![4], 2.0));
    let needed = needed.unwrap();
    assert_eq!((needed.regions, needed.logit), (vec![1, 4, 6], -1.0));
    // A ranking that knows nothing costs evaluations, and no region more.
    let (enough, needed) = sets(or, &EVEN);
    assert_eq!((enough.regions.len(), needed.unwrap().regions), (1, vec![1, 4, 6]));
}

#[test]
fn an_answer_that_survives_everything_needs_nothing() {
    let (enough, needed) = sets(|kept| 1.0 + f32::from(u8::from(kept[0])), &EVEN);
    assert_eq!((enough.regions, enough.logit, needed), (vec![], 1.0, None));
}

#[test]
fn a_no_is_explained_as_a_yes_is() {
    // Region 2 is evidence against the target, and decides.
    let against = |kept: &[bool]| if kept[2] { -3.0 } else { 0.5 };
    let (enough, needed) = sets(against, &[0.0, 0.0, -3.5, 0.0, 0.0, 0.0, 0.0, 0.1]);
    assert_eq!((enough.regions, enough.logit), (vec![2], -3.0));
    let needed = needed.unwrap();
    assert_eq!((needed.regions, needed.logit), (vec![2], 0.5));
    assert!(needed.evaluations <= 9, "{}: ranked first, it is found by bisection", needed.evaluations);
}

#[test]
fn of_three_classes_the_answer_is_the_largest() {
    // Class 0 wins with 0.4 of the probability while region 1 is there: its logit is below 0 all the time.
    let classes = of(3, |kept| vec![if kept[1] { 0.3 } else { -0.2 }, 0.0, 0.0]);
    let found = find(&classes, Target::softmax(0), &EVEN, Answer::Predicted, &silent);
    let (enough, needed) = (found.sufficient.unwrap(), found.necessary.unwrap().unwrap());
    assert_eq!((enough.regions, needed.regions), (vec![1], vec![1]));
    assert!(enough.logit < 0.0 && needed.logit < enough.logit);
}

#[test]
fn a_plain_value_takes_a_share() {
    let value = of(1, |kept| vec![60.0 + kept.iter().filter(|kept| **kept).count() as f32]);
    let age = Target::value(0);
    let found = find(&value, age, &EVEN, Answer::Predicted, &silent);
    let error = found.sufficient.unwrap_err().to_string();
    assert!(error.contains("share") && error.contains("plain value"), "{error}");
    assert!(matches!(found.necessary, Err(Error::InvalidSetting { .. })));
    let sizes = |share: f64| {
        let found = find(&value, age, &EVEN, Answer::Share(share), &silent);
        let (enough, needed) = (found.sufficient.unwrap(), found.necessary.unwrap().unwrap());
        assert_eq!(enough.logit, 60.0 + enough.regions.len() as f64);
        (enough.regions.len(), needed.regions.len())
    };
    assert_eq!([sizes(0.5), sizes(0.75), sizes(1.0)], [(4, 5), (6, 3), (8, 1)]);
    // One that falls as regions are added.
    let falling = of(1, |kept| vec![-(kept.iter().filter(|kept| **kept).count() as f32)]);
    let found = find(&falling, age, &EVEN, Answer::Share(0.75), &silent);
    assert_eq!(found.sufficient.unwrap().logit, -6.0);
    // One that never moves.
    let found = find(&of(1, |_| vec![7.0]), age, &EVEN, Answer::Share(0.5), &silent);
    assert_eq!((found.sufficient.unwrap().regions, found.necessary.unwrap()), (vec![], None));
}

#[test]
fn settings_and_rankings_that_do_not_fit_are_named() {
    for share in [0.0, 1.1, f64::NAN] {
        let found = MinimalSets { answer: Answer::Share(share) }.check().unwrap_err().to_string();
        assert!(found.starts_with("minimal sets: share"), "{found}");
    }
    let (image, regions) = (Array4::ones((1, 1, 1, 4)), row(4));
    let blank = ConstantFill::from_values("blank", vec![0.0]).unwrap();
    let classifier = of(1, |_| vec![0.0]);
    let baseline = classifier.baseline(image.view()).unwrap();
    let target = Target::default();
    let coalitions = Coalitions::new(&*baseline, &regions, &blank, &target).unwrap();
    let mut ranking = Attribution::new(&*baseline, &regions, &target, vec![f64::NAN; 4]).unwrap();
    let settings = MinimalSets::default().check().unwrap();
    assert_eq!(settings.settings().answer, Answer::Predicted);
    sufficient(&coalitions, &ranking, &settings, &silent).unwrap();
    ranking.values.pop();
    let found = sufficient(&coalitions, &ranking, &settings, &silent).unwrap_err();
    assert!(matches!(found, Error::ShapeMismatch { .. }), "{found}");
}

#[test]
fn only_regions_that_the_fill_changes_are_members_and_a_mask_marks_them() {
    let labels = Array3::from_shape_vec((1, 1, 6), vec![3, 3, 5, 5, 8, 0]).unwrap();
    let regions = Supervoxels::from_labels(labels, Some(0)).unwrap();
    let image = Array4::from_shape_vec((1, 1, 1, 6), vec![1.0, 1.0, 0.0, 0.0, 1.0, 1.0]).unwrap();
    let blank = ConstantFill::from_values("blank", vec![0.0]).unwrap();
    let classifier = of(1, |kept| vec![kept.iter().filter(|kept| **kept).count() as f32 - 3.5]);
    let baseline = classifier.baseline(image.view()).unwrap();
    let target = Target::default();
    let coalitions = Coalitions::new(&*baseline, &regions, &blank, &target).unwrap();
    let ranking = Attribution::new(&*baseline, &regions, &target, vec![0.0, 9.0, 0.0]).unwrap();
    let settings = MinimalSets::default().check().unwrap();
    let enough = sufficient(&coalitions, &ranking, &settings, &silent).unwrap();
    assert_eq!((&enough.regions[..], enough.logit), (&[0, 2][..], 0.5));
    let mask = enough.mask(&regions);
    assert_eq!(mask.iter().copied().collect::<Vec<_>>(), [true, true, false, false, true, false]);
}

#[test]
fn evaluations_are_counted_and_can_be_stopped() {
    let seen = AtomicUsize::new(0);
    let classifier = of(1, |kept| {
        seen.fetch_add(1, Ordering::Relaxed);
        vec![kept.iter().filter(|kept| **kept).count() as f32 - 2.5]
    });
    let told = AtomicUsize::new(0);
    let count = |n| {
        told.fetch_add(n, Ordering::Relaxed);
        ControlFlow::Continue(())
    };
    let found = find(&classifier, Target::default(), &EVEN, Answer::Predicted, &count);
    let (enough, needed) = (found.sufficient.unwrap(), found.necessary.unwrap().unwrap());
    assert_eq!((enough.regions.len(), needed.regions.len()), (3, 6));
    let evaluations = enough.evaluations + needed.evaluations;
    assert_eq!((evaluations, evaluations), (told.into_inner(), seen.load(Ordering::Relaxed) - 1));
    let stop = |_| ControlFlow::Break(());
    let found = find(&classifier, Target::default(), &EVEN, Answer::Predicted, &stop);
    assert!(matches!((found.sufficient, found.necessary), (Err(Error::Cancelled), Err(Error::Cancelled))));
}

fn bits(kept: impl IntoIterator<Item = bool>) -> usize {
    kept.into_iter().enumerate().map(|(region, kept)| usize::from(kept) << region).sum()
}

/// The members of a set as bits.
fn members(set: &RegionSet) -> usize {
    set.regions.iter().map(|region| 1 << region).sum()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn no_single_region_can_be_left_out(
        game in proptest::collection::vec(-4_i8..5, 64),
        ranking in proptest::collection::vec(-1.0..1.0_f64, 6),
    ) {
        let all = 63;
        let yes = |kept: usize| game[kept] > 0;
        let (enough, needed) = sets(|kept| f32::from(game[bits(kept.iter().copied())]), &ranking);
        let keeps = |set: usize| yes(set) == yes(all);
        prop_assert!(keeps(members(&enough)));
        prop_assert_eq!(enough.logit, f64::from(game[members(&enough)]));
        for region in &enough.regions {
            prop_assert!(!keeps(members(&enough) & !(1 << region)), "{region} is spare in {enough:?}");
        }
        let changes = |set: usize| yes(all & !set) != yes(all);
        prop_assert_eq!(needed.is_some(), changes(all));
        prop_assert_eq!(enough.regions.is_empty(), !changes(all));
        if let Some(needed) = needed {
            prop_assert!(changes(members(&needed)) && !needed.regions.is_empty());
            prop_assert_eq!(needed.logit, f64::from(game[all & !members(&needed)]));
            for region in &needed.regions {
                prop_assert!(!changes(members(&needed) & !(1 << region)), "{region} is spare in {needed:?}");
            }
        }
    }

    #[test]
    fn where_more_is_never_less_no_part_of_a_set_does(
        parts in proptest::collection::vec((0..512_usize, 1..4_u8), 1..5),
        bias in 1..6_u8,
        ranking in proptest::collection::vec(0.0..1.0_f64, 9),
    ) {
        // Each part counts if all of its regions are there.
        let logit = |kept: usize| {
            let sum: f32 =
                parts.iter().filter(|(part, _)| kept & part == *part).map(|part| f32::from(part.1)).sum();
            sum - f32::from(bias) + 0.5
        };
        let (enough, needed) = sets(|kept| logit(bits(kept.iter().copied())), &ranking);
        let (keeps, changes) = (
            |set: usize| (logit(set) > 0.0) == (logit(511) > 0.0),
            |set: usize| (logit(511 & !set) > 0.0) != (logit(511) > 0.0),
        );
        let subsets = |set: usize| (0..set).filter(move |subset| subset & set == *subset);
        prop_assert!(!subsets(members(&enough)).any(keeps));
        if let Some(needed) = needed {
            prop_assert!(!subsets(members(&needed)).any(changes));
        }
    }

    #[test]
    fn of_a_sum_that_is_ranked_no_set_is_smaller(
        weights in proptest::collection::vec(0..9_u8, 10),
        share in 0.05..1.0_f64,
    ) {
        let total: f32 = weights.iter().map(|&weight| f32::from(weight)).sum();
        prop_assume!(total > 0.0);
        let bias = (f64::from(total) * share).floor() as f32 + 0.5;
        prop_assume!(bias < total);
        let logit = |kept: usize| {
            let sum: f32 = (0..10).filter(|region| kept >> region & 1 == 1).map(|r| f32::from(weights[r])).sum();
            sum - bias
        };
        let ranking: Vec<f64> = weights.iter().map(|&weight| f64::from(weight)).collect();
        let (enough, needed) = sets(|kept| logit(bits(kept.iter().copied())), &ranking);
        let least = |does: &dyn Fn(usize) -> bool| {
            (0..1024_usize).filter(|&set| does(set)).map(usize::count_ones).min().unwrap() as usize
        };
        prop_assert_eq!(enough.regions.len(), least(&|set| logit(set) > 0.0));
        prop_assert_eq!(needed.unwrap().regions.len(), least(&|set| logit(1023 & !set) <= 0.0));
    }
}
