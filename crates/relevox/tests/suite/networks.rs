//! Ensembles: predictions and `explain` use the mean logit, and interrupted training resumes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use crate::harness::{assert_same_tree, made, refuse, relevox, stderr, succeed, tiny, tree};
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

    /// Returns a case with predictions.
    fn case(&self) -> PathBuf {
        let name = predictions(&self.run).into_iter().next().unwrap().0;
        let grades = ["HGG", "LGG"].map(|grade| self.run.join("phantom").join(grade).join(&name));
        grades.into_iter().find(|path| path.exists()).unwrap()
    }

    fn explain(&self, weights: &[PathBuf]) -> Command {
        let (case, out) = (self.case(), self.folder.path().join("out"));
        let mut arguments = vec!["explain", case.to_str().unwrap(), "--out", out.to_str().unwrap()];
        arguments.extend(weights.iter().flat_map(|path| ["--weights", path.to_str().unwrap()]));
        relevox(&[&arguments[..], &["--regions", "8"]].concat())
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
fn another_number_of_networks_leaves_no_files_of_the_former() {
    let folder = tempfile::tempdir().unwrap();
    let changed = folder.path().join("changed");
    succeed(tiny("phantom", &changed, &[]));
    for (count, removed) in
        [("1", &[][..]), ("3", &["classifier"]), ("2", &["network-3"]), ("1", &["network-1", "network-2"])]
    {
        let networks = format!("classifier.networks={count}");
        let fresh = folder.path().join(format!("fresh-{count}"));
        let said = stderr(&succeed(tiny("train", &changed, &["--set", &networks])));
        let of_another: Vec<&str> =
            said.lines().filter(|line| line.contains("another number of networks; removing it")).collect();
        assert_eq!(of_another.len(), removed.len(), "{said}");
        for network in removed {
            assert!(of_another.iter().any(|line| line.contains(&format!("{network}: "))), "{said}");
        }
        if !fresh.exists() {
            succeed(tiny("phantom", &fresh, &["--set", &networks]));
            succeed(tiny("train", &fresh, &["--set", &networks]));
        }
        assert_same_tree(&tree(&changed), &tree(&fresh));
    }
}

#[test]
fn networks_that_shards_trained_replace_a_single_one() {
    let folder = tempfile::tempdir().unwrap();
    let [changed, fresh] = ["changed", "fresh"].map(|name| folder.path().join(name));
    succeed(tiny("phantom", &changed, &[]));
    succeed(tiny("train", &changed, &[]));
    let part = |stage: &str, more: &[&str]| {
        succeed(tiny("reproduce", &changed, &[&TWO[..], &["--stage", stage], more].concat()))
    };
    part("cohort", &[]);
    for shard in ["1/2", "2/2"] {
        part("train", &["--shard", shard]);
    }
    // Their work is not lost: only predictions, and what else is made of both, are left to make.
    let said = stderr(&part("train", &[]));
    assert!(said.contains("classifier: trained for a configuration with another number"), "{said}");
    assert!(!said.contains("train 1/2: epoch") && !said.contains("making it again"), "{said}");
    succeed(tiny("phantom", &fresh, &TWO));
    succeed(tiny("train", &fresh, &TWO));
    std::fs::remove_dir_all(changed.join("stages")).unwrap();
    assert_same_tree(&tree(&changed), &tree(&fresh));
}

#[test]
fn a_run_with_an_ensemble_has_all_networks() {
    let trained = trained("reproduce");
    let again = made(&succeed(tiny("reproduce", &trained.run, &TWO)));
    assert!(again.values().all(|made| *made == 0), "{again:?}");
    let [one, other] = [1, 2].map(|network| fs::read(trained.weights(network)).unwrap());
    assert_ne!(one, other, "both networks were drawn from one seed");
    assert!(!trained.run.join("classifier/best.safetensors").exists());

    // The first network of two equals the network of a run with one.
    let alone = trained.folder.path().join("alone");
    succeed(tiny("phantom", &alone, &[]));
    succeed(tiny("train", &alone, &[]));
    assert_eq!(fs::read(alone.join("classifier/best.safetensors")).unwrap(), one);
    assert_ne!(predictions(&alone), predictions(&trained.run));
}

#[test]
fn training_killed_in_the_second_network_resumes() {
    let folder = tempfile::tempdir().unwrap();
    let (whole, killed) = (folder.path().join("whole"), folder.path().join("killed"));
    let more = [&TWO[..], &["--set", "classifier.epochs=6"]].concat();
    for run in [&whole, &killed] {
        succeed(tiny("phantom", run, &more));
    }
    succeed(tiny("train", &whole, &more));
    let mut child =
        tiny("train", &killed, &more).stderr(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
    let begun = killed.join("classifier/network-2/last.safetensors");
    while !begun.exists() {
        assert!(child.try_wait().unwrap().is_none(), "training ended before it could be killed");
        sleep(Duration::from_millis(1));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let first =
        fs::metadata(killed.join("classifier/network-1/best.safetensors")).unwrap().modified().unwrap();
    succeed(tiny("train", &killed, &more));
    assert_same_tree(&tree(&killed), &tree(&whole));
    // The best weights are written again from the selected epoch, and no epoch is recomputed.
    let epoch = killed.join("classifier/network-1/epoch-006.safetensors");
    assert!(fs::metadata(epoch).unwrap().modified().unwrap() <= first, "the first network was trained again");
}

#[test]
fn explain_uses_the_mean_logit() {
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
    let (_, said) = predictions(&trained.run).into_iter().find(|(case, _)| *case == name).unwrap();
    assert!((said - (one + other) / 2.0).abs() < 1e-6);
}

#[test]
fn networks_with_different_inputs_are_rejected() {
    let trained = trained("train");
    let (tensors, metadata) = checkpoint::load(&trained.weights(2)).unwrap();
    let mut metadata = metadata.unwrap();
    metadata.preprocess["crop"] = json!([24, 24, 24]);
    let other = trained.folder.path().join("other.safetensors");
    checkpoint::save(&other, &tensors, &metadata).unwrap();
    let parts = ["--model", "best.safetensors", "other.safetensors", "same input", "`crop`"];
    refuse(trained.explain(&[trained.weights(1), other]), &parts);
}
