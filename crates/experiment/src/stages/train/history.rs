//! History of training: losses by epoch.

use anyhow::Context;
use relevox_eval::roc_auc;
use relevox_models::checkpoint;
use relevox_models::train::{EpochRecord, Examples};
use serde::{Deserialize, Serialize};

use super::images::Images;
use super::member::Member;
use crate::stages::session::Session;
use crate::stages::table;

/// Row of `history.csv`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HistoryRow {
    /// Epoch, from 1.
    pub epoch: usize,
    /// Learning rate of Adam.
    pub learning_rate: f64,
    /// Mean loss over the batches of the training split.
    pub train_loss: f64,
    /// Mean loss over the validation split.
    pub validation_loss: f64,
    /// Accuracy on the validation split, at a probability of one half.
    pub validation_accuracy: f64,
    /// AUC on the validation split; `None` if it has a single class.
    pub validation_auc: Option<f64>,
}

/// Formats the history of one network as CSV.
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

/// Reads the history of training; for an ensemble, the mean over its networks.
///
/// # Errors
/// Returns an error that names the file if one can't be read.
pub fn history(session: &Session) -> anyhow::Result<Vec<HistoryRow>> {
    let mut all = Vec::new();
    for member in Member::all(&session.config) {
        all.push(table::read::<HistoryRow>(&session.run.path(&member.history()))?);
    }
    Ok(mean_history(&all))
}

/// Averages histories row by row, up to the length of the shortest.
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
            // All networks have the same validation cases, so either all have an AUC or none.
            validation_auc: all[0][epoch]
                .validation_auc
                .map(|_| mean(epoch, |row| row.validation_auc.unwrap_or(f64::NAN))),
        })
        .collect()
}

/// Returns the selected epoch; `None` if the networks of an ensemble have different ones.
///
/// # Errors
/// Returns an error if weights can't be read or have no metadata.
pub fn selected_epoch(session: &Session) -> anyhow::Result<Option<usize>> {
    let mut epochs = Vec::new();
    for member in Member::all(&session.config) {
        let path = session.run.path(&member.best());
        let (_, metadata) = checkpoint::load(&path)?;
        epochs.push(metadata.with_context(|| format!("{}: weights without metadata", path.display()))?.epoch);
    }
    Ok(epochs.first().copied().filter(|first| epochs.iter().all(|epoch| epoch == first)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ensembles_have_a_mean_history() {
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
