//! Stratified assignment of patients to splits and folds, and stratified draws.

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::sizes::{ValidSizes, apportion};
use crate::{Cohort, Error, Split};

/// Assigns a split to every case that has none.
///
/// Existing splits are preserved, and all cases of a patient join the same split. The remaining patients are assigned in
/// a seeded order so that each split gets its share of each class: exactly if every patient has one case, otherwise as
/// closely as whole patients allow. If every case has a split already, the sizes are ignored.
///
/// # Errors
/// - [`Error::InvalidSetting`] if the sizes are counts that do not add up to the cohort.
/// - [`Error::DividedGroup`] if the cases of a patient already belong to two splits.
pub fn assign(cohort: &mut Cohort, sizes: &ValidSizes, seed: u64) -> Result<(), Error> {
    if cohort.cases.iter().all(|case| case.split.is_some()) {
        return Ok(());
    }
    let sizes = sizes.of(cohort.cases.len())?;
    let quotas = quotas(&sizes, class_sizes(cohort));
    let mut parts = Parts { quotas, sizes: vec![[0; 2]; sizes.len()] };
    let mut unassigned = Vec::new();
    let mut assigned = Vec::new();
    for (group, members) in cohort.groups() {
        let mut given = members.iter().filter_map(|&m| cohort.cases[m].split);
        match given.next() {
            None => unassigned.push(members),
            Some(split) => {
                if let Some(other) = given.find(|&other| other != split) {
                    return Err(Error::DividedGroup {
                        group: group.to_owned(),
                        first: split.name(),
                        second: other.name(),
                    });
                }
                parts.add(split as usize, classes(cohort, &members));
                assigned.push((members, split));
            }
        }
    }
    for (members, part) in parts.distribute(cohort, unassigned, seed) {
        assigned.push((members, Split::ALL[part]));
    }
    for (members, split) in assigned {
        for member in members {
            cohort.cases[member].split = Some(split);
        }
    }
    Ok(())
}

/// Moves some training patients to the validation split, stratified by class and in a seeded order, where every case has a
/// split and none is for validation, as in manifests that know only training and test cases.
///
/// `share` is the part of the training cases that is moved, above 0 and below 1: at least one case, as closely as whole
/// patients allow, and at least one patient stays. Returns the number of moved cases; 0 if there is nothing to do.
pub fn draw_validation(cohort: &mut Cohort, share: f64, seed: u64) -> usize {
    let has = |split| cohort.cases.iter().any(|case| case.split == Some(split));
    if has(Split::Validation) || !has(Split::Train) || cohort.cases.iter().any(|case| case.split.is_none()) {
        return 0;
    }
    let is_train = |members: &Vec<usize>| cohort.cases[members[0]].split == Some(Split::Train);
    let groups: Vec<Vec<usize>> = cohort.groups().into_values().filter(is_train).collect();
    let training: Vec<usize> = groups.iter().flatten().copied().collect();
    if groups.len() < 2 {
        return 0;
    }
    let moved = ((share * training.len() as f64).round() as usize).clamp(1, training.len() - 1);
    let mut parts = Parts {
        quotas: quotas(&[training.len() - moved, moved], classes(cohort, &training)),
        sizes: vec![[0; 2]; 2],
    };
    let drawn = parts.distribute(cohort, groups, seed);
    let drawn: Vec<usize> =
        drawn.into_iter().filter(|(_, part)| *part == 1).flat_map(|(members, _)| members).collect();
    for &member in &drawn {
        cohort.cases[member].split = Some(Split::Validation);
    }
    drawn.len()
}

/// Divides the cases into folds for a cross-validation, stratified and without dividing a patient. Returns the fold of
/// each case, from 0; `folds` of 0 counts as 1.
pub fn folds(cohort: &Cohort, folds: usize, seed: u64) -> Vec<usize> {
    let folds = folds.max(1);
    let sizes = apportion(cohort.cases.len(), &vec![1.0; folds]);
    let mut parts = Parts { quotas: quotas(&sizes, class_sizes(cohort)), sizes: vec![[0; 2]; folds] };
    let mut fold_of = vec![0; cohort.cases.len()];
    for (members, fold) in parts.distribute(cohort, cohort.groups().into_values().collect(), seed) {
        for member in members {
            fold_of[member] = fold;
        }
    }
    fold_of
}

/// Reduces the cohort to a seeded random draw of positive and negative cases. The paper's cohort is 114 HGG and all 76
/// LGG cases of BraTS 2020.
///
/// # Errors
/// Returns [`Error::TooFew`] if the cohort has fewer cases of a class; the cohort is then unchanged.
pub fn draw(cohort: &mut Cohort, positive: usize, negative: usize, seed: u64) -> Result<(), Error> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut drawn = vec![false; cohort.cases.len()];
    for (label, class, expected) in [(true, "positive", positive), (false, "negative", negative)] {
        let mut of_class: Vec<usize> = (0..drawn.len()).filter(|&i| cohort.cases[i].label == label).collect();
        if of_class.len() < expected {
            return Err(Error::TooFew { class, expected, found: of_class.len() });
        }
        of_class.shuffle(&mut rng);
        of_class[..expected].iter().for_each(|&i| drawn[i] = true);
    }
    let mut drawn = drawn.into_iter();
    cohort.cases.retain(|_| drawn.next().unwrap_or(false));
    Ok(())
}

/// Number of negative and positive cases.
type Classes = [usize; 2];

fn classes(cohort: &Cohort, members: &[usize]) -> Classes {
    let positive = members.iter().filter(|&&m| cohort.cases[m].label).count();
    [members.len() - positive, positive]
}

fn class_sizes(cohort: &Cohort) -> Classes {
    let positive = cohort.cases.iter().filter(|case| case.label).count();
    [cohort.cases.len() - positive, positive]
}

/// Target class sizes of each part: rows add up to `sizes`, columns to the classes.
fn quotas(sizes: &[usize], [_, positive]: Classes) -> Vec<Classes> {
    let weights: Vec<f64> = sizes.iter().map(|&n| n as f64).collect();
    let positives = apportion(positive, &weights);
    sizes.iter().zip(positives).map(|(&size, positive)| [size.saturating_sub(positive), positive]).collect()
}

/// Parts of a cohort that are being filled.
struct Parts {
    quotas: Vec<Classes>,
    sizes: Vec<Classes>,
}

impl Parts {
    fn add(&mut self, part: usize, [negative, positive]: Classes) {
        self.sizes[part][0] += negative;
        self.sizes[part][1] += positive;
    }

    /// Decrease of a part's squared distance to its quota if it gets these cases.
    fn gain(&self, part: usize, cases: Classes) -> f64 {
        (0..2)
            .map(|class| {
                let missing = self.quotas[part][class] as f64 - self.sizes[part][class] as f64;
                missing.powi(2) - (missing - cases[class] as f64).powi(2)
            })
            .sum()
    }

    /// Assigns groups to parts in a seeded order, large ones first, each to the part with the largest gain.
    fn distribute(
        &mut self,
        cohort: &Cohort,
        mut groups: Vec<Vec<usize>>,
        seed: u64,
    ) -> Vec<(Vec<usize>, usize)> {
        groups.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
        groups.sort_by_key(|members| std::cmp::Reverse(members.len()));
        let mut assigned = Vec::with_capacity(groups.len());
        for members in groups {
            let cases = classes(cohort, &members);
            let mut best = 0;
            for part in 1..self.quotas.len() {
                if self.gain(part, cases) > self.gain(best, cases) {
                    best = part;
                }
            }
            self.add(best, cases);
            assigned.push((members, best));
        }
        assigned
    }
}
