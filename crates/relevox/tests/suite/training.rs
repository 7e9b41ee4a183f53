//! Controls of training: shuffled labels, and empty scans with the network's answers to them.

use std::fs;
use std::path::Path;

use crate::harness::{stderr, succeed, tiny};

/// Trains on the tiny cohort with further settings; returns what was said.
fn train(run: &Path, more: &[&str]) -> String {
    let more: Vec<&str> = more.iter().flat_map(|pair| ["--set", pair]).collect();
    succeed(tiny("phantom", run, &more));
    stderr(&succeed(tiny("train", run, &more)))
}

/// Reads a table of predictions: case, label and logit.
fn predictions(run: &Path, name: &str) -> Vec<(String, String, f64)> {
    let rows = csv::Reader::from_path(run.join("classifier").join(name)).unwrap().into_records();
    rows.map(|row| row.unwrap())
        .map(|row| (row[0].to_owned(), row[2].to_owned(), row[3].parse().unwrap()))
        .collect()
}

fn labels(run: &Path) -> Vec<(String, String)> {
    predictions(run, "predictions.csv").into_iter().map(|(case, label, _)| (case, label)).collect()
}

#[test]
fn shuffled_labels_train_another_network_and_leave_the_test_labels() {
    let folder = tempfile::tempdir().unwrap();
    let [given, shuffled] = ["given", "shuffled"].map(|name| folder.path().join(name));
    train(&given, &[]);
    train(&shuffled, &["classifier.shuffle_labels=true"]);
    let weights = |run: &Path| fs::read(run.join("classifier/best.safetensors")).unwrap();
    assert_ne!(weights(&given), weights(&shuffled));
    assert_eq!(labels(&given), labels(&shuffled));
}

#[test]
fn empty_scans_are_learned_as_negative_examples() {
    let folder = tempfile::tempdir().unwrap();
    // Balanced weights and a high rate: a few epochs suffice to learn that a scan without structure is negative.
    let settings = ["classifier.epochs=12", "classifier.keep=last", "classifier.learning_rate=0.01"];
    let mean = |name: &str, more: &[&str]| {
        let run = folder.path().join(name);
        let said = train(&run, &[&settings[..], more].concat());
        let empty = predictions(&run, "empty.csv");
        assert_eq!(empty.len(), labels(&run).len());
        let positive = empty.iter().filter(|(_, _, logit)| *logit > 0.0).count();
        let line = format!("empty: {positive} of {} scans", empty.len());
        assert!(said.contains(&line), "{said}");
        empty.iter().map(|(_, _, logit)| logit).sum::<f64>() / empty.len() as f64
    };
    let (without, with) = (mean("without", &[]), mean("with", &["augment.empty=1.0"]));
    assert!(with < 0.0 && with < without, "{with} with empty scans, {without} without");
}
