//! The paper's numbers, typed: `paper.toml`.

use std::collections::BTreeMap;

use anyhow::Context;
use serde::Deserialize;

use super::Method;

/// Everything that the paper prints.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Paper {
    /// Its cases.
    pub cohort: PaperCohort,
    /// Its network.
    pub classifier: PaperClassifier,
    /// What its grid search found best.
    pub selected: PaperSelected,
    oracle: BTreeMap<Method, f64>,
    table1: BTreeMap<Method, Vec<f64>>,
    table2: BTreeMap<Method, Vec<f64>>,
    table3: PaperGrid,
}

/// Section B's cohort.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PaperCohort {
    /// Scans.
    pub cases: usize,
    /// Scans trained on.
    pub train: usize,
    /// Scans validated on.
    pub validation: usize,
    /// Scans tested on.
    pub test: usize,
    /// Share of high-grade gliomas.
    pub positive_share: f64,
    /// Voxels, z, y, x.
    pub crop: [usize; 3],
}

/// Section B's training.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PaperClassifier {
    /// Adam's.
    pub learning_rate: f64,
    /// Trained for.
    pub epochs: usize,
    /// Chosen, by validation accuracy.
    pub epoch: usize,
    /// Area under the ROC curve on the test split.
    pub test_auc: f64,
}

/// Section C's choice.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PaperSelected {
    /// Sequence that supervoxels are made of.
    pub sequence: String,
    /// Supervoxels asked for.
    pub regions: usize,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
struct PaperGrid {
    counts: Vec<usize>,
    #[serde(flatten)]
    rows: BTreeMap<String, BTreeMap<Method, Vec<f64>>>,
}

impl Paper {
    /// Reads the numbers that the binary carries.
    ///
    /// # Errors
    /// If `paper.toml` was broken when this was built.
    pub fn load() -> anyhow::Result<Self> {
        toml::from_str(include_str!("paper.toml")).context("paper.toml")
    }

    /// Oracle Dice of a method on the selected supervoxels.
    pub fn oracle(&self, method: Method) -> Option<f64> {
        self.oracle.get(&method).copied()
    }

    /// Table 1: Dice of the region at a rank, from 1.
    pub fn ranked(&self, method: Method, rank: usize) -> Option<f64> {
        self.table1.get(&method)?.get(rank.checked_sub(1)?).copied()
    }

    /// Table 2: Dice of the regions up to a rank, from 1.
    pub fn cumulative(&self, method: Method, rank: usize) -> Option<f64> {
        self.table2.get(&method)?.get(rank.checked_sub(1)?).copied()
    }

    /// Table 3: oracle Dice of a cell. The paper gives one compactness, and not which.
    pub fn grid(&self, sequence: &str, regions: usize, fill: Method) -> Option<f64> {
        let column = self.table3.counts.iter().position(|count| *count == regions)?;
        self.table3.rows.get(sequence)?.get(&fill)?.get(column).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_tables_are_whole() {
        let paper = Paper::load().unwrap();
        for method in [Method::Learned, Method::Blank] {
            assert_eq!(paper.table1[&method].len(), 3);
            assert_eq!(paper.table2[&method].len(), 5);
        }
        for sequence in ["t1", "t1ce", "t2", "flair"] {
            for fill in [Method::Blank, Method::Min, Method::Max] {
                assert_eq!(paper.table3.rows[sequence][&fill].len(), paper.table3.counts.len());
            }
        }
        assert_eq!(paper.table3.rows.len(), 4);
        let cohort = &paper.cohort;
        assert_eq!(cohort.train + cohort.validation + cohort.test, cohort.cases);
    }

    /// What the paper prints twice is the same number.
    #[test]
    fn tables_agree_with_each_other() {
        let paper = Paper::load().unwrap();
        let selected = (paper.selected.sequence.as_str(), paper.selected.regions);
        for method in [Method::Blank, Method::Min, Method::Max] {
            assert_eq!(paper.oracle(method), paper.grid(selected.0, selected.1, method));
        }
        for method in [Method::Learned, Method::Blank] {
            assert_eq!(paper.ranked(method, 1), paper.cumulative(method, 1));
        }
        let best = paper
            .table3
            .rows
            .values()
            .flat_map(|row| row.values().flatten())
            .fold(0.0, |a: f64, b| a.max(*b));
        assert_eq!(Some(best), paper.oracle(Method::Blank));
    }

    #[test]
    fn what_it_does_not_say_is_none() {
        let paper = Paper::load().unwrap();
        assert_eq!(paper.oracle(Method::Random), None);
        assert_eq!(
            (paper.ranked(Method::Blank, 0), paper.ranked(Method::Blank, 4), paper.ranked(Method::Max, 1)),
            (None, None, None)
        );
        assert_eq!((paper.grid("t2", 60, Method::Blank), paper.grid("pd", 50, Method::Blank)), (None, None));
    }
}
