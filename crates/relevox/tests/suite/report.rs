//! `report.html` of a run, and the pages that it links to.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::harness::{made, succeed, tiny};

/// Names of the pages of a run.
fn pages(run: &Path) -> BTreeSet<String> {
    let names = fs::read_dir(run.join("pages")).unwrap().map(|entry| entry.unwrap().file_name());
    names.map(|name| name.to_string_lossy().into_owned()).filter(|name| name.ends_with(".html")).collect()
}

#[test]
fn every_test_case_has_a_page_unless_a_key_limits_them() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    succeed(tiny("reproduce", &out, &[]));
    let mut cohort = csv::Reader::from_path(out.join("cohort.csv")).unwrap();
    let tested: BTreeSet<String> = cohort
        .records()
        .map(Result::unwrap)
        .filter(|row| &row[3] == "test")
        .map(|row| format!("{}.html", &row[0]))
        .collect();
    assert_eq!((pages(&out), tested.len()), (tested, 3));
    let report = fs::read_to_string(out.join("report.html")).unwrap();
    for page in pages(&out) {
        assert!(report.contains(&format!("href=\"pages/{page}\"")), "{page}");
        assert!(fs::metadata(out.join("pages").join(&page)).unwrap().len() < 8_000_000);
    }
    assert!(report.contains("for each of the 3 test cases"));
    // They are current, until the key asks for fewer.
    let again = made(&succeed(tiny("reproduce", &out, &[])));
    assert!(again.values().all(|made| *made == 0), "{again:?}");
    succeed(tiny("reproduce", &out, &["--set", "evaluate.page_cases=1", "--update"]));
    assert_eq!(pages(&out).len(), 1);
    assert!(fs::read_to_string(out.join("report.html")).unwrap().contains("for 1 of the 3 test cases"));
}
