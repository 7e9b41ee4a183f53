//! Evidence for the labels: what of a cohort's relevance the cases' labels account for.
//!
//! A trained network responds to whatever is conspicuous, whether or not it has anything to do with the labels: the magnitudes of
//! its responses, pooled over cases as by [`Pooling`](crate::Pooling), are nearly the same after training on shuffled labels. Here a
//! response counts as evidence *for the label of its case*, with its sign, and evidence for labels that have nothing to do with
//! the scans cancels over the cases. What remains is tested.
//!
//! The evidence of a region is the mean, weighted by volume, over those regions of other patients' cases that look most like it,
//! by the distance between their [`region_features`](crate::region_features): regression by nearest neighbours (T. Cover and P. Hart,
//! "Nearest neighbor pattern classification", IEEE Trans. Inf. Theory 13, 1967, <https://doi.org/10.1109/TIT.1967.1053964>). Both classes weigh the
//! same. If labels meant nothing, each patient's contribution to the mean would have either sign with the same probability. Then the
//! mean has the standard deviation `√Σ cᵢ²` of the patients' contributions `cᵢ`, and a mean of fewer than [`LabelTest::errors`] of
//! these is no evidence (sign flipping: A. M. Winkler et al., "Permutation inference for the general linear model", NeuroImage 92,
//! 2014, <https://doi.org/10.1016/j.neuroimage.2014.01.060>).
//!
//! The scans must be of cases that the network was not trained on. It is right about those that it has memorised, whatever their
//! labels.

use std::collections::BTreeMap;

use rayon::prelude::*;

use crate::pooled::check;
use crate::{Error, PooledCase, Progress};

/// Settings of tested evidence for the labels.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields, default))]
pub struct LabelTest {
    /// Number of regions of other patients that evidence is the mean over, at least 1; all of them if there are fewer.
    pub neighbours: usize,
    /// Evidence of fewer standard deviations than this counts as none; at least 0.
    pub errors: f64,
}

impl Default for LabelTest {
    fn default() -> Self {
        Self { neighbours: 80, errors: 2.0 }
    }
}

/// Valid settings of [`LabelTest`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ValidLabelTest(LabelTest);

/// The regions of a case with a label.
#[derive(Clone, Debug, PartialEq)]
pub struct LabelledCase {
    /// Its regions; their relevance is signed, positive for evidence of the positive class, and of one scale in all cases
    /// ([`scale_signed_to_100`](crate::scale_signed_to_100)).
    pub case: PooledCase,
    /// True for the positive class.
    pub label: bool,
}

/// Evidence for the labels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Evidence {
    /// Mean over the nearest regions; positive if they speak for the labels of their cases.
    pub mean: f64,
    /// Standard deviation of the mean if labels meant nothing.
    pub error: f64,
}

impl LabelTest {
    /// Validates the settings.
    ///
    /// # Errors
    /// Returns [`Error::InvalidSetting`] with the first setting that is out of range.
    pub fn check(self) -> Result<ValidLabelTest, Error> {
        if self.neighbours == 0 {
            return Err(Error::setting("evidence for labels: neighbours", "at least 1", self.neighbours));
        }
        if !(self.errors >= 0.0 && self.errors.is_finite()) {
            return Err(Error::setting("evidence for labels: errors", "at least 0", self.errors));
        }
        Ok(ValidLabelTest(self))
    }
}

impl ValidLabelTest {
    /// Computes the evidence of each case's regions from the other groups' cases.
    ///
    /// Takes `O(r²)` distances for `r` regions of all cases.
    ///
    /// # Shapes
    /// One vector per case, with one value per region. Regions without a weight are no neighbours.
    ///
    /// # Errors
    /// Returns [`Error::InvalidSetting`] if there are fewer than two groups or all labels are the same, [`Error::ShapeMismatch`]
    /// if a case has another number of features than the first, or of values or weights than of regions, or if the others of a
    /// case have no region of a weight above 0, [`Error::NonFinite`] if a number is NaN or infinite, and [`Error::Cancelled`] if
    /// `progress`, which is called with the number of finished cases, breaks.
    pub fn evidence(
        &self,
        cases: &[LabelledCase],
        progress: Progress<'_>,
    ) -> Result<Vec<Vec<Evidence>>, Error> {
        check(cases.iter().map(|labelled| &labelled.case))?;
        let mut groups: BTreeMap<&str, usize> = BTreeMap::new();
        for labelled in cases {
            let next = groups.len();
            groups.entry(&labelled.case.group).or_insert(next);
        }
        if groups.len() < 2 {
            let allowed = "cases of at least 2 patients";
            return Err(Error::setting("evidence for labels: groups", allowed, groups.len()));
        }
        let positive = cases.iter().filter(|labelled| labelled.label).count();
        if positive == 0 || positive == cases.len() {
            let found = format!("{positive} of {} positive", cases.len());
            return Err(Error::setting("evidence for labels: labels", "both classes", found));
        }
        let regions = Regions::new(cases, &groups, positive as f64 / cases.len() as f64);
        let of_case = |labelled: &LabelledCase| {
            let group = groups[labelled.case.group.as_str()];
            let mut buffer = Vec::new();
            let rows = labelled.case.features.rows().into_iter();
            let found: Option<Vec<Evidence>> =
                rows.map(|row| self.of_region(&row.to_vec(), group, &regions, &mut buffer)).collect();
            if progress(1).is_break() {
                return Err(Error::Cancelled);
            }
            found.ok_or(Error::ShapeMismatch {
                what: "the regions of other groups",
                expected: vec![1],
                found: vec![0],
            })
        };
        cases.par_iter().map(of_case).collect()
    }

    /// Returns the evidence as relevance: the mean where it passes the test, and 0 elsewhere.
    pub fn tested(&self, evidence: &[Evidence]) -> Vec<f64> {
        let passes = |found: &Evidence| found.mean > 0.0 && found.mean >= self.0.errors * found.error;
        evidence.iter().map(|found| if passes(found) { found.mean } else { 0.0 }).collect()
    }

    /// Returns the mean over the nearest regions of other groups; `None` if there are none.
    fn of_region(
        &self,
        features: &[f64],
        group: usize,
        regions: &Regions,
        nearest: &mut Vec<(f64, usize)>,
    ) -> Option<Evidence> {
        nearest.clear();
        let others = regions.all.iter().enumerate().filter(|(_, region)| region.group != group);
        nearest.extend(others.map(|(index, _)| (regions.squared_distance(features, index), index)));
        if nearest.len() > self.0.neighbours {
            // The order of regions decides between equally near ones.
            nearest.select_nth_unstable_by(self.0.neighbours - 1, |one, other| {
                one.0.total_cmp(&other.0).then(one.1.cmp(&other.1))
            });
            nearest.truncate(self.0.neighbours);
        }
        // Selection leaves the nearest in any order, on which sums would depend.
        nearest.sort_unstable_by_key(|(_, index)| *index);
        let mut weights = 0.0;
        let mut by_group: BTreeMap<usize, f64> = BTreeMap::new();
        for &(_, index) in nearest.iter() {
            let Region { group, weight, evidence } = regions.all[index];
            weights += weight;
            *by_group.entry(group).or_default() += weight * evidence;
        }
        let mean = by_group.values().sum::<f64>() / weights;
        let error = by_group.values().map(|sum| sum * sum).sum::<f64>().sqrt() / weights;
        (!nearest.is_empty()).then_some(Evidence { mean, error })
    }
}

/// The regions that evidence is taken from: those of a weight above 0.
struct Regions {
    all: Vec<Region>,
    /// Appearance, region by region.
    features: Vec<f64>,
}

#[derive(Clone, Copy)]
struct Region {
    group: usize,
    weight: f64,
    /// For the label of its case.
    evidence: f64,
}

impl Regions {
    /// Collects the regions of all cases, of which this share is positive.
    fn new(cases: &[LabelledCase], groups: &BTreeMap<&str, usize>, positive: f64) -> Self {
        let (mut all, mut features) = (Vec::new(), Vec::new());
        for LabelledCase { case, label } in cases {
            let (sign, share) = if *label { (1.0, positive) } else { (-1.0, 1.0 - positive) };
            let group = groups[case.group.as_str()];
            for (region, row) in case.features.rows().into_iter().enumerate() {
                if case.weights[region] > 0.0 {
                    let (weight, evidence) = (case.weights[region] / share, sign * case.relevance[region]);
                    all.push(Region { group, weight, evidence });
                    features.extend(row);
                }
            }
        }
        Self { all, features }
    }

    fn squared_distance(&self, features: &[f64], index: usize) -> f64 {
        let of = &self.features[index * features.len()..][..features.len()];
        of.iter().zip(features).map(|(one, other)| (one - other) * (one - other)).sum()
    }
}

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;

    use ndarray::Array2;
    use rand::seq::SliceRandom;
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;
    use crate::silent;

    /// Cases of 30 regions, two a patient. Regions whose first feature is above 1 are conspicuous: a network answers strongly to them,
    /// for the label of the case if it is `right`, else for the positive class.
    fn cohort(cases: usize, right: bool) -> Vec<LabelledCase> {
        let mut random = ChaCha8Rng::seed_from_u64(5);
        (0..cases)
            .map(|index| {
                let label = index / 2 % 2 == 0;
                let features = Array2::from_shape_fn((30, 2), |_| random.random_range(-2.0..2.0));
                let sign = if right && !label { -1.0 } else { 1.0 };
                let answer = |value: &f64| if *value > 1.0 { 10.0 * sign } else { 0.0 };
                let relevance: Vec<f64> = features.column(0).iter().map(answer).collect();
                let relevance =
                    relevance.iter().map(|value| value + random.random_range(-1.0..1.0)).collect();
                let group = format!("patient {}", index / 2);
                LabelledCase {
                    case: PooledCase { group, features, relevance, weights: vec![1.0; 30] },
                    label,
                }
            })
            .collect()
    }

    fn test() -> ValidLabelTest {
        LabelTest { neighbours: 20, ..LabelTest::default() }.check().unwrap()
    }

    /// Tested evidence of regions well inside what is conspicuous, and well outside.
    fn tested(cases: &[LabelledCase]) -> [Vec<f64>; 2] {
        let found = test().evidence(cases, &silent).unwrap();
        let mut parts = [Vec::new(), Vec::new()];
        for (labelled, found) in cases.iter().zip(found) {
            for (row, value) in labelled.case.features.rows().into_iter().zip(test().tested(&found)) {
                match row[0] {
                    first if first > 1.3 => parts[0].push(value),
                    first if first < 0.7 => parts[1].push(value),
                    _ => {}
                }
            }
        }
        parts
    }

    fn share_above(values: &[f64], limit: f64) -> f64 {
        values.iter().filter(|&&value| value > limit).count() as f64 / values.len() as f64
    }

    #[test]
    fn what_speaks_for_the_labels_remains() {
        let [inside, outside] = tested(&cohort(60, true));
        assert_eq!(share_above(&inside, 5.0), 1.0);
        assert!(share_above(&outside, 0.5) < 0.02, "{}", share_above(&outside, 0.5));
    }

    #[test]
    fn what_speaks_for_one_class_whatever_the_labels_does_not() {
        let [inside, outside] = tested(&cohort(60, false));
        assert!(share_above(&inside, 0.0) < 0.05, "{}", share_above(&inside, 0.0));
        assert!(share_above(&outside, 0.5) < 0.02);
    }

    #[test]
    fn shuffled_labels_leave_nothing() {
        let mut shares = Vec::new();
        for seed in 0..20 {
            let mut cases = cohort(60, true);
            let mut labels: Vec<bool> = cases.iter().step_by(2).map(|labelled| labelled.label).collect();
            labels.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
            cases.iter_mut().enumerate().for_each(|(index, labelled)| labelled.label = labels[index / 2]);
            shares.push(share_above(&tested(&cases)[0], 0.0));
        }
        let mean = shares.iter().sum::<f64>() / shares.len() as f64;
        assert!(mean < 0.1, "{mean}: {shares:?}");
    }

    #[test]
    fn it_is_the_weighted_mean_of_the_nearest_and_its_error() {
        let case =
            |group: &str, feature: [f64; 2], relevance: [f64; 2], weights: [f64; 2], label| LabelledCase {
                case: PooledCase {
                    group: group.to_owned(),
                    features: Array2::from_shape_vec((2, 1), feature.to_vec()).unwrap(),
                    relevance: relevance.to_vec(),
                    weights: weights.to_vec(),
                },
                label,
            };
        let cases = [
            case("a", [0.0, 0.0], [9.0, 9.0], [1.0, 1.0], true),
            case("b", [0.1, 5.0], [2.0, 50.0], [3.0, 1.0], true),
            case("c", [0.2, 0.3], [-4.0, 50.0], [2.0, 0.0], false),
            case("c", [0.4, 5.0], [1.0, 50.0], [1.0, 1.0], true),
        ];
        let settings = LabelTest { neighbours: 3, errors: 2.0 }.check().unwrap();
        let found = settings.evidence(&cases, &silent).unwrap();
        // Three of four cases are positive; the region of c without a weight is not among the nearest.
        let weights = [3.0 / 0.75, 2.0 / 0.25, 1.0 / 0.75];
        let of = [weights[0] * 2.0, weights[1] * 4.0 + weights[2] * 1.0];
        let total: f64 = weights.iter().sum();
        let expected = [(of[0] + of[1]) / total, of[0].hypot(of[1]) / total];
        assert!((found[0][0].mean - expected[0]).abs() < 1e-12, "{found:?}");
        assert!((found[0][0].error - expected[1]).abs() < 1e-12, "{found:?}");
        assert_eq!(found[0][0], found[0][1]);
    }

    #[test]
    fn evidence_of_few_errors_or_against_the_labels_is_none() {
        let evidence = [(3.0, 1.0), (2.0, 1.0), (1.9, 1.0), (-5.0, 1.0), (0.0, 0.0)];
        let evidence = evidence.map(|(mean, error)| Evidence { mean, error });
        assert_eq!(test().tested(&evidence), [3.0, 2.0, 0.0, 0.0, 0.0]);
    }

    #[test]
    fn a_patient_does_not_learn_from_itself() {
        let cases = cohort(12, true);
        let found = test().evidence(&cases, &silent).unwrap();
        let mut changed = cases.clone();
        // Patient 1 has cases 2 and 3.
        changed[2].case.relevance.iter_mut().for_each(|value| *value = 1000.0);
        let again = test().evidence(&changed, &silent).unwrap();
        assert_eq!(found[2..4], again[2..4]);
        assert!(found[0] != again[0] && found[4] != again[4]);
    }

    #[test]
    fn the_number_of_threads_does_not_matter() {
        let cases = cohort(12, true);
        let [one, many] = [1, 4].map(|threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| test().evidence(&cases, &silent)).unwrap()
        });
        assert_eq!(one, many);
    }

    #[test]
    fn what_cannot_be_tested_is_refused() {
        let cases = cohort(8, true);
        let error = |cases: &[LabelledCase]| test().evidence(cases, &silent).unwrap_err().to_string();
        assert_eq!(
            error(&cases[..2]),
            "evidence for labels: groups: expected cases of at least 2 patients, found 1"
        );
        let mut same = cases.clone();
        same.iter_mut().for_each(|labelled| labelled.label = true);
        assert_eq!(error(&same), "evidence for labels: labels: expected both classes, found 8 of 8 positive");
        let mut odd = cases.clone();
        odd[1].case.relevance.pop();
        assert!(matches!(test().evidence(&odd, &silent), Err(Error::ShapeMismatch { .. })));
        let mut empty = cases.clone();
        empty.iter_mut().for_each(|labelled| labelled.case.weights.fill(0.0));
        assert!(matches!(test().evidence(&empty, &silent), Err(Error::ShapeMismatch { .. })));
        let stopped = test().evidence(&cases, &|_| ControlFlow::Break(()));
        assert!(matches!(stopped, Err(Error::Cancelled)));
        for bad in [
            LabelTest { neighbours: 0, ..LabelTest::default() },
            LabelTest { errors: -1.0, ..LabelTest::default() },
            LabelTest { errors: f64::NAN, ..LabelTest::default() },
        ] {
            assert!(matches!(bad.check(), Err(Error::InvalidSetting { .. })));
        }
    }
}
