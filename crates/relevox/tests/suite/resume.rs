//! Interrupting, repeating and changing a run. `xtask/tests/torture.rs` kills runs.

use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::harness::{self, assert_same_tree, made, stderr, succeed, tiny, tree};

/// The stages of a run, in their order.
const STAGES: [&str; 12] = [
    "phantom",
    "cohort",
    "train",
    "grid",
    "regions",
    "perturb-train",
    "score",
    "focus",
    "maps",
    "faithfulness",
    "evaluate",
    "report",
];

/// The stages from one on.
fn from(stage: &str) -> &'static [&'static str] {
    let first = STAGES.iter().position(|other| *other == stage).unwrap();
    &STAGES[first..]
}

#[test]
fn ctrl_c_exits_with_130_and_the_same_command_resumes() {
    let folder = tempfile::tempdir().unwrap();
    let (whole, stopped) = (folder.path().join("whole"), folder.path().join("stopped"));
    let start = Instant::now();
    succeed(tiny("reproduce", &whole, &["--threads", "1"]));
    let took = start.elapsed();
    let child =
        tiny("reproduce", &stopped, &[]).stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    sleep(took.mul_f64(0.3));
    let asked = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(asked.success());
    let output = child.wait_with_output().unwrap();
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(130), "{said}");
    assert!(said.contains("run the same command again to resume"), "{said}");
    succeed(tiny("reproduce", &stopped, &[]));
    // The bytes do not depend on the number of threads.
    assert_same_tree(&tree(&stopped), &tree(&whole));
}

#[test]
fn ctrl_c_ends_slic_before_anything_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let [scan, out] = ["scan.nii.gz", "out.nii.gz"].map(|name| folder.path().join(name));
    let shape = [192; 3];
    let voxels = ndarray::Array3::from_shape_fn(shape, |(z, y, x)| ((z * 7 + y * 5 + x * 3) % 17) as f32);
    let geometry = relevox_volume::Geometry::axis_aligned(shape, [1.0; 3]);
    relevox_volume::nifti::write(&scan, &relevox_volume::Volume { voxels, geometry }).unwrap();
    // Takes seconds.
    let child = harness::relevox(&["slic", scan.to_str().unwrap(), out.to_str().unwrap(), "--threads", "1"])
        .args(["--regions", "500", "--iterations", "40", "--compactness", "0.01"])
        .stderr(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    sleep(Duration::from_millis(700));
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", stderr(&output));
    assert!(!out.exists());
}

#[test]
fn one_changed_key_reruns_what_depends_on_it() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    let first = made(&succeed(tiny("reproduce", &out, &[])));
    for stage in STAGES {
        assert!(first[stage] > 0, "{stage} made nothing: {first:?}");
    }
    // Repeating the command computes nothing; a changed key reruns what depends on it and is stored.
    let mut keys: Vec<String> = Vec::new();
    let changes: [(&str, &[&str]); 6] = [
        ("", &[]),
        ("evaluate.bootstrap=120", &["evaluate", "report"]),
        ("evaluate.focus_cases=2", &["focus", "evaluate", "report"]),
        ("fill.passes=2", &["perturb-train", "score", "maps", "faithfulness", "evaluate", "report"]),
        ("regions.sigma=1.0", from("grid")),
        ("classifier.learning_rate=0.004", from("train")),
    ];
    for (key, depend) in changes {
        if !key.is_empty() {
            keys.extend(["--set".to_owned(), key.to_owned()]);
        }
        let more: Vec<&str> = keys.iter().map(String::as_str).collect();
        let now = made(&succeed(tiny("reproduce", &out, &more)));
        let ran: Vec<&str> = STAGES.into_iter().filter(|stage| now[*stage] > 0).collect();
        // What is made from unchanged labels may turn out to be current: a stage may be spared, never added.
        let spared: Vec<&&str> = depend.iter().filter(|stage| !ran.contains(stage)).collect();
        assert!(
            ran.iter().all(|stage| depend.contains(stage)),
            "{key}: {ran:?} ran, {depend:?} depend on it"
        );
        assert!(spared.iter().all(|stage| **stage == "regions"), "{key}: {spared:?} did not run");
    }
    // The folder equals that of a run with the last config.
    let fresh = folder.path().join("fresh");
    let more: Vec<&str> = keys.iter().map(String::as_str).collect();
    succeed(tiny("reproduce", &fresh, &more));
    assert_same_tree(&tree(&out), &tree(&fresh));
}

#[test]
fn stage_commands_produce_the_bytes_of_reproduce() {
    let folder = tempfile::tempdir().unwrap();
    let (whole, steps) = (folder.path().join("whole"), folder.path().join("steps"));
    succeed(tiny("reproduce", &whole, &[]));
    let order = ["phantom", "train", "grid", "regions", "perturb-train", "score", "evaluate", "report"];
    for (index, command) in order.into_iter().enumerate() {
        // Whoever comes too early hears what to run first.
        if let Some(later) = order.get(index + 1) {
            let first = format!("run `relevox {command}` first");
            harness::refuse(tiny(later, &steps, &[]), &[&first]);
        }
        succeed(tiny(command, &steps, &[]));
    }
    assert_same_tree(&tree(&steps), &tree(&whole));
}
