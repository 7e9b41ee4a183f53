//! Runs the program on tiny synthetic cohorts.

pub mod untrained;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use relevox_volume::phantom::{PhantomConfig, write_cohort};

/// Settings of a run that takes seconds: every stage at minimal size.
pub const TINY: [&str; 19] = [
    "phantom.cases=12",
    "phantom.shape=[20, 24, 20]",
    "phantom.spacing_mm=[8.0, 8.0, 8.0]",
    "preprocess.crop=[20, 24, 20]",
    "cohort.train=0.5",
    "cohort.validation=0.25",
    "cohort.test=0.25",
    "classifier.width=2",
    "classifier.epochs=2",
    "fill.widths=[2, 4]",
    "fill.cases=1",
    "fill.passes=1",
    "grid.sequences=[\"t2\"]",
    "grid.counts=[6, 10]",
    "grid.cases=1",
    "evaluate.bootstrap=100",
    "evaluate.focus_epochs=2",
    "evaluate.focus_cases=1",
    "evaluate.figure_cases=1",
];

/// Returns a command that runs the program with arguments.
pub fn relevox(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_relevox"));
    command.args(arguments);
    command
}

/// Returns a command on the tiny run in a folder, with further arguments.
pub fn tiny(command: &str, out: &Path, more: &[&str]) -> Command {
    let mut arguments = vec![command, "--profile", "smoke", "--out", out.to_str().unwrap()];
    arguments.extend(TINY.iter().flat_map(|pair| ["--set", pair]));
    arguments.extend(more);
    relevox(&arguments)
}

/// Runs a command that must succeed.
#[track_caller]
pub fn succeed(mut command: Command) -> Output {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}: {}", output.status, stderr(&output));
    output
}

/// Returns stderr as text.
pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Runs a command that must reject its input: exit code 2, one message on one line that contains all of `parts`, no
/// panic.
#[track_caller]
pub fn refuse(mut command: Command, parts: &[&str]) {
    let output = command.output().unwrap();
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(2), "{said}");
    let errors: Vec<&str> = said.lines().filter(|line| line.starts_with("error: ")).collect();
    assert_eq!(errors.len(), 1, "{said}");
    assert!(said.trim_end().ends_with(errors[0]), "the error is not the last line: {said}");
    assert!(!said.contains("panicked"), "{said}");
    for part in parts {
        assert!(errors[0].contains(part), "{} does not say {part}", errors[0]);
    }
}

/// Writes a synthetic cohort with alternating grades into a folder.
pub fn cohort(folder: &Path, cases: usize) {
    let config =
        PhantomConfig { cases, shape: [16, 20, 16], spacing_mm: [8.0; 3], ..PhantomConfig::default() };
    write_cohort(&config.check().unwrap(), 1, folder, |_| {}).unwrap();
}

/// Reads every file below a folder, by relative path.
pub fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    fn collect(root: &Path, folder: &Path, found: &mut BTreeMap<PathBuf, Vec<u8>>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                collect(root, &path, found);
            } else {
                found.insert(path.strip_prefix(root).unwrap().to_owned(), std::fs::read(&path).unwrap());
            }
        }
    }
    let mut found = BTreeMap::new();
    collect(folder, folder, &mut found);
    found
}

/// Reads a run's files except the manifest, which contains times.
pub fn tree(run: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = files(run);
    assert!(files.remove(Path::new("manifest.json")).is_some(), "no manifest");
    files
}

/// Asserts that two trees are equal and lists the files that differ.
#[track_caller]
pub fn assert_same_tree(found: &BTreeMap<PathBuf, Vec<u8>>, expected: &BTreeMap<PathBuf, Vec<u8>>) {
    let names = found.keys().chain(expected.keys().filter(|name| !found.contains_key(*name)));
    let different: Vec<&PathBuf> = names.filter(|name| found.get(*name) != expected.get(*name)).collect();
    assert!(different.is_empty(), "files that differ: {different:?}");
}

/// Parses the number of artefacts that each stage wrote from stderr.
pub fn made(output: &Output) -> BTreeMap<String, usize> {
    let said = stderr(output);
    let stages = said.lines().filter_map(|line| {
        let (stage, rest) = line.split_once(": ")?;
        let (count, _) = rest.split_once(" made, ")?;
        Some((stage.to_owned(), count.parse().ok()?))
    });
    stages.collect()
}
