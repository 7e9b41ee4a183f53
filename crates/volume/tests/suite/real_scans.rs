//! Real BraTS cases, from the folder in the environment variable RELEVOX_REAL_DATA.

use std::io::Write;
use std::path::PathBuf;

use ndarray::Axis;
use relevox_volume::{Cohort, Preprocess, Study, nifti};

use crate::scans::brats_sequences;

fn real_data() -> Option<PathBuf> {
    let folder = std::env::var_os("RELEVOX_REAL_DATA").map(PathBuf::from);
    if folder.is_none() {
        // Directly to stderr: the test harness captures the output of passing tests.
        let _ = std::io::stderr().write_all(b"skipped: RELEVOX_REAL_DATA is not set\n");
    }
    folder
}

#[test]
fn grades_come_from_the_name_mapping() {
    let Some(folder) = real_data() else { return };
    let cohort = Cohort::open(&folder, &brats_sequences()).unwrap();
    assert_eq!(cohort.left_out, []);
    assert_eq!(cohort.notes, [""; 0]);
    let positive = cohort.cases.iter().filter(|case| case.label).count();
    assert_eq!((positive, cohort.cases.len() - positive), (9, 6));
    cohort.require_both_classes(None).unwrap();
    assert_eq!(cohort.groups().len(), 15);
}

/// Every case loads at the paper's crop, air is exactly 0, and maps have the scan's own header.
#[test]
fn every_case_loads_with_air_at_zero() {
    let Some(folder) = real_data() else { return };
    let sequences = brats_sequences();
    let preprocess = Preprocess { sequences: sequences.clone(), ..Preprocess::default() }.check().unwrap();
    let out = tempfile::tempdir().unwrap();
    let mut with_negative = Vec::new();
    for case in Cohort::open(&folder, &sequences).unwrap().cases {
        let files = case.files;
        let study = Study::load(&files, &preprocess).unwrap();
        assert_eq!(study.image.dim(), (4, 128, 128, 128));
        assert_eq!(study.frame.start(), [13, 56, 56]);
        assert!(study.image.iter().all(|v| (0.0..=1.0).contains(v)), "{}", files.id);
        for channel in study.image.axis_iter(Axis(0)) {
            assert!(channel.iter().zip(&study.brain).all(|(v, brain)| *brain || *v == 0.0), "{}", files.id);
        }
        let brain = study.brain.iter().filter(|b| **b).count();
        assert!((500_000..1_800_000).contains(&brain), "{}: {brain} brain voxels", files.id);
        let tumour = study.tumour.as_ref().unwrap();
        let in_brain = tumour.iter().zip(&study.brain).filter(|(t, b)| **t && **b).count();
        let tumour = tumour.iter().filter(|t| **t).count();
        assert!(tumour > 1000 && in_brain * 100 >= tumour * 99, "{}: {in_brain} of {tumour}", files.id);

        let raw = files.sequence("t1").unwrap().read().unwrap();
        let path = out.path().join("map.nii.gz");
        nifti::write(&path, &study.frame.to_scan(study.channel("t1").unwrap()).unwrap()).unwrap();
        let map = nifti::read(&path).unwrap();
        assert_eq!(map.geometry, raw.geometry, "{}", files.id);
        let largest = f64::from(raw.voxels.iter().copied().fold(0.0, f32::max));
        for ((z, y, x), &value) in map.voxels.indexed_iter().filter(|(_, v)| **v > 0.0) {
            let expected = f64::from(raw.voxels[[z, y, x]]) / largest;
            assert!((f64::from(value) - expected).abs() < 1e-6, "{}", files.id);
        }
        let negative =
            files.sequences.iter().any(|(_, file)| file.read().unwrap().voxels.iter().any(|v| *v < 0.0));
        if negative {
            with_negative.push(files.id);
        }
    }
    assert_eq!(with_negative, ["Brats18_TCIA10_130_1", "Brats18_TCIA12_101_1"]);
}
