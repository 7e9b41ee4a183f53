//! Labels against those of scikit-image, voxel by voxel, over 400 combinations of shape, image and parameters.

#![expect(clippy::unwrap_used, reason = "helpers of tests panic as tests do")]

mod cases;
mod images;

use slic3d::Slic;

use cases::Case;

/// Number of voxels in which two labellings differ, and the first of them.
#[derive(Debug, PartialEq)]
struct Difference {
    voxels: usize,
    first: usize,
}

fn compare(ours: &[u32], theirs: &[u32]) -> Option<Difference> {
    assert_eq!(ours.len(), theirs.len());
    let first = ours.iter().zip(theirs).position(|(a, b)| a != b)?;
    Some(Difference { voxels: ours.iter().zip(theirs).filter(|(a, b)| a != b).count(), first })
}

fn labels(slic: &Slic, case: &Case) -> Vec<u32> {
    let mask = case.mask.as_ref().map(|mask| mask.view());
    let supervoxels =
        slic.segment(case.image.view(), mask).unwrap_or_else(|error| panic!("{error}: {}", case.line));
    supervoxels.labels().iter().copied().collect()
}

#[test]
fn labels_equal_those_of_scikit_image() {
    let cases = cases::all();
    assert!(cases.len() >= 200, "{} cases", cases.len());
    let wrong: Vec<String> = cases
        .iter()
        .filter_map(|case| {
            compare(&labels(&case.with_kernels, case), &case.labels).map(|d| format!("{d:?}: {}", case.line))
        })
        .collect();
    assert!(wrong.is_empty(), "{} of {} cases differ:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

#[test]
fn labels_with_the_built_in_gaussian_differ_rarely() {
    let (mut voxels, mut different) = (0, 0);
    for case in cases::all().iter().filter(|case| case.smoothed) {
        voxels += case.labels.len();
        different +=
            compare(&labels(&case.slic, case), &case.labels).map_or(0, |difference| difference.voxels);
    }
    assert!(voxels > 50_000 && different * 1000 <= voxels, "{different} of {voxels} voxels differ");
}

#[test]
fn a_single_wrong_voxel_is_detected() {
    for case in cases::all().iter().step_by(20) {
        let ours = labels(&case.with_kernels, case);
        for voxel in [0, case.labels.len() / 2, case.labels.len() - 1] {
            let mut planted = case.labels.clone();
            planted[voxel] ^= 1;
            assert_eq!(
                compare(&ours, &planted),
                Some(Difference { voxels: 1, first: voxel }),
                "{}",
                case.line
            );
        }
    }
}
