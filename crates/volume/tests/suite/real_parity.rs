//! Parity with numpy, scipy, SimpleITK, MONAI and scikit-image on real BraTS cases.

use std::collections::HashMap;

use ndarray::{Array3, Axis};
use relevox_volume::{
    BrainMask, CaseFiles, Cohort, Geometry, Intensity, Orientation, Preprocess, Spacing, Study, Volume,
    ZScoreOver, nifti,
};

use crate::fixtures::{Cells, rows};
use crate::orientations::stored_as;
use crate::real_scans::real_data;
use crate::scans::brats_sequences;

fn cases() -> Option<HashMap<String, CaseFiles>> {
    let cohort = Cohort::open(&real_data()?, &brats_sequences()).unwrap();
    Some(cohort.cases.into_iter().map(|case| (case.files.id.clone(), case.files)).collect())
}

/// The shares that warnings depend on are those that numpy counts, and no BraTS scan looks damaged.
#[test]
fn findings_equal_numpys() {
    let Some(cases) = cases() else { return };
    let preprocess = Preprocess::default().check().unwrap();
    let rows = rows("real_findings.csv");
    assert_eq!(rows.len(), 15);
    for row in rows {
        let mut cells = Cells::of(&row);
        let name = cells.text();
        let preparation = Study::load(&cases[name], &preprocess).unwrap().preparation;
        let found = [
            preparation.brain_outside_crop,
            preparation.tumour_outside_crop.unwrap(),
            preparation.clipped,
            preparation.air_not_zero,
            preparation.bright.unwrap(),
        ];
        for found in found {
            let expected = cells.number();
            assert!((found - expected).abs() < 1e-6, "{name}: {found}, not {expected}");
        }
        assert!(preparation.summary().starts_with("stored LPS, 1 x 1 x 1 mm (x, y, z), "));
        for warning in preparation.warnings() {
            assert!(warning.contains("lies outside the crop"), "{name}: {warning}");
        }
    }
}

fn settings(name: &str) -> Preprocess {
    let millimetres = |[x, y, z]: [f64; 3]| Spacing::Millimetres([z, y, x]);
    let default = Preprocess::default();
    match name {
        "minmax" => default,
        "percentile" => Preprocess { intensity: Intensity::ROBUST, ..default },
        "zscore" => Preprocess { intensity: Intensity::ZScore { over: ZScoreOver::NonZero }, ..default },
        "finer" => Preprocess { spacing_mm: millimetres([0.7, 0.8, 0.9]), ..default },
        "coarser" => Preprocess { spacing_mm: millimetres([2.0, 1.7, 3.3]), ..default },
        "slices" => Preprocess { spacing_mm: millimetres([1.0, 1.0, 1.0]), ..default },
        "otsu" => Preprocess { brain: BrainMask::Otsu, ..default },
        other => panic!("{other}"),
    }
}

/// Averages each five slices along z, as a scan of 5 mm slices would.
fn thick(scan: &Volume<f32>) -> Volume<f32> {
    let [nz, ny, nx] = scan.geometry.shape;
    let voxels = Array3::from_shape_fn([nz / 5, ny, nx], |(z, y, x)| {
        let sum: f64 = (0..5).map(|i| f64::from(scan.voxels[[5 * z + i, y, x]].max(0.0))).sum();
        (sum / 5.0) as f32
    });
    let mut rows = scan.geometry.world_from_voxel;
    for row in &mut rows {
        row[3] += 2.0 * row[2];
        row[2] *= 5.0;
    }
    Volume { voxels, geometry: Geometry::from_affine([nz / 5, ny, nx], rows) }
}

#[test]
fn values_equal_the_peers() {
    let Some(cases) = cases() else { return };
    let mut loaded: HashMap<[String; 3], Study> = HashMap::new();
    let (mut statistics, mut values) = (0, 0);
    for row in rows("real_values.csv") {
        let mut cells = Cells::of(&row);
        let [case, sequence, setting] = std::array::from_fn(|_| cells.text());
        let key = [case, sequence, setting].map(str::to_owned);
        if !loaded.contains_key(&key) {
            // Rows of one study are next to each other.
            loaded.clear();
            let preprocess =
                Preprocess { sequences: vec![sequence.to_owned()], ..settings(setting) }.check().unwrap();
            let folder = tempfile::tempdir().unwrap();
            let mut files = cases[case].clone();
            if setting == "slices" {
                let path = folder.path().join("thick.nii");
                nifti::write(&path, &thick(&files.sequence(sequence).unwrap().read().unwrap())).unwrap();
                let sequences = vec![(sequence.to_owned(), path.into())];
                files = CaseFiles { id: "thick".into(), sequences, segmentation: None };
            }
            loaded.insert(key.clone(), Study::load(&files, &preprocess).unwrap());
        }
        let study = &loaded[&key];
        let image = study.image.index_axis(Axis(0), 0);
        match row.len() {
            4 => {
                let found = study.brain.iter().filter(|b| **b).count() as f64 / study.brain.len() as f64;
                let expected = cells.number();
                // The threshold lies anywhere within a bin of 1/256 of the range.
                assert!((found - expected).abs() < 0.01 * expected, "{key:?}: {found}, not {expected}");
            }
            5 => {
                let mean = image.iter().map(|v| f64::from(*v)).sum::<f64>() / image.len() as f64;
                let variance =
                    image.iter().map(|v| (f64::from(*v) - mean).powi(2)).sum::<f64>() / image.len() as f64;
                for found in [mean, variance.sqrt()] {
                    let expected = cells.number();
                    assert!((found - expected).abs() < 2e-5, "{key:?}: {found}, not {expected}");
                }
                statistics += 1;
            }
            _ => {
                let at: [usize; 3] = std::array::from_fn(|_| cells.number() as usize);
                let (found, expected) = (f64::from(image[at]), cells.number());
                let tolerance = 1e-5 * expected.abs().max(1.0);
                assert!((found - expected).abs() < tolerance, "{key:?} {at:?}: {found}, not {expected}");
                values += 1;
            }
        }
    }
    assert_eq!((statistics, values), (3 * 2 * 6, 3 * 2 * 6 * 10));
}

/// Mean position of the intensities in millimetres.
fn centre(study: &Study) -> [f64; 3] {
    let geometry = study.frame.geometry();
    let (mut sums, mut mass) = ([0.0; 3], 0.0);
    for ((z, y, x), &value) in study.image.index_axis(Axis(0), 0).indexed_iter() {
        mass += f64::from(value);
        for (sum, mm) in sums.iter_mut().zip(geometry.world([z, y, x].map(|i| i as f64))) {
            *sum += f64::from(value) * mm;
        }
    }
    sums.map(|sum| sum / mass)
}

/// A scan whose voxels and origin are shifted by one voxel has its features at the same positions, at any spacing.
#[test]
fn a_shift_by_one_voxel_moves_nothing() {
    let Some(cases) = cases() else { return };
    let mut scan = cases["Brats18_TCIA01_201_1"].sequence("flair").unwrap().read().unwrap();
    // Brain that the border cuts would change the values there.
    for axis in 0..3 {
        let last = scan.voxels.len_of(Axis(axis)) - 1;
        for index in [0, 1, last - 1, last] {
            scan.voxels.index_axis_mut(Axis(axis), index).fill(0.0);
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("moved.nii");
    let moved = CaseFiles {
        id: "moved".into(),
        sequences: vec![("flair".into(), path.clone().into())],
        segmentation: None,
    };
    for spacing in [[1.0; 3], [0.8, 1.0, 1.7], [2.3, 1.1, 0.9]] {
        let preprocess = Preprocess {
            sequences: vec!["flair".into()],
            spacing_mm: Spacing::Millimetres(spacing),
            crop: [200, 248, 272],
            ..Preprocess::default()
        };
        let preprocess = preprocess.check().unwrap();
        nifti::write(&path, &scan).unwrap();
        let expected = centre(&Study::load(&moved, &preprocess).unwrap());
        for axis in 0..3 {
            let mut start = [0; 3];
            start[axis] = -1;
            // Voxel 1 of the moved scan is voxel 0 of the scan, whose last is air.
            let last = scan.voxels.len_of(Axis(axis)) - 1;
            let mut voxels = Array3::zeros(scan.voxels.dim());
            for index in 0..last {
                voxels
                    .index_axis_mut(Axis(axis), index + 1)
                    .assign(&scan.voxels.index_axis(Axis(axis), index));
            }
            let geometry = scan.geometry.window(start, scan.geometry.shape, 1);
            nifti::write(&path, &Volume { voxels, geometry }).unwrap();
            let found = centre(&Study::load(&moved, &preprocess).unwrap());
            for (a, b) in expected.into_iter().zip(found) {
                assert!((a - b).abs() < 0.01, "{spacing:?}, axis {axis}: {expected:?} {found:?}");
            }
        }
    }
}

/// A real case stored otherwise, each file in its own orientation, gives the same bytes and maps on its own grid.
#[test]
fn stored_orientations_do_not_matter() {
    let Some(cases) = cases() else { return };
    let files = &cases["Brats18_TCIA10_130_1"];
    for (downsample, spacing_mm, intensity) in [
        (1, Spacing::Stored, Intensity::MinMax),
        (2, Spacing::Stored, Intensity::ROBUST),
        (1, Spacing::Millimetres([1.5, 1.0, 0.9]), Intensity::ZScore { over: ZScoreOver::NonZero }),
    ] {
        let preprocess = Preprocess {
            sequences: vec!["t1".into(), "flair".into()],
            orientation: Orientation::LPS,
            downsample,
            spacing_mm,
            intensity,
            ..Preprocess::default()
        };
        let preprocess = preprocess.check().unwrap();
        let expected = Study::load(files, &preprocess).unwrap();
        for codes in [["RAS", "RAS", "RAS"], ["LAS", "PSR", "LPS"]] {
            let folder = tempfile::tempdir().unwrap();
            let path = |name: &str| folder.path().join(format!("{name}.nii"));
            let mut sequences = Vec::new();
            for (name, codes) in ["t1", "flair"].iter().zip(codes) {
                let scan = files.sequence(name).unwrap().read().unwrap();
                nifti::write(&path(name), &stored_as(&scan, codes)).unwrap();
                sequences.push(((*name).to_owned(), path(name).into()));
            }
            let labels = files.segmentation.as_ref().unwrap().read_labels().unwrap();
            nifti::write_labels(&path("seg"), &stored_as(&labels, codes[2])).unwrap();
            let stored = CaseFiles { id: "stored".into(), sequences, segmentation: Some(path("seg").into()) };
            let study = Study::load(&stored, &preprocess).unwrap();
            assert!(
                study.image == expected.image
                    && study.brain == expected.brain
                    && study.tumour == expected.tumour
            );
            let map = study.frame.to_scan(study.channel("t1").unwrap()).unwrap();
            let on_lps = expected.frame.to_scan(expected.channel("t1").unwrap()).unwrap();
            let again = stored_as(&on_lps, codes[0]);
            assert!(map.voxels == again.voxels);
            assert_eq!(map.geometry, nifti::read(&path("t1")).unwrap().geometry);
        }
    }
}
