//! The default cohort cannot be graded by brightness; the network must learn more than that.

#![allow(clippy::unwrap_used, reason = "a failed test panics")]

mod harness;

use std::path::Path;

use harness::{relevox, succeed};
use relevox_eval::roc_auc;
use relevox_experiment::stages::train::Prediction;

/// Returns the area under the ROC curve on the test split.
fn test_auc(predictions: &Path) -> f64 {
    let rows: Vec<Prediction> =
        csv::Reader::from_path(predictions).unwrap().deserialize().map(Result::unwrap).collect();
    let test = rows.iter().filter(|row| row.split == relevox_volume::Split::Test);
    let (logits, labels): (Vec<f64>, Vec<bool>) = test.map(|row| (row.logit, row.label == 1)).unzip();
    roc_auc(&logits, &labels).unwrap()
}

/// Trains with the profile `desk` on its cohort; takes minutes.
#[test]
fn the_network_outperforms_brightness() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().to_str().unwrap();
    for command in ["phantom", "train"] {
        succeed(relevox(&[command, "--profile", "desk", "--out", out]));
    }
    let classifier = folder.path().join("classifier");
    let network = test_auc(&classifier.join("predictions.csv"));
    let brightness = test_auc(&classifier.join("shortcut.csv"));
    println!("test AUC: network {network:.3}, brightness alone {brightness:.3}");
    assert!(network >= 0.85, "the network does not learn the grade: AUC {network:.3}");
    assert!(brightness < 0.75, "brightness alone tells the grade: AUC {brightness:.3}");
}
