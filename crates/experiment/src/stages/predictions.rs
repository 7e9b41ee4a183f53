//! Predictions of a classifier: a row for each scored case.

use std::path::Path;

use anyhow::Context;
use relevox_relevance::sigmoid;
use relevox_volume::{CohortCase, Split};
use serde::{Deserialize, Serialize};

use super::table;

/// Row of a table of predictions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Prediction {
    /// Name of the case.
    pub case: String,
    /// Split of the case.
    pub split: Split,
    /// 1 for positive, 0 for negative.
    pub label: u8,
    /// Logit of the selected epoch.
    pub logit: f64,
    /// Probability of the positive class.
    pub probability: f64,
}

impl Prediction {
    /// Creates the row of a case.
    ///
    /// # Errors
    /// Returns an error if the case has no split.
    pub fn new(case: &CohortCase, logit: f64) -> anyhow::Result<Self> {
        Ok(Self {
            case: case.id().to_owned(),
            split: case.split.context("a case without a split")?,
            label: u8::from(case.label),
            logit,
            probability: sigmoid(logit),
        })
    }
}

/// Reads the predictions of an artefact in a run folder.
///
/// # Errors
/// Returns an error that names the file if it can't be read.
pub fn read(root: &Path, artefact: &str) -> anyhow::Result<Vec<Prediction>> {
    table::read(&root.join(artefact))
}

/// Formats predictions as CSV.
///
/// # Errors
/// Returns an error if a row can't be represented in CSV.
pub fn to_csv(predictions: &[Prediction]) -> anyhow::Result<Vec<u8>> {
    let mut table = csv::Writer::from_writer(Vec::new());
    for prediction in predictions {
        table.serialize(prediction)?;
    }
    Ok(table.into_inner()?)
}
