//! Results that figures are drawn from.

use std::fs;

use anyhow::Context;
use relevox_report::figures::HistoryPoint;
use relevox_report::tables::{CaseRow, Summary, read_cases};

use crate::stages::evaluate::{self, CASES};
use crate::stages::grid;
use crate::stages::partition::Partition;
use crate::stages::session::Session;
use crate::stages::train::{self, HistoryRow};

/// PNG bytes of a figure; `None` if the run has no data for it.
pub type Drawn = anyhow::Result<Option<Vec<u8>>>;

/// Results of a run.
pub struct Results<'a> {
    /// The run.
    pub session: &'a Session,
    /// The selected partition.
    pub partition: Partition,
    /// Summary of the evaluation.
    pub summary: Summary,
    /// History of training.
    pub history: Vec<HistoryRow>,
    /// Test cases.
    pub cases: Vec<CaseRow>,
}

impl<'a> Results<'a> {
    /// Reads the results of a run.
    ///
    /// # Errors
    /// Returns an error that names the file if one can't be read.
    pub fn read(session: &'a Session) -> anyhow::Result<Self> {
        let cases = fs::read(session.run.path(CASES)).with_context(|| format!("reading {CASES}"))?;
        Ok(Self {
            session,
            partition: grid::selected(session)?,
            summary: evaluate::summary(session)?,
            history: train::history(session)?,
            cases: read_cases(&cases).with_context(|| format!("reading {CASES}"))?,
        })
    }

    /// Points of the training curves.
    pub fn points(&self) -> Vec<HistoryPoint> {
        let point = |row: &HistoryRow| HistoryPoint {
            epoch: row.epoch,
            train_loss: row.train_loss,
            validation_loss: row.validation_loss,
            validation_accuracy: row.validation_accuracy,
            validation_auc: row.validation_auc,
        };
        self.history.iter().map(point).collect()
    }

    /// Test cases with a tumour, positive cases first.
    pub fn tumour_cases(&self) -> Vec<&CaseRow> {
        let mut cases: Vec<&CaseRow> = self.cases.iter().filter(|case| !case.dice.is_empty()).collect();
        cases.sort_by(|a, b| b.positive.cmp(&a.positive).then(a.case.cmp(&b.case)));
        cases
    }
}
