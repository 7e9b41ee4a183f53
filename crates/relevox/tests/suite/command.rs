//! `explain --command`: an external program explained through files.

#![cfg(unix)]

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::harness::untrained::{SHAPE, Untrained, image};
use crate::harness::{refuse, relevox, stderr, succeed};
use ndarray::{Array2, Array3, Axis, array};
use relevox_volume::{Geometry, Volume, nifti, npy};
use serde_json::Value;

/// The program of `examples/classifier.rs`, which the tests are built with.
fn classifier(weights: &str) -> String {
    let deps = std::env::current_exe().unwrap();
    let built: PathBuf = deps.parent().unwrap().parent().unwrap().join("examples/classifier");
    assert!(built.exists(), "build {} first: cargo build -p relevox --examples", built.display());
    format!("'{}' {weights}", built.display())
}

/// Answers each request by a line of shell, in which `$logits` is the path of the outputs.
fn shell(script: &str) -> String {
    format!(
        "sh -c 'while read -r line; do logits=${{line##*\\\"logits\\\":\\\"}}; logits=${{logits%%\\\"*}}; {script}; done'"
    )
}

/// Explains four regions.
fn by_command(untrained: &Untrained, command: &str, more: &[&str]) -> std::process::Command {
    let [_, z, y, x] = SHAPE;
    let labels = Array3::from_shape_fn((z, y, x), |(z, y, _)| (1 + z / 10 * 2 + y / 12) as f32);
    npy::write(&untrained.path("labels.npy"), labels.view().into_dyn()).unwrap();
    let labels = untrained.text("labels.npy");
    untrained.explain_by(&["--command", command], "x.npy", &[&["--labels", &labels], more].concat())
}

#[test]
fn a_program_is_explained_through_files() {
    let untrained = Untrained::new(1);
    let command = classifier("-1 3");
    let output = succeed(by_command(&untrained, &command, &["--target", "1", "--fill", "blank"]));
    let result: Value = serde_json::from_slice(&output.stdout).unwrap();
    let mean = f64::from(image().index_axis(Axis(0), 0).mean().unwrap());
    assert_eq!(result["command"], command);
    assert!((result["logits"][0].as_f64().unwrap() + mean).abs() < 1e-6);
    // Softmax of two outputs: the difference of the logits.
    assert!((result["logit"].as_f64().unwrap() - 4.0 * mean).abs() < 1e-5);
    assert_eq!(result["warnings"], serde_json::json!([]));
    // The changes of a mean by blank regions add up to the mean itself.
    let sum: f64 = untrained
        .scores()
        .lines()
        .skip(1)
        .map(|row| row.split(',').nth(5).unwrap().parse::<f64>().unwrap())
        .sum();
    assert!((sum - 4.0 * mean).abs() < 1e-4, "{sum}");
}

#[test]
fn scans_need_a_contract_and_reach_the_program_in_its_axes() {
    let untrained = Untrained::new(1);
    let case = untrained.path("case");
    fs::create_dir(&case).unwrap();
    let geometry = Geometry::axis_aligned([SHAPE[1], SHAPE[2], SHAPE[3]], [1.0; 3]);
    let volume = Volume { voxels: image().index_axis(Axis(0), 0).to_owned(), geometry };
    nifti::write(&case.join("case_t1.nii.gz"), &volume).unwrap();
    let (command, out) = (classifier("2"), untrained.text("out"));
    let explain = |command: &str, more: &[&str]| {
        let to = ["explain", case.to_str().unwrap(), "--command", command, "--out", &out];
        relevox(&[&to[..], &["--regions", "6"], more].concat())
    };
    refuse(explain(&command, &[]), &["contract", "--input"]);
    let contract = untrained.text("contract.toml");
    let keys = "channels = [\"t1\"]\norientation = \"stored\"\naxes = \"xyz\"\nintensity = \"none\"\n\
        crop = [28, 24, 20]\n";
    fs::write(&contract, keys).unwrap();
    let output = succeed(explain(&command, &["--input", &contract]));
    let result: Value = serde_json::from_slice(&output.stdout).unwrap();
    let mean = f64::from(volume.voxels.mean().unwrap());
    assert!((result["logit"].as_f64().unwrap() - 2.0 * mean).abs() < 1e-6);
    assert_eq!(result["input"]["axes"], "xyz");
    // The program sees x, y, z: a batch of one image is [1, 1, 28, 24, 20].
    let copy = untrained.text("seen.npy");
    let script = format!("batch=${{line#*\\\"batch\\\":\\\"}}; cp \"${{batch%%\\\"*}}\" {copy}; exit 5");
    refuse(explain(&shell(&script), &["--input", &contract]), &["exited with 5"]);
    let seen = npy::ArrayFile::parse(&copy).read().unwrap().values;
    assert_eq!(seen.shape(), [1, 1, 28, 24, 20]);
    assert_eq!(seen[[0, 0, 14, 12, 10]], volume.voxels[[10, 12, 14]]);
}

#[test]
fn programs_that_fail_are_refused_with_one_line() {
    let untrained = Untrained::new(1);
    let wrong = untrained.text("wrong.npy");
    npy::write(&untrained.path("wrong.npy"), array![0.0_f32, 1.0].view().into_dyn()).unwrap();
    for (command, parts) in [
        ("/no/such/program --flag", &["/no/such/program", "cannot start", "No such file"][..]),
        ("'unclosed", &["command", "quotes", "unclosed"]),
        ("  ", &["command", "expected words"]),
        ("false", &["false", "exited with 1"]),
        ("sh -c 'kill -9 $$'", &["signal"]),
        ("sh -c 'read line; exit 3'", &["exited with 3"]),
        ("cat", &["`ok`", "found `{\"batch\":"]),
        (&shell("echo loading"), &["`ok`", "found `loading`"]),
        (&shell("echo ok"), &["logits-000001.npy", "cannot read"]),
        (&shell("echo \"{\\\"error\\\": \\\"no GPU\\\"}\""), &["sh: no GPU"]),
        (&shell(&format!("cp {wrong} \"$logits\"; echo ok")), &["[1, k]", "[2]"]),
        (&shell("echo junk > \"$logits\"; echo ok"), &["logits-000001.npy", "numpy.save"]),
        (&classifier(""), &["shape of the logits", "[1, 0]"]),
        (&classifier("nan"), &["finite values", "NaN at image 0, output 0"]),
        (&classifier("one"), &["exited with 1"]),
    ] {
        refuse(by_command(&untrained, command, &[]), parts);
    }
    assert!(!untrained.path("out").exists(), "something was left behind");
}

#[test]
fn a_program_that_fails_later_stops_the_explanation() {
    let untrained = Untrained::new(1);
    let one = untrained.text("one.npy");
    npy::write(&untrained.path("one.npy"), array![[0.5_f32]].view().into_dyn()).unwrap();
    // The scan's own outputs are right, those of the first batch of regions have the shape of one image.
    let always = shell(&format!("cp {one} \"$logits\"; echo ok"));
    refuse(by_command(&untrained, &always, &[]), &["sh:", "shape of the logits", "[4, 1]", "[1, 1]"]);
    assert!(!untrained.path("out").exists(), "something was left behind");
}

#[test]
fn a_program_that_does_not_answer_is_stopped_with_its_children() {
    let untrained = Untrained::new(1);
    let marker = untrained.text("alive");
    // A child would write after the program was stopped.
    let command = format!("sh -c '(sleep 4; touch {marker}) & sleep 60'");
    let start = Instant::now();
    let parts = ["sh:", "within 0.5 s"];
    refuse(by_command(&untrained, &command, &["--command-timeout", "0.5"]), &parts);
    assert!(start.elapsed() < Duration::from_secs(30), "{:?}", start.elapsed());
    std::thread::sleep(Duration::from_secs(5));
    assert!(!untrained.path("alive").exists(), "a child went on");
}

#[test]
fn answers_that_are_not_repeated_are_said() {
    let untrained = Untrained::new(1);
    let (one, two, many) = (untrained.text("one.npy"), untrained.text("two.npy"), untrained.text("many.npy"));
    npy::write(&untrained.path("one.npy"), array![[0.5_f32]].view().into_dyn()).unwrap();
    npy::write(&untrained.path("two.npy"), array![[0.6_f32]].view().into_dyn()).unwrap();
    let rows = Array2::from_elem((4, 1), 0.1_f32);
    npy::write(&untrained.path("many.npy"), rows.view().into_dyn()).unwrap();
    let command = format!(
        "sh -c 'n=0; for answer in {one} {two} {many} {one}; do read -r line; logits=${{line##*\\\"logits\\\":\\\"}}; \
         cp $answer \"${{logits%%\\\"*}}\"; echo ok; done'"
    );
    let output = succeed(by_command(&untrained, &command, &[]));
    assert!(stderr(&output).contains("evaluation mode"), "{}", stderr(&output));
}

#[test]
fn expected_outputs_are_compared_with_the_program_s() {
    let untrained = Untrained::new(1);
    let mean = image().index_axis(Axis(0), 0).mean().unwrap();
    let expect = |value: f32| by_command(&untrained, &classifier("2"), &["--expect", &value.to_string()]);
    succeed(expect(2.0 * mean));
    refuse(expect(2.1 * mean), &["--expect", "found"]);
}

#[test]
fn options_of_weights_do_not_apply_to_programs() {
    let untrained = Untrained::new(1);
    for more in [&["--model", "w.safetensors"][..], &["--dense"], &["--depth", "10"]] {
        let output = by_command(&untrained, "cat", more).output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        assert!(stderr(&output).contains("cannot be used with"), "{}", stderr(&output));
    }
    let output = untrained.explain("x.npy", &["--command-timeout", "5"]).output().unwrap();
    assert!(stderr(&output).contains("--command"), "{}", stderr(&output));
    for seconds in ["0", "-1", "nan", "soon", "1e300"] {
        let option = format!("--command-timeout={seconds}");
        let output = by_command(&untrained, "cat", &[&option]).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{seconds}");
    }
}
