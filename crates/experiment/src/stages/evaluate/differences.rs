//! Paired comparisons of methods over cases.

use std::collections::BTreeSet;

use relevox_eval::{Bootstrap, paired_permutation_test};

use super::cases::{CaseDice, MethodDice};
use relevox_report::tables::Method::{
    Averaged, AveragedPooled, Blank, Diffused, GradCam, GradCamPlusPlus, Hierarchical, Intensity, Learned,
    LearnedControl, LearnedSigned, LearnedTissue, Lime, Mean, Min, Occlusion, Partitions, Pooled,
    PooledIntensity, PooledLabel, PooledLabelRandom, PooledRandom, Random, RandomDiffused, RandomWeights,
    Rise,
};
use relevox_report::tables::{
    Better, Difference, Measure, MeasureDifference, Method, MethodKind, Number, Threshold,
};

/// Number of random permutations, where all permutations are too many.
const DRAWS: usize = 20_000;

/// Computes all comparisons of Dice between methods that the cases have.
pub fn of(found: &[CaseDice], bootstrap: Bootstrap) -> Vec<Difference> {
    let mut all = Vec::new();
    for fill in Method::of_kind(MethodKind::Fill) {
        all.extend([GradCam, Random].map(|over| (fill, over, Threshold::Oracle)));
    }
    all.push((Mean, Blank, Threshold::Oracle));
    for fill in [Learned, LearnedSigned, LearnedTissue, LearnedControl] {
        for over in [Blank, Mean, Learned].into_iter().filter(|over| *over != fill) {
            all.extend([Threshold::Oracle, Threshold::Otsu].map(|dice| (fill, over, dice)));
        }
    }
    for over in [Blank, Min, Mean, Intensity, RandomDiffused] {
        let thresholds = [Threshold::Oracle, Threshold::Otsu, Threshold::OtsuVolume];
        all.extend(thresholds.map(|dice| (Diffused, over, dice)));
    }
    for method in [Pooled, Averaged, AveragedPooled] {
        for over in [Blank, Diffused, Intensity, PooledRandom, PooledIntensity] {
            let thresholds = [Threshold::Oracle, Threshold::Otsu, Threshold::OtsuVolume, Threshold::Mixture];
            all.extend(thresholds.map(|dice| (method, over, dice)));
        }
    }
    for over in [Blank, Diffused, Pooled, Intensity, PooledRandom, PooledLabelRandom] {
        let thresholds = [Threshold::Oracle, Threshold::Otsu, Threshold::OtsuVolume];
        all.extend(thresholds.map(|dice| (PooledLabel, over, dice)));
    }
    for method in [Lime, Hierarchical, Rise, Occlusion, Partitions, GradCamPlusPlus] {
        all.push((method, Blank, Threshold::Oracle));
    }
    all.extend([Intensity, RandomWeights].map(|over| (Blank, over, Threshold::Oracle)));
    all.into_iter()
        .filter_map(|(method, over, dice)| difference(found, bootstrap, method, over, dice))
        .collect()
}

/// Compares the Dice of two methods; `None` if no case has both.
fn difference(
    found: &[CaseDice],
    bootstrap: Bootstrap,
    method: Method,
    over: Method,
    dice: Threshold,
) -> Option<Difference> {
    let at = |found: &MethodDice| found.dice.get(&dice).copied();
    let Paired { difference, p, significant } = paired(found, bootstrap, method, over, at)?;
    let beats = significant && difference.mean.is_some_and(|mean| mean > 0.0);
    Some(Difference { method, over, dice, difference, p, beats })
}

/// Computes comparisons of measures: of every method with shuffled scores; of diffused scores with the blank fill,
/// diffused shuffled scores and the intensity control; of the mean fill with the blank fill; and of the blank fill with
/// the intensity control and Grad-CAM.
pub fn of_measures(found: &[CaseDice], bootstrap: Bootstrap) -> Vec<MeasureDifference> {
    let methods = found.iter().flat_map(|case| &case.methods);
    let measures: BTreeSet<Measure> =
        methods.clone().flat_map(|(_, of)| of.measures.keys()).copied().collect();
    let methods: BTreeSet<Method> = methods.map(|(method, _)| *method).collect();
    let controls = [Random, RandomDiffused, PooledRandom, RandomWeights];
    let with_random =
        methods.into_iter().filter(|method| !controls.contains(method)).map(|method| (method, Random));
    let others = [
        (Mean, Blank),
        (Diffused, Blank),
        (Diffused, RandomDiffused),
        (Diffused, Intensity),
        (Blank, Intensity),
        (Blank, GradCam),
    ];
    let pairs: Vec<(Method, Method)> = with_random.chain(others).collect();

    let mut all = Vec::new();
    for measure in measures {
        for &(method, over) in &pairs {
            let at = |found: &MethodDice| found.measures.get(&measure).copied();
            let Some(Paired { difference, p, significant }) = paired(found, bootstrap, method, over, at)
            else {
                continue;
            };
            let lower = measure.better() == Better::Lower;
            let better = significant && difference.mean.is_some_and(|mean| (mean < 0.0) == lower);
            all.push(MeasureDifference { method, over, measure, difference, p, better });
        }
    }
    all
}

/// Mean difference of two methods, and whether it is significant.
struct Paired {
    difference: Number,
    p: Option<f64>,
    significant: bool,
}

/// Compares the values of two methods over the cases that have both; `None` if there are none.
fn paired(
    found: &[CaseDice],
    bootstrap: Bootstrap,
    method: Method,
    over: Method,
    value: impl Fn(&MethodDice) -> Option<f64>,
) -> Option<Paired> {
    let at = |case: &CaseDice, method: Method| value(case.methods.get(&method)?);
    let pairs: Vec<(f64, f64)> =
        found.iter().filter_map(|case| Some((at(case, method)?, at(case, over)?))).collect();
    if pairs.is_empty() {
        return None;
    }
    let (a, b): (Vec<f64>, Vec<f64>) = pairs.into_iter().unzip();
    let difference = Number::of(bootstrap.paired_difference(&a, &b), None);
    let several = a.len() > 1;
    let p = several.then(|| paired_permutation_test(&a, &b, DRAWS, bootstrap.seed).ok()).flatten();
    // With few cases the bootstrap interval is too narrow.
    let significant = difference.excludes_zero() && p.is_some_and(|p| p < 0.05);
    Some(Paired { difference, p, significant })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn case(name: &str, methods: &[(Method, f64)]) -> CaseDice {
        let dice = |value: f64| MethodDice {
            dice: BTreeMap::from([(Threshold::Oracle, value)]),
            ..MethodDice::default()
        };
        CaseDice {
            case: name.to_owned(),
            regions: 3,
            methods: methods.iter().map(|(method, value)| (*method, dice(*value))).collect(),
            mean_abs_delta_p: BTreeMap::new(),
        }
    }

    #[test]
    fn only_cases_with_both_methods_are_compared() {
        let found = [
            case("a", &[(Lime, 0.9), (Blank, 0.5)]),
            case("b", &[(Blank, 0.1)]),
            case("c", &[(Lime, 0.7), (Blank, 0.4)]),
        ];
        let all = of(&found, Bootstrap { resamples: 200, seed: 1 });
        assert_eq!(all.len(), 1);
        assert_eq!((all[0].method, all[0].over, all[0].difference.n), (Lime, Blank, 2));
        assert!((all[0].difference.mean.unwrap() - 0.35).abs() < 1e-12);
        // Two cases are too few for any p below 0.5.
        assert_eq!((all[0].p, all[0].beats), (Some(0.5), false));
    }

    #[test]
    fn one_case_has_neither_interval_nor_p() {
        let found = [case("a", &[(Lime, 0.9), (Blank, 0.5)])];
        let all = of(&found, Bootstrap { resamples: 200, seed: 1 });
        assert_eq!((all[0].difference.ci95, all[0].p, all[0].beats), (None, None, false));
    }

    #[test]
    fn lower_is_better_for_some_measures() {
        let found: Vec<CaseDice> = (0..8)
            .map(|at| {
                let mut case = case(&at.to_string(), &[(Blank, 0.5), (Random, 0.5)]);
                let low = 0.1 + f64::from(at) / 100.0;
                for (method, [deletion, insertion]) in [(Blank, [low, 0.9]), (Random, [0.6, 0.5 + low])] {
                    let measures = &mut case.methods.get_mut(&method).unwrap().measures;
                    measures.insert(Measure::Deletion, deletion);
                    measures.insert(Measure::Insertion, insertion);
                }
                case
            })
            .collect();
        let all = of_measures(&found, Bootstrap { resamples: 200, seed: 1 });
        let compared: Vec<_> = all.iter().map(|one| (one.method, one.over, one.measure)).collect();
        assert_eq!(compared, [(Blank, Random, Measure::Deletion), (Blank, Random, Measure::Insertion)]);
        assert!(all.iter().all(|one| one.better), "{all:?}");
        assert!(all[0].difference.mean.unwrap() < 0.0 && all[1].difference.mean.unwrap() > 0.0);
        assert_eq!(all[0].p, Some(2.0 / 256.0));
        let reversed: Vec<CaseDice> = found
            .into_iter()
            .map(|mut case| {
                let (a, b) = (case.methods.remove(&Blank).unwrap(), case.methods.remove(&Random).unwrap());
                case.methods.extend([(Blank, b), (Random, a)]);
                case
            })
            .collect();
        let all = of_measures(&reversed, Bootstrap { resamples: 200, seed: 1 });
        assert!(all.len() == 2 && all.iter().all(|one| !one.better), "{all:?}");
    }
}
