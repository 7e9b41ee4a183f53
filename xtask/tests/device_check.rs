//! `device-check` on the CPU, where every check must pass, and devices that are not available.

#![allow(clippy::unwrap_used, reason = "a test that can't go on has failed")]

use std::process::{Command, Output};

use serde_json::Value;

fn xtask(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_xtask")).args(arguments).output().unwrap()
}

/// Asserts that a command ends with exit code 2 and one message that contains all of `parts`.
#[track_caller]
fn refused(arguments: &[&str], parts: &[&str]) {
    let output = xtask(arguments);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    let last = stderr.lines().last().unwrap();
    assert!(last.starts_with("error: ") && parts.iter().all(|part| last.contains(part)), "{stderr}");
}

#[test]
fn the_cpu_agrees_with_itself() {
    let output = xtask(&["device-check", "--quick"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines: Vec<Value> = output
        .stdout
        .split(|&byte| byte == b'\n')
        .filter_map(|line| serde_json::from_slice(line).ok())
        .collect();
    let named =
        |part: &str| lines.iter().filter(|line| line["figure"].as_str().unwrap().contains(part)).count();
    // The number of gradients, the output, and the gradients of input and weight.
    assert_eq!(named("conv3d 7³"), 4);
    let parts = ["conv_transpose3d", "max_pool3d", "batch norm", "upsample3d", "ten steps", "phantom, whole"];
    for part in parts.into_iter().chain(["learned fill, incremental"]) {
        assert!(named(part) > 0, "no check of {part}");
    }
    for line in &lines {
        assert!(line["passed"] == true || line["seconds"].as_f64().is_some_and(|s| s > 0.0), "{line}");
        assert_eq!(line["device"], "cpu");
    }
}

#[test]
#[cfg(not(feature = "cuda"))]
fn cuda_without_its_feature_is_an_input_error() {
    refused(&["device-check", "--device", "cuda:1"], &["device cuda:1: ", "--features cuda"]);
}

#[test]
#[cfg(not(feature = "metal"))]
fn metal_without_its_feature_is_an_input_error() {
    refused(&["device-check", "--device", "metal"], &["device metal: ", "--features metal"]);
}

#[test]
fn an_unsupported_precision_is_an_input_error() {
    refused(&["device-check", "--precision", "tf32"], &["device cpu: ", "f32, found tf32"]);
}
