//! Training, validation and test cases: seeded, stratified by label, and never dividing a patient.

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::{Cohort, Error};

/// What a case is used for.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[serde(rename_all = "lowercase")]
pub enum Split {
    /// The weights are fitted to these.
    Train,
    /// Choices are made on these.
    Validation,
    /// Numbers are reported on these.
    Test,
}

impl Split {
    /// All three.
    pub const ALL: [Split; 3] = [Split::Train, Split::Validation, Split::Test];

    /// The name in manifests.
    pub fn name(self) -> &'static str {
        match self {
            Split::Train => "train",
            Split::Validation => "validation",
            Split::Test => "test",
        }
    }
}

impl std::fmt::Display for Split {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// How many cases each split gets: whole numbers that add up to the cohort, or fractions that add up to 1.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq)]
#[serde(untagged)]
pub enum Sizes {
    /// Cases.
    Counts(Counts),
    /// Parts of the cohort.
    Fractions(Fractions),
}

/// Cases per split.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Counts {
    /// Training cases.
    pub train: usize,
    /// Validation cases.
    pub validation: usize,
    /// Test cases.
    pub test: usize,
}

/// Parts of the cohort per split.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Fractions {
    /// Training part.
    pub train: f64,
    /// Validation part.
    pub validation: f64,
    /// Test part.
    pub test: f64,
}

/// Gives every case that has no split one.
///
/// Splits that are given stay, and a patient's cases follow one another into the same split. The others are dealt out
/// in a seeded order so that each split gets its share of each class: exactly, where every patient has one case, and
/// as nearly as whole patients allow otherwise.
///
/// # Errors
/// Where counts do not add up to the cohort, fractions to 1, or a patient's cases are in two splits already.
pub fn assign(cohort: &mut Cohort, sizes: &Sizes, seed: u64) -> Result<(), Error> {
    if cohort.cases.iter().all(|case| case.split.is_some()) {
        return Ok(());
    }
    let sizes = sizes.of(cohort.cases.len())?;
    let shares = shares(&sizes, class_sizes(cohort));
    let mut deal = Deal { shares, dealt: vec![[0; 2]; sizes.len()] };
    let mut waiting = Vec::new();
    let mut moves = Vec::new();
    for (group, members) in cohort.groups() {
        let mut given = members.iter().filter_map(|&m| cohort.cases[m].split);
        match given.next() {
            None => waiting.push(members),
            Some(split) => {
                if let Some(other) = given.find(|&other| other != split) {
                    let expected = format!("group {group} in one split");
                    return Err(Error::SplitSizes {
                        expected,
                        found: format!("it in {split} and in {other}"),
                    });
                }
                deal.put(split as usize, classes(cohort, &members));
                moves.push((members, split));
            }
        }
    }
    for (members, pile) in deal.out(cohort, waiting, seed) {
        moves.push((members, Split::ALL[pile]));
    }
    for (members, split) in moves {
        for member in members {
            cohort.cases[member].split = Some(split);
        }
    }
    Ok(())
}

/// Divides the cases into `folds` parts for a cross-validation, stratified and never dividing a patient: the fold of
/// each case.
pub fn folds(cohort: &Cohort, folds: usize, seed: u64) -> Vec<usize> {
    let folds = folds.max(1);
    let sizes = apportion(cohort.cases.len(), &vec![1.0; folds]);
    let mut deal = Deal { shares: shares(&sizes, class_sizes(cohort)), dealt: vec![[0; 2]; folds] };
    let mut fold_of = vec![0; cohort.cases.len()];
    for (members, fold) in deal.out(cohort, cohort.groups().into_values().collect(), seed) {
        for member in members {
            fold_of[member] = fold;
        }
    }
    fold_of
}

/// Keeps a seeded draw of so many positive and negative cases. The paper's cohort is 114 HGG and all 76 LGG of
/// BraTS 2020.
///
/// # Errors
/// Where the cohort has fewer.
pub fn draw(cohort: &mut Cohort, positive: usize, negative: usize, seed: u64) -> Result<(), Error> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut keep = vec![false; cohort.cases.len()];
    for (label, class, expected) in [(true, "positive", positive), (false, "negative", negative)] {
        let mut of_class: Vec<usize> = (0..keep.len()).filter(|&i| cohort.cases[i].label == label).collect();
        if of_class.len() < expected {
            return Err(Error::TooFew { class, expected, found: of_class.len() });
        }
        of_class.shuffle(&mut rng);
        of_class[..expected].iter().for_each(|&i| keep[i] = true);
    }
    let mut keep = keep.into_iter();
    cohort.cases.retain(|_| keep.next().unwrap_or(false));
    Ok(())
}

impl Sizes {
    /// Cases per split, of so many.
    fn of(&self, cases: usize) -> Result<Vec<usize>, Error> {
        match *self {
            Sizes::Counts(Counts { train, validation, test }) => {
                let sum = train + validation + test;
                if sum != cases {
                    let expected = format!("counts that add up to the cohort's {cases} cases");
                    let found = format!("train {train}, validation {validation} and test {test}: {sum}");
                    return Err(Error::SplitSizes { expected, found });
                }
                Ok(vec![train, validation, test])
            }
            Sizes::Fractions(Fractions { train, validation, test }) => {
                let parts = [train, validation, test];
                let sum: f64 = parts.iter().sum();
                if !parts.iter().all(|part| (0.0..=1.0).contains(part)) || (sum - 1.0).abs() > 1e-6 {
                    let expected = "fractions from 0 to 1 that add up to 1".to_owned();
                    let found = format!("train {train}, validation {validation} and test {test}");
                    return Err(Error::SplitSizes { expected, found });
                }
                Ok(apportion(cases, &parts))
            }
        }
    }
}

/// Whole numbers that add up to `total`, as near to the weights as can be (largest remainders; ties to the first).
fn apportion(total: usize, weights: &[f64]) -> Vec<usize> {
    let sum: f64 = weights.iter().sum();
    let exact: Vec<f64> =
        weights.iter().map(|w| if sum > 0.0 { w / sum * total as f64 } else { 0.0 }).collect();
    // A quota a rounding error below a whole number is that number.
    let mut whole: Vec<usize> = exact.iter().map(|e| (e + 1e-9).floor() as usize).collect();
    let mut order: Vec<usize> = (0..weights.len()).collect();
    let remainder = |i: usize| exact[i] - (exact[i] + 1e-9).floor();
    order.sort_by(|&a, &b| remainder(b).total_cmp(&remainder(a)));
    let missing = total.saturating_sub(whole.iter().sum());
    for &i in order.iter().cycle().take(missing) {
        whole[i] += 1;
    }
    whole
}

/// Cases of a set: negative, positive.
type Classes = [usize; 2];

fn classes(cohort: &Cohort, members: &[usize]) -> Classes {
    let positive = members.iter().filter(|&&m| cohort.cases[m].label).count();
    [members.len() - positive, positive]
}

fn class_sizes(cohort: &Cohort) -> Classes {
    let positive = cohort.cases.iter().filter(|case| case.label).count();
    [cohort.cases.len() - positive, positive]
}

/// How many of each class each part should get: rows add up to `sizes`, columns to the classes.
fn shares(sizes: &[usize], [_, positive]: Classes) -> Vec<Classes> {
    let weights: Vec<f64> = sizes.iter().map(|&n| n as f64).collect();
    let positives = apportion(positive, &weights);
    sizes.iter().zip(positives).map(|(&size, positive)| [size.saturating_sub(positive), positive]).collect()
}

/// Patients on their way to the parts of a cohort.
struct Deal {
    shares: Vec<Classes>,
    dealt: Vec<Classes>,
}

impl Deal {
    fn put(&mut self, part: usize, [negative, positive]: Classes) {
        self.dealt[part][0] += negative;
        self.dealt[part][1] += positive;
    }

    /// How much nearer to its share a part comes with these cases: the drop of its squared distance.
    fn gain(&self, part: usize, cases: Classes) -> f64 {
        (0..2)
            .map(|class| {
                let short = self.shares[part][class] as f64 - self.dealt[part][class] as f64;
                short.powi(2) - (short - cases[class] as f64).powi(2)
            })
            .sum()
    }

    /// Deals patients out, large ones first, each to the part that gains most.
    fn out(&mut self, cohort: &Cohort, mut waiting: Vec<Vec<usize>>, seed: u64) -> Vec<(Vec<usize>, usize)> {
        waiting.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
        waiting.sort_by_key(|members| std::cmp::Reverse(members.len()));
        let mut out = Vec::with_capacity(waiting.len());
        for members in waiting {
            let cases = classes(cohort, &members);
            let mut best = 0;
            for part in 1..self.shares.len() {
                if self.gain(part, cases) > self.gain(best, cases) {
                    best = part;
                }
            }
            self.put(best, cases);
            out.push((members, best));
        }
        out
    }
}
