//! Results that do not depend on the processor: `--portable`.

use std::fs;
use std::path::Path;

use crate::harness::{refuse, relevox, stderr, succeed, tiny};
use relevox_models::conv3d::Isa;
use serde_json::Value;

const COHORT_AND_TRAINING: [&str; 2] = ["--stage", "cohort,train"];

/// Trains on the tiny cohort; returns the weights, the recorded instruction set and what was said.
fn train(run: &Path, more: &[&str]) -> (Vec<u8>, String, String) {
    let said = stderr(&succeed(tiny("reproduce", run, &[&COHORT_AND_TRAINING, more].concat())));
    let manifest: Value = serde_json::from_slice(&fs::read(run.join("manifest.json")).unwrap()).unwrap();
    let set = manifest["host"]["instruction_set"].as_str().unwrap().to_owned();
    (fs::read(run.join("classifier/best.safetensors")).unwrap(), set, said)
}

#[test]
fn portable_runs_compute_with_avx2_and_say_when_another_command_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let [portable, fastest] = ["portable", "fastest"].map(|name| folder.path().join(name));
    let Some(isa) = Isa::portable() else {
        refuse(tiny("reproduce", &portable, &["--portable"]), &["--portable", "AVX2 and FMA"]);
        return;
    };
    let (weights, set, said) = train(&portable, &["--portable"]);
    assert_eq!(set, isa.name());
    assert!(!said.contains("instruction set"), "{said}");
    let (others, fastest_set, _) = train(&fastest, &[]);
    assert_eq!(fastest_set, Isa::current().name());
    // Where AVX2 is the widest, it is what every command uses.
    assert_eq!(weights == others, fastest_set == set);
    let (_, _, said) = train(&portable, &[]);
    let differ = format!("computes with {fastest_set}, the run was started with {set}");
    assert_eq!(said.contains(&differ), fastest_set != set, "{said}");
}

#[test]
fn what_selects_instructions_itself_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let out = out.to_str().unwrap();
    refuse(
        relevox(&["reproduce", "--profile", "smoke", "--out", out, "--portable", "--device", "cuda"]),
        &["--portable: expected --device cpu, found cuda"],
    );
    if Isa::portable().is_some() {
        let explain = ["explain", "case", "--model", "x.onnx", "--out", out, "--portable"];
        refuse(
            relevox(&[&explain[..], &["--runtime", "onnxruntime"]].concat()),
            &["--portable: expected --runtime relevox or auto", "found onnxruntime"],
        );
    }
}
