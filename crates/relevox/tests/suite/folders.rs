//! How a run treats its folder: it writes its own artefacts only, recreates what is missing, and checks prerequisites first.

use std::fs;
use std::process::Command;

use crate::harness::{assert_same_tree, cohort, files, made, refuse, succeed, tiny, tree};

#[test]
fn foreign_folders_are_not_touched() {
    let folder = tempfile::tempdir().unwrap();
    let (scans, thesis) = (folder.path().join("scans"), folder.path().join("thesis"));
    cohort(&scans, 12);
    for name in ["figures/own.png", "tables/own.csv", "cohort.csv", ".hidden", "film.part"] {
        fs::create_dir_all(thesis.join(name).parent().unwrap()).unwrap();
        fs::write(thesis.join(name), b"mine").unwrap();
    }
    let before = files(folder.path());
    let given = ["--cohort", scans.to_str().unwrap()];
    for more in [&[][..], &["--fresh"], &["--update"], &given] {
        for command in ["phantom", "reproduce"] {
            refuse(
                tiny(command, &thesis, more),
                &["thesis", "an empty folder or a new one", "found .hidden"],
            );
        }
    }
    for out in ["scans", "scans/HGG/run", ""] {
        refuse(tiny("reproduce", &folder.path().join(out), &given), &["select another folder"]);
    }
    assert!(before == files(folder.path()), "a folder of others changed");
}

#[test]
fn scans_inside_the_run_folder_are_rejected() {
    let folder = tempfile::tempdir().unwrap();
    let (out, list) = (folder.path().join("run"), folder.path().join("list.csv"));
    succeed(tiny("phantom", &out, &[]));
    succeed(tiny("train", &out, &[]));
    let cohort = fs::read_to_string(out.join("cohort.csv")).unwrap();
    fs::write(&list, cohort.replace("phantom/", "run/phantom/")).unwrap();
    let given = ["--fresh", "--cohort", list.to_str().unwrap()];
    refuse(tiny("reproduce", &out, &given), &["outside of the run folder", "run/phantom/"]);
    assert!(out.join("phantom").exists());
}

#[test]
fn phantom_does_not_take_a_cohort_of_scans() {
    let folder = tempfile::tempdir().unwrap();
    let (scans, out) = (folder.path().join("scans"), folder.path().join("run"));
    cohort(&scans, 2);
    refuse(
        tiny("phantom", &out, &["--cohort", scans.to_str().unwrap()]),
        &["cohort.source", "expected phantom"],
    );
    assert!(!out.exists());
}

#[test]
fn commands_without_their_prerequisites_write_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (scans, out) = (folder.path().join("scans"), folder.path().join("run"));
    cohort(&scans, 12);
    let given = ["--cohort", scans.to_str().unwrap()];
    refuse(tiny("train", &out, &[]), &["run `relevox phantom` first"]);
    refuse(tiny("regions", &out, &given), &["run `relevox grid` first"]);
    for command in ["grid", "perturb-train", "score", "evaluate", "report"] {
        refuse(tiny(command, &out, &given), &["run `relevox train` first"]);
    }
    assert!(!out.exists(), "something was left behind");
}

#[test]
fn the_manifest_records_the_origin_of_the_cohort() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = tiny("phantom", folder.path(), &["--seed", "7"]);
    command.current_dir(folder.path());
    succeed(command);
    let text = fs::read(folder.path().join("manifest.json")).unwrap();
    let manifest: serde_json::Value = serde_json::from_slice(&text).unwrap();
    assert_eq!(manifest["seed"], 7);
    assert_eq!(manifest["version"], env!("CARGO_PKG_VERSION"));
    // The revision of the program's source, independent of the working directory.
    let git = Command::new("git").args(["-C", env!("CARGO_MANIFEST_DIR"), "rev-parse", "HEAD"]).output();
    if let Some(head) = git.ok().filter(|output| output.status.success()) {
        let head = String::from_utf8(head.stdout).unwrap();
        assert_eq!(manifest["git_revision"].as_str().unwrap().trim_end_matches('+'), head.trim());
    }
    assert!(manifest["host"]["cores"].is_number() && manifest["stages"]["phantom"].is_object());
}

#[test]
fn deleted_artefacts_are_recreated() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    succeed(tiny("reproduce", &out, &[]));
    let whole = tree(&out);
    let learned = whole.keys().find(|path| path.to_str().unwrap().ends_with(".values.csv")).unwrap();
    let scan = whole.keys().find(|path| path.to_str().unwrap().ends_with("_t1.nii.gz")).unwrap();
    let lost = [
        ("tables/table1.csv", "evaluate", "evaluate"),
        ("tables/focus.csv", "evaluate", "evaluate"),
        (learned.to_str().unwrap(), "score", "score"),
        ("classifier/history.csv", "train", "train"),
        ("classifier/best.safetensors", "train", "train"),
        ("classifier/epoch-001.safetensors", "train", "train"),
        ("perturbation/unet.safetensors", "perturb-train", "perturb-train"),
        ("perturbation/history.csv", "perturb-train", "perturb-train"),
        ("left_out.csv", "train", "cohort"),
        ("inspected.csv", "train", "cohort"),
        (scan.to_str().unwrap(), "phantom", "phantom"),
    ];
    for (name, command, stage) in lost {
        fs::remove_file(out.join(name)).unwrap();
        let made = made(&succeed(tiny(command, &out, &[])));
        assert!(made[stage] > 0, "{name}: {made:?}");
        if name.contains("epoch") {
            // Training from the start discards the settings of the partition, which the next stage selects for it.
            assert!(!out.join("classifier/regions.toml").exists());
            succeed(tiny("grid", &out, &[]));
        }
        assert_same_tree(&tree(&out), &whole);
    }
    fs::remove_file(out.join("tables/table2.csv")).unwrap();
    refuse(tiny("report", &out, &[]), &["tables/table2.csv is missing", "run `relevox evaluate` first"]);
    fs::remove_file(out.join(scan)).unwrap();
    refuse(tiny("train", &out, &[]), &["_t1.nii.gz is missing", "run `relevox phantom` first"]);
}

/// The lists of cases are those of the last command, also if no scan changed.
#[test]
fn case_lists_follow_the_cohort() {
    let folder = tempfile::tempdir().unwrap();
    let (scans, moved, out) =
        (folder.path().join("scans"), folder.path().join("moved"), folder.path().join("run"));
    cohort(&scans, 12);
    let run = |scans: &std::path::Path, more: &[&str]| {
        let given = [&["--cohort", scans.to_str().unwrap()], more].concat();
        made(&succeed(tiny("reproduce", &out, &given)))
    };
    run(&scans, &[]);
    fs::create_dir_all(scans.join("HGG/stray")).unwrap();
    fs::copy(
        fs::read_dir(scans.join("HGG"))
            .unwrap()
            .flatten()
            .find(|case| case.file_name() != "stray")
            .map(|case| {
                let name = case.file_name().into_string().unwrap();
                case.path().join(format!("{name}_t1.nii.gz"))
            })
            .unwrap(),
        scans.join("HGG/stray/stray_t1.nii.gz"),
    )
    .unwrap();
    let now = run(&scans, &[]);
    assert!(fs::read_to_string(out.join("left_out.csv")).unwrap().contains("stray"));
    assert!(fs::read_to_string(out.join("summary.json")).unwrap().contains("stray"));
    assert_eq!((now["cohort"], now["train"], now["score"], now["evaluate"]), (1, 0, 0, 1));
    fs::rename(&scans, &moved).unwrap();
    let given = ["--cohort", moved.to_str().unwrap()];
    refuse(tiny("reproduce", &out, &given), &["cohort.source", "--update"]);
    let now = run(&moved, &["--update"]);
    assert_eq!((now["cohort"], now["train"], now["score"]), (1, 0, 0));
    assert!(!fs::read_to_string(out.join("cohort.csv")).unwrap().contains("scans/"));
}
