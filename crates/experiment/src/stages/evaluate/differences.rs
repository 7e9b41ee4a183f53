//! What one method is worth beside another, case by case.

use std::collections::BTreeSet;

use relevox_eval::{Bootstrap, sign_flip};

use super::cases::{CaseDice, MethodDice, RANDOM, RANDOM_DIFFUSED};
use crate::config::FILLS;
use crate::stages::diffuse::{DIFFUSED, INTENSITY};
use crate::stages::maps::GRADCAM;
use relevox_report::tables::{Difference, MeasureDifference, Number, wording};

/// Draws of a permutation test of more cases than are gone through.
const DRAWS: usize = 20_000;

/// Every comparison that the methods of these cases allow.
pub fn of(found: &[CaseDice], draw: Bootstrap) -> Vec<Difference> {
    let mut all = Vec::new();
    for fill in FILLS {
        all.extend([GRADCAM, RANDOM].map(|over| (fill, over, "oracle")));
    }
    all.extend(["learned", "mean"].map(|fill| (fill, "blank", "oracle")));
    for over in ["blank", "min", "mean", INTENSITY, RANDOM_DIFFUSED] {
        all.extend(["oracle", "otsu", "otsu_volume"].map(|dice| (DIFFUSED, over, dice)));
    }
    for method in ["lime", "rise", "occlusion", "partitions", "gradcam_pp"] {
        all.push((method, "blank", "oracle"));
    }
    all.push(("blank", INTENSITY, "oracle"));
    all.push(("blank", "random_weights", "oracle"));
    all.into_iter().filter_map(|(method, over, dice)| difference(found, draw, method, over, dice)).collect()
}

/// Nothing where no case of the run has both methods.
fn difference(
    found: &[CaseDice],
    draw: Bootstrap,
    method: &str,
    over: &str,
    dice: &str,
) -> Option<Difference> {
    let at = |found: &MethodDice| found.dice.get(dice).copied();
    let Paired { difference, p, certain } = paired(found, draw, method, over, at)?;
    let beats = certain && difference.mean.is_some_and(|mean| mean > 0.0);
    Some(Difference {
        method: method.to_owned(),
        over: over.to_owned(),
        dice: dice.to_owned(),
        difference,
        p,
        beats,
    })
}

/// Every method's measures beside those of shuffled scores; diffused scores also beside blank's, beside diffused shuffled ones and
/// beside brightness, the mean fill beside blank, and blank beside brightness and Grad-CAM.
pub fn of_measures(found: &[CaseDice], draw: Bootstrap) -> Vec<MeasureDifference> {
    let methods = found.iter().flat_map(|case| &case.methods);
    let measures: BTreeSet<&str> =
        methods.clone().flat_map(|(_, of)| of.measures.keys()).map(String::as_str).collect();
    let methods: BTreeSet<&str> = methods.map(|(method, _)| method.as_str()).collect();
    let controls = [RANDOM, RANDOM_DIFFUSED, "random_weights"];
    let beside_random =
        methods.iter().filter(|method| !controls.contains(method)).map(|method| (*method, RANDOM));
    let others = [
        ("mean", "blank"),
        (DIFFUSED, "blank"),
        (DIFFUSED, RANDOM_DIFFUSED),
        (DIFFUSED, INTENSITY),
        ("blank", INTENSITY),
        ("blank", GRADCAM),
    ];
    let pairs: Vec<(&str, &str)> = beside_random.chain(others).collect();

    let mut all = Vec::new();
    for measure in measures {
        for &(method, over) in &pairs {
            let at = |found: &MethodDice| found.measures.get(measure).copied();
            let Some(Paired { difference, p, certain }) = paired(found, draw, method, over, at) else {
                continue;
            };
            let better = certain
                && difference.mean.is_some_and(|mean| (mean < 0.0) == wording::less_is_better(measure));
            all.push(MeasureDifference {
                method: method.to_owned(),
                over: over.to_owned(),
                measure: measure.to_owned(),
                difference,
                p,
                better,
            });
        }
    }
    all
}

struct Paired {
    difference: Number,
    p: Option<f64>,
    certain: bool,
}

/// What two methods' values differ by over the cases that have both; nothing where there is none.
fn paired(
    found: &[CaseDice],
    draw: Bootstrap,
    method: &str,
    over: &str,
    value: impl Fn(&MethodDice) -> Option<f64>,
) -> Option<Paired> {
    let at = |case: &CaseDice, method: &str| value(case.methods.get(method)?);
    let pairs: Vec<(f64, f64)> =
        found.iter().filter_map(|case| Some((at(case, method)?, at(case, over)?))).collect();
    if pairs.is_empty() {
        return None;
    }
    let (a, b): (Vec<f64>, Vec<f64>) = pairs.into_iter().unzip();
    let difference = Number::of(draw.paired_difference(&a, &b), None);
    let p = sign_flip(&a, &b, DRAWS, draw.seed).ok();
    // The bootstrap of a few cases has too short an interval, and that of one case none.
    let certain = difference.excludes_zero() && p.is_some_and(|p| p < 0.05);
    Some(Paired { difference, p, certain })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn case(name: &str, methods: &[(&str, f64)]) -> CaseDice {
        let dice = |value: f64| MethodDice {
            dice: BTreeMap::from([("oracle".to_owned(), value)]),
            ..MethodDice::default()
        };
        CaseDice {
            case: name.to_owned(),
            regions: 3,
            methods: methods.iter().map(|(method, value)| ((*method).to_owned(), dice(*value))).collect(),
            mean_abs_delta_p: BTreeMap::new(),
        }
    }

    #[test]
    fn only_cases_with_both_are_compared() {
        let found = [
            case("a", &[("lime", 0.9), ("blank", 0.5)]),
            case("b", &[("blank", 0.1)]),
            case("c", &[("lime", 0.7), ("blank", 0.4)]),
        ];
        let all = of(&found, Bootstrap { resamples: 200, seed: 1 });
        assert_eq!(all.len(), 1);
        assert_eq!((all[0].method.as_str(), all[0].over.as_str(), all[0].difference.n), ("lime", "blank", 2));
        assert!((all[0].difference.mean.unwrap() - 0.35).abs() < 1e-12);
        // Two cases are too few for any p below 0.5.
        assert_eq!((all[0].p, all[0].beats), (Some(0.5), false));
    }

    #[test]
    fn less_of_some_measures_is_better() {
        let found: Vec<CaseDice> = (0..8)
            .map(|at| {
                let mut case = case(&at.to_string(), &[("blank", 0.5), (RANDOM, 0.5)]);
                let low = 0.1 + f64::from(at) / 100.0;
                for (method, [deletion, insertion]) in [("blank", [low, 0.9]), (RANDOM, [0.6, 0.5 + low])] {
                    let measures = &mut case.methods.get_mut(method).unwrap().measures;
                    measures.insert("deletion".to_owned(), deletion);
                    measures.insert("insertion".to_owned(), insertion);
                }
                case
            })
            .collect();
        let all = of_measures(&found, Bootstrap { resamples: 200, seed: 1 });
        let told: Vec<_> =
            all.iter().map(|one| (one.method.as_str(), one.over.as_str(), one.measure.as_str())).collect();
        assert_eq!(told, [("blank", RANDOM, "deletion"), ("blank", RANDOM, "insertion")]);
        assert!(all.iter().all(|one| one.better), "{all:?}");
        assert!(all[0].difference.mean.unwrap() < 0.0 && all[1].difference.mean.unwrap() > 0.0);
        assert_eq!(all[0].p, Some(2.0 / 256.0));
        let reversed: Vec<CaseDice> = found
            .into_iter()
            .map(|mut case| {
                let (a, b) = (case.methods.remove("blank").unwrap(), case.methods.remove(RANDOM).unwrap());
                case.methods.extend([("blank".to_owned(), b), (RANDOM.to_owned(), a)]);
                case
            })
            .collect();
        let all = of_measures(&reversed, Bootstrap { resamples: 200, seed: 1 });
        assert!(all.len() == 2 && all.iter().all(|one| !one.better), "{all:?}");
    }
}
