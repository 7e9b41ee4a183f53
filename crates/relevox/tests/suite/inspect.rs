//! `inspect`: files, cases and cohorts are described without a network.

use std::fs;
use std::path::Path;

use crate::harness::{cohort, refuse, relevox, stderr, succeed};
use serde_json::Value;

fn inspected(arguments: &[&str]) -> (Value, String) {
    let output = succeed(relevox(&[&["inspect"], arguments].concat()));
    (serde_json::from_slice(&output.stdout).unwrap(), stderr(&output))
}

fn first_case(cohort: &Path) -> std::path::PathBuf {
    fs::read_dir(cohort.join("HGG")).unwrap().next().unwrap().unwrap().path()
}

#[test]
fn a_file_is_described() {
    let folder = tempfile::tempdir().unwrap();
    cohort(folder.path(), 2);
    let case = first_case(folder.path());
    let name = case.file_name().unwrap().to_str().unwrap();
    let file = case.join(format!("{name}_t1.nii.gz"));
    let (result, table) = inspected(&[file.to_str().unwrap()]);
    let facts = &result["facts"];
    assert_eq!(facts["grid"]["orientation"], "LPS");
    assert_eq!(facts["corners_nonzero"], 0.0);
    assert!(facts["nonzero"].as_f64().unwrap() > 0.05);
    assert!(table.contains("LPS") && table.contains("non-zero"), "{table}");
    refuse(relevox(&["inspect", "absent.nii.gz"]), &["absent.nii.gz"]);
}

#[test]
fn a_case_and_a_cohort_are_described_with_a_contract() {
    let folder = tempfile::tempdir().unwrap();
    let scans = folder.path().join("scans");
    cohort(&scans, 4);
    let contract = folder.path().join("contract.toml");
    let text = "channels = [\"t1\", \"t1ce\", \"t2\", \"flair\"]\norientation = \"RAS\"\naxes = \"zyx\"\nintensity = \"zscore\"\ncrop = [8, 8, 8]\n";
    fs::write(&contract, text).unwrap();
    let contract = contract.to_str().unwrap();
    let case = first_case(&scans);
    let (result, said) = inspected(&[case.to_str().unwrap(), "--input", contract]);
    assert_eq!(result["files"].as_object().unwrap().len(), 4);
    assert!(result["prepared"]["summary"].as_str().unwrap().contains("turned from LPS to RAS"));
    assert!(said.contains("of the brain lies outside the crop"), "{said}");
    let (result, said) = inspected(&[scans.to_str().unwrap()]);
    assert_eq!(result["cases"].as_array().unwrap().len(), 4);
    assert!(result["cases"].as_array().unwrap().iter().all(|case| case["segmentation"]["labels"] != 0));
    assert!(said.contains("4 cases, 0 left out"), "{said}");
    let (result, _) =
        inspected(&[scans.to_str().unwrap(), "--input", contract, "--input-set", "orientation=LPS"]);
    let summary = result["cases"][0]["prepared"]["summary"].as_str().unwrap();
    assert!(summary.contains("stored LPS"), "{summary}");
    refuse(relevox(&["inspect", scans.to_str().unwrap(), "--input-set", "axes=zyx"]), &["channels"]);
}

#[test]
fn intensities_in_place_of_a_segmentation_are_said() {
    let folder = tempfile::tempdir().unwrap();
    cohort(folder.path(), 2);
    let case = first_case(folder.path());
    let name = case.file_name().unwrap().to_str().unwrap();
    let [flair, segmentation] = ["flair", "seg"].map(|of| case.join(format!("{name}_{of}.nii.gz")));
    fs::copy(flair, segmentation).unwrap();
    let (result, said) = inspected(&[case.to_str().unwrap()]);
    assert!(said.contains("expected a segmentation, found an image of intensities"), "{said}");
    assert!(result["segmentation"]["error"].as_str().unwrap().contains("seg.nii.gz"), "{result}");
    let (_, said) = inspected(&[folder.path().to_str().unwrap()]);
    assert!(said.contains("expected a segmentation, found an image of intensities"), "{said}");
}

#[test]
fn a_cohort_without_classes_is_described() {
    let folder = tempfile::tempdir().unwrap();
    let [scans, plain] = ["scans", "plain"].map(|name| folder.path().join(name));
    cohort(&scans, 4);
    let cases: Vec<_> = fs::read_dir(scans.join("HGG")).unwrap().map(|case| case.unwrap().path()).collect();
    for case in &cases {
        let name = case.file_name().unwrap().to_str().unwrap();
        fs::create_dir_all(plain.join(name)).unwrap();
        for sequence in ["t1", "t1ce", "t2", "flair"] {
            let file = format!("{name}_{sequence}.nii.gz");
            fs::copy(case.join(&file), plain.join(name).join(&file)).unwrap();
        }
    }
    let (result, said) = inspected(&[plain.to_str().unwrap()]);
    let listed = result["cases"].as_array().unwrap();
    assert_eq!(listed.len(), cases.len());
    assert!(listed.iter().all(|case| case["case"].is_string() && case["label"].is_null()), "{result}");
    assert!(said.contains("explain takes these cases") && said.contains("2 cases, 0 left out"), "{said}");
    refuse(relevox(&["inspect", folder.path().join("absent").to_str().unwrap()]), &["absent"]);
}
