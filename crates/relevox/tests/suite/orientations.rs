//! How scans are stored does not matter: a run turns, resamples and scales them as its configuration states.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::harness::{assert_same_tree, cohort, stderr, succeed, tiny, tree};
use ndarray::{Array3, s};
use relevox_volume::{Geometry, Volume, nifti};
use serde_json::Value;

/// Reverses the stored x and y axes.
fn turned<T: Clone>(scan: &Volume<T>) -> Volume<T> {
    let shape = scan.geometry.shape;
    let voxels: Array3<T> = scan.voxels.slice(s![.., ..;-1, ..;-1]).as_standard_layout().into_owned();
    let mut affine = scan.geometry.world_from_voxel;
    for row in affine.iter_mut().take(3) {
        row[3] += row[0] * (shape[2] - 1) as f64 + row[1] * (shape[1] - 1) as f64;
        row[0] = -row[0];
        row[1] = -row[1];
    }
    Volume { voxels, geometry: Geometry::from_affine(shape, affine) }
}

/// Stores every second case of a cohort as RAS and returns the names of these cases.
fn store_half_as_ras(scans: &Path) -> Vec<String> {
    let mut names = Vec::new();
    for grade in ["HGG", "LGG"] {
        let mut cases: Vec<PathBuf> =
            fs::read_dir(scans.join(grade)).unwrap().map(|case| case.unwrap().path()).collect();
        cases.sort();
        for case in cases.iter().step_by(2) {
            for file in fs::read_dir(case).unwrap().map(|file| file.unwrap().path()) {
                if file.to_str().unwrap().ends_with("_seg.nii.gz") {
                    nifti::write_labels(&file, &turned(&nifti::read_labels(&file).unwrap())).unwrap();
                } else {
                    nifti::write(&file, &turned(&nifti::read(&file).unwrap())).unwrap();
                }
            }
            names.push(case.file_name().unwrap().to_str().unwrap().to_owned());
        }
    }
    names
}

/// Artefacts that do not name the files of the scans or their content.
fn results(out: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let lists = ["cohort.csv", "inspected.csv", "run.toml", "report.html", "summary.json"];
    let mut files = tree(out);
    files.retain(|path, _| {
        !path.to_str().unwrap().ends_with(".made.json") && lists.iter().all(|list| path != Path::new(list))
    });
    files
}

#[test]
fn half_a_cohort_stored_ras_gives_the_bytes_of_the_cohort_stored_lps() {
    let folder = tempfile::tempdir().unwrap();
    let [lps, ras, one, other] = ["lps", "ras", "one", "other"].map(|name| folder.path().join(name));
    cohort(&lps, 12);
    cohort(&ras, 12);
    let names = store_half_as_ras(&ras);
    let said = stderr(&succeed(tiny("reproduce", &one, &["--cohort", lps.to_str().unwrap()])));
    assert!(!said.contains("turned"), "{said}");
    let said = stderr(&succeed(tiny("reproduce", &other, &["--cohort", ras.to_str().unwrap()])));
    assert!(said.contains("cohort: 6 of 12 cases turned to LPS (stored RAS)"), "{said}");

    let (expected, mut found) = (results(&one), results(&other));
    let mut compared = 0;
    for (path, bytes) in &mut found {
        let of_turned = |folder: &str| {
            let case = path.strip_prefix(folder).ok()?.iter().next()?.to_str()?;
            names.iter().find(|name| *name == case)
        };
        // The header of a scan that is not turned has its own quaternion as well.
        if of_turned("regions").is_some() {
            let [stored, expected_labels] =
                [&other, &one].map(|out| nifti::read_labels(&out.join(path)).unwrap());
            assert!(stored.voxels == expected_labels.voxels, "{path:?}");
            assert_eq!(
                stored.geometry.world_from_voxel, expected_labels.geometry.world_from_voxel,
                "{path:?}"
            );
            bytes.clone_from(&expected[path]);
        }
        // Maps and masks lie on the scan's own grid.
        if let Some(case) = of_turned("maps") {
            let stored = nifti::read(&other.join(path)).unwrap();
            let grade = if ras.join("HGG").join(case).exists() { "HGG" } else { "LGG" };
            let scan = nifti::read(&ras.join(grade).join(case).join(format!("{case}_t1.nii.gz"))).unwrap();
            assert_eq!(stored.geometry, scan.geometry, "{path:?}");
            let map = nifti::read(&one.join(path)).unwrap();
            assert!(turned(&stored).voxels == map.voxels, "{path:?}");
            bytes.clone_from(&expected[path]);
            compared += 1;
        }
    }
    assert!(compared > 10, "{compared} maps compared");
    assert_same_tree(&found, &expected);

    let summary: Value = serde_json::from_slice(&fs::read(other.join("summary.json")).unwrap()).unwrap();
    assert_eq!(summary["cohort"]["findings"][0], "6 of 12 cases turned to LPS (stored RAS)");
    let page = fs::read_to_string(other.join("report.html")).unwrap();
    assert!(page.contains("<li>6 of 12 cases turned to LPS (stored RAS)</li>"));
    let rows: Vec<_> = csv::Reader::from_path(other.join("cohort.csv"))
        .unwrap()
        .into_records()
        .map(|row| row.unwrap())
        .collect();
    for row in rows {
        let orientation = if names.contains(&row[0].to_owned()) { "RAS" } else { "LPS" };
        assert_eq!((&row[9], &row[10]), (orientation, "8x8x8"));
    }
    for partition in ["regions.toml"].map(|name| other.join("classifier").join(name)) {
        let regions: toml::Table = fs::read_to_string(partition).unwrap().parse().unwrap();
        assert_eq!(regions["sequence"].as_str(), summary["selected"]["sequence"].as_str());
        assert_eq!(regions["count"].as_integer(), summary["selected"]["regions"].as_i64());
        assert_eq!(regions["compactness"].as_float(), summary["selected"]["compactness"].as_f64());
    }
}

#[test]
fn z_scored_and_resampled_scans_run_to_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let [scans, out] = ["scans", "run"].map(|name| folder.path().join(name));
    cohort(&scans, 12);
    let more = [
        ["--cohort", scans.to_str().unwrap()],
        ["--set", "preprocess.intensity=zscore"],
        ["--set", "preprocess.spacing_mm=[8, 10, 8]"],
        ["--set", "evaluate.fills=[\"blank\", \"min\", \"max\", \"mean\"]"],
    ];
    let said = stderr(&succeed(tiny("reproduce", &out, &more.concat())));
    assert!(said.contains("cohort: all 12 cases resampled to 8x10x8 mm (stored 8x8x8; x, y, z)"), "{said}");
    let summary: Value = serde_json::from_slice(&fs::read(out.join("summary.json")).unwrap()).unwrap();
    for method in ["blank", "min", "max", "mean", "gradcam", "diffused", "intensity", "lime", "occlusion"] {
        let dice = summary["dice"][method]["oracle"]["mean"].as_f64().unwrap();
        assert!((0.0..=1.0).contains(&dice), "{method}: {dice}");
    }
    for row in csv::Reader::from_path(out.join("cohort.csv")).unwrap().records() {
        let row = row.unwrap();
        if &row[3] == "test" {
            let scan = nifti::read(Path::new(&row[4])).unwrap().geometry;
            let map = nifti::read(&out.join("maps").join(&row[0]).join("blank.nii.gz")).unwrap();
            assert_eq!(map.geometry, scan);
        }
    }
}
