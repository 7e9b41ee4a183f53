//! `explain` with weights, cases, options or outputs that do not fit: exit code 2, one message, no output.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::harness::{cohort, refuse, relevox, succeed, tiny};
use ndarray::s;
use relevox_models::ResNetConfig;
use relevox_models::candle_core::{DType, Device, Tensor};
use relevox_models::checkpoint::{self, Metadata, Network};
use relevox_volume::nifti;

/// The weights of a trained network and a case of its cohort.
struct Trained {
    folder: tempfile::TempDir,
    weights: PathBuf,
    case: PathBuf,
}

fn trained() -> Trained {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    for command in ["phantom", "train"] {
        succeed(tiny(command, &run, &["--set", "classifier.epochs=1"]));
    }
    let case = fs::read_dir(run.join("phantom/HGG")).unwrap().next().unwrap().unwrap().path();
    Trained { weights: run.join("classifier/best.safetensors"), case, folder }
}

impl Trained {
    fn name(&self) -> &str {
        self.case.file_name().unwrap().to_str().unwrap()
    }

    fn out(&self) -> PathBuf {
        self.folder.path().join("out")
    }

    fn explain(&self, weights: &Path, more: &[&str]) -> Command {
        let (case, out) = (self.case.to_str().unwrap(), self.out());
        let to = ["explain", case, "--weights", weights.to_str().unwrap(), "--out", out.to_str().unwrap()];
        relevox(&[&to[..], &["--regions", "8"], more].concat())
    }

    /// Copies the weights without their contract, and writes one without a crop: the copy and the contract.
    fn bare(&self) -> (PathBuf, String) {
        let weights = self.changed("bare.safetensors", |_, says| says.preprocess = serde_json::Value::Null);
        let contract = self.folder.path().join("contract.toml");
        let text = "channels = [\"t1\", \"t1ce\", \"t2\", \"flair\"]\norientation = \"LPS\"\naxes = \"zyx\"\nintensity = \"minmax\"\n";
        fs::write(&contract, text).unwrap();
        (weights, contract.to_str().unwrap().to_owned())
    }

    /// Writes a modified copy of the weights.
    fn changed(
        &self,
        name: &str,
        change: impl FnOnce(&mut BTreeMap<String, Tensor>, &mut Metadata),
    ) -> PathBuf {
        let (mut tensors, metadata) = checkpoint::load(&self.weights).unwrap();
        let mut metadata = metadata.unwrap();
        change(&mut tensors, &mut metadata);
        let path = self.folder.path().join(name);
        checkpoint::save(&path, &tensors, &metadata).unwrap();
        path
    }
}

#[test]
fn outputs_are_checked_before_the_computation() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, b"x").unwrap();
    let mut places = vec![file.join("out"), file];
    if cfg!(target_os = "linux") {
        places.push(PathBuf::from("/sys"));
        places.push(PathBuf::from("/sys/relevox/out"));
    }
    for place in places {
        let place = place.to_str().unwrap();
        // Weights that are not there would be the next thing to be refused.
        let command = relevox(&["explain", "case", "--weights", "absent.safetensors", "--out", place]);
        refuse(command, &[place, "writable folder"]);
    }
}

#[test]
fn options_that_contradict_the_weights_are_rejected() {
    let trained = trained();
    for (option, said, is) in [
        ("--crop", "24,24,24", "expected 20,24,20"),
        ("--downsample", "2", "expected 1"),
        ("--depth", "18", "expected 10"),
        ("--width", "3", "expected 2"),
    ] {
        refuse(trained.explain(&trained.weights, &[option, said]), &[option, is, "best.safetensors", said]);
    }
    assert!(!trained.out().exists(), "something was left behind");
    succeed(trained.explain(&trained.weights, &["--crop", "20,24,20", "--downsample", "1"]));
}

#[test]
fn by_sequence_scores_each_sequence() {
    let trained = trained();
    let output = succeed(trained.explain(&trained.weights, &["--by-sequence", "--fill", "mean"]));
    let result: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let (mut relevance, mut changes) = (Vec::new(), Vec::new());
    for sequence in ["t1", "t1ce", "t2", "flair"] {
        let mut sum = 0.0;
        let table = trained.out().join(format!("perturb-{sequence}.csv"));
        let rows: Vec<csv::StringRecord> =
            csv::Reader::from_path(table).unwrap().records().map(Result::unwrap).collect();
        for row in &rows {
            sum += row[5].parse::<f64>().unwrap().abs();
            relevance.push(row[6].parse::<f64>().unwrap());
        }
        assert!((result["sequences"][sequence].as_f64().unwrap() - sum / rows.len() as f64).abs() < 1e-9);
        changes.push(sum);
        assert!(trained.out().join(format!("perturb-{sequence}.nii.gz")).exists());
    }
    assert!(changes.iter().all(|change| *change > 0.0) && changes[0] != changes[1]);
    // All sequences share one scale, so 0 and 100 occur among all of them.
    assert_eq!(relevance.iter().copied().fold(f64::MIN, f64::max), 100.0);
    assert_eq!(relevance.iter().copied().fold(f64::MAX, f64::min), 0.0);
    assert!(relevance.iter().filter(|value| **value == 100.0).count() < 4);
}

#[test]
fn a_crop_that_exceeds_memory_is_rejected() {
    let trained = trained();
    let (weights, contract) = trained.bare();
    for crop in ["2000000000,2000000000,2000000000", "1025,24,20", "18446744073709551615,1,1"] {
        refuse(trained.explain(&weights, &["--input", &contract, "--crop", crop]), &["crop", "1024"]);
    }
    assert!(!trained.out().exists(), "something was left behind");
    succeed(trained.explain(&weights, &["--input", &contract, "--crop", "20,24,20"]));
}

#[test]
fn non_finite_weights_are_rejected() {
    let trained = trained();
    let weights = trained.changed("nan.safetensors", |tensors, _| {
        let stem = tensors.get_mut("conv1.weight").unwrap();
        *stem = (stem.zeros_like().unwrap() + f64::NAN).unwrap();
    });
    refuse(trained.explain(&weights, &[]), &[trained.name(), "nan.safetensors", "finite value", "NaN"]);
    assert!(!trained.out().exists(), "something was left behind");
}

#[test]
fn a_crop_without_brain_is_rejected() {
    let trained = trained();
    for sequence in ["t1", "t1ce", "t2", "flair"] {
        let path = trained.case.join(format!("{}_{sequence}.nii.gz", trained.name()));
        let mut scan = nifti::read(&path).unwrap();
        scan.voxels.slice_mut(s![4..16, 4..20, 4..16]).fill(0.0);
        nifti::write(&path, &scan).unwrap();
    }
    let (weights, contract) = trained.bare();
    let parts = [trained.name(), "crop of 8 x 12 x 10 voxels", "fill min", "at least 1 voxel"];
    refuse(trained.explain(&weights, &["--input", &contract, "--crop", "10,12,8", "--fill", "min"]), &parts);
    assert!(!trained.out().exists(), "something was left behind");
}

#[test]
fn weights_of_another_network_are_rejected() {
    let folder = tempfile::tempdir().unwrap();
    let scans = folder.path().join("scans");
    cohort(&scans, 2);
    let case = fs::read_dir(scans.join("HGG")).unwrap().next().unwrap().unwrap().path();
    let (weights, out) = (folder.path().join("w.safetensors"), folder.path().join("out"));
    let explain = |more: &[&str]| {
        let paths = [&case, &weights, &out].map(|path| path.to_str().unwrap());
        relevox(&[&["explain", paths[0], "--weights", paths[1], "--out", paths[2]], more].concat())
    };
    refuse(explain(&[]), &["w.safetensors"]);
    fs::write(&weights, b"not tensors").unwrap();
    refuse(explain(&[]), &["w.safetensors", "safetensors file"]);
    let stem = Tensor::zeros((8, 4, 5, 5, 5), DType::F32, &Device::Cpu).unwrap();
    let network = ResNetConfig { depth: 10, width: 8, ..ResNetConfig::default() };
    let metadata = Metadata::new(Network::Resnet(network), serde_json::Value::Null);
    let tensors = BTreeMap::from([("conv1.weight".to_owned(), stem)]);
    checkpoint::save(&weights, &tensors, &metadata).unwrap();
    refuse(explain(&[]), &["w.safetensors", "conv1.weight", "[8, 4, 7, 7, 7]", "[8, 4, 5, 5, 5]"]);
    assert!(!out.exists(), "something was left behind");
}

#[test]
fn results_are_not_written_among_the_scans() {
    let trained = trained();
    let before = fs::read_dir(&trained.case).unwrap().count();
    for inside in [trained.case.clone(), trained.case.join("explained")] {
        let paths = [&trained.case, &trained.weights, &inside].map(|path| path.to_str().unwrap());
        let command = relevox(&["explain", paths[0], "--weights", paths[1], "--out", paths[2]]);
        refuse(command, &["--out", paths[2], "outside the scans' folder"]);
    }
    assert_eq!(fs::read_dir(&trained.case).unwrap().count(), before);
}
