//! Several runs in one folder: cross-validation tests every case once, and seeds are compared.

use std::collections::BTreeSet;
use std::fs;

use crate::harness::{made, refuse, succeed, tiny};
use serde_json::Value;

fn json(path: std::path::PathBuf) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

#[test]
fn a_cross_validation_tests_every_case_once() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    let folds = ["--set", "cohort.folds=3"];
    succeed(tiny("reproduce", &out, &folds));
    let summary = json(out.join("summary.json"));
    assert_eq!((&summary["cohort"]["test"], &summary["cohort"]["cases"]), (&12.into(), &12.into()));
    assert!(summary["classifier"]["epoch"].is_null());
    assert_eq!(summary["classifier"]["test_auc"]["n"], 12);
    assert_eq!(summary["dice"]["diffused"]["otsu"]["n"], summary["dice"]["blank"]["otsu"]["n"]);
    let mut tested = BTreeSet::new();
    let mut tumours = 0;
    for fold in 1..=3 {
        let part = out.join(format!("fold-{fold}"));
        let own = json(part.join("summary.json"));
        assert_eq!(summary["folds"][fold - 1]["test_auc"], own["classifier"]["test_auc"]);
        tumours += own["dice"]["blank"]["oracle"]["n"].as_u64().unwrap();
        for row in csv::Reader::from_path(part.join("cohort.csv")).unwrap().records() {
            let row = row.unwrap();
            if &row[3] == "test" {
                assert!(tested.insert(row[0].to_owned()), "{} is tested twice", &row[0]);
            }
        }
    }
    assert_eq!(tested.len(), 12);
    assert_eq!(summary["dice"]["blank"]["oracle"]["n"], tumours);
    let rows = csv::Reader::from_path(out.join("tables/cases.csv")).unwrap().into_records().count();
    assert_eq!(rows, 12);

    let again = made(&succeed(tiny("reproduce", &out, &folds)));
    assert!(again.values().all(|made| *made == 0), "{again:?}");
    refuse(tiny("train", &out, &folds), &["several runs", "--out"]);
}

#[test]
fn seeds_are_complete_runs_with_a_spread() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    succeed(tiny("reproduce", &out, &["--set", "seeds=[4, 5]"]));
    let spread = json(out.join("spread.json"));
    let runs: Vec<f64> = [4, 5]
        .map(|seed| {
            let own = json(out.join(format!("seed-{seed}/summary.json")));
            own["dice"]["blank"]["oracle"]["mean"].as_f64().unwrap()
        })
        .into();
    let blank = &spread["dice"]["blank"]["oracle"];
    assert_eq!(blank["runs"], serde_json::json!(runs));
    assert!((blank["mean"].as_f64().unwrap() - (runs[0] + runs[1]) / 2.0).abs() < 1e-12);
    assert_ne!(runs[0], runs[1]);
}
