//! Properties of metrics over random maps, ground truths and scores: fast paths equal plain ones, and bounds hold.

#![allow(clippy::unwrap_used, reason = "helpers of tests panic as tests do")]

use ndarray::{Array1, ArrayView1};
use proptest::prelude::*;
use relevox_eval::{
    Bootstrap, RegionOverlap, Sweep, accuracy, common_threshold, dice, dice_at, oracle_dice, otsu, roc_auc,
    roc_curve, spearman,
};

const REGIONS: usize = 9;

/// Labels from 0 to `REGIONS`, where 0 is background; a ground truth; one score per region, with ties.
fn scored_regions() -> impl Strategy<Value = (Array1<u32>, Array1<bool>, Vec<f64>)> {
    let voxel = (0..=REGIONS as u32, any::<bool>());
    let scores = proptest::collection::vec((0..6).prop_map(|s| f64::from(s) * 12.5), REGIONS);
    (proptest::collection::vec(voxel, 1..120), scores).prop_map(|(voxels, scores)| {
        let (labels, truth): (Vec<u32>, Vec<bool>) = voxels.into_iter().unzip();
        (labels.into(), truth.into(), scores)
    })
}

fn map_of(labels: &Array1<u32>, scores: &[f64]) -> Array1<f32> {
    labels.mapv(|id| if id == 0 { 0.0 } else { scores[id as usize - 1] as f32 })
}

fn overlap_of(labels: &Array1<u32>, truth: &Array1<bool>) -> RegionOverlap {
    let ids: Vec<u32> = (1..=REGIONS as u32).collect();
    RegionOverlap::count(labels.view(), &ids, Some(0), truth.view()).unwrap()
}

fn distinct(map: &Array1<f32>) -> Vec<f64> {
    let mut values: Vec<f64> = map.iter().map(|value| f64::from(*value)).collect();
    values.sort_by(|a, b| b.total_cmp(a));
    values.dedup();
    values
}

fn plain_dice_at(map: &Array1<f32>, truth: ArrayView1<bool>, threshold: f64) -> f64 {
    dice(map.mapv(|value| f64::from(value) >= threshold).view(), truth).unwrap()
}

fn scored(most: usize) -> impl Strategy<Value = (Vec<f64>, Vec<bool>)> {
    proptest::collection::vec(((-8..8).prop_map(|s| f64::from(s) / 4.0), any::<bool>()), 2..most)
        .prop_map(|cases| cases.into_iter().unzip())
        .prop_filter("both classes", |(_, labels): &(_, Vec<bool>)| {
            labels.contains(&true) && labels.contains(&false)
        })
}

proptest! {
    #[test]
    fn dice_is_symmetric_and_from_0_to_1(pairs in proptest::collection::vec(any::<(bool, bool)>(), 0..80)) {
        let (a, b): (Vec<bool>, Vec<bool>) = pairs.into_iter().unzip();
        let (a, b) = (Array1::from(a), Array1::from(b));
        let value = dice(a.view(), b.view()).unwrap();
        prop_assert_eq!(value, dice(b.view(), a.view()).unwrap());
        prop_assert!((0.0..=1.0).contains(&value));
        prop_assert_eq!(dice(a.view(), a.view()).unwrap(), 1.0);
    }

    #[test]
    fn the_oracle_is_the_best_of_all_thresholds((labels, truth, scores) in scored_regions()) {
        let map = map_of(&labels, &scores);
        let sweep = Sweep::of_map(map.view(), truth.view()).unwrap();
        let values = distinct(&map);
        prop_assert_eq!(sweep.thresholds().collect::<Vec<_>>(), values.clone());
        let plain = values.iter().map(|&t| plain_dice_at(&map, truth.view(), t)).fold(f64::MIN, f64::max);
        let oracle = oracle_dice(map.view(), truth.view()).unwrap();
        prop_assert_eq!(oracle.dice, plain);
        prop_assert_eq!(plain_dice_at(&map, truth.view(), oracle.threshold), plain);
        for t in [-1.0, 0.0, 3.0, 12.5, 40.0, 62.5, 99.0] {
            prop_assert_eq!(sweep.at(t), plain_dice_at(&map, truth.view(), t));
            prop_assert_eq!(dice_at(map.view(), truth.view(), t).unwrap(), sweep.at(t));
        }
    }

    #[test]
    fn counting_by_region_equals_counting_voxels((labels, truth, scores) in scored_regions()) {
        let map = map_of(&labels, &scores);
        let by_region = overlap_of(&labels, &truth).sweep(&scores).unwrap();
        let by_voxel = Sweep::of_map(map.view(), truth.view()).unwrap();
        prop_assert_eq!(by_region.oracle().dice, by_voxel.oracle().dice);
        for t in [0.0, 12.5, 20.0, 62.5, 70.0] {
            prop_assert_eq!(by_region.at(t), by_voxel.at(t));
        }
    }

    #[test]
    fn no_union_of_regions_beats_the_ceiling((labels, truth, scores) in scored_regions()) {
        let overlap = overlap_of(&labels, &truth);
        let mut best = 0f64;
        for subset in 0u32..1 << (REGIONS + 1) {
            let mask = labels.mapv(|id| subset >> id & 1 == 1);
            best = best.max(dice(mask.view(), truth.view()).unwrap());
        }
        prop_assert!((overlap.ceiling() - best).abs() < 1e-12);
        prop_assert!(overlap.ceiling() >= overlap.sweep(&scores).unwrap().oracle().dice);
        for rank in 1..=REGIONS {
            prop_assert!(overlap.ceiling() >= overlap.cumulative_dice(&scores, rank).unwrap());
        }
    }

    #[test]
    fn permuting_ids_changes_nothing((labels, truth, mut scores) in scored_regions()) {
        // Scores are made distinct, since equal ones are ranked by index, which a permutation changes.
        for (region, score) in scores.iter_mut().enumerate() {
            *score += region as f64 / 100.0;
        }
        let overlap = overlap_of(&labels, &truth);
        let reversed = labels.mapv(|id| if id == 0 { 0 } else { REGIONS as u32 + 1 - id });
        let other = overlap_of(&reversed, &truth);
        let other_scores: Vec<f64> = scores.iter().rev().copied().collect();
        prop_assert_eq!(overlap.ceiling(), other.ceiling());
        prop_assert_eq!(overlap.sweep(&scores).unwrap(), other.sweep(&other_scores).unwrap());
        for rank in 1..=REGIONS {
            prop_assert_eq!(
                overlap.ranked_dice(&scores, rank).unwrap(), other.ranked_dice(&other_scores, rank).unwrap());
            prop_assert_eq!(
                overlap.cumulative_dice(&scores, rank).unwrap(),
                other.cumulative_dice(&other_scores, rank).unwrap());
        }
    }

    #[test]
    fn the_common_threshold_is_the_best_for_all(cases in proptest::collection::vec(scored_regions(), 1..5)) {
        let maps: Vec<Array1<f32>> = cases.iter().map(|(labels, _, scores)| map_of(labels, scores)).collect();
        let sweeps: Vec<Sweep> = maps.iter().zip(&cases)
            .map(|(map, (_, truth, _))| Sweep::of_map(map.view(), truth.view()).unwrap()).collect();
        let mean = |t: f64| sweeps.iter().map(|sweep| sweep.at(t)).sum::<f64>() / sweeps.len() as f64;
        let best = maps.iter().flat_map(distinct).map(mean).fold(f64::MIN, f64::max);
        let common = common_threshold(&sweeps).unwrap();
        prop_assert!((common.dice - best).abs() < 1e-9);
        prop_assert_eq!(common.dice, mean(common.threshold));
    }

    #[test]
    fn otsu_maximises_the_variance_between_classes(values in proptest::collection::vec(-50i32..50, 1..40)) {
        let values: Vec<f64> = values.into_iter().map(|v| f64::from(v) / 8.0).collect();
        let between = |t: f64| {
            let (upper, lower): (Vec<f64>, Vec<f64>) = values.iter().partition(|v| **v >= t);
            let mean = |v: &[f64]| v.iter().sum::<f64>() / v.len() as f64;
            if lower.is_empty() || upper.is_empty() { return 0.0; }
            (mean(&upper) - mean(&lower)).powi(2) * upper.len() as f64 * lower.len() as f64
        };
        match otsu(&values).unwrap() {
            None => prop_assert!(values.iter().all(|v| *v == values[0])),
            Some(t) => {
                let best = values.iter().map(|&t| between(t)).fold(0.0, f64::max);
                prop_assert!(values.contains(&t));
                prop_assert!((between(t) - best).abs() <= 1e-9 * best, "{} {}", between(t), best);
            }
        }
    }

    #[test]
    fn auc_counts_pairs_and_is_antisymmetric((scores, labels) in scored(40)) {
        let auc = roc_auc(&scores, &labels).unwrap();
        let (mut won, mut pairs) = (0.0, 0.0);
        for (a, _) in scores.iter().zip(&labels).filter(|(_, label)| **label) {
            for (b, _) in scores.iter().zip(&labels).filter(|(_, label)| !**label) {
                won += if a > b { 1.0 } else if a == b { 0.5 } else { 0.0 };
                pairs += 1.0;
            }
        }
        prop_assert!((auc - won / pairs).abs() < 1e-12);
        let negated: Vec<f64> = scores.iter().map(|score| -score).collect();
        prop_assert!((roc_auc(&negated, &labels).unwrap() - (1.0 - auc)).abs() < 1e-12);
        let monotone: Vec<f64> = scores.iter().map(|score| score.exp()).collect();
        prop_assert_eq!(roc_auc(&monotone, &labels).unwrap(), auc);
    }

    #[test]
    fn the_area_under_the_curve_is_the_auc((scores, labels) in scored(40)) {
        let curve = roc_curve(&scores, &labels).unwrap();
        let area: f64 = curve.windows(2).map(|p| {
            (p[1].false_positive_rate - p[0].false_positive_rate)
                * (p[1].true_positive_rate + p[0].true_positive_rate) / 2.0
        }).sum();
        prop_assert!((area - roc_auc(&scores, &labels).unwrap()).abs() < 1e-12);
        let last = curve.last().unwrap();
        prop_assert_eq!((last.false_positive_rate, last.true_positive_rate), (1.0, 1.0));
    }

    #[test]
    fn accuracy_of_opposite_labels_is_the_complement((scores, labels) in scored(40)) {
        let right = accuracy(&scores, &labels, 0.25).unwrap();
        let flipped: Vec<bool> = labels.iter().map(|label| !label).collect();
        prop_assert!((accuracy(&scores, &flipped, 0.25).unwrap() - (1.0 - right)).abs() < 1e-12);
    }

    #[test]
    fn spearman_depends_on_order_only(pairs in proptest::collection::vec((-9..9i32, -9..9i32), 2..40)) {
        let (x, y): (Vec<f64>, Vec<f64>) = pairs.into_iter().map(|(a, b)| (f64::from(a), f64::from(b))).unzip();
        prop_assume!(x.iter().any(|v| *v != x[0]) && y.iter().any(|v| *v != y[0]));
        let rho = spearman(&x, &y).unwrap();
        let cubed: Vec<f64> = x.iter().map(|v| v.powi(3)).collect();
        let negated: Vec<f64> = y.iter().map(|v| -v).collect();
        prop_assert_eq!(spearman(&cubed, &y).unwrap(), rho);
        prop_assert!((spearman(&x, &negated).unwrap() + rho).abs() < 1e-12);
        prop_assert!((spearman(&y, &x).unwrap() - rho).abs() < 1e-12);
        prop_assert!((spearman(&x, &x).unwrap() - 1.0).abs() < 1e-12);
    }

    #[test]
    fn intervals_contain_their_mean_and_are_reproducible(values in proptest::collection::vec(0.0..1.0f64, 3..30), seed: u64) {
        let bootstrap = Bootstrap { resamples: 400, seed };
        let interval = bootstrap.mean(&values).unwrap();
        prop_assert_eq!(interval, bootstrap.mean(&values).unwrap());
        let (low, high) = values.iter().fold((1.0f64, 0.0f64), |(l, h), v| (l.min(*v), h.max(*v)));
        prop_assert!(low <= interval.ci95[0] + 1e-12 && interval.ci95[0] <= interval.mean + 1e-12);
        prop_assert!(interval.mean <= interval.ci95[1] + 1e-12 && interval.ci95[1] <= high + 1e-12);
        let nothing = bootstrap.paired_difference(&values, &values).unwrap();
        prop_assert_eq!((nothing.mean, nothing.ci95), (0.0, [0.0, 0.0]));
        prop_assert!(!nothing.excludes_zero());
    }

    #[test]
    fn auc_intervals_are_within_0_and_1((scores, labels) in scored(30), seed: u64) {
        let interval = Bootstrap { resamples: 200, seed }.auc(&scores, &labels).unwrap();
        prop_assert!(0.0 <= interval.ci95[0] && interval.ci95[0] <= interval.ci95[1] && interval.ci95[1] <= 1.0);
    }
}

/// 95 % intervals of the mean of normal samples contain the true mean in approximately 95 % of cases.
#[test]
fn intervals_have_their_nominal_coverage() {
    use rand::{Rng, SeedableRng};
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(11);
    let covered = (0..300)
        .filter(|&seed| {
            // The sum of twelve uniform numbers is nearly normal with mean 6.
            let sample: Vec<f64> =
                (0..40).map(|_| (0..12).map(|_| rng.random_range(0.0..1.0f64)).sum()).collect();
            let ci = Bootstrap { resamples: 500, seed }.mean(&sample).unwrap().ci95;
            ci[0] <= 6.0 && 6.0 <= ci[1]
        })
        .count();
    // Three standard deviations of a binomial(300, 0.95) are 11; percentile intervals are slightly too narrow.
    assert!((264..=298).contains(&covered), "{covered} of 300");
}
