//! Pooled relevance: the relevance that a cohort's other cases give to tissue that looks like a region's.
//!
//! The score of one region of one case is noisy; hundreds of regions of other cases look like it and have been scored as well.
//! A random forest (L. Breiman, "Random Forests", Machine Learning 45, 2001, <https://doi.org/10.1023/A:1010933404324>) learns
//! relevance from the appearance of regions, [`region_features`](crate::region_features), and predicts it for the regions of
//! cases that it has not learned from. The cases are divided so that no prediction comes from a forest that has seen the
//! case or another of its patient: cross-fitting, as in V. Chernozhukov et al., "Double/debiased machine learning for
//! treatment and structural parameters", The Econometrics Journal 21(1), 2018, <https://doi.org/10.1111/ectj.12097>. It takes
//! no outlines.
//!
//! **What it finds.** The part of relevance that appearance predicts across cases. What only one case shows, and what
//! depends on a region's place or shape, is lost. Relevance that is random over all cases is pooled to nearly the same value
//! everywhere, so that its ranking means nothing: compare with pooled relevance of an untrained network and with pooled
//! brightness.

use std::collections::BTreeMap;

use ndarray::{Array2, ArrayView3, Zip};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use relevox_perturb::ImageView;
use slic3d::Supervoxels;
use smartcore::ensemble::random_forest_regressor::{RandomForestRegressor, RandomForestRegressorParameters};
use smartcore::linalg::basic::matrix::DenseMatrix;

use crate::{Error, Progress, region_features};

/// Number of leaves that a small cohort allows.
const LEAVES: usize = 50;
/// Size of a leaf that no cohort is too small for.
const SMALL_LEAF: usize = 5;

/// Settings of pooled relevance.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields, default))]
pub struct Pooling {
    /// Number of trees, 1 to 10 000.
    pub trees: usize,
    /// Smallest number of regions in a leaf, at least 1; of a small cohort a fiftieth of the regions learned from, but not fewer
    /// than 5 for this reason.
    pub leaf: usize,
    /// Number of parts that the groups are divided into, at least 2. With no more groups than parts, each group is its own part.
    pub parts: usize,
    /// Seed of the division and of the forests.
    pub seed: u64,
}

impl Default for Pooling {
    fn default() -> Self {
        Self { trees: 200, leaf: 40, parts: 20, seed: 0 }
    }
}

/// Valid settings of [`Pooling`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ValidPooling(Pooling);

/// The regions of a case: their appearance, their relevance, and their weight.
#[derive(Clone, Debug, PartialEq)]
pub struct PooledCase {
    /// The patient, or whatever else must not be divided: its cases never learn from each other.
    pub group: String,
    /// Appearance, `[regions, features]`, of the same features in every case.
    pub features: Array2<f64>,
    /// Relevance by region, in the same unit in every case.
    pub relevance: Vec<f64>,
    /// Weight of each region, at least 0: its volume.
    pub weights: Vec<f64>,
}

impl PooledCase {
    /// Describes the regions of a scan, each weighted by its number of brain voxels.
    ///
    /// # Shapes
    /// `image` is `[c, z, y, x]`, `brain` and the partition `[z, y, x]`; `relevance` has one value per region.
    ///
    /// # Errors
    /// As [`region_features`].
    pub fn of(
        group: String,
        image: ImageView<'_>,
        brain: ArrayView3<'_, bool>,
        regions: &Supervoxels,
        relevance: Vec<f64>,
    ) -> Result<Self, Error> {
        let features = region_features(image, brain, regions)?;
        let mut weights = vec![0.0; regions.len()];
        Zip::from(&brain).and(regions.labels()).for_each(|&inside, &id| {
            if inside && let Some(region) = regions.index_of(id) {
                weights[region] += 1.0;
            }
        });
        Ok(Self { group, features, relevance, weights })
    }
}

impl Pooling {
    /// Validates the settings.
    ///
    /// # Errors
    /// Returns [`Error::InvalidSetting`] with the first setting that is out of range.
    pub fn check(self) -> Result<ValidPooling, Error> {
        if !(1..=10_000).contains(&self.trees) {
            return Err(Error::setting("pooled relevance: trees", "1 to 10000", self.trees));
        }
        if self.leaf == 0 {
            return Err(Error::setting("pooled relevance: leaf", "at least 1", self.leaf));
        }
        if self.parts < 2 {
            return Err(Error::setting("pooled relevance: parts", "at least 2", self.parts));
        }
        Ok(ValidPooling(self))
    }
}

impl ValidPooling {
    /// Predicts the relevance of each case's regions from the other groups' cases. The result does not depend on the order of
    /// the groups' names, but on the order of the cases.
    ///
    /// # Shapes
    /// One vector per case, with one value per region, within the range of the given relevance.
    ///
    /// # Errors
    /// Returns [`Error::InvalidSetting`] if there are fewer than two groups, [`Error::ShapeMismatch`] if a case has another
    /// number of features than the first, or of values or weights than of regions, or if the others of a case have no region
    /// of a weight above 0, [`Error::NonFinite`] if a number is NaN or infinite, and [`Error::Cancelled`] if `progress`, which
    /// is called with the number of finished cases, breaks.
    pub fn cross_fitted(&self, cases: &[PooledCase], progress: Progress<'_>) -> Result<Vec<Vec<f64>>, Error> {
        check(cases.iter())?;
        let part_of = self.divide(cases)?;
        let parts = part_of.iter().max().map_or(0, |last| last + 1);
        // A forest is fitted on one thread, and its seed does not depend on the part: the threads share the parts.
        let predict_part = |part: usize| -> Result<Vec<(usize, Vec<f64>)>, Error> {
            let forest =
                self.fit(cases.iter().zip(&part_of).filter(|(_, of)| **of != part).map(|(case, _)| case))?;
            let of_part = (0..cases.len()).filter(|&index| part_of[index] == part);
            let values: Vec<(usize, Vec<f64>)> = of_part
                .map(|index| Ok((index, predict(&forest, &cases[index].features)?)))
                .collect::<Result<_, Error>>()?;
            if progress(values.len()).is_break() { Err(Error::Cancelled) } else { Ok(values) }
        };
        let by_part: Vec<_> = (0..parts).into_par_iter().map(predict_part).collect::<Result<_, _>>()?;
        let mut predicted = vec![Vec::new(); cases.len()];
        for (index, values) in by_part.into_iter().flatten() {
            predicted[index] = values;
        }
        Ok(predicted)
    }

    /// Returns the part of each case.
    fn divide(&self, cases: &[PooledCase]) -> Result<Vec<usize>, Error> {
        let mut groups: Vec<&str> = Vec::new();
        for case in cases {
            if !groups.contains(&case.group.as_str()) {
                groups.push(&case.group);
            }
        }
        if groups.len() < 2 {
            return Err(Error::setting(
                "pooled relevance: groups",
                "cases of at least 2 patients",
                groups.len(),
            ));
        }
        groups.shuffle(&mut ChaCha8Rng::seed_from_u64(self.0.seed));
        let parts = self.0.parts.min(groups.len());
        let part_of: BTreeMap<&str, usize> =
            groups.into_iter().enumerate().map(|(index, group)| (group, index % parts)).collect();
        Ok(cases.iter().map(|case| part_of[case.group.as_str()]).collect())
    }

    /// Returns the smallest number of regions in a leaf of a forest that learns from `regions`.
    fn leaf(&self, regions: usize) -> usize {
        self.0.leaf.min((regions / LEAVES).max(SMALL_LEAF))
    }

    fn fit<'a>(&self, cases: impl Iterator<Item = &'a PooledCase>) -> Result<Forest, Error> {
        let (mut rows, mut relevance, mut weights) = (Vec::new(), Vec::new(), Vec::new());
        for case in cases {
            rows.extend(case.features.rows().into_iter().map(|row| row.to_vec()));
            relevance.extend_from_slice(&case.relevance);
            weights.extend_from_slice(&case.weights);
        }
        if !weights.iter().any(|&weight| weight > 0.0) {
            let (expected, found) = (vec![1], vec![0]);
            return Err(Error::ShapeMismatch { what: "the regions of other groups", expected, found });
        }
        let columns = rows.first().map_or(1, Vec::len);
        let settings = RandomForestRegressorParameters::default()
            .with_n_trees(self.0.trees)
            .with_min_samples_leaf(self.leaf(rows.len()))
            .with_m(columns)
            .with_seed(self.0.seed);
        let rows = DenseMatrix::from_2d_vec(&rows).map_err(Error::black_box)?;
        RandomForestRegressor::fit_with_weights(&rows, &relevance, &weights, settings)
            .map_err(Error::black_box)
    }
}

type Forest = RandomForestRegressor<f64, f64, DenseMatrix<f64>, Vec<f64>>;

fn predict(forest: &Forest, features: &Array2<f64>) -> Result<Vec<f64>, Error> {
    if features.nrows() == 0 {
        return Ok(Vec::new());
    }
    let rows: Vec<Vec<f64>> = features.rows().into_iter().map(|row| row.to_vec()).collect();
    let rows = DenseMatrix::from_2d_vec(&rows).map_err(Error::black_box)?;
    forest.predict(&rows).map_err(Error::black_box)
}

/// Checks shapes and numbers.
pub(crate) fn check<'a>(cases: impl Iterator<Item = &'a PooledCase>) -> Result<(), Error> {
    let mut columns = None;
    for case in cases {
        let columns = *columns.get_or_insert(case.features.ncols());
        let regions = case.features.nrows();
        let shapes = [
            ("the features of a region", columns, case.features.ncols()),
            ("the relevance of a case", regions, case.relevance.len()),
            ("the weights of a case", regions, case.weights.len()),
        ];
        if let Some(&(what, expected, found)) = shapes.iter().find(|(_, expected, found)| expected != found) {
            return Err(Error::ShapeMismatch { what, expected: vec![expected], found: vec![found] });
        }
        let mut numbers = case.features.iter().chain(&case.relevance).chain(&case.weights);
        if let Some(&value) = numbers.find(|value| !value.is_finite()) {
            return Err(Error::NonFinite {
                what: format!("a region of {}", case.group),
                value: value as f32,
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;

    use rand::Rng;

    use super::*;
    use crate::silent;

    fn settings() -> ValidPooling {
        Pooling { trees: 30, ..Pooling::default() }.check().unwrap()
    }

    #[test]
    fn a_small_cohort_has_smaller_leaves() {
        let leaf = |leaf, regions| Pooling { leaf, ..Pooling::default() }.check().unwrap().leaf(regions);
        assert_eq!([100, 249, 500, 2_000, 50_000].map(|regions| leaf(40, regions)), [5, 5, 10, 40, 40]);
        assert_eq!([100, 50_000].map(|regions| leaf(2, regions)), [2, 2]);
    }

    /// Cases whose relevance is 1 where the first feature is above 0, with noise; the second feature is random.
    fn cohort(cases: usize, noise: f64) -> Vec<PooledCase> {
        let mut random = ChaCha8Rng::seed_from_u64(3);
        (0..cases)
            .map(|index| {
                let features = Array2::from_shape_fn((40, 2), |_| random.random_range(-1.0..1.0));
                let clean = features.column(0).mapv(|value| f64::from(value > 0.0));
                PooledCase {
                    group: format!("patient {}", index / 2),
                    relevance: clean
                        .iter()
                        .map(|value| value + noise * random.random_range(-1.0..1.0))
                        .collect(),
                    weights: vec![1.0; 40],
                    features,
                }
            })
            .collect()
    }

    fn truth(case: &PooledCase) -> Vec<f64> {
        case.features.column(0).iter().map(|&value| f64::from(value > 0.0)).collect()
    }

    fn error(found: &[f64], expected: &[f64]) -> f64 {
        found.iter().zip(expected).map(|(a, b)| (a - b).powi(2)).sum::<f64>() / found.len() as f64
    }

    #[test]
    fn noise_of_single_cases_is_removed() {
        let cases = cohort(12, 1.0);
        let pooled = settings().cross_fitted(&cases, &silent).unwrap();
        // The noise has a variance of 1/3.
        let (mut own, mut other) = (0.0, 0.0);
        for (case, found) in cases.iter().zip(&pooled) {
            let expected = truth(case);
            own += error(&case.relevance, &expected) / cases.len() as f64;
            other += error(found, &expected) / cases.len() as f64;
        }
        assert!(own > 0.3 && other < own / 4.0, "{own} {other}");
    }

    #[test]
    fn a_case_and_its_patient_do_not_learn_from_themselves() {
        let cases = cohort(6, 0.5);
        let pooled = settings().cross_fitted(&cases, &silent).unwrap();
        let mut changed = cases.clone();
        // Patient 1 has cases 2 and 3.
        changed[2].relevance.iter_mut().for_each(|value| *value = 1000.0);
        let again = settings().cross_fitted(&changed, &silent).unwrap();
        assert_eq!(pooled[2..4], again[2..4]);
        assert!(pooled[0] != again[0] && pooled[4] != again[4]);
    }

    #[test]
    fn few_parts_keep_patients_together() {
        let cases = cohort(10, 0.5);
        let two = Pooling { parts: 2, trees: 5, ..Pooling::default() }.check().unwrap();
        let part_of = two.divide(&cases).unwrap();
        assert!(part_of.chunks(2).all(|pair| pair[0] == pair[1]));
        assert_eq!(part_of.iter().max(), Some(&1));
    }

    #[test]
    fn weights_decide() {
        let mut cases = cohort(4, 0.0);
        for case in &mut cases {
            // Regions of no weight say the opposite.
            let opposite: Vec<f64> = case.relevance.iter().map(|value| 1.0 - value).collect();
            let doubled = ndarray::concatenate![ndarray::Axis(0), case.features, case.features];
            case.relevance.extend(opposite);
            case.weights.extend(vec![0.0; 40]);
            case.features = doubled;
        }
        let pooled = settings().cross_fitted(&cases, &silent).unwrap();
        assert!(error(&pooled[0][..40], &cases[0].relevance[..40]) < 0.1);
    }

    #[test]
    fn the_same_seed_gives_the_same_bytes() {
        let cases = cohort(4, 1.0);
        let [a, b] = [0, 1].map(|_| settings().cross_fitted(&cases, &silent).unwrap());
        assert_eq!(a, b);
        let other = Pooling { trees: 30, seed: 1, ..Pooling::default() }.check().unwrap();
        assert_ne!(a, other.cross_fitted(&cases, &silent).unwrap());
    }

    #[test]
    fn the_number_of_threads_does_not_matter() {
        let cases = cohort(12, 1.0);
        let [one, many] = [1, 4].map(|threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| settings().cross_fitted(&cases, &silent)).unwrap()
        });
        assert_eq!(one, many);
    }

    #[test]
    fn what_cannot_be_pooled_is_refused() {
        let cases = cohort(4, 0.0);
        let error = settings().cross_fitted(&cases[..2], &silent).unwrap_err().to_string();
        assert_eq!(error, "pooled relevance: groups: expected cases of at least 2 patients, found 1");
        let mut odd = cases.clone();
        odd[1].relevance.pop();
        assert!(matches!(settings().cross_fitted(&odd, &silent), Err(Error::ShapeMismatch { .. })));
        let mut odd = cases.clone();
        odd[3].features[[0, 1]] = f64::NAN;
        assert!(matches!(settings().cross_fitted(&odd, &silent), Err(Error::NonFinite { .. })));
        let stopped = settings().cross_fitted(&cases, &|_| ControlFlow::Break(()));
        assert!(matches!(stopped, Err(Error::Cancelled)));
        for bad in [
            Pooling { trees: 0, ..Pooling::default() },
            Pooling { leaf: 0, ..Pooling::default() },
            Pooling { parts: 1, ..Pooling::default() },
        ] {
            assert!(matches!(bad.check(), Err(Error::InvalidSetting { .. })));
        }
    }
}
