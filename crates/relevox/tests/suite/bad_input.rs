//! Invalid input on the command line: exit code 2, one clear message, no partial output, no panic.

use std::fs;
use std::path::{Path, PathBuf};

use crate::harness::{self, cohort, files, refuse, relevox, succeed, tiny};
use ndarray::Array3;
use relevox_volume::{Geometry, Volume, nifti};

fn volume(shape: [usize; 3]) -> Volume {
    let voxels = Array3::from_shape_fn(shape, |(z, y, x)| (z + 2 * y + 3 * x) as f32);
    Volume { voxels, geometry: Geometry::axis_aligned(shape, [1.0; 3]) }
}

/// Asserts that `slic` rejects the file that `make` writes, with a message that contains `parts`, and writes nothing.
#[track_caller]
fn slic_refuses(name: &str, make: impl FnOnce(&Path), parts: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    let (input, output) = (folder.path().join(name), folder.path().join("out.nii.gz"));
    make(&input);
    let before = files(folder.path());
    let [from, to] = [&input, &output].map(|path| path.to_str().unwrap());
    let mut named = vec![name];
    named.extend(parts);
    refuse(relevox(&["slic", from, to, "--regions", "4"]), &named);
    assert!(before.keys().eq(files(folder.path()).keys()), "something was left behind");
}

#[test]
fn unreadable_volumes_are_rejected() {
    slic_refuses("absent.nii.gz", |_| {}, &["cannot read"]);
    slic_refuses("text.nii", |path| fs::write(path, "not a scan at all".repeat(40)).unwrap(), &["expected"]);
    slic_refuses(
        "cut.nii.gz",
        |path| {
            nifti::write(path, &volume([9, 9, 9])).unwrap();
            let bytes = fs::read(path).unwrap();
            fs::write(path, &bytes[..bytes.len() / 2]).unwrap();
        },
        &["expected"],
    );
}

/// Writes a valid NIfTI file and overwrites some bytes of its header.
fn with_header(path: &Path, at: usize, bytes: &[u8]) {
    nifti::write(path, &volume([6, 6, 6])).unwrap();
    let mut file = fs::read(path).unwrap();
    file[at..at + bytes.len()].copy_from_slice(bytes);
    fs::write(path, file).unwrap();
}

#[test]
fn invalid_headers_are_rejected() {
    // dim[0..5], at byte 40, are 16-bit.
    let dims = |dims: [i16; 5]| dims.into_iter().flat_map(i16::to_le_bytes).collect::<Vec<u8>>();
    slic_refuses(
        "huge.nii",
        |path| with_header(path, 40, &dims([3, 30_000, 30_000, 30_000, 1])),
        &["expected"],
    );
    slic_refuses("4d.nii", |path| with_header(path, 40, &dims([4, 3, 6, 6, 2])), &["3"]);
    // datatype, at byte 70: 128 is RGB.
    slic_refuses("colour.nii", |path| with_header(path, 70, &128_i16.to_le_bytes()), &["expected"]);
}

#[test]
fn invalid_voxel_values_are_rejected() {
    slic_refuses(
        "nan.nii.gz",
        |path| {
            let mut scan = volume([6, 6, 6]);
            scan.voxels[[1, 2, 3]] = f32::NAN;
            nifti::write(path, &scan).unwrap();
        },
        &["NaN"],
    );
}

#[test]
fn a_folder_in_place_of_a_volume_is_rejected() {
    slic_refuses("scan.nii.gz", |path| fs::create_dir(path).unwrap(), &["scan.nii.gz", "is a directory"]);
}

#[test]
fn invalid_slic_options_and_outputs_are_rejected() {
    let folder = tempfile::tempdir().unwrap();
    let scan = folder.path().join("scan.nii.gz");
    nifti::write(&scan, &volume([9, 9, 9])).unwrap();
    let slic = |output: &str, more: &[&str]| {
        let output = folder.path().join(output);
        relevox(
            &[&["slic", scan.to_str().unwrap(), output.to_str().unwrap(), "--regions", "4"], more].concat(),
        )
    };
    for spacing in ["1,x,1,1", "1,1", "1,,1", "1,1,1,1", ""] {
        refuse(slic("out.nii.gz", &[&format!("--spacing={spacing}")]), &["--spacing", "z,y,x"]);
    }
    refuse(slic("absent/out.nii.gz", &[]), &["absent/out.nii.gz", "expected an existing folder"]);
    refuse(slic("scan.nii.gz/out.nii.gz", &[]), &["scan.nii.gz/out.nii.gz", "expected an existing folder"]);
    refuse(slic("out.png", &[]), &["out.png", ".nii.gz"]);
    #[cfg(target_os = "linux")]
    refuse(slic("/sys/out.nii.gz", &[]), &["/sys", "writable folder"]);
    assert_eq!(files(folder.path()).len(), 1, "something was left behind");
    succeed(slic("out.nii.gz", &["--spacing", "1, 2,1.5"]));
}

/// Returns a synthetic cohort in which `spoil` has damaged one case.
fn spoiled(spoil: impl FnOnce(&Path, &str)) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let scans = folder.path().join("scans");
    cohort(&scans, 12);
    let mut cases: Vec<PathBuf> =
        fs::read_dir(scans.join("LGG")).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    let name = cases[0].file_name().unwrap().to_str().unwrap().to_owned();
    spoil(&cases[0], &name);
    folder
}

/// Asserts that `reproduce --strict` rejects a cohort that `spoil` has damaged, with a message that contains `parts`, and
/// writes nothing.
#[track_caller]
fn cohort_refuses(spoil: impl FnOnce(&Path, &str), parts: &[&str]) {
    let folder = spoiled(spoil);
    let (scans, out) = (folder.path().join("scans"), folder.path().join("run"));
    refuse(tiny("reproduce", &out, &["--cohort", scans.to_str().unwrap(), "--strict"]), parts);
    assert!(!out.exists(), "something was left behind");
}

/// Modifies one volume of a case.
fn change(folder: &Path, case: &str, suffix: &str, change: impl FnOnce(&mut Volume)) {
    let path = folder.join(format!("{case}_{suffix}.nii.gz"));
    let mut scan = nifti::read(&path).unwrap();
    change(&mut scan);
    nifti::write(&path, &scan).unwrap();
}

fn shift(scan: &mut Volume) {
    let mut affine = scan.geometry.world_from_voxel;
    affine[0][3] += 5.0;
    scan.geometry = Geometry::from_affine(scan.geometry.shape, affine);
}

#[test]
fn cohorts_with_invalid_scans_are_rejected() {
    cohort_refuses(
        |case, name| change(case, name, "t1", |scan| scan.voxels[[0, 0, 0]] = f32::INFINITY),
        &["_t1.nii.gz", "inf"],
    );
    cohort_refuses(
        |case, name| change(case, name, "t1", |scan| scan.voxels[[8, 10, 7]] = f32::NAN),
        &["expected 12 usable cases, found 1", "_t1.nii.gz: voxel z 8, y 10, x 7", "found NaN"],
    );
    cohort_refuses(|case, name| change(case, name, "t2", |scan| scan.voxels.fill(0.0)), &["_t2.nii.gz", "0"]);
    cohort_refuses(
        |case, name| change(case, name, "t2", |scan| scan.voxels.fill(7.0)),
        &["_t2.nii.gz", "intensities that vary", "found 7 throughout"],
    );
    cohort_refuses(
        |case, name| nifti::write(&case.join(format!("{name}_flair.nii.gz")), &volume([16, 20, 15])).unwrap(),
        &["_flair.nii.gz", "20 x 16 voxels", "15 x 20 x 16 voxels"],
    );
    cohort_refuses(|case, name| change(case, name, "flair", shift), &["_flair.nii.gz", "grid"]);
    cohort_refuses(|case, name| change(case, name, "seg", shift), &["_seg.nii.gz", "grid"]);
    cohort_refuses(
        |case, name| fs::write(case.join(format!("{name}_t1ce.nii.gz")), b"x").unwrap(),
        &["_t1ce.nii.gz"],
    );
}

/// A scan damaged after a run is detected by the run's next command. Without the case, the splits would be others and the
/// training would start again, so that this takes `--update`.
#[test]
fn a_scan_damaged_after_the_run_is_rejected() {
    let folder = spoiled(|_, _| {});
    let (scans, out) = (folder.path().join("scans"), folder.path().join("run"));
    let given = ["--cohort", scans.to_str().unwrap()];
    succeed(tiny("train", &out, &given));
    let before = harness::tree(&out);
    let case = fs::read_dir(scans.join("HGG")).unwrap().next().unwrap().unwrap().path();
    let name = case.file_name().unwrap().to_str().unwrap().to_owned();
    let whole = fs::read(case.join(format!("{name}_t2.nii.gz"))).unwrap();
    change(&case, &name, "t2", |scan| scan.voxels[[8, 10, 7]] = f32::NAN);
    for command in ["grid", "train", "reproduce"] {
        refuse(tiny(command, &out, &given), &[&name, "_t2.nii.gz", "NaN", "--update"]);
    }
    fs::remove_file(case.join(format!("{name}_seg.nii.gz"))).unwrap();
    refuse(tiny("train", &out, &given), &[&name, "no segmentation", "--update"]);
    assert!(before == harness::tree(&out), "the folder changed");
    fs::write(case.join(format!("{name}_t2.nii.gz")), whole).unwrap();
    succeed(tiny("train", &out, &[&given[..], &["--update"]].concat()));
    assert!(fs::read_to_string(out.join("left_out.csv")).unwrap().contains(&name));
    succeed(tiny("grid", &out, &given));
}

#[test]
fn cohorts_with_too_few_cases_are_rejected() {
    let folder = tempfile::tempdir().unwrap();
    let (scans, out) = (folder.path().join("scans"), folder.path().join("run"));
    let run =
        |more: &[&str]| tiny("reproduce", &out, &[&["--cohort", scans.to_str().unwrap()], more].concat());
    refuse(run(&[]), &["scans"]);
    fs::create_dir(&scans).unwrap();
    refuse(run(&[]), &["scans", "no usable case"]);
    cohort(&scans, 12);
    refuse(
        run(&["--set", "cohort.draw_negative=9"]),
        &["scans", "cohort.draw_negative", "at least 9", "found 6"],
    );
    refuse(run(&["--set", "cohort.min_cases=40"]), &["at least 40 usable cases", "found 12"]);
    fs::remove_dir_all(scans.join("LGG")).unwrap();
    refuse(run(&["--set", "cohort.min_cases=4"]), &["both classes"]);
    assert!(!out.exists(), "something was left behind");
}

/// A cohort with a known defect of BraTS is used without the affected case, which is reported.
#[test]
fn a_case_without_a_required_file_is_excluded() {
    let mut lost = String::new();
    let folder = spoiled(|case, name| {
        fs::remove_file(case.join(format!("{name}_seg.nii.gz"))).unwrap();
        lost = name.to_owned();
    });
    let (scans, out) = (folder.path().join("scans"), folder.path().join("run"));
    let output = succeed(tiny("train", &out, &["--cohort", scans.to_str().unwrap()]));
    let said = harness::stderr(&output);
    let line = format!("cohort: 1 of 12 cases left out, listed in left_out.csv: {lost}: no segmentation");
    assert!(said.lines().any(|said| said == line), "{said}");
    let listed = fs::read_to_string(out.join("left_out.csv")).unwrap();
    assert!(listed.contains(&lost), "{listed}");
    assert!(!fs::read_to_string(out.join("cohort.csv")).unwrap().contains(&lost));
}

#[test]
fn invalid_manifests_are_rejected() {
    let folder = tempfile::tempdir().unwrap();
    let (manifest, out) = (folder.path().join("m.csv"), folder.path().join("run"));
    let columns = "case,group,label,split,t1,t1ce,t2,flair,seg";
    let check = |text: String, parts: &[&str]| {
        fs::write(&manifest, text).unwrap();
        let mut named = vec!["m.csv"];
        named.extend(parts);
        refuse(tiny("reproduce", &out, &["--cohort", manifest.to_str().unwrap()]), &named);
        assert!(!out.exists(), "something was left behind");
    };
    for scan in ["1", "2", "3", "4"] {
        nifti::write(&folder.path().join(format!("{scan}.nii")), &volume([6, 6, 6])).unwrap();
    }
    let scans = "1.nii,2.nii,3.nii,4.nii,";
    check(format!("{columns},age\na,p,1,train,{scans},44\n"), &["age"]);
    check(format!("{columns}\na,p,1,train,{scans}\na,q,0,test,{scans}\n"), &["a", "once"]);
    fs::create_dir(folder.path().join("folder.nii")).unwrap();
    check(
        format!("{columns}\na,p,1,train,folder.nii,2.nii,3.nii,4.nii,\n"),
        &["left out: a: no t1 scan at", "folder.nii"],
    );
    check(format!("{columns}\na,p,1,training,{scans}\n"), &["training", "train"]);
    check(format!("{columns}\na,p,1,train,{scans}\nb,p,0,test,{scans}\n"), &["group p", "one split"]);
}

#[test]
fn invalid_configs_are_rejected() {
    let folder = tempfile::tempdir().unwrap();
    let (file, out) = (folder.path().join("mine.toml"), folder.path().join("run"));
    let check = |text: &str, parts: &[&str]| {
        fs::write(&file, text).unwrap();
        refuse(tiny("reproduce", &out, &["--config", file.to_str().unwrap()]), parts);
        assert!(!out.exists(), "something was left behind");
    };
    check("[classifier]\nepoch = 3\n", &["mine.toml", "`classifier.epoch`", "`classifier.epochs`"]);
    check("[augment]\nintensity = 7.0\n", &["augment.intensity", "0 to 1", "found 7"]);
    check("[phantom]\nnoise = 7.0\n", &["phantom.noise", "found 7"]);
    check("seed = \"one\"\n", &["seed", "one"]);
    check("seed = = 1\n", &["mine.toml"]);
    check("[evaluate]\nfills = [\"blank\", \"blank\"]\n", &["evaluate.fills", "blank twice"]);
    refuse(tiny("reproduce", &out, &["--set", "grid.counts=[9601]"]), &["grid.counts", "1 to 9600"]);
    refuse(tiny("reproduce", &out, &["--config", "absent.toml"]), &["absent.toml"]);
    refuse(tiny("reproduce", &out, &["--device", "abacus"]), &["abacus"]);
    assert!(!out.exists(), "something was left behind");
}

#[test]
fn unusable_run_folders_are_rejected() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, b"x").unwrap();
    refuse(tiny("phantom", &file.join("run"), &[]), &["file/run", "writable folder"]);
    let out = folder.path().join("run");
    succeed(tiny("phantom", &out, &[]));
    let before = harness::tree(&out);
    let out = out.to_str().unwrap();
    refuse(
        relevox(&["phantom", "--profile", "desk", "--out", out]),
        &["configuration of this run", "phantom.cases (12 stored, "],
    );
    assert!(before == harness::tree(Path::new(out)), "the folder changed");
}

#[test]
fn slic_does_not_overwrite_its_inputs() {
    let folder = tempfile::tempdir().unwrap();
    let [scan, mask] = ["scan.nii.gz", "mask.nii.gz"].map(|name| folder.path().join(name));
    for path in [&scan, &mask] {
        nifti::write(path, &volume([6, 6, 6])).unwrap();
    }
    let before = files(folder.path());
    let roundabout = folder.path().join(".").join("scan.nii.gz");
    for (output, more) in
        [(&scan, vec![]), (&roundabout, vec![]), (&mask, vec!["--mask", mask.to_str().unwrap()])]
    {
        let arguments = [&["slic", scan.to_str().unwrap(), output.to_str().unwrap()], &more[..]].concat();
        refuse(relevox(&arguments), &["expected an output other than the input", output.to_str().unwrap()]);
    }
    assert!(before == files(folder.path()), "a file changed");
}
