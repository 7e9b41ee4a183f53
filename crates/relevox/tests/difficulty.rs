//! The default cohort is no toy: the grade must be seen.

#![allow(clippy::unwrap_used, reason = "a test that can't go on has failed")]

mod harness;

use std::path::Path;

use harness::{relevox, succeed};
use relevox_eval::roc_auc;
use relevox_experiment::stages::train::Prediction;

/// The area under the ROC curve on the test split.
fn test_auc(predictions: &Path) -> f64 {
    let rows: Vec<Prediction> =
        csv::Reader::from_path(predictions).unwrap().deserialize().map(Result::unwrap).collect();
    let test = rows.iter().filter(|row| row.split == relevox_volume::Split::Test);
    let (logits, labels): (Vec<f64>, Vec<bool>) = test.map(|row| (row.logit, row.label == 1)).unzip();
    roc_auc(&logits, &labels).unwrap()
}

/// Trains as `desk` does, on its cohort: minutes, not seconds.
#[test]
fn the_network_grades_what_brightness_does_not() {
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
