//! Cases that can't be used: all are found together, named with their reasons and left out before the splits are drawn.

use std::fs;
use std::path::{Path, PathBuf};

use crate::harness::{cohort, refuse, relevox, stderr, succeed, tiny};
use relevox_volume::nifti;

/// Folders of the cases, sorted by name.
fn cases(scans: &Path) -> Vec<(String, PathBuf)> {
    let mut cases: Vec<(String, PathBuf)> = ["HGG", "LGG"]
        .iter()
        .flat_map(|grade| fs::read_dir(scans.join(grade)).unwrap())
        .map(|case| case.unwrap())
        .map(|case| (case.file_name().into_string().unwrap(), case.path()))
        .collect();
    cases.sort();
    cases
}

/// Damages four cases, each in another way. Returns their names with a part of the reason.
fn spoil(scans: &Path) -> Vec<(String, &'static str)> {
    let cases = cases(scans);
    let file = |index: usize, kind: &str| {
        let (name, folder): &(String, PathBuf) = &cases[index];
        folder.join(format!("{name}_{kind}.nii.gz"))
    };
    let cut = file(1, "t1");
    let bytes = fs::read(&cut).unwrap();
    fs::write(&cut, &bytes[..bytes.len() / 2]).unwrap();
    let change = |path: PathBuf, change: fn(&mut relevox_volume::Volume)| {
        let mut scan = nifti::read(&path).unwrap();
        change(&mut scan);
        nifti::write(&path, &scan).unwrap();
    };
    change(file(4, "flair"), |scan| scan.voxels[[8, 10, 7]] = f32::NAN);
    change(file(9, "t2"), |scan| scan.voxels.fill(7.0));
    let gone = file(12, "t1ce");
    fs::remove_file(&gone).unwrap();
    std::os::unix::fs::symlink("nowhere", &gone).unwrap();
    let reasons = [
        (1, "_t1.nii.gz"),
        (4, "found NaN"),
        (9, "found 7 throughout"),
        (12, "a link to a file that is absent"),
    ];
    reasons.map(|(index, reason)| (cases[index].0.clone(), reason)).into()
}

/// Case and split of each row.
fn splits(out: &Path) -> Vec<(String, String)> {
    let rows = csv::Reader::from_path(out.join("cohort.csv")).unwrap().into_records();
    rows.map(|row| row.unwrap()).map(|row| (row[0].to_owned(), row[3].to_owned())).collect()
}

#[cfg(unix)]
#[test]
fn unusable_cases_are_left_out_together() {
    let folder = tempfile::tempdir().unwrap();
    let [scans, out, without] = ["scans", "run", "without"].map(|name| folder.path().join(name));
    cohort(&scans, 15);
    let spoilt = spoil(&scans);
    let given = ["--cohort", scans.to_str().unwrap()];

    let strict = [&given[..], &["--strict"]].concat();
    let mut parts = vec!["expected 15 usable cases, found 4"];
    parts.extend(spoilt.iter().flat_map(|(name, reason)| [name.as_str(), *reason]));
    refuse(tiny("reproduce", &out, &strict), &parts);
    let few = [&given[..], &["--set", "cohort.min_cases=12"]].concat();
    refuse(
        tiny("reproduce", &out, &few),
        &["at least 12 usable cases, found 11 (4 left out: ", &spoilt[0].0],
    );
    assert!(!out.exists(), "something was left behind");

    let said = stderr(&succeed(tiny("train", &out, &given)));
    let lines: Vec<&str> = said.lines().filter(|line| line.contains("left out")).collect();
    assert_eq!(lines.len(), 1, "{said}");
    assert!(lines[0].starts_with("cohort: 4 of 15 cases left out, listed in left_out.csv: "), "{said}");
    assert!(lines[0].contains(&spoilt[0].0) && lines[0].ends_with("; and 1 more"), "{said}");
    let rows = csv::Reader::from_path(out.join("left_out.csv")).unwrap().into_records();
    let listed: Vec<(String, String)> =
        rows.map(|row| row.unwrap()).map(|row| (row[0].to_owned(), row[1].to_owned())).collect();
    assert_eq!(listed.len(), spoilt.len());
    for ((case, why), (name, reason)) in listed.iter().zip(&spoilt) {
        assert!(case == name && why.contains(reason), "{case}: {why}");
    }

    // The splits are those of a cohort without these cases.
    for (name, path) in
        cases(&scans).into_iter().filter(|(name, _)| spoilt.iter().any(|(other, _)| other == name))
    {
        fs::rename(path, folder.path().join(name)).unwrap();
    }
    succeed(tiny("train", &without, &given));
    assert_eq!(splits(&out), splits(&without));
    assert_eq!(splits(&out).len(), 11);
}

/// A number changed in `inspected.csv` is believed: the scans are not read again.
#[test]
fn a_run_that_resumes_does_not_read_the_scans_again() {
    let folder = tempfile::tempdir().unwrap();
    let [scans, out] = ["scans", "run"].map(|name| folder.path().join(name));
    cohort(&scans, 13);
    let (name, path) = cases(&scans).remove(3);
    fs::write(path.join(format!("{name}_t1.nii.gz")), b"no scan").unwrap();
    let given = ["--cohort", scans.to_str().unwrap()];
    let first = stderr(&succeed(tiny("train", &out, &given)));
    assert!(first.contains(&format!("1 of 13 cases left out, listed in left_out.csv: {name}: ")), "{first}");
    assert!(!first.contains("the brain lies outside"), "{first}");

    let inspected = out.join("inspected.csv");
    let mut rows: Vec<csv::StringRecord> = csv::ReaderBuilder::new()
        .has_headers(false)
        .from_path(&inspected)
        .unwrap()
        .into_records()
        .map(|row| row.unwrap())
        .collect();
    let column = rows[0].iter().position(|name| name == "brain_outside_crop").unwrap();
    rows[1] = rows[1].iter().enumerate().map(|(at, cell)| if at == column { "0.77" } else { cell }).collect();
    let mut changed = csv::Writer::from_path(&inspected).unwrap();
    rows.iter().for_each(|row| changed.write_record(row).unwrap());
    changed.flush().unwrap();
    let again = stderr(&succeed(tiny("train", &out, &given)));
    assert!(
        again.contains("in 1 of 12 cases, more than 1 % of the brain lies outside the crop (up to 77 %)"),
        "{again}"
    );
    assert!(again.contains(&format!("1 of 13 cases left out, listed in left_out.csv: {name}: ")), "{again}");

    // Under other settings, the scans are read.
    let other = [&given[..], &["--set", "preprocess.crop=[16, 20, 16]"]].concat();
    let read = stderr(&succeed(tiny("train", &out, &other)));
    assert!(!read.contains("77 %"), "{read}");
}

#[test]
fn a_crop_without_brain_leaves_cases_out() {
    let folder = tempfile::tempdir().unwrap();
    let [scans, out] = ["scans", "run"].map(|name| folder.path().join(name));
    cohort(&scans, 12);
    let (_, path) = cases(&scans).remove(0);
    for file in fs::read_dir(&path).unwrap() {
        let file = file.unwrap().path();
        // The head lies beyond the centre crop.
        let mut scan = nifti::read(&file).unwrap();
        let [z, y, x] = scan.geometry.shape;
        let mut wide = ndarray::Array3::zeros((z, y, x + 80));
        wide.slice_mut(ndarray::s![.., .., ..x]).assign(&scan.voxels);
        scan.geometry = relevox_volume::Geometry::from_affine([z, y, x + 80], scan.geometry.world_from_voxel);
        scan.voxels = wide;
        nifti::write(&file, &scan).unwrap();
    }
    let given = ["--cohort", scans.to_str().unwrap(), "--strict"];
    refuse(
        tiny("train", &out, &given),
        &["no voxel of the brain inside the centre crop of 20 x 24 x 20 voxels"],
    );
    let help = relevox(&["train", "--help"]).output().unwrap();
    assert!(String::from_utf8_lossy(&help.stdout).contains("--strict"));
}
