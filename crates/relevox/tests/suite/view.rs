//! `view`: pages from files, and the page of an explanation.

use std::fs;
use std::path::Path;

use crate::harness::{refuse, relevox, stderr, succeed};
use ndarray::Array3;
use relevox_volume::{Geometry, Volume, nifti};
use serde_json::Value;

fn write(path: &Path, geometry: &Geometry, value: impl Fn(usize) -> f32) {
    let [_, ny, nx] = geometry.shape;
    let voxels = Array3::from_shape_fn(geometry.shape, |(z, y, x)| value((z * ny + y) * nx + x));
    nifti::write(path, &Volume { voxels, geometry: geometry.clone() }).unwrap();
}

fn view(arguments: &[&str]) -> std::process::Command {
    let mut command = relevox(&["view"]);
    command.args(arguments);
    command
}

#[test]
fn a_page_is_made_of_files_on_one_grid_and_others_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let grid = Geometry::axis_aligned([8, 9, 10], [2.0, 1.0, 1.0]);
    write(path("t1.nii.gz").as_ref(), &grid, |index| index as f32);
    write(path("t2.nii.gz").as_ref(), &grid, |index| (index % 7) as f32);
    write(path("map.nii.gz").as_ref(), &grid, |index| (index % 101) as f32);
    write(path("labels.nii.gz").as_ref(), &grid, |index| (index / 90) as f32);
    write(path("other.nii.gz").as_ref(), &Geometry::axis_aligned([8, 9, 11], [2.0, 1.0, 1.0]), |_| 1.0);
    fs::write(path("scores.csv"), "region,voxels,delta_p,delta_logit\n1,90,0.1,0.4\n2,90,-0.3,-1.5\n")
        .unwrap();
    let [t1, t2, map, labels, out] =
        ["t1.nii.gz", "t2.nii.gz", "map.nii.gz", "labels.nii.gz", "page.html"].map(path);
    let mut command = view(&[&t1, &t2, &map, "-o", &out, "--no-open", "--labels", &labels, "--outline", &t2]);
    command.args(["--scores", &path("scores.csv"), "--threshold", "50"]);
    let output = succeed(command);
    let result: Value = serde_json::from_slice(&output.stdout).unwrap();
    let page = fs::read_to_string(result["page"].as_str().unwrap()).unwrap();
    assert_eq!(result["opened"], false);
    assert_eq!(result["bytes"], page.len());
    for part in ["<option value=\"1\">t2</option>", "\"rank\":1,\"delta_p\":-0.3", "\"threshold\":50.0"] {
        assert!(page.contains(part), "{part}");
    }
    let other = path("other.nii.gz");
    let parts = ["other.nii.gz", "expected a map on the grid of", "10 x 9 x 8", "found 11 x 9 x 8"];
    refuse(view(&[&t1, &other, "-o", &out]), &parts);
    refuse(view(&[&t1, &map]), &["expected -o OUT.html"]);
    refuse(view(&[&map]), &["map.nii.gz", "expected the folder of an explanation"]);
    refuse(view(&[&map, "-o", &out]), &["at least one scan"]);
    refuse(view(&[&t1, &map, "-o", &map]), &["expected an output other than the input"]);
    fs::write(path("scores.csv"), "region,delta_p\n1,0.1\n").unwrap();
    let scores = path("scores.csv");
    refuse(
        view(&[&t1, &map, "-o", &out, "--labels", &labels, "--scores", &scores]),
        &["scores.csv", "expected a column delta_logit, found region, delta_p"],
    );
}

#[test]
fn the_page_of_a_folder_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    refuse(view(&[path, "--no-open"]), &["expected index.html", "found none"]);
    fs::write(folder.path().join("index.html"), "<!DOCTYPE html>").unwrap();
    let output = succeed(view(&[path, "--no-open"]));
    let result: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(result["page"].as_str().unwrap().ends_with("index.html"), "{}", stderr(&output));
}

#[test]
fn a_file_without_orientation_is_shown_without_letters() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t1.nii");
    let grid = Geometry::axis_aligned([8, 9, 10], [2.0, 1.0, 1.0]);
    write(&path, &grid, |index| index as f32);
    let page = folder.path().join("page.html");
    let make = || {
        let [scan, page] = [&path, &page].map(|path| path.to_str().unwrap());
        succeed(view(&[scan, scan, "-o", page, "--no-open"]));
        fs::read_to_string(page).unwrap()
    };
    assert!(make().contains("\"oriented\":true"));
    let mut bytes = fs::read(&path).unwrap();
    // qform_code and sform_code.
    bytes[252..256].fill(0);
    fs::write(&path, bytes).unwrap();
    let text = make();
    assert!(text.contains("\"oriented\":false") && text.contains("does not state its orientation"));
}
