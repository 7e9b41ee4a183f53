//! The share of the possible: a method's Dice over that of the best choice of the same regions.

use super::cases::CaseRow;
use super::method::Method;
use super::threshold::Threshold;

/// The share of the ceiling's Dice that a method reaches, over the cases that have both.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CeilingShare {
    /// The method.
    pub method: Method,
    /// Number of cases.
    pub cases: usize,
    /// Sum of the method's oracle Dice over the sum of the ceiling's, from 0 to 1; a map by voxel can exceed 1.
    pub oracle: f64,
    /// The same of the mask that the run writes, if the cases have one.
    pub mask: Option<f64>,
}

/// Computes the shares of every method of the cases, in the order of tables, without the ceiling itself.
pub fn ceiling_shares(cases: &[CaseRow]) -> Vec<CeilingShare> {
    let share = |method: Method, threshold: Threshold| {
        let pairs = cases.iter().filter_map(|case| {
            let ceiling = *case.dice.get(&Method::Ceiling)?.get(&Threshold::Oracle)?;
            Some((*case.dice.get(&method)?.get(&threshold)?, ceiling))
        });
        let (count, dice, ceiling) =
            pairs.fold((0, 0.0, 0.0), |(count, a, b), (dice, ceiling)| (count + 1, a + dice, b + ceiling));
        (ceiling > 0.0).then(|| (count, dice / ceiling))
    };
    let methods = Method::ALL.into_iter().filter(|method| *method != Method::Ceiling);
    methods
        .filter_map(|method| {
            let (cases, oracle) = share(method, Threshold::Oracle)?;
            let mask = share(method, Threshold::Mask).map(|(_, share)| share);
            Some(CeilingShare { method, cases, oracle, mask })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn case(dice: &[(Method, &[(Threshold, f64)])]) -> CaseRow {
        let by_threshold = |of: &[(Threshold, f64)]| BTreeMap::from_iter(of.iter().copied());
        CaseRow {
            case: "a".to_owned(),
            split: "test".to_owned(),
            positive: true,
            probability: 0.5,
            regions: 9,
            tumour_voxels: Some(4),
            dice: dice.iter().map(|(method, of)| (*method, by_threshold(of))).collect(),
            flat: Vec::new(),
        }
    }

    #[test]
    fn shares_are_over_the_same_cases() {
        use Method::{Blank, Ceiling, Lime};
        use Threshold::{Mask, Oracle};
        let cases = [
            case(&[
                (Ceiling, &[(Oracle, 0.8)]),
                (Blank, &[(Oracle, 0.4), (Mask, 0.2)]),
                (Lime, &[(Oracle, 0.6)]),
            ]),
            case(&[(Ceiling, &[(Oracle, 0.4)]), (Blank, &[(Oracle, 0.2), (Mask, 0.1)])]),
            case(&[(Blank, &[(Oracle, 1.0)])]),
        ];
        let shares = ceiling_shares(&cases);
        assert_eq!(shares.len(), 2);
        assert_eq!((shares[0].method, shares[0].cases), (Blank, 2));
        assert!((shares[0].oracle - 0.5).abs() < 1e-12 && (shares[0].mask.unwrap() - 0.25).abs() < 1e-12);
        assert_eq!((shares[1].method, shares[1].cases, shares[1].mask), (Lime, 1, None));
        assert!((shares[1].oracle - 0.75).abs() < 1e-12);
        assert_eq!(ceiling_shares(&[]), []);
    }
}
