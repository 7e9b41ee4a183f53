//! The synthetic cohort cannot be graded by brightness; the network must learn more than that.

use std::path::Path;

use crate::harness::{relevox, succeed};
use relevox_eval::roc_auc;
use relevox_experiment::stages::predictions::Prediction;

/// Returns the area under the ROC curve on the test split.
fn test_auc(predictions: &Path) -> f64 {
    let rows: Vec<Prediction> =
        csv::Reader::from_path(predictions).unwrap().deserialize().map(Result::unwrap).collect();
    let test = rows.iter().filter(|row| row.split == relevox_volume::Split::Test);
    let (logits, labels): (Vec<f64>, Vec<bool>) = test.map(|row| (row.logit, row.label == 1)).unzip();
    roc_auc(&logits, &labels).unwrap()
}

/// Trains with the profile `desk` on scans with an eighth of its voxels: on its own it takes minutes.
#[test]
fn the_network_outperforms_brightness() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().to_str().unwrap();
    let coarse = [
        "phantom.shape=[40,44,40]",
        "phantom.spacing_mm=[4,4,4]",
        "preprocess.crop=[40,44,40]",
        "augment.shift_voxels=2",
    ];
    for command in ["phantom", "train"] {
        let mut arguments = vec![command, "--profile", "desk", "--seed", "2", "--out", out];
        arguments.extend(coarse.iter().flat_map(|setting| ["--set", setting]));
        succeed(relevox(&arguments));
    }
    let classifier = folder.path().join("classifier");
    let network = test_auc(&classifier.join("predictions.csv"));
    let brightness = test_auc(&classifier.join("shortcut.csv"));
    println!("test AUC: network {network:.3}, brightness alone {brightness:.3}");
    assert!(network >= 0.8, "the network does not learn the grade: AUC {network:.3}");
    assert!(brightness < 0.75, "brightness alone tells the grade: AUC {brightness:.3}");
}
