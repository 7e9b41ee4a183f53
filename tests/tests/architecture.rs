//! What ARCHITECTURE.md says must stay true, checked.

#![allow(clippy::unwrap_used, reason = "a test that can't go on has failed")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// The arrows between crates: who may use whom.
const ARROWS: [(&str, &[&str]); 12] = [
    ("relevox-grid", &[]),
    ("relevox-volume", &["relevox-grid"]),
    ("slic3d", &[]),
    ("conv3d", &["relevox-grid"]),
    ("relevox-models", &["relevox-grid", "conv3d"]),
    ("relevox-perturb", &["relevox-grid", "slic3d", "relevox-models"]),
    ("relevox-relevance", &["relevox-grid", "slic3d", "relevox-perturb", "relevox-models"]),
    ("relevox-eval", &[]),
    ("relevox-report", &["relevox-eval", "relevox-relevance", "relevox-volume"]),
    (
        "relevox-experiment",
        &[
            "relevox-eval",
            "relevox-models",
            "relevox-perturb",
            "relevox-relevance",
            "relevox-report",
            "relevox-volume",
            "slic3d",
        ],
    ),
    (
        "relevox",
        &[
            "relevox-eval",
            "relevox-experiment",
            "relevox-grid",
            "relevox-models",
            "relevox-perturb",
            "relevox-relevance",
            "relevox-report",
            "relevox-volume",
            "slic3d",
        ],
    ),
    ("relevox-python", &["relevox"]),
];

const MOST_LINES: usize = 500;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// The workspace's packages as cargo sees them.
fn packages() -> Vec<Value> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    metadata["packages"].as_array().unwrap().clone()
}

/// The names of what a package uses when it is not being tested.
fn dependencies(package: &Value) -> BTreeSet<&str> {
    let all = package["dependencies"].as_array().unwrap();
    all.iter().filter(|d| d["kind"] != "dev").map(|d| d["name"].as_str().unwrap()).collect()
}

fn package<'a>(packages: &'a [Value], name: &str) -> &'a Value {
    packages.iter().find(|p| p["name"] == name).unwrap_or_else(|| panic!("no package {name}"))
}

/// Rust files under a folder of the workspace.
fn sources(folder: &str) -> Vec<PathBuf> {
    fn collect(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                collect(&path, found);
            } else if path.extension().is_some_and(|e| e == "rs") {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    collect(&root().join(folder), &mut found);
    assert!(!found.is_empty(), "no sources in {folder}");
    found.sort();
    found
}

fn all_sources() -> Vec<PathBuf> {
    ["crates", "xtask", "tests"].into_iter().flat_map(sources).collect()
}

/// A file's text without its comments, so that a word in prose is no use of it.
fn code(path: &Path) -> String {
    let text = std::fs::read_to_string(path).unwrap();
    let lines = text.lines().map(|line| line.split("//").next().unwrap_or_default());
    lines.collect::<Vec<_>>().join("\n")
}

#[track_caller]
fn nobody_breaks(rule: &str, offenders: impl Iterator<Item = String>) {
    let offenders: Vec<String> = offenders.collect();
    assert!(offenders.is_empty(), "{rule}:\n{}", offenders.join("\n"));
}

#[test]
fn only_the_known_arrows_exist_between_crates() {
    let packages = packages();
    let ours: BTreeSet<&str> = packages.iter().map(|p| p["name"].as_str().unwrap()).collect();
    let known: BTreeSet<&str> = ARROWS
        .iter()
        .map(|(name, _)| *name)
        .chain(["xtask", "relevox-tests", "relevox-browser-tests"])
        .collect();
    assert_eq!(ours, known, "packages of the workspace");
    for (name, allowed) in ARROWS {
        let used = dependencies(package(&packages, name));
        let others = used.intersection(&ours).filter(|other| !allowed.contains(other));
        nobody_breaks("arrows that ARCHITECTURE.md does not draw", others.map(|o| format!("{name} -> {o}")));
    }
}

#[test]
fn the_black_box_part_builds_without_candle() {
    let packages = packages();
    for (name, feature) in [("relevox-perturb", "learned"), ("relevox-relevance", "candle")] {
        let package = package(&packages, name);
        for dependency in package["dependencies"].as_array().unwrap() {
            let uses = dependency["name"].as_str().unwrap();
            if uses.starts_with("candle") || uses == "relevox-models" {
                let optional = dependency["optional"] == true || dependency["kind"] == "dev";
                assert!(optional, "{name} needs {uses} without its feature {feature}");
            }
        }
        assert!(package["features"][feature].is_array(), "{name} has no feature {feature}");
    }
}

#[test]
fn general_crates_know_nothing_of_medicine_or_candle() {
    let packages = packages();
    for name in ["slic3d", "relevox-eval"] {
        let all = package(&packages, name)["dependencies"].as_array().unwrap();
        // Settings implement serde's traits behind a feature.
        let used = all.iter().filter(|d| d["kind"] != "dev" && d["optional"] == false);
        let foreign = used
            .map(|d| d["name"].as_str().unwrap())
            .filter(|d| d.starts_with("candle") || ["nifti", "csv", "serde"].contains(d));
        nobody_breaks("general crates stay general", foreign.map(|d| format!("{name} -> {d}")));
    }
}

#[test]
fn convolutions_know_nothing_of_networks_or_files() {
    let packages = packages();
    let used = dependencies(package(&packages, "conv3d"));
    let allowed = ["candle-core", "rayon", "relevox-grid", "thiserror"];
    let foreign = used.iter().filter(|d| !allowed.contains(d));
    nobody_breaks("conv3d stands alone", foreign.map(|d| format!("conv3d -> {d}")));
    let words = ["resnet", "u-net", "unet", "classifier", "brain", "tumour", "scan"];
    let mentions = sources("crates/conv3d/src").into_iter().filter(|path| {
        let text = std::fs::read_to_string(path).unwrap().to_lowercase();
        words.iter().any(|word| text.contains(word))
    });
    nobody_breaks("conv3d has no word of networks or medicine", mentions.map(|p| p.display().to_string()));
}

#[test]
fn only_volume_knows_the_nifti_crate() {
    let packages = packages();
    let users = packages.iter().filter(|p| {
        let all = p["dependencies"].as_array().unwrap();
        p["name"] != "relevox-volume" && all.iter().any(|d| d["name"] == "nifti")
    });
    nobody_breaks("only volume uses the nifti crate", users.map(|p| p["name"].to_string()));
    let importers = sources("crates/volume/src").into_iter().filter(|path| {
        let inside = path.strip_prefix(root().join("crates/volume/src")).unwrap();
        !inside.starts_with("nifti") && code(path).contains("::nifti::")
    });
    nobody_breaks("only volume::nifti imports it", importers.map(|p| p.display().to_string()));
}

#[test]
fn file_access_stands_in_few_places() {
    let allowed = |path: &Path| {
        let inside = path.strip_prefix(root().join("crates")).unwrap();
        let tests = inside
            .components()
            .any(|part| ["tests", "benches", "examples"].map(Some).contains(&part.as_os_str().to_str()))
            || inside.file_stem().is_some_and(|stem| stem.to_string_lossy().ends_with("tests"));
        tests
            || inside.starts_with("volume")
            || inside.starts_with("experiment")
            || inside.starts_with("relevox/src/cli")
            || inside.starts_with("models/src/checkpoint")
            || inside == Path::new("models/src/checkpoint.rs")
    };
    let touching = sources("crates").into_iter().filter(|path| {
        let code = code(path);
        let shipped = code.split("#[cfg(test)]").next().unwrap_or_default();
        !allowed(path)
            && ["std::fs", "fs::", "File::open", "File::create"].iter().any(|used| shipped.contains(used))
    });
    nobody_breaks(
        "only volume, models::checkpoint, experiment, the command line and xtask access files",
        touching.map(|p| p.display().to_string()),
    );
}

#[test]
fn every_file_has_one_subject_and_says_it() {
    for path in all_sources() {
        let text = std::fs::read_to_string(&path).unwrap();
        let shown = path.strip_prefix(root()).unwrap().display().to_string();
        let opens = text.starts_with("//!") || text.starts_with("#![doc = include_str!(");
        assert!(opens, "{shown} does not open with //!");
        let lines = text.lines().count();
        assert!(lines <= MOST_LINES, "{shown} has {lines} lines: two files?");
        let stem = path.file_stem().unwrap().to_string_lossy();
        let vague = ["utils", "util", "helpers", "helper", "common", "misc"];
        assert!(!vague.contains(&stem.as_ref()), "{shown}: its name does not say what it holds");
    }
}

#[test]
fn unsafe_code_stands_in_kernels_and_says_why_it_is_safe() {
    let kernels = [
        "crates/conv3d/src/blocked",
        "crates/conv3d/src/cpu",
        "crates/conv3d/src/cuda",
        "crates/conv3d/src/simd",
        "crates/models/src/device/cuda.rs",
        "crates/slic3d/src/kmeans",
        "crates/slic3d/src/widest.rs",
        "crates/slic3d/src/prefetch.rs",
        // What the C library's allocator does with freed memory.
        "crates/experiment/src/memory.rs",
        // Counting allocators, to test peak memory.
        "crates/slic3d/tests/memory.rs",
        "crates/volume/tests/memory/allocations.rs",
        // What is looked for stands here as text.
        "tests/tests/architecture.rs",
    ];
    for path in all_sources() {
        let shown = path.strip_prefix(root()).unwrap().display().to_string();
        if code(&path)
            .lines()
            .any(|line| line.trim_start().starts_with("unsafe ") || line.contains(" unsafe {"))
        {
            assert!(
                kernels.iter().any(|kernel| shown.starts_with(kernel)),
                "{shown}: unsafe code outside the kernels"
            );
        }
    }
}
