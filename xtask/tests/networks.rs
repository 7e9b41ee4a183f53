//! A classifier of several networks: every stage takes their mean logit, and `explain` does.

#![allow(clippy::unwrap_used, reason = "a test that can't go on has failed")]

mod harness;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use harness::{made, refuse, succeed, tiny, xtask};
use relevox_models::checkpoint;
use serde_json::{Value, json};

const TWO: [&str; 2] = ["--set", "classifier.networks=2"];

struct Trained {
    folder: tempfile::TempDir,
    run: PathBuf,
}

impl Trained {
    fn weights(&self, network: usize) -> PathBuf {
        self.run.join(format!("classifier/network-{network}/best.safetensors"))
    }

    fn case(&self) -> PathBuf {
        fs::read_dir(self.run.join("phantom/HGG")).unwrap().next().unwrap().unwrap().path()
    }

    fn explain(&self, weights: &[PathBuf]) -> Command {
        let (case, out) = (self.case(), self.folder.path().join("out"));
        let mut arguments = vec!["explain", case.to_str().unwrap(), "--out", out.to_str().unwrap()];
        arguments.extend(weights.iter().flat_map(|path| ["--weights", path.to_str().unwrap()]));
        xtask(&[&arguments[..], &["--regions", "8"]].concat())
    }
}

fn trained(command: &str) -> Trained {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    if command != "reproduce" {
        succeed(tiny("phantom", &run, &TWO));
    }
    succeed(tiny(command, &run, &TWO));
    Trained { folder, run }
}

fn predictions(path: &Path) -> Vec<(String, f64)> {
    let rows = csv::Reader::from_path(path.join("classifier/predictions.csv")).unwrap().into_records();
    rows.map(|row| row.unwrap()).map(|row| (row[0].to_owned(), row[3].parse().unwrap())).collect()
}

#[test]
fn a_whole_run_has_both() {
    let trained = trained("reproduce");
    let again = made(&succeed(tiny("reproduce", &trained.run, &TWO)));
    assert!(again.values().all(|made| *made == 0), "{again:?}");
    let [one, other] = [1, 2].map(|network| fs::read(trained.weights(network)).unwrap());
    assert_ne!(one, other, "both networks were drawn from one seed");
    assert!(!trained.run.join("classifier/best.safetensors").exists());

    // The first of two is the one that there would be alone.
    let alone = trained.folder.path().join("alone");
    succeed(tiny("phantom", &alone, &[]));
    succeed(tiny("train", &alone, &[]));
    assert_eq!(fs::read(alone.join("classifier/best.safetensors")).unwrap(), one);
    assert_ne!(predictions(&alone), predictions(&trained.run));
}

#[test]
fn explain_takes_the_mean_logit() {
    let trained = trained("train");
    let logit = |weights: &[PathBuf]| -> f64 {
        let output = succeed(trained.explain(weights));
        let result: Value = serde_json::from_slice(&output.stdout).unwrap();
        result["logit"].as_f64().unwrap()
    };
    let both = [trained.weights(1), trained.weights(2)];
    let (one, other) = (logit(&both[..1]), logit(&both[1..]));
    assert_ne!(one, other);
    assert!((logit(&both) - (one + other) / 2.0).abs() < 1e-6);
    let name = trained.case().file_name().unwrap().to_str().unwrap().to_owned();
    if let Some((_, said)) = predictions(&trained.run).into_iter().find(|(case, _)| *case == name) {
        assert!((said - (one + other) / 2.0).abs() < 1e-6);
    }
}

#[test]
fn networks_of_other_inputs_do_not_decide_together() {
    let trained = trained("train");
    let (tensors, metadata) = checkpoint::load(&trained.weights(2)).unwrap();
    let mut metadata = metadata.unwrap();
    metadata.preprocess["crop"] = json!([24, 24, 24]);
    let other = trained.folder.path().join("other.safetensors");
    checkpoint::save(&other, &tensors, &metadata).unwrap();
    let parts = ["--weights", "best.safetensors", "other.safetensors", "different"];
    refuse(trained.explain(&[trained.weights(1), other]), &parts);
}
