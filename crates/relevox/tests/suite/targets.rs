//! Networks of several outputs: the explained class, by name or index, and what is said of it.

use std::fs;
use std::path::{Path, PathBuf};

use crate::harness::refuse;
use crate::harness::untrained::Untrained;
use relevox::relevance::Link;
use relevox::{ModelOptions, TensorModel};

const NAMES: &str = "[output]\nkind = \"softmax\"\nclasses = [\"benign\", \"malignant\", \"none\"]\n";

/// Returns the logits of a result.
fn logits(result: &serde_json::Value) -> Vec<f64> {
    result["logits"].as_array().unwrap().iter().map(|logit| logit.as_f64().unwrap()).collect()
}

#[test]
fn each_class_of_a_softmax_is_explained() {
    let untrained = Untrained::new(3);
    fs::write(untrained.path("model.input.toml"), NAMES).unwrap();
    let (mut total, mut changes) = (0.0, vec![0.0; 4]);
    for (index, class) in ["benign", "malignant", "none"].into_iter().enumerate() {
        let (by_name, _) = untrained.explained("x.npy", &["--regions", "4", "--target", class]);
        let table = untrained.scores();
        let (by_index, _) = untrained.explained("x.npy", &["--regions", "4", "--target", &index.to_string()]);
        assert_eq!(untrained.scores(), table);
        for result in [&by_name, &by_index] {
            assert_eq!(result["target"]["output"], index);
            assert_eq!(result["target"]["class"], class);
            assert_eq!(result["target"]["link"], "softmax");
        }
        let outputs = logits(&by_name);
        let sum: f64 = outputs.iter().map(|output| output.exp()).sum();
        let probability = by_name["probability"].as_f64().unwrap();
        assert!((probability - outputs[index].exp() / sum).abs() < 1e-9);
        let logit = by_name["logit"].as_f64().unwrap();
        assert!((logit - (probability / (1.0 - probability)).ln()).abs() < 1e-6);
        total += probability;
        // Columns: region, voxels, p_original, p_perturbed, delta_p, delta_logit, relevance.
        for (row, sum) in table.lines().skip(1).zip(&mut changes) {
            let row: Vec<f64> = row.split(',').map(|value| value.parse().unwrap()).collect();
            assert_eq!(row[2], probability);
            assert!((row[2] - row[3] - row[4]).abs() < 1e-12);
            let perturbed = (row[3] / (1.0 - row[3])).ln();
            assert!((logit - perturbed - row[5]).abs() < 1e-6);
            *sum += row[4];
        }
    }
    assert!((total - 1.0).abs() < 1e-12);
    // Probabilities of all classes sum to 1 with any region replaced, so their changes cancel.
    assert!(changes.iter().all(|sum: &f64| sum.abs() < 1e-12), "{changes:?}");
}

#[test]
fn without_a_target_the_predicted_class_is_explained_and_said() {
    let untrained = Untrained::new(3);
    let (result, said) = untrained.explained("x.npy", &["--regions", "4"]);
    let outputs = logits(&result);
    let predicted = (0..3).max_by(|a, b| outputs[*a].total_cmp(&outputs[*b])).unwrap();
    assert_eq!(result["target"]["output"], predicted);
    assert!(said.contains(&format!("predicted class, output {predicted}")), "{said}");
    assert!(said.contains("3 outputs are logits of exclusive classes"), "{said}");
    let other = (predicted + 1) % 3;
    let target = format!("output.target={other}");
    let (result, said) =
        untrained.explained("x.npy", &["--regions", "4", "--output", "softmax", "--input-set", &target]);
    assert_eq!(result["target"]["output"], other);
    assert!(!said.contains("predicted"), "{said}");
}

#[test]
fn sigmoids_are_explained_one_by_one() {
    let untrained = Untrained::new(3);
    let (result, _) =
        untrained.explained("x.npy", &["--regions", "4", "--output", "sigmoid", "--target", "2"]);
    let logit = logits(&result)[2];
    assert_eq!(result["target"]["link"], "sigmoid");
    assert_eq!(result["logit"], logit);
    assert!((result["probability"].as_f64().unwrap() - 1.0 / (1.0 + (-logit).exp())).abs() < 1e-12);
}

#[test]
fn a_plain_value_has_no_probability() {
    let untrained = Untrained::new(1);
    let (result, _) = untrained.explained("x.npy", &["--regions", "4", "--output", "value"]);
    assert_eq!(result["value"], result["logits"][0]);
    assert!(result.get("probability").is_none() && result.get("logit").is_none(), "{result}");
    for row in untrained.scores().lines().skip(1) {
        let row: Vec<f64> = row.split(',').map(|value| value.parse().unwrap()).collect();
        assert_eq!(row[2], result["value"].as_f64().unwrap());
        assert_eq!(row[4], row[5]);
    }
}

#[test]
fn unknown_classes_are_refused_with_the_known_ones() {
    let untrained = Untrained::new(3);
    let refused = |more: &[&str], parts: &[&str]| refuse(untrained.explain("x.npy", more), parts);
    refused(&["--target", "benign"], &["--target", "an index", "benign"]);
    refused(&["--target", "3"], &["--target", "0 to 2", "found 3"]);
    refused(&["--output", "logit"], &["output.kind", "3 outputs", "logit"]);
    fs::write(untrained.path("model.input.toml"), NAMES).unwrap();
    refused(&["--target", "begnin"], &["--target", "benign, malignant, none", "begnin"]);
    refused(&["--input-set", "output.classes=[\"a\", \"b\"]"], &["output.classes", "3 outputs", "a, b"]);
    refused(&["--input-set", "output.classes=[\"a\", \"a\", \"b\"]"], &["output.classes", "different names"]);
    refused(
        &["--input-set", "output.class=1"],
        &["model.input.toml", "output: expected a key", "found `class`"],
    );
    fs::write(untrained.path("model.input.toml"), "").unwrap();
    refused(&["--input-set", "output=soft"], &["`softmax`", "soft"]);
    let one = Untrained::new(1);
    refuse(one.explain("x.npy", &["--output", "softmax"]), &["output.kind", "softmax"]);
    assert!(!untrained.path("out").exists(), "something was left behind");
}

#[test]
fn a_final_sigmoid_of_several_outputs_makes_each_a_logit() {
    // The operator, and the names that the exporter made of it.
    let mut network = fs::read(fixtures().join("softmax-legacy17.onnx")).unwrap();
    while let Some(at) = network.windows(7).position(|bytes| bytes == b"Softmax") {
        network[at..at + 7].copy_from_slice(b"Sigmoid");
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sigmoid.onnx");
    fs::write(&path, network).unwrap();
    let options = ModelOptions { image_size: Some([20; 3]), ..ModelOptions::default() };
    let model = TensorModel::load_with(&[&path], &relevox_models::device("cpu").unwrap(), &options).unwrap();
    assert_eq!(model.link(), Link::Sigmoid);
    assert!(model.assumed().iter().any(|line| line.contains("a logit of its own")), "{:?}", model.assumed());
}

#[test]
fn options_that_a_file_or_a_tensor_decides_are_refused() {
    let untrained = Untrained::new(1);
    let refused = |more: &[&str], parts: &[&str]| refuse(untrained.explain("x.npy", more), parts);
    refused(
        &["--input-set", "intensity=zscore"],
        &["--input-set", "network", "preprocessed", "intensity=zscore"],
    );
    let onnx = fixtures().join("softmax-legacy17.onnx");
    let command =
        untrained.explain_by(&["--model", onnx.to_str().unwrap()], "x.npy", &["--stem-stride", "2"]);
    refuse(command, &["--stem-stride", "softmax-legacy17.onnx states its network itself"]);
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/tests/fixtures/onnx")
}
