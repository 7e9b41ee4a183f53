//! Figure 3's claim as one number: does the classifier focus on one region as its validation loss falls?
//!
//! Source: Rajapaksa and Khalvati (2022), appendix A.1. The interval of Spearman's coefficient: E. C. Fieller,
//! H. O. Hartley and E. S. Pearson, "Tests for rank correlation coefficients. I", Biometrika 44, 1957.

use relevox_eval::{focus, spearman};
use serde::{Deserialize, Serialize};

use crate::stages::scores::read_csv;
use crate::stages::{Session, focus as maps, train};
use relevox_report::tables::Number;

/// Validation loss and focus at one epoch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EpochFocus {
    /// From 1.
    pub epoch: usize,
    /// Over the validation split.
    pub validation_loss: f64,
    /// The mean share of the map's mass in its top region; nothing where all maps are flat.
    pub focus: Option<f64>,
    /// Cases whose map is not flat.
    pub cases: usize,
}

/// The focus at each of the chosen epochs.
///
/// # Errors
/// Artefacts that can't be read.
pub fn by_epoch(session: &Session) -> anyhow::Result<Vec<EpochFocus>> {
    let cases = maps::cases(session)?;
    let history = train::history(session)?;
    let mut rows = Vec::new();
    for epoch in maps::epochs(session.config.classifier.epochs, session.config.evaluate.focus_epochs) {
        let mut found = Vec::new();
        for case in &cases {
            let scores = read_csv(&session.run.path(&maps::file(epoch, case)))?;
            let voxels: Vec<usize> = scores.rows.iter().map(|row| row.voxels).collect();
            found.extend(focus(&scores.relevance(), &voxels)?);
        }
        let Some(record) = history.iter().find(|record| record.epoch == epoch) else { continue };
        let mean = (!found.is_empty()).then(|| found.iter().sum::<f64>() / found.len() as f64);
        let validation_loss = record.validation_loss;
        rows.push(EpochFocus { epoch, validation_loss, focus: mean, cases: found.len() });
    }
    Ok(rows)
}

/// The rank correlation of focus with validation loss over epochs: negative if the paper's claim holds.
pub fn correlation(rows: &[EpochFocus]) -> Number {
    let pairs: Vec<(f64, f64)> =
        rows.iter().filter_map(|row| Some((row.focus?, row.validation_loss))).collect();
    let (focus, loss): (Vec<f64>, Vec<f64>) = pairs.into_iter().unzip();
    match spearman(&focus, &loss) {
        Ok(coefficient) => Number {
            mean: Some(coefficient),
            ci95: interval(coefficient, focus.len()),
            n: focus.len(),
            paper: None,
            why: None,
        },
        Err(error) => Number::none(format!("focus and validation loss over epochs: {error}"), None),
    }
}

/// Normal in Fisher's z, with Fieller's variance 1.06 / (n − 3).
fn interval(coefficient: f64, n: usize) -> Option<[f64; 2]> {
    let spread = 1.96 * (1.06 / (n.checked_sub(3).filter(|&free| free > 0)? as f64)).sqrt();
    let z = coefficient.atanh();
    Some([(z - spread).tanh(), (z + spread).tanh()])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(focus: &[f64], loss: &[f64]) -> Vec<EpochFocus> {
        let row = |(epoch, (&focus, &validation_loss))| EpochFocus {
            epoch,
            validation_loss,
            focus: Some(focus),
            cases: 1,
        };
        focus.iter().zip(loss).enumerate().map(row).collect()
    }

    #[test]
    fn focus_that_rises_as_loss_falls_correlates_negatively() {
        let number = correlation(&rows(&[0.1, 0.2, 0.3, 0.35, 0.9], &[0.7, 0.6, 0.5, 0.45, 0.2]));
        assert_eq!(number.mean, Some(-1.0));
        let number = correlation(&rows(&[0.1, 0.4, 0.3, 0.2, 0.5], &[0.7, 0.6, 0.5, 0.4, 0.3]));
        let [low, high] = number.ci95.unwrap();
        assert!(-1.0 < low && low < number.mean.unwrap() && number.mean.unwrap() < high && high < 1.0);
    }

    #[test]
    fn too_few_epochs_say_why() {
        assert!(correlation(&rows(&[0.1], &[0.7])).why.is_some());
        assert_eq!(correlation(&rows(&[0.1, 0.2, 0.3], &[0.7, 0.6, 0.5])).ci95, None);
    }
}
