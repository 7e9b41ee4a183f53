//! Files of a run that were changed since: noticed by every command, made again, and listed by `verify`.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::harness::{assert_same_tree, files, refuse, relevox, stderr, succeed, tiny, tree};

const SIDECAR: &str = ".made.json";

/// One file of each folder and format of a run that its sidecars list.
fn examples(run: &Path) -> Vec<PathBuf> {
    let mut examples = BTreeMap::new();
    for (sidecar, bytes) in files(run) {
        if !sidecar.to_string_lossy().ends_with(SIDECAR) {
            continue;
        }
        let sidecar: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        for file in sidecar["files"].as_array().unwrap() {
            let path = PathBuf::from(file["name"].as_str().unwrap());
            let top = path.iter().next().unwrap().to_owned();
            let folder = if path.iter().count() > 1 { top } else { path.clone().into_os_string() };
            examples.entry((folder, path.extension().map(ToOwned::to_owned))).or_insert(path);
        }
    }
    examples.into_values().collect()
}

/// Changes the middle byte of a file, and nothing else, so that it becomes newer than its sidecar.
fn flip(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(path, bytes).unwrap();
    let later = SystemTime::now() + Duration::from_secs(10);
    File::options().append(true).open(path).unwrap().set_modified(later).unwrap();
}

#[test]
fn what_was_changed_is_listed_and_made_again() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    succeed(tiny("reproduce", &run, &[]));
    let expected = tree(&run);
    let verify = || relevox(&["verify", run.to_str().unwrap()]);

    let found = succeed(verify());
    let result: serde_json::Value = serde_json::from_slice(&found.stdout).unwrap();
    assert_eq!(result["foreign"], serde_json::json!([]), "{}", stderr(&found));
    assert_eq!(result["unfinished"], serde_json::json!([]));

    let examples = examples(&run);
    let has = |end: &str| examples.iter().any(|path| path.to_string_lossy().ends_with(end));
    for kind in ["_flair.nii.gz", ".safetensors", ".csv", ".png", "report.html", "summary.json"] {
        assert!(has(kind), "no {kind} among {examples:?}");
    }
    for (index, path) in examples.iter().enumerate() {
        match index % 3 {
            0 => flip(&run.join(path)),
            1 => File::options().write(true).open(run.join(path)).unwrap().set_len(10).unwrap(),
            _ => fs::remove_file(run.join(path)).unwrap(),
        }
    }
    fs::write(run.join("scores/note.txt"), "mine").unwrap();
    let count = format!("found {} missing or changed", examples.len());
    refuse(verify(), &["expected files as they were written", &count]);
    let told = stderr(&verify().output().unwrap());
    for path in &examples {
        assert!(told.contains(path.to_str().unwrap()), "{} is not in {told}", path.display());
    }
    assert!(told.contains("scores/note.txt: belongs to no artefact"), "{told}");

    let again = succeed(tiny("reproduce", &run, &[]));
    assert!(stderr(&again).contains("was changed since it was made; making it again"), "{}", stderr(&again));
    assert!(stderr(&again).contains("has 10 bytes instead of"), "{}", stderr(&again));
    fs::remove_file(run.join("scores/note.txt")).unwrap();
    assert_same_tree(&tree(&run), &expected);
    succeed(verify());
}

#[test]
fn a_folder_that_is_no_run_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    refuse(
        relevox(&["verify", folder.path().to_str().unwrap()]),
        &["expected the folder of a run, found no run.toml in it"],
    );
}
