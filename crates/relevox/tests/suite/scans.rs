//! The whole experiment on given scans: from a manifest, and on real cases where they are available.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::harness::{cohort, succeed, tiny};
use relevox_volume::nifti;
use serde_json::Value;

const METHODS: [&str; 5] = ["learned", "blank", "min", "max", "gradcam"];

/// Asserts that every method has numbers and a map on the scan's own grid.
#[track_caller]
fn check(out: &Path, cases: usize) {
    let summary: Value = serde_json::from_slice(&fs::read(out.join("summary.json")).unwrap()).unwrap();
    assert_eq!(summary["cohort"]["cases"], cases);
    for method in METHODS.iter().chain(&["random", "ceiling"]) {
        let dice = summary["dice"][method]["oracle"]["mean"].as_f64().unwrap();
        assert!((0.0..=1.0).contains(&dice), "{method}: {dice}");
    }
    let mut scored = 0;
    for row in csv::Reader::from_path(out.join("cohort.csv")).unwrap().records() {
        let row = row.unwrap();
        if &row[3] == "train" {
            continue;
        }
        scored += 1;
        let scan = nifti::read(Path::new(&row[4])).unwrap().geometry;
        for method in METHODS {
            let map = nifti::read(&out.join("maps").join(&row[0]).join(format!("{method}.nii.gz"))).unwrap();
            assert!(map.geometry.same_grid(&scan), "{}, {method}", &row[0]);
            assert!(map.voxels.iter().all(|value| (0.0..=100.0).contains(value)), "{}, {method}", &row[0]);
        }
    }
    assert!(scored >= 4, "{scored} cases have maps");
    assert!(out.join("report.html").exists());
}

#[test]
fn a_manifest_of_scans_at_half_resolution() {
    let folder = tempfile::tempdir().unwrap();
    let (scans, out) = (folder.path().join("scans"), folder.path().join("run"));
    cohort(&scans, 12);
    let mut rows = vec!["case,group,label,split,t1,t1ce,t2,flair,seg".to_owned()];
    for (grade, label) in [("HGG", 1), ("LGG", 0)] {
        let mut names: Vec<String> = fs::read_dir(scans.join(grade))
            .unwrap()
            .map(|case| case.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        for (index, name) in names.iter().enumerate() {
            let split = ["train", "validation", "test"][index % 3];
            let files = ["t1", "t1ce", "t2", "flair", "seg"]
                .map(|kind| format!("scans/{grade}/{name}/{name}_{kind}.nii.gz"));
            rows.push(format!("{name},{name},{label},{split},{}", files.join(",")));
        }
    }
    let manifest = folder.path().join("list.csv");
    fs::write(&manifest, rows.join("\n")).unwrap();
    let given = ["--cohort", manifest.to_str().unwrap()];
    let sizes = ["--set", "preprocess.crop=[16, 20, 16]", "--set", "preprocess.downsample=2"];
    succeed(tiny("reproduce", &out, &[given, [sizes[0], sizes[1]], [sizes[2], sizes[3]]].concat()));
    check(&out, 12);
    let listed = fs::read_to_string(out.join("cohort.csv")).unwrap();
    assert_eq!(listed.matches(",validation,").count(), 4, "the manifest's splits hold");
}

#[test]
fn real_scans_run_to_the_end() {
    let Some(scans) = std::env::var_os("RELEVOX_REAL_DATA").map(PathBuf::from) else {
        // Past the harness, which keeps what a passing test prints to itself.
        let _ = std::io::stderr().write_all(b"skipped: RELEVOX_REAL_DATA is not set, no real scan is read\n");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    let more = [
        ["--cohort", scans.to_str().unwrap()],
        ["--set", "preprocess.crop=[144, 192, 160]"],
        ["--set", "preprocess.downsample=16"],
    ];
    succeed(tiny("reproduce", &out, &more.concat()));
    let summary: Value = serde_json::from_slice(&fs::read(out.join("summary.json")).unwrap()).unwrap();
    check(&out, summary["cohort"]["cases"].as_u64().unwrap() as usize);
}
