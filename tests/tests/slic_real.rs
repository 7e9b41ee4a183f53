//! Supervoxels of real scans against scikit-image's, whose hashes `fixtures/slic_real.py` stored.

#![allow(clippy::unwrap_used, reason = "a test that can't go on has failed")]

use std::io::Write;
use std::path::{Path, PathBuf};

use ndarray::{Array3, Array4, Axis, s, stack};
use slic3d::Slic;

const EXPECTED: &str = include_str!("../fixtures/slic_real.txt");

/// The centre crop of 128³ of one sequence, negatives clipped, scaled by the scan's maximum.
fn crop(folder: &Path, case: &str, sequence: &str) -> Array3<f32> {
    let path = ["nii.gz", "nii"]
        .map(|ending| folder.join(case).join(format!("{case}_{sequence}.{ending}")))
        .into_iter()
        .find(|path| path.exists())
        .unwrap_or_else(|| panic!("{case} has no {sequence}"));
    let voxels =
        relevox_volume::nifti::read(&path).expect("a readable scan").voxels.mapv(|value| value.max(0.0));
    let largest = voxels.iter().fold(0.0_f32, |largest, &value| largest.max(value));
    let start = [0, 1, 2].map(|axis| (voxels.len_of(Axis(axis)) - 128) / 2);
    let [z, y, x] = start.map(|start| start..start + 128);
    voxels.slice(s![z, y, x]).mapv(|value| value / largest)
}

/// 64-bit FNV-1a over the labels as 32-bit words.
fn hash<'a>(labels: impl IntoIterator<Item = &'a u32>) -> u64 {
    let step = |hash: u64, &label: &u32| (hash ^ u64::from(label)).wrapping_mul(0x100_0000_01b3);
    labels.into_iter().fold(0xcbf2_9ce4_8422_2325, step)
}

#[test]
fn labels_of_real_scans_are_scikit_images() {
    let Some(folder) = std::env::var_os("RELEVOX_REAL_DATA").map(PathBuf::from) else {
        // Past the harness, which keeps what a passing test prints to itself.
        let _ = std::io::stderr().write_all(b"skipped: RELEVOX_REAL_DATA is not set, no real scan is read\n");
        return;
    };
    let mut loaded: Option<(String, Array4<f32>)> = None;
    let mut wrong = Vec::new();
    let mut compared = 0;
    for line in EXPECTED.lines().filter(|line| !line.starts_with('#')) {
        let [case, sequences, regions, compactness, masked, count, expected] =
            line.split(' ').collect::<Vec<_>>().try_into().expect("seven fields");
        let key = format!("{case} {sequences}");
        if loaded.as_ref().is_none_or(|(loaded, _)| *loaded != key) {
            let crops: Vec<Array3<f32>> =
                sequences.split('+').map(|name| crop(&folder, case, name)).collect();
            let views: Vec<_> = crops.iter().map(|crop| crop.view()).collect();
            loaded = Some((key, stack(Axis(0), &views).unwrap()));
        }
        let Some((_, image)) = &loaded else { continue };
        let mask = image.map_axis(Axis(0), |values| values.iter().any(|&value| value > 0.0));
        let mask = (masked == "1").then(|| mask.view());
        let slic = Slic::new(regions.parse().unwrap()).compactness(compactness.parse().unwrap());
        let found = slic.segment(image.view(), mask).unwrap();
        let labels = found.len() + usize::from(found.labels().iter().any(|&l| Some(l) == found.background()));
        compared += 1;
        if (labels, hash(found.labels()))
            != (count.parse().unwrap(), u64::from_str_radix(expected, 16).unwrap())
        {
            wrong.push(format!("{line}: {labels} labels, {:016x}", hash(found.labels())));
        }
    }
    assert!(compared >= 69, "{compared} scans compared");
    assert!(wrong.is_empty(), "{} of {compared} differ:\n{}", wrong.len(), wrong.join("\n"));
}
