//! Synthetic cohorts: reproducible, read back like any other cohort, and not solvable by simple statistics.

use std::collections::BTreeSet;

use ndarray::{Array2, Axis, Zip};
use rayon::prelude::*;
use relevox_eval::{Logistic, roc_auc};
use relevox_volume::phantom::{
    PhantomCase, PhantomConfig, SEQUENCES, ValidPhantomConfig, generate, write_case, write_cohort,
};
use relevox_volume::{Cohort, Preprocess, Study};

use crate::scans::brats_sequences;

fn small() -> ValidPhantomConfig {
    on_grid([32, 38, 32], [5.0; 3])
}

fn on_grid(shape: [usize; 3], spacing_mm: [f64; 3]) -> ValidPhantomConfig {
    PhantomConfig { shape, spacing_mm, ..PhantomConfig::default() }.check().unwrap()
}

fn brain(case: &PhantomCase) -> ndarray::Array3<bool> {
    case.sequences[0].1.mapv(|v| v != 0.0)
}

fn fraction(case: &PhantomCase, label: impl Fn(u32) -> bool) -> f64 {
    let brain = brain(case).iter().filter(|&&b| b).count();
    case.segmentation.iter().filter(|&&v| label(v)).count() as f64 / brain as f64
}

#[test]
fn a_case_depends_only_on_its_seed_and_index() {
    let config = small();
    let case = generate(&config, 5, 3);
    for threads in [1, 3] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        assert!(pool.install(|| generate(&config, 5, 3)) == case, "{threads} threads");
    }
    let settings = config.settings().clone();
    let larger = PhantomConfig { cases: 2 * settings.cases, ..settings }.check().unwrap();
    assert!(generate(&larger, 5, 3) == case, "the cohort's size");
    assert!(generate(&config, 6, 3).sequences != case.sequences, "the seed");
    assert!(generate(&config, 5, 4).sequences != case.sequences, "the index");
}

#[test]
fn voxels_are_whole_numbers_and_air_is_exactly_0_in_every_sequence() {
    let mut labels = BTreeSet::new();
    for index in 0..6 {
        let case = generate(&small(), 1, index);
        let names: Vec<&str> = case.sequences.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, SEQUENCES);
        let brain = brain(&case);
        for (name, voxels) in &case.sequences {
            Zip::from(voxels).and(&brain).and(&case.segmentation).for_each(|&v, &inside, &label| {
                assert_eq!(v != 0.0, inside, "{name}");
                assert!(v.fract() == 0.0 && (0.0..=32_767.0).contains(&v), "{name}: {v}");
                assert!(inside || label == 0, "a tumour outside the brain");
            });
        }
        labels.extend(case.segmentation.iter().copied());
    }
    assert_eq!(labels, BTreeSet::from([0, 1, 2, 4]));
}

#[test]
fn every_grid_shows_the_same_person() {
    for (shape, spacing_mm) in
        [([8, 8, 8], [8.0; 3]), ([20, 64, 60], [6.5, 2.5, 2.5]), ([48, 20, 48], [0.5; 3])]
    {
        let case = generate(&on_grid(shape, spacing_mm), 1, 1);
        assert!(fraction(&case, |l| l > 0) > 0.0, "{shape:?}");
        assert!(brain(&case).iter().any(|&b| b));
    }
    let coarse = generate(&on_grid([24, 28, 24], [6.0; 3]), 1, 1);
    let fine = generate(&on_grid([48, 56, 48], [3.0; 3]), 1, 1);
    let volume_mm3 =
        |case: &PhantomCase, voxel: f64| case.segmentation.iter().filter(|&&l| l > 0).count() as f64 * voxel;
    let ratio = volume_mm3(&coarse, 216.0) / volume_mm3(&fine, 27.0);
    assert!((0.8..1.25).contains(&ratio), "the tumour's volume changes {ratio} times with the voxel size");
}

#[test]
fn people_differ_and_tumours_have_the_configured_volume() {
    let config = small();
    let cases: Vec<PhantomCase> = (0..12).into_par_iter().map(|index| generate(&config, 2, index)).collect();
    for case in &cases {
        let fraction = fraction(case, |l| l > 0);
        let [low, high] = config.settings().tumour_fraction;
        assert!((0.95 * low..1.05 * high).contains(&fraction), "{}: {fraction}", case.name);
    }
    for pair in cases.windows(2) {
        let (a, b) = (brain(&pair[0]), brain(&pair[1]));
        let both = Zip::from(&a).and(&b).fold(0, |n, &a, &b| n + usize::from(a && b)) as f64;
        let dice = 2.0 * both / (a.iter().chain(&b).filter(|&&v| v).count() as f64);
        assert!((0.75..0.99).contains(&dice), "outlines overlap by {dice}");
        let tumours =
            Zip::from(&pair[0].segmentation).and(&pair[1].segmentation).all(|&a, &b| (a > 0) == (b > 0));
        assert!(!tumours, "two tumours at the same location");
    }
    let scales: Vec<f64> = cases.iter().map(|c| f64::from(c.sequences[0].1.mean().unwrap())).collect();
    let (low, high) = scales.iter().fold((f64::MAX, 0.0_f64), |(l, h), &s| (l.min(s), h.max(s)));
    assert!(high > 5.0 * low, "intensities lie within {low} to {high}");
}

#[test]
fn a_written_cohort_reads_back_like_any_other() {
    let config = PhantomConfig {
        cases: 4,
        shape: [16, 20, 18],
        spacing_mm: [8.0, 7.5, 7.5],
        ..PhantomConfig::default()
    }
    .check()
    .unwrap();
    let root = tempfile::tempdir().unwrap();
    let mut written = Vec::new();
    write_cohort(&config, 9, root.path(), |index| written.push(index)).unwrap();
    assert_eq!(written, [0, 1, 2, 3]);

    let cohort = Cohort::open(root.path(), &brats_sequences()).unwrap();
    assert_eq!(cohort.left_out, []);
    assert_eq!(cohort.cases.len(), 4);
    for (index, case) in cohort.cases.iter().enumerate() {
        let made = generate(&config, 9, index);
        assert_eq!((case.id(), case.label), (made.name.as_str(), made.positive));
        for ((_, path), (_, voxels)) in case.files.sequences.iter().zip(&made.sequences) {
            let read = path.read().unwrap();
            assert_eq!(read.voxels, *voxels);
            assert_eq!(read.geometry.spacing_mm, config.settings().spacing_mm);
        }
        assert_eq!(
            case.files.segmentation.as_ref().unwrap().read_labels().unwrap().voxels,
            made.segmentation
        );
        let preprocess = Preprocess {
            sequences: brats_sequences(),
            crop: [16, 20, 18],
            downsample: 1,
            ..Preprocess::default()
        };
        let study = Study::load(&case.files, &preprocess.check().unwrap()).unwrap();
        assert_eq!(study.brain, brain(&made));
        assert_eq!(study.tumour.unwrap(), made.segmentation.mapv(|l| l > 0));
    }
}

#[test]
fn a_folder_that_cannot_be_created_is_named() {
    let root = tempfile::tempdir().unwrap();
    let file = root.path().join("taken");
    std::fs::write(&file, "").unwrap();
    let case = generate(&on_grid([8, 8, 8], [8.0; 3]), 1, 0);
    let error = write_case(&case, [8.0; 3], &file).unwrap_err();
    assert!(error.to_string().contains("taken"), "{error}");
}

/// Features of a case for the regressions.
struct Features {
    positive: bool,
    /// Mean and standard deviation of each sequence: raw or min-max scaled, over all voxels or the brain's.
    statistics: [Vec<f64>; 4],
    whole: f64,
    enhancing: f64,
}

fn features(config: &ValidPhantomConfig, seed: u64, index: usize) -> Features {
    let case = generate(config, seed, index);
    let brain = brain(&case);
    let statistics = std::array::from_fn(|view| {
        let (scaled, brain_only) = (view % 2 == 1, view / 2 == 1);
        let of_sequence = |(_, voxels): &(String, ndarray::Array3<f32>)| {
            let largest = voxels.iter().fold(0.0_f32, |m, &v| m.max(v));
            let unit = if scaled { f64::from(largest) } else { 1.0 };
            let values: Vec<f64> = voxels
                .iter()
                .zip(&brain)
                .filter(|&(_, &inside)| inside || !brain_only)
                .map(|(&v, _)| f64::from(v) / unit)
                .collect();
            let mean = values.iter().sum::<f64>() / values.len() as f64;
            let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / values.len() as f64;
            [mean, variance.sqrt()]
        };
        case.sequences.iter().flat_map(of_sequence).collect()
    });
    let whole = fraction(&case, |l| l > 0);
    Features { positive: case.positive, statistics, whole, enhancing: fraction(&case, |l| l == 4) / whole }
}

#[test]
fn the_grade_shows_only_in_the_tumour() {
    let config = on_grid([28, 34, 28], [5.6; 3]);
    const TRAIN: usize = 90;
    const TEST: usize = 50;
    const SEEDS: [u64; 2] = [1, 2];
    let cohorts: Vec<Vec<Features>> = SEEDS
        .iter()
        .map(|&seed| (0..TRAIN + TEST).into_par_iter().map(|index| features(&config, seed, index)).collect())
        .collect();

    // Test AUC of a logistic regression on the first cases of each cohort.
    let test_auc = |select: &dyn Fn(&Features) -> Vec<f64>| -> f64 {
        let of_cohort = |cohort: &Vec<Features>| {
            let rows: Vec<Vec<f64>> = cohort.iter().map(select).collect();
            let x = Array2::from_shape_fn((rows.len(), rows[0].len()), |(case, k)| rows[case][k]);
            let y: Vec<bool> = cohort.iter().map(|case| case.positive).collect();
            let (train, test) = x.view().split_at(Axis(0), TRAIN);
            let scores = Logistic::fit(train, &y[..TRAIN]).unwrap().logits(test).unwrap();
            roc_auc(&scores, &y[TRAIN..]).unwrap()
        };
        cohorts.iter().map(of_cohort).sum::<f64>() / cohorts.len() as f64
    };
    for (view, what) in
        ["raw, all voxels", "scaled, all voxels", "raw, brain", "scaled, brain"].iter().enumerate()
    {
        let auc = test_auc(&|case| case.statistics[view].clone());
        println!("means and deviations ({what}): AUC {auc:.3}");
        assert!(auc < 0.75, "means and deviations ({what}) predict the grade: AUC {auc:.3}");
    }
    let volume = test_auc(&|case| vec![case.whole]);
    assert!(volume < 0.75, "the tumour's volume predicts the grade: AUC {volume:.3}");
    let oracle = test_auc(&|case| vec![case.enhancing]);
    println!("enhancing fraction of the segmentation: AUC {oracle:.3}");
    assert!(oracle > 0.9, "the enhancing fraction does not predict the grade: AUC {oracle:.3}");

    let all = || cohorts.iter().flatten();
    let low_that_enhances = all().filter(|s| !s.positive && s.enhancing > 0.0).count();
    let high_that_hardly_does = all().filter(|s| s.positive && s.enhancing < 0.05).count();
    assert!(low_that_enhances >= 5 && high_that_hardly_does >= 2, "the grades do not overlap");
}

#[test]
fn overlap_makes_the_grades_similar() {
    let separability = |overlap: f64| {
        let settings = on_grid([20, 24, 20], [8.0; 3]).settings().clone();
        let config = PhantomConfig { overlap, ..settings }.check().unwrap();
        let cases: Vec<Features> = (0..80).into_par_iter().map(|index| features(&config, 4, index)).collect();
        let (scores, labels): (Vec<f64>, Vec<bool>) = cases.iter().map(|s| (s.enhancing, s.positive)).unzip();
        roc_auc(&scores, &labels).unwrap()
    };
    let (clear, usual, hard) = (separability(0.0), separability(0.5), separability(1.0));
    assert!(clear > 0.98 && clear >= usual && usual > hard, "AUC {clear:.3}, {usual:.3}, {hard:.3}");
}
