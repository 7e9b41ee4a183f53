//! What training leaves in tables: losses by epoch, and what the kept networks say of each case.

use std::path::Path;

use anyhow::Context;
use ndarray::Axis;
use relevox_eval::roc_auc;
use relevox_models::checkpoint;
use relevox_models::train::{EpochRecord, Examples};
use relevox_relevance::sigmoid;
use relevox_volume::{CohortCase, Split};
use serde::{Deserialize, Serialize};

use super::images::Images;
use super::{Member, PREDICTIONS};
use crate::interrupt;
use crate::progress::Progress;
use crate::stages::network::Network;
use crate::stages::{Session, shortcut};

/// A row of `history.csv`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HistoryRow {
    /// From 1.
    pub epoch: usize,
    /// Adam's learning rate.
    pub learning_rate: f64,
    /// Mean over the training split, as its batches were seen.
    pub train_loss: f64,
    /// Mean over the validation split.
    pub validation_loss: f64,
    /// At probability one half.
    pub validation_accuracy: f64,
    /// Nothing where the split has one class.
    pub validation_auc: Option<f64>,
}

/// A row of `predictions.csv`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Prediction {
    /// Whose scan.
    pub case: String,
    /// Its split.
    pub split: Split,
    /// 1 is positive.
    pub label: u8,
    /// The kept epoch's logit.
    pub logit: f64,
    /// Of the positive class.
    pub probability: f64,
}

impl Prediction {
    /// What a case of a split is told.
    ///
    /// # Errors
    /// A case without a split.
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

pub(super) fn history_csv(history: &[EpochRecord], validation: &Images<'_>) -> anyhow::Result<Vec<u8>> {
    let labels: Vec<bool> = (0..validation.len()).map(|index| validation.label(index)).collect();
    let mut table = csv::Writer::from_writer(Vec::new());
    for record in history {
        let logits: Vec<f64> = record.validation_logits.iter().map(|&logit| f64::from(logit)).collect();
        table.serialize(HistoryRow {
            epoch: record.epoch,
            learning_rate: record.learning_rate,
            train_loss: record.train_loss,
            validation_loss: record.validation_loss,
            validation_accuracy: record.validation_accuracy,
            validation_auc: roc_auc(&logits, &labels).ok(),
        })?;
    }
    Ok(table.into_inner()?)
}

/// The run's history of training: of several networks, the mean of theirs.
///
/// # Errors
/// One that is not there.
pub fn history(session: &Session) -> anyhow::Result<Vec<HistoryRow>> {
    let mut all = Vec::new();
    for member in Member::all(&session.config) {
        all.push(rows::<HistoryRow>(session.run.root(), &member.history())?);
    }
    Ok(mean_history(&all))
}

/// Row by row; as long as the shortest.
fn mean_history(all: &[Vec<HistoryRow>]) -> Vec<HistoryRow> {
    let epochs = all.iter().map(Vec::len).min().unwrap_or(0);
    let mean = |epoch: usize, of: fn(&HistoryRow) -> f64| {
        all.iter().map(|rows| of(&rows[epoch])).sum::<f64>() / all.len() as f64
    };
    (0..epochs)
        .map(|epoch| HistoryRow {
            epoch: all[0][epoch].epoch,
            learning_rate: all[0][epoch].learning_rate,
            train_loss: mean(epoch, |row| row.train_loss),
            validation_loss: mean(epoch, |row| row.validation_loss),
            validation_accuracy: mean(epoch, |row| row.validation_accuracy),
            // Of the same cases, so that all of them have one, or none.
            validation_auc: all[0][epoch]
                .validation_auc
                .map(|_| mean(epoch, |row| row.validation_auc.unwrap_or(f64::NAN))),
        })
        .collect()
}

/// The epoch that is kept; nothing where several networks keep different ones.
///
/// # Errors
/// Weights that are not there.
pub fn best_epoch(session: &Session) -> anyhow::Result<Option<usize>> {
    let mut epochs = Vec::new();
    for member in Member::all(&session.config) {
        let path = session.run.path(&member.best());
        let (_, metadata) = checkpoint::load(&path)?;
        epochs.push(metadata.with_context(|| format!("{}: weights without metadata", path.display()))?.epoch);
    }
    Ok(epochs.first().copied().filter(|first| epochs.iter().all(|epoch| epoch == first)))
}

/// What the kept epoch of a run folder says of the validation and test cases.
///
/// # Errors
/// Predictions that are not there.
pub fn predictions(root: &Path) -> anyhow::Result<Vec<Prediction>> {
    rows(root, PREDICTIONS)
}

/// What brightness alone says of the same cases.
///
/// # Errors
/// Predictions that are not there.
pub fn by_brightness(root: &Path) -> anyhow::Result<Vec<Prediction>> {
    rows(root, shortcut::SHORTCUT)
}

fn rows<T: for<'de> Deserialize<'de>>(root: &Path, artefact: &str) -> anyhow::Result<Vec<T>> {
    let path = root.join(artefact);
    let rows = csv::Reader::from_path(&path).and_then(|mut table| table.deserialize().collect());
    rows.with_context(|| format!("reading {}", path.display()))
}

pub(super) fn predictions_csv(session: &Session) -> anyhow::Result<Vec<u8>> {
    let network = Network::kept(session)?;
    let cases = session.scored_cases();
    let progress = Progress::start("predict", cases.len(), "cases");
    let mut table = csv::Writer::from_writer(Vec::new());
    for case in cases {
        interrupt::check()?;
        let study = session.scans.study(case.id())?;
        let logits = network.classifier().logits(study.image.view().insert_axis(Axis(0)))?;
        let logit = f64::from(*logits.first().context("a network without an answer")?);
        table.serialize(Prediction::new(case, logit)?)?;
        progress.advance(1);
    }
    Ok(table.into_inner()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_networks_have_a_mean_history() {
        let row = |epoch: usize, loss: f64, auc: Option<f64>| HistoryRow {
            epoch,
            learning_rate: 0.1,
            train_loss: loss,
            validation_loss: 2.0 * loss,
            validation_accuracy: 0.5,
            validation_auc: auc,
        };
        let one = vec![row(1, 1.0, Some(0.5)), row(2, 0.5, None)];
        assert_eq!(mean_history(std::slice::from_ref(&one)), one);
        let other = vec![row(1, 3.0, Some(1.0)), row(2, 1.5, None), row(3, 1.0, None)];
        assert_eq!(mean_history(&[one, other]), [row(1, 2.0, Some(0.75)), row(2, 1.0, None)]);
    }
}
