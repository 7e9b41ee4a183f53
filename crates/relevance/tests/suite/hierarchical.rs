//! Hierarchical relevance against Owen values from all orders that a tree allows, on games whose values are known.
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicUsize, Ordering};

use ndarray::{Array2, Array3, Array4, ArrayView5, Axis};
use proptest::prelude::*;
use relevox_perturb::ConstantFill;
use relevox_relevance::{
    Attribution, Classifier, Error, Explainer, Hierarchical, Inputs, Perturbation, Progress, RegionTree,
    ScoreKind, Sign, Target, silent,
};
use slic3d::Supervoxels;

/// A game of regions in a row, each as many voxels as its size: its logit depends on which of them are there.
struct Game<F> {
    sizes: Vec<usize>,
    logit: F,
    batch: usize,
    seen: AtomicUsize,
}

impl<F: Fn(&[bool]) -> f32 + Sync> Game<F> {
    fn new(sizes: Vec<usize>, logit: F) -> Self {
        Self { sizes, logit, batch: 4, seen: AtomicUsize::new(0) }
    }

    fn equal(regions: usize, logit: F) -> Self {
        Self::new(vec![2; regions], logit)
    }

    fn regions(&self) -> Supervoxels {
        let labels: Vec<u32> =
            self.sizes.iter().enumerate().flat_map(|(region, &size)| vec![region as u32; size]).collect();
        Supervoxels::from_labels(Array3::from_shape_vec((1, 1, labels.len()), labels).unwrap(), None).unwrap()
    }

    fn explain_with(
        &self,
        explainer: impl FnOnce(&Inputs<'_>) -> Result<Attribution, Error>,
    ) -> Result<Attribution, Error> {
        let image = Array4::ones((1, 1, 1, self.sizes.iter().sum()));
        let (regions, target) = (self.regions(), Target::default());
        let blank = ConstantFill::from_values("blank", vec![0.0]).unwrap();
        let baseline = self.baseline(image.view()).unwrap();
        self.seen.store(0, Ordering::Relaxed);
        explainer(&Inputs { baseline: &*baseline, regions: &regions, fill: &blank, target: &target })
    }

    fn explain(&self, explainer: &dyn Explainer) -> Attribution {
        self.explain_with(|inputs| explainer.explain(inputs, &silent)).unwrap()
    }

    fn along(&self, tree: &RegionTree, evaluations: usize) -> Vec<f64> {
        let settings = Hierarchical { evaluations, ..Hierarchical::default() }.check().unwrap();
        self.explain_with(|inputs| settings.explain_tree(inputs, tree, &silent)).unwrap().values
    }

    fn seen(&self) -> usize {
        self.seen.load(Ordering::Relaxed)
    }
}

impl<F: Fn(&[bool]) -> f32 + Sync> Classifier for Game<F> {
    fn logits(&self, batch: ArrayView5<'_, f32>) -> Result<Array2<f32>, Error> {
        assert!(batch.dim().0 <= self.batch);
        self.seen.fetch_add(batch.dim().0, Ordering::Relaxed);
        let of = |image: ndarray::ArrayView4<'_, f32>| {
            let mut start = 0;
            let kept: Vec<bool> = self
                .sizes
                .iter()
                .map(|size| {
                    start += size;
                    image[[0, 0, 0, start - 1]] != 0.0
                })
                .collect();
            (self.logit)(&kept)
        };
        Ok(Array2::from_shape_fn((batch.dim().0, 1), |(i, _)| of(batch.index_axis(Axis(0), i))))
    }

    fn batch_size(&self, _: [usize; 4]) -> usize {
        self.batch
    }
}

/// More evaluations than any of the small trees below can use.
const ALL: usize = 100_000;

fn count(kept: &[bool], among: impl IntoIterator<Item = usize>) -> usize {
    among.into_iter().filter(|&region| kept[region]).count()
}

/// All orders of the regions in which those of every node follow one another.
fn orders(tree: &RegionTree, node: usize) -> Vec<Vec<usize>> {
    let Some([a, b]) = tree.children(node) else { return vec![vec![node]] };
    let (first, second) = (orders(tree, a), orders(tree, b));
    let mut all = Vec::new();
    for one in &first {
        for other in &second {
            all.push([one.clone(), other.clone()].concat());
            all.push([other.clone(), one.clone()].concat());
        }
    }
    all
}

/// The definition of the Owen value: what a region adds to those before it, on average over the orders.
fn owen(tree: &RegionTree, logit: impl Fn(&[bool]) -> f32) -> Vec<f64> {
    let all = orders(tree, tree.root());
    let mut values = vec![0.0; tree.regions()];
    for order in &all {
        let mut kept = vec![false; tree.regions()];
        let mut before = logit(&kept);
        for &region in order {
            kept[region] = true;
            let now = logit(&kept);
            values[region] += f64::from(now) - f64::from(before);
            before = now;
        }
    }
    values.iter().map(|value| value / all.len() as f64).collect()
}

fn tree(merges: &[[usize; 2]]) -> RegionTree {
    RegionTree::from_merges(merges.len() + 1, merges).unwrap()
}

/// Neighbours in a row, paired level by level.
fn balanced(regions: usize) -> RegionTree {
    let nodes = 2 * regions - 2;
    tree(&(0..nodes).step_by(2).map(|node| [node, node + 1]).collect::<Vec<_>>())
}

/// A region joins at a time.
fn chain(regions: usize) -> RegionTree {
    let step = |region: usize| [if region == 1 { 0 } else { regions + region - 2 }, region];
    tree(&(1..regions).map(step).collect::<Vec<_>>())
}

#[track_caller]
fn assert_close(found: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len());
    for (a, b) in found.iter().zip(expected) {
        assert!((a - b).abs() <= tolerance, "{found:?}, expected {expected:?}");
    }
}

const SINGLE: Perturbation = Perturbation { score: ScoreKind::DeltaLogit, channel: None };

#[test]
fn it_finds_whole_what_survives_the_loss_of_any_one_region() {
    // A tumour of eight of 32 regions that counts in full while five are left, and a small one of its own.
    let logit = |kept: &[bool]| count(kept, 8..16).min(5) as f32 * 0.2 + 0.3 * count(kept, [27]) as f32;
    let game = Game::equal(32, logit);
    let single = game.explain(&SINGLE);
    assert_close(&single.values[..27], &[0.0; 27], 0.0);
    let tree = balanced(32);
    for evaluations in [120, 400, 1000] {
        let values = game.along(&tree, evaluations);
        assert!(game.seen() <= evaluations);
        for (region, value) in values.iter().enumerate() {
            match region {
                8..16 => assert!((value - 0.125).abs() < 1e-6, "{evaluations}: {values:?}"),
                27 => assert!((value - 0.3).abs() < 1e-6, "{evaluations}: {values:?}"),
                _ => assert!(value.abs() < 1e-6, "{evaluations}: {values:?}"),
            }
        }
    }
}

#[test]
fn either_of_two_regions_is_found_where_one_at_a_time_finds_nothing() {
    let game = Game::equal(16, |kept| if kept[2] || kept[13] { 1.0 } else { 0.0 });
    assert_eq!(game.explain(&SINGLE).values, [0.0; 16]);
    let mut expected = [0.0; 16];
    (expected[2], expected[13]) = (0.5, 0.5);
    assert_eq!(game.along(&balanced(16), 40), expected);
    assert_eq!(game.along(&chain(16), 200), expected);
}

#[test]
fn an_and_is_divided_between_its_parts() {
    let game = Game::equal(16, |kept| if kept[2] && kept[3] && kept[13] { 1.0 } else { 0.0 });
    let mut expected = [0.0; 16];
    (expected[2], expected[3], expected[13]) = (0.25, 0.25, 0.5);
    assert_eq!(game.along(&balanced(16), 60), expected, "evenly between siblings: 13 is alone");
}

#[test]
fn a_sum_is_exact_once_every_node_was_opened() {
    let weight = |region: usize| (region * 7 % 5) as f32 - 1.5;
    let sum = move |kept: &[bool]| (0..12).filter(|&region| kept[region]).map(weight).sum::<f32>();
    let game = Game::equal(12, sum);
    let expected: Vec<f64> = (0..12).map(|region| f64::from(weight(region))).collect();
    assert_close(&game.along(&balanced(12), 8 * 11 + 1), &expected, 1e-5);
    assert_close(&game.along(&chain(12), 16 * 11 + 1), &expected, 1e-5);
}

#[test]
fn exact_values_take_the_stated_number_of_evaluations() {
    for regions in [1_usize, 2, 4, 8, 16] {
        let game = Game::equal(regions, |kept| count(kept, 0..kept.len()).pow(2) as f32);
        let expected = 1 + 2 * (regions * regions - 1) / 3;
        game.along(&balanced(regions), ALL);
        assert_eq!(game.seen(), expected);
        game.along(&balanced(regions), expected.max(2) - 1);
        assert!(game.seen() < expected.max(2));
    }
    let game = Game::equal(9, |kept| count(kept, 0..9).pow(2) as f32);
    game.along(&chain(9), ALL);
    assert_eq!(game.seen(), (1 << 9) - 1);
}

#[test]
fn without_a_budget_the_whole_is_shared_by_volume() {
    let game = Game::new(vec![1, 3, 4], |kept| if kept[0] { 2.0 } else { 0.0 });
    assert_eq!(game.along(&chain(3), 1), [0.25, 0.75, 1.0]);
    assert_eq!(game.along(&chain(3), 2), [0.25, 0.75, 1.0], "a node takes two");
    assert_eq!(game.along(&chain(3), 3), [0.5, 1.5, 0.0]);
    assert_eq!(game.along(&chain(3), 5), [2.0, 0.0, 0.0]);
}

#[test]
fn what_the_fill_does_not_change_costs_nothing() {
    // Half of the regions are dark already: the tree has four regions that count.
    let image = Array4::from_shape_fn((1, 1, 1, 16), |(.., x)| f32::from(u8::from(x % 4 < 2)));
    let game = Game::equal(8, |kept| count(kept, [0, 2, 4, 6]).min(2) as f32);
    let baseline = game.baseline(image.view()).unwrap();
    let (regions, target) = (game.regions(), Target::default());
    let blank = ConstantFill::from_values("blank", vec![0.0]).unwrap();
    let inputs = Inputs { baseline: &*baseline, regions: &regions, fill: &blank, target: &target };
    game.seen.store(0, Ordering::Relaxed);
    let settings = Hierarchical::default().check().unwrap();
    let found = settings.explain_tree(&inputs, &balanced(8), &silent).unwrap();
    assert_eq!(found.values, [0.5, 0.0, 0.5, 0.0, 0.5, 0.0, 0.5, 0.0]);
    assert_eq!(game.seen(), 1 + 2 * (4 * 4 - 1) / 3);
    let dark = Array4::zeros((1, 1, 1, 16));
    let baseline = game.baseline(dark.view()).unwrap();
    game.seen.store(0, Ordering::Relaxed);
    let found = settings.explain(&Inputs { baseline: &*baseline, ..inputs }, &silent).unwrap();
    assert_eq!((found.values, found.convergence.len(), game.seen()), (vec![0.0; 8], 0, 0));
}

#[test]
fn a_classifier_that_answers_the_same_has_a_flat_map() {
    let found = Game::equal(8, |_| 0.7).explain(&Hierarchical::default());
    assert_eq!(found.values, [0.0; 8]);
    assert_eq!(found.relevance(Sign::Magnitude), [0.0; 8]);
}

#[test]
fn evidence_that_cancels_is_found_once_the_budget_reaches_it() {
    let game = Game::equal(8, |kept| count(kept, [2, 7]) as f32 - count(kept, [3]) as f32);
    let found = game.along(&balanced(8), 8 * 7 + 1);
    assert_eq!(found, [0.0, 0.0, 1.0, -1.0, 0.0, 0.0, 0.0, 1.0]);
    let early = game.along(&balanced(8), 15);
    assert_eq!(early, [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0]);
}

#[test]
fn a_tolerance_ends_the_search_early() {
    let game = Game::equal(32, |kept| count(kept, 4..6) as f32 + 0.001 * count(kept, 0..32) as f32);
    let with = |tolerance: f64| {
        let settings = Hierarchical { evaluations: 600, tolerance, seed: 0 }.check().unwrap();
        let found = game.explain_with(|inputs| settings.explain_tree(inputs, &balanced(32), &silent));
        (found.unwrap().values, game.seen())
    };
    let ((some, few), (all, many)) = (with(0.05), with(0.0));
    assert!(few < 150 && many == 599, "{few} {many}");
    assert_close(&some, &all, 0.05);
    assert!(some[4] > 0.9 && some[5] > 0.9);
    assert!((some.iter().sum::<f64>() - all.iter().sum::<f64>()).abs() < 1e-6);
}

#[test]
fn a_seed_decides_the_batch_size_does_not_and_progress_counts_evaluations() {
    let logit = |kept: &[bool]| {
        let sum: usize = (0..24).filter(|&region| kept[region]).map(|region| region * region % 7).sum();
        (sum as f32 / 10.0).sin()
    };
    let run_with = |batch: usize, seed: u64, progress: Progress<'_>| {
        let game = Game { batch, ..Game::equal(24, logit) };
        let settings = Hierarchical { evaluations: 101, seed, ..Hierarchical::default() };
        game.explain_with(|inputs| settings.explain(inputs, progress))
    };
    let run = |batch, progress: Progress<'_>| run_with(batch, 3, progress);
    let told = AtomicUsize::new(0);
    let count = |n| {
        told.fetch_add(n, Ordering::Relaxed);
        ControlFlow::Continue(())
    };
    let found = run(1, &count).unwrap();
    assert_eq!(told.into_inner(), 101);
    assert_eq!(run(7, &silent).unwrap(), found);
    assert_eq!(run(64, &silent).unwrap(), found);
    assert_ne!(run_with(7, 4, &silent).unwrap(), found);
    let samples: Vec<usize> = found.convergence.iter().map(|step| step.samples).collect();
    assert!(samples.len() > 3 && samples.is_sorted() && samples.last() == Some(&101), "{samples:?}");
    assert!(matches!(run(7, &|_| ControlFlow::Break(())), Err(Error::Cancelled)));
}

#[test]
fn settings_and_trees_that_do_not_fit_are_named() {
    let named = |settings: Hierarchical, setting: &str| {
        let found = settings.check().unwrap_err().to_string();
        assert!(found.starts_with(&format!("hierarchical: {setting}")), "{found}");
    };
    named(Hierarchical { evaluations: 0, ..Hierarchical::default() }, "evaluations");
    named(Hierarchical { tolerance: -0.1, ..Hierarchical::default() }, "tolerance");
    named(Hierarchical { tolerance: f64::NAN, ..Hierarchical::default() }, "tolerance");
    let game = Game::equal(4, |_| 0.0);
    let settings = Hierarchical::default().check().unwrap();
    let found = game.explain_with(|inputs| settings.explain_tree(inputs, &balanced(8), &silent));
    assert!(matches!(found, Err(Error::ShapeMismatch { .. })));
}

/// A tree of up to six regions, from the nodes that are merged next.
fn any_tree() -> impl Strategy<Value = RegionTree> {
    (1..7_usize, proptest::collection::vec((0..100_usize, 0..100_usize), 6)).prop_map(|(regions, picks)| {
        let mut left: Vec<usize> = (0..regions).collect();
        let merges: Vec<[usize; 2]> = (0..regions - 1)
            .map(|merge| {
                let (a, b) = picks[merge];
                let pair = [a, b].map(|pick| left.remove(pick % left.len()));
                left.push(regions + merge);
                pair
            })
            .collect();
        RegionTree::from_merges(regions, &merges).unwrap()
    })
}

/// A logit for each coalition of up to six regions; by the bits of the coalition.
fn any_game() -> impl Strategy<Value = Vec<f32>> {
    proptest::collection::vec(-8_i16..9, 64)
        .prop_map(|all| all.into_iter().map(|v| f32::from(v) / 4.0).collect())
}

fn bits(kept: &[bool]) -> usize {
    kept.iter().enumerate().map(|(region, &kept)| usize::from(kept) << region).sum()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn with_the_whole_budget_the_values_are_owen_s(tree in any_tree(), game in any_game()) {
        let logit = |kept: &[bool]| game[bits(kept)];
        let found = Game::equal(tree.regions(), logit).along(&tree, ALL);
        assert_close(&found, &owen(&tree, logit), 1e-9);
    }

    #[test]
    fn the_values_add_up_and_the_budget_holds(tree in any_tree(), game in any_game(), budget in 1..40_usize) {
        let players = Game::equal(tree.regions(), |kept| game[bits(kept)]);
        let total: f64 = players.along(&tree, budget).iter().sum();
        prop_assert!(players.seen() <= budget);
        let expected = game[(1 << tree.regions()) - 1] - game[0];
        prop_assert!((total - f64::from(expected)).abs() < 1e-9);
    }

    #[test]
    fn a_region_without_effect_has_no_value(tree in any_tree(), game in any_game(), dummy in 0..6_usize) {
        let dummy = dummy % tree.regions();
        let logit = |kept: &[bool]| game[bits(kept) & !(1 << dummy)];
        let found = Game::equal(tree.regions(), logit).along(&tree, ALL);
        prop_assert!(found[dummy].abs() < 1e-12);
    }

    #[test]
    fn siblings_that_can_stand_in_for_each_other_are_equal(
        tree in any_tree(), game in any_game(), budget in 1..80_usize,
    ) {
        prop_assume!(tree.regions() > 1);
        let leaf = |node: usize| tree.children(node).is_none();
        let pair = (tree.regions()..tree.len()).filter_map(|node| tree.children(node));
        let Some([a, b]) = pair.into_iter().find(|pair| pair.iter().all(|&node| leaf(node))) else {
            panic!("some pair of regions is merged first");
        };
        let logit = |kept: &[bool]| {
            let mut kept = kept.to_vec();
            (kept[a], kept[b]) = (kept[a] && kept[b], kept[a] || kept[b]);
            game[bits(&kept)]
        };
        let found = Game::equal(tree.regions(), logit).along(&tree, budget);
        prop_assert!((found[a] - found[b]).abs() < 1e-12, "{found:?}");
    }

    #[test]
    fn values_of_a_sum_of_games_are_the_sum_of_values(tree in any_tree(), one in any_game(), other in any_game()) {
        let values = |logit: &(dyn Fn(&[bool]) -> f32 + Sync)| Game::equal(tree.regions(), logit).along(&tree, ALL);
        let sum = values(&|kept| one[bits(kept)] + other[bits(kept)]);
        let parts = [values(&|kept| one[bits(kept)]), values(&|kept| other[bits(kept)])];
        for (region, value) in sum.iter().enumerate() {
            prop_assert!((value - parts[0][region] - parts[1][region]).abs() < 1e-9);
        }
    }
}
