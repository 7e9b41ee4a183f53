//! The default cohort cannot be graded by brightness; the network must learn more than that.

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

/// Settings of scans with an eighth of the voxels: training on the default ones takes minutes.
const COARSE: [&str; 4] = [
    "phantom.shape=[40,44,40]",
    "phantom.spacing_mm=[4,4,4]",
    "preprocess.crop=[40,44,40]",
    "augment.shift_voxels=2",
];

/// Trains with the profile `desk` and these settings; returns the areas of the network and of brightness.
fn areas(settings: &[&str]) -> [f64; 2] {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().to_str().unwrap();
    for command in ["phantom", "train"] {
        let mut arguments = vec![command, "--profile", "desk", "--seed", "2", "--out", out];
        arguments.extend(settings.iter().flat_map(|setting| ["--set", *setting]));
        succeed(relevox(&arguments));
    }
    let classifier = folder.path().join("classifier");
    ["predictions.csv", "shortcut.csv"].map(|table| test_auc(&classifier.join(table)))
}

#[test]
fn brightness_does_not_tell_the_grade() {
    let [_, brightness] = areas(&["classifier.epochs=1"]);
    assert!(brightness < 0.75, "brightness alone tells the grade: AUC {brightness:.3}");
}

#[test]
fn the_network_outperforms_brightness() {
    let [network, brightness] = areas(&COARSE);
    println!("test AUC: network {network:.3}, brightness alone {brightness:.3}");
    assert!(network >= 0.8, "the network does not learn the grade: AUC {network:.3}");
    assert!(brightness < 0.75, "brightness alone tells the grade: AUC {brightness:.3}");
}
