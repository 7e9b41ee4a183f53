//! What one method is worth beside another, case by case.

use relevox_eval::{Bootstrap, sign_flip};

use super::cases::{CaseDice, RANDOM, RANDOM_DIFFUSED};
use crate::stages::diffuse::{DIFFUSED, INTENSITY};
use crate::stages::maps::GRADCAM;
use crate::tables::{Difference, Number};

/// Draws of a permutation test of more cases than are gone through.
const DRAWS: usize = 20_000;
const FILLS: [&str; 4] = ["learned", "blank", "min", "max"];

/// Every comparison that the methods of these cases allow.
pub fn of(found: &[CaseDice], draw: Bootstrap) -> Vec<Difference> {
    let mut all = Vec::new();
    for fill in FILLS {
        all.extend([GRADCAM, RANDOM].map(|over| (fill, over, "oracle")));
    }
    all.push(("learned", "blank", "oracle"));
    for over in ["blank", "min", INTENSITY, RANDOM_DIFFUSED] {
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
    let at = |case: &CaseDice, method: &str| case.methods.get(method)?.dice.get(dice).copied();
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::stages::evaluate::cases::MethodDice;

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
}
