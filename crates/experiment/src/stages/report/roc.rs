//! ROC curve on the test split.

use relevox_eval::roc_curve;
use relevox_report::figures::Roc;
use relevox_volume::Split;

use super::results::{Drawn, Results};
use crate::stages::predict::PREDICTIONS;
use crate::stages::predictions;

/// Draws the figure.
pub fn draw(results: &Results<'_>) -> Drawn {
    let predictions = predictions::read(results.session.run.root(), PREDICTIONS)?;
    let (logits, labels): (Vec<f64>, Vec<bool>) = predictions
        .iter()
        .filter(|row| row.split == Split::Test)
        .map(|row| (row.logit, row.label == 1))
        .unzip();
    let positive = labels.iter().filter(|&&label| label).count();
    let curve = roc_curve(&logits, &labels).unwrap_or_default();
    let roc = Roc {
        points: &curve,
        auc: &results.summary.classifier.test_auc,
        positive,
        negative: labels.len() - positive,
    };
    Ok(Some(roc.png()?))
}
