//! Properties of splits: complete, stratified, reproducible, and without divided patients.

use std::collections::BTreeSet;

use proptest::prelude::*;
use relevox_volume::split::{Counts, Fractions, Sizes, assign, draw, draw_validation, folds};
use relevox_volume::{CaseFiles, Cohort, CohortCase, Split};

/// Creates a cohort of (patient, label) pairs.
fn cohort(cases: impl IntoIterator<Item = (usize, bool)>) -> Cohort {
    let cases = cases
        .into_iter()
        .enumerate()
        .map(|(i, (patient, label))| CohortCase {
            files: CaseFiles { id: format!("case{i:04}"), sequences: Vec::new(), segmentation: None },
            group: format!("patient{patient:04}"),
            label,
            split: None,
        })
        .collect();
    Cohort { cases, ..Cohort::default() }
}

fn counted(cohort: &Cohort, label: bool) -> [usize; 3] {
    Split::ALL.map(|split| cohort.of(split).filter(|case| case.label == label).count())
}

const PAPER: Sizes = Sizes::Counts(Counts { train: 133, validation: 19, test: 38 });
const USUAL: Sizes = Sizes::Fractions(Fractions { train: 0.7, validation: 0.1, test: 0.2 });

#[test]
fn the_papers_cohort() {
    let mut all = cohort((0..369).map(|i| (i, i % 5 != 0 || i >= 365)));
    let negatives = all.cases.iter().filter(|c| !c.label).count();
    draw(&mut all, 114, negatives.min(76), 7).unwrap();
    let mut drawn = cohort((0..190).map(|i| (i, i < 114)));
    assert_eq!(all.cases.len(), 114 + negatives.min(76));
    assign(&mut drawn, &PAPER.check().unwrap(), 7).unwrap();
    // 60 % of 133, 19 and 38, in whole cases.
    assert_eq!(counted(&drawn, true), [80, 11, 23]);
    assert_eq!(counted(&drawn, false), [53, 8, 15]);
}

#[test]
fn the_same_seed_gives_the_same_split() {
    let with = |seed| {
        let mut cases = cohort((0..60).map(|i| (i, i % 3 == 0)));
        draw(&mut cases, 15, 30, seed).unwrap();
        assign(&mut cases, &USUAL.check().unwrap(), seed).unwrap();
        cases
    };
    assert_eq!(with(1), with(1));
    assert_ne!(with(1), with(2));
}

#[test]
fn given_splits_are_preserved_and_extended_to_their_patients() {
    let mut cases = cohort([(0, true), (0, false), (1, true), (2, false), (3, true), (4, false)]);
    cases.cases[0].split = Some(Split::Test);
    let sizes = Sizes::Fractions(Fractions { train: 0.5, validation: 0.2, test: 0.3 }).check().unwrap();
    assign(&mut cases, &sizes, 3).unwrap();
    assert_eq!(cases.cases[1].split, Some(Split::Test));
    assert_eq!(cases.of(Split::Train).count(), 3);

    // If every case has a split already, the sizes are ignored.
    let before = cases.clone();
    assign(&mut cases, &PAPER.check().unwrap(), 3).unwrap();
    assert_eq!(cases, before);
}

#[test]
fn training_patients_become_validation_where_a_manifest_has_none() {
    // Two cases a patient: 20 training patients, every fourth negative, and 5 for testing.
    let mut cases = cohort((0..50).map(|i| (i / 2, i / 2 % 4 != 0)));
    for (i, case) in cases.cases.iter_mut().enumerate() {
        case.split = Some(if i < 40 { Split::Train } else { Split::Test });
    }
    let given = cases.clone();
    assert_eq!(draw_validation(&mut cases, 0.2, 5), 8);
    assert_eq!((counted(&cases, true), counted(&cases, false)), ([24, 6, 6], [8, 2, 4]));
    for (before, after) in given.cases.iter().zip(&cases.cases) {
        let moved = (before.split, after.split) == (Some(Split::Train), Some(Split::Validation));
        assert!(moved || before == after);
    }
    for pair in cases.cases.chunks(2) {
        assert_eq!(pair[0].split, pair[1].split);
    }
    let mut other = given.clone();
    draw_validation(&mut other, 0.2, 6);
    assert_ne!(other, cases);

    // A cohort with validation cases is left as it is, and so is one with a single training patient.
    let before = cases.clone();
    assert_eq!(draw_validation(&mut cases, 0.2, 5), 0);
    assert_eq!(cases, before);
    let mut single = cohort([(0, true), (0, false), (1, true)]);
    for (i, case) in single.cases.iter_mut().enumerate() {
        case.split = Some(if i < 2 { Split::Train } else { Split::Test });
    }
    assert_eq!(draw_validation(&mut single, 0.5, 5), 0);
}

#[test]
fn a_patient_stays_for_training_however_large_the_share() {
    let mut cases = cohort((0..4).map(|i| (i, i % 2 == 0)));
    cases.cases.iter_mut().for_each(|case| case.split = Some(Split::Train));
    let mut least = cases.clone();
    assert_eq!(draw_validation(&mut cases, 0.99, 5), 3);
    assert_eq!((cases.of(Split::Train).count(), cases.of(Split::Validation).count()), (1, 3));
    assert_eq!(draw_validation(&mut least, 0.01, 5), 1);
}

#[test]
fn sizes_that_do_not_fit_the_cohort() {
    let mut cases = cohort((0..10).map(|i| (i, i % 2 == 0)));
    let message = assign(&mut cases, &PAPER.check().unwrap(), 0).unwrap_err().to_string();
    assert!(message.contains("10 cases") && message.contains("190"), "{message}");
    for (train, validation, test) in [(0.7, 0.1, 0.1), (1.2, -0.1, -0.1), (f64::NAN, 0.5, 0.5)] {
        let sizes = Sizes::Fractions(Fractions { train, validation, test });
        let message = sizes.check().unwrap_err().to_string();
        assert!(message.contains("add up to 1"), "{message}");
    }
    let message = draw(&mut cases, 6, 2, 0).unwrap_err().to_string();
    assert!(message.contains("at least 6 positive") && message.contains("found 5"), "{message}");
    assert_eq!(cases.cases.len(), 10);
}

#[test]
fn a_patient_in_two_given_splits_is_rejected() {
    let mut cases = cohort([(0, true), (0, false), (1, true)]);
    cases.cases[0].split = Some(Split::Test);
    cases.cases[1].split = Some(Split::Train);
    let message = assign(&mut cases, &USUAL.check().unwrap(), 0).unwrap_err().to_string();
    assert!(message.contains("group patient0000") && message.contains("found test and train"), "{message}");
}

proptest! {
    #[test]
    fn no_patient_is_divided_and_every_case_has_a_split(
        members in prop::collection::vec((0_usize..20, any::<bool>()), 1..60),
        seed in any::<u64>(),
    ) {
        let mut cases = cohort(members);
        assign(&mut cases, &USUAL.check().unwrap(), seed)?;
        prop_assert!(cases.cases.iter().all(|case| case.split.is_some()));
        for members in cases.groups().into_values() {
            let splits: BTreeSet<_> = members.iter().map(|&m| cases.cases[m].split).collect();
            prop_assert_eq!(splits.len(), 1);
        }
    }

    /// If each patient has one case, every split gets its exact share of both classes.
    #[test]
    fn single_cases_are_distributed_exactly(positive in 0_usize..40, negative in 0_usize..40, seed in any::<u64>()) {
        let total = positive + negative;
        let mut cases = cohort((0..total).map(|i| (i, i < positive)));
        assign(&mut cases, &USUAL.check().unwrap(), seed)?;
        let (of_positive, of_negative) = (counted(&cases, true), counted(&cases, false));
        for (i, part) in [0.7, 0.1, 0.2].into_iter().enumerate() {
            let near = |found: usize, of: usize, within: f64| (found as f64 - of as f64 * part).abs() < within;
            prop_assert!(near(of_positive[i] + of_negative[i], total, 1.0));
            prop_assert!(near(of_positive[i], positive, 2.0), "{:?}", of_positive);
            prop_assert!(near(of_negative[i], negative, 2.0), "{:?}", of_negative);
        }
    }

    #[test]
    fn folds_divide_no_patient_and_have_similar_sizes(
        members in prop::collection::vec((0_usize..30, any::<bool>()), 1..60),
        count in 1_usize..6,
        seed in any::<u64>(),
    ) {
        let cases = cohort(members);
        let fold_of = folds(&cases, count, seed);
        prop_assert!(fold_of.iter().all(|&fold| fold < count));
        let groups = cases.groups();
        let largest = groups.values().map(Vec::len).max().unwrap_or(0);
        for members in groups.into_values() {
            prop_assert!(members.iter().all(|&m| fold_of[m] == fold_of[members[0]]));
        }
        let sizes: Vec<_> = (0..count).map(|fold| fold_of.iter().filter(|&&f| f == fold).count()).collect();
        let spread = sizes.iter().max().unwrap() - sizes.iter().min().unwrap();
        prop_assert!(spread <= 2 * largest + 2, "{:?} with patients of up to {}", sizes, largest);
    }
}
