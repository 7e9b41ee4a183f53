//! Numbers of the paper that is reproduced: `paper.toml`.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::method::Method;
use crate::error::Error;

/// Every number that the paper reports.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Paper {
    /// Cohort.
    pub cohort: PaperCohort,
    /// Classifier.
    pub classifier: PaperClassifier,
    /// Supervoxels selected by the grid search.
    pub selected: PaperSelected,
    oracle: BTreeMap<Method, f64>,
    table1: BTreeMap<Method, Vec<f64>>,
    table2: BTreeMap<Method, Vec<f64>>,
    table3: PaperGrid,
}

/// Cohort (section B).
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PaperCohort {
    /// Number of cases.
    pub cases: usize,
    /// Number of training cases.
    pub train: usize,
    /// Number of validation cases.
    pub validation: usize,
    /// Number of test cases.
    pub test: usize,
    /// Share of high-grade gliomas.
    pub positive_share: f64,
    /// Voxels of the centre crop: z, y, x.
    pub crop: [usize; 3],
}

/// Training of the classifier (section B).
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PaperClassifier {
    /// Learning rate of Adam.
    pub learning_rate: f64,
    /// Number of epochs.
    pub epochs: usize,
    /// Epoch selected by validation accuracy.
    pub epoch: usize,
    /// Area under the ROC curve on the test split.
    pub test_auc: f64,
}

/// Selected supervoxels (section C).
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PaperSelected {
    /// Sequence that is segmented.
    pub sequence: String,
    /// Requested number of supervoxels.
    pub regions: usize,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
struct PaperGrid {
    counts: Vec<usize>,
    #[serde(flatten)]
    rows: BTreeMap<String, BTreeMap<Method, Vec<f64>>>,
}

impl Paper {
    /// Parses the embedded numbers.
    ///
    /// # Errors
    /// Returns [`Error::Format`] if the `paper.toml` that this crate was built with is not valid.
    pub fn load() -> Result<Self, Error> {
        toml::from_str(include_str!("paper.toml")).map_err(|error| Error::Format {
            path: "paper.toml".into(),
            expected: "the numbers of the paper".to_owned(),
            found: error.message().to_owned(),
        })
    }

    /// Oracle Dice of a method on the selected supervoxels, if the paper reports it.
    pub fn oracle(&self, method: Method) -> Option<f64> {
        self.oracle.get(&method).copied()
    }

    /// Table 1: Dice of the region at a rank, from 1.
    pub fn ranked(&self, method: Method, rank: usize) -> Option<f64> {
        self.table1.get(&method)?.get(rank.checked_sub(1)?).copied()
    }

    /// Table 2: Dice of the union of regions up to a rank, from 1.
    pub fn cumulative(&self, method: Method, rank: usize) -> Option<f64> {
        self.table2.get(&method)?.get(rank.checked_sub(1)?).copied()
    }

    /// Table 3: oracle Dice of a cell. The paper used one compactness and does not report it.
    pub fn grid(&self, sequence: &str, regions: usize, fill: Method) -> Option<f64> {
        let column = self.table3.counts.iter().position(|count| *count == regions)?;
        self.table3.rows.get(sequence)?.get(&fill)?.get(column).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_table_is_complete() {
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

    /// Numbers that the paper reports twice are equal.
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
    fn unreported_numbers_are_none() {
        let paper = Paper::load().unwrap();
        assert_eq!(paper.oracle(Method::Random), None);
        assert_eq!(
            (paper.ranked(Method::Blank, 0), paper.ranked(Method::Blank, 4), paper.ranked(Method::Max, 1)),
            (None, None, None)
        );
        assert_eq!((paper.grid("t2", 60, Method::Blank), paper.grid("pd", 50, Method::Blank)), (None, None));
    }
}
