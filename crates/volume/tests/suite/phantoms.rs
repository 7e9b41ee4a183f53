//! Synthetic cohorts: made the same everywhere, read back like any other, and no toy.

use std::collections::BTreeSet;

use ndarray::{Array2, Axis, Zip};
use rayon::prelude::*;
use relevox_eval::{Logistic, roc_auc};
use relevox_volume::phantom::{PhantomCase, PhantomConfig, SEQUENCES, generate, write_case, write_cohort};
use relevox_volume::{Cohort, Preprocess, Study, nifti};

use crate::scans::brats_sequences;

fn small() -> PhantomConfig {
    PhantomConfig { shape: [32, 38, 32], spacing_mm: [5.0; 3], ..PhantomConfig::default() }
}

fn brain(case: &PhantomCase) -> ndarray::Array3<bool> {
    case.sequences[0].1.mapv(|v| v != 0.0)
}

fn share(case: &PhantomCase, label: impl Fn(u32) -> bool) -> f64 {
    let brain = brain(case).iter().filter(|&&b| b).count();
    case.seg.iter().filter(|&&v| label(v)).count() as f64 / brain as f64
}

#[test]
fn a_case_depends_on_its_seed_and_index_alone() {
    let config = small();
    let case = generate(&config, 5, 3);
    for threads in [1, 3] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        assert!(pool.install(|| generate(&config, 5, 3)) == case, "{threads} threads");
    }
    let larger = PhantomConfig { cases: 2 * config.cases, ..config.clone() };
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
            Zip::from(voxels).and(&brain).and(&case.seg).for_each(|&v, &inside, &label| {
                assert_eq!(v != 0.0, inside, "{name}");
                assert!(v.fract() == 0.0 && (0.0..=32_767.0).contains(&v), "{name}: {v}");
                assert!(inside || label == 0, "a tumour outside the brain");
            });
        }
        labels.extend(case.seg.iter().copied());
    }
    assert_eq!(labels, BTreeSet::from([0, 1, 2, 4]));
}

#[test]
fn any_grid_will_do_and_shows_the_same_person() {
    for (shape, spacing_mm) in
        [([8, 8, 8], [8.0; 3]), ([20, 64, 60], [6.5, 2.5, 2.5]), ([48, 20, 48], [0.5; 3])]
    {
        let config = PhantomConfig { shape, spacing_mm, ..PhantomConfig::default() };
        config.validate().unwrap();
        let case = generate(&config, 1, 1);
        assert!(share(&case, |l| l > 0) > 0.0, "{shape:?}");
        assert!(brain(&case).iter().any(|&b| b));
    }
    let coarse = PhantomConfig { shape: [24, 28, 24], spacing_mm: [6.0; 3], ..PhantomConfig::default() };
    let fine = PhantomConfig { shape: [48, 56, 48], spacing_mm: [3.0; 3], ..PhantomConfig::default() };
    let (coarse, fine) = (generate(&coarse, 1, 1), generate(&fine, 1, 1));
    let volume_mm3 =
        |case: &PhantomCase, voxel: f64| case.seg.iter().filter(|&&l| l > 0).count() as f64 * voxel;
    let ratio = volume_mm3(&coarse, 216.0) / volume_mm3(&fine, 27.0);
    assert!((0.8..1.25).contains(&ratio), "the tumour's volume changes {ratio} times with the voxel size");
}

#[test]
fn people_differ_and_tumours_take_the_share_asked_for() {
    let config = small();
    let cases: Vec<PhantomCase> = (0..12).into_par_iter().map(|index| generate(&config, 2, index)).collect();
    for case in &cases {
        let share = share(case, |l| l > 0);
        let [low, high] = config.tumour_fraction;
        assert!((0.95 * low..1.05 * high).contains(&share), "{}: {share}", case.name);
    }
    for pair in cases.windows(2) {
        let (a, b) = (brain(&pair[0]), brain(&pair[1]));
        let both = Zip::from(&a).and(&b).fold(0, |n, &a, &b| n + usize::from(a && b)) as f64;
        let dice = 2.0 * both / (a.iter().chain(&b).filter(|&&v| v).count() as f64);
        assert!((0.75..0.99).contains(&dice), "outlines overlap by {dice}");
        let tumours = Zip::from(&pair[0].seg).and(&pair[1].seg).all(|&a, &b| (a > 0) == (b > 0));
        assert!(!tumours, "two tumours in one place");
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
        spacing_mm: [9.0, 8.0, 8.0],
        ..PhantomConfig::default()
    };
    let root = tempfile::tempdir().unwrap();
    let mut heard = Vec::new();
    write_cohort(&config, 9, root.path(), |index| heard.push(index)).unwrap();
    assert_eq!(heard, [0, 1, 2, 3]);

    let cohort = Cohort::open(root.path(), &brats_sequences()).unwrap();
    assert_eq!(cohort.left_out, []);
    assert_eq!(cohort.cases.len(), 4);
    for (index, files) in cohort.cases.iter().enumerate() {
        let made = generate(&config, 9, index);
        assert_eq!((files.case.as_str(), files.label), (made.name.as_str(), made.positive));
        for (path, (_, voxels)) in files.sequences.iter().zip(&made.sequences) {
            let read = nifti::read(path).unwrap();
            assert_eq!(read.voxels, *voxels);
            assert_eq!(read.geometry.spacing_mm, config.spacing_mm);
        }
        assert_eq!(nifti::read_labels(files.seg.as_ref().unwrap()).unwrap().voxels, made.seg);
        let preprocess = Preprocess {
            sequences: brats_sequences(),
            crop: [16, 20, 18],
            downsample: 1,
            clip_negative: true,
        };
        let study = Study::load(files, &preprocess).unwrap();
        assert_eq!(study.brain, brain(&made));
        assert_eq!(study.tumour.unwrap(), made.seg.mapv(|l| l > 0));
    }
}

#[test]
fn a_folder_that_cannot_be_made_is_named() {
    let root = tempfile::tempdir().unwrap();
    let file = root.path().join("taken");
    std::fs::write(&file, "").unwrap();
    let config = PhantomConfig { shape: [8, 8, 8], spacing_mm: [8.0; 3], ..PhantomConfig::default() };
    let error = write_case(&generate(&config, 1, 0), config.spacing_mm, &file).unwrap_err();
    assert!(error.to_string().contains("taken"), "{error}");
}

/// One case as the regressions see it.
struct Seen {
    positive: bool,
    /// Mean and deviation of each sequence: raw or min-max scaled, over all voxels or the brain's.
    statistics: [Vec<f64>; 4],
    whole: f64,
    enhancing: f64,
}

fn see(config: &PhantomConfig, seed: u64, index: usize) -> Seen {
    let case = generate(config, seed, index);
    let brain = brain(&case);
    let statistics = std::array::from_fn(|view| {
        let (scaled, brain_only) = (view % 2 == 1, view / 2 == 1);
        let of_sequence = |(_, voxels): &(String, ndarray::Array3<f32>)| {
            let largest = voxels.iter().fold(0.0_f32, |m, &v| m.max(v));
            let unit = if scaled { f64::from(largest) } else { 1.0 };
            let kept: Vec<f64> = voxels
                .iter()
                .zip(&brain)
                .filter(|&(_, &inside)| inside || !brain_only)
                .map(|(&v, _)| f64::from(v) / unit)
                .collect();
            let mean = kept.iter().sum::<f64>() / kept.len() as f64;
            let variance = kept.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / kept.len() as f64;
            [mean, variance.sqrt()]
        };
        case.sequences.iter().flat_map(of_sequence).collect()
    });
    let whole = share(&case, |l| l > 0);
    Seen { positive: case.positive, statistics, whole, enhancing: share(&case, |l| l == 4) / whole }
}

#[test]
fn the_grade_must_be_seen_in_the_tumour() {
    let config = PhantomConfig { shape: [28, 34, 28], spacing_mm: [5.6; 3], ..PhantomConfig::default() };
    const TRAIN: usize = 90;
    const TEST: usize = 50;
    const SEEDS: [u64; 2] = [1, 2];
    let cohorts: Vec<Vec<Seen>> = SEEDS
        .iter()
        .map(|&seed| (0..TRAIN + TEST).into_par_iter().map(|index| see(&config, seed, index)).collect())
        .collect();

    // Trained on the first cases of a cohort, tested on its last.
    let tested = |features: &dyn Fn(&Seen) -> Vec<f64>| -> f64 {
        let of_cohort = |cohort: &Vec<Seen>| {
            let rows: Vec<Vec<f64>> = cohort.iter().map(features).collect();
            let x = Array2::from_shape_fn((rows.len(), rows[0].len()), |(case, k)| rows[case][k]);
            let y: Vec<bool> = cohort.iter().map(|seen| seen.positive).collect();
            let (train, test) = x.view().split_at(Axis(0), TRAIN);
            let scores = Logistic::fit(train, &y[..TRAIN]).unwrap().logits(test).unwrap();
            roc_auc(&scores, &y[TRAIN..]).unwrap()
        };
        cohorts.iter().map(of_cohort).sum::<f64>() / cohorts.len() as f64
    };
    for (view, what) in
        ["raw, all voxels", "scaled, all voxels", "raw, brain", "scaled, brain"].iter().enumerate()
    {
        let auc = tested(&|seen| seen.statistics[view].clone());
        println!("means and deviations ({what}): AUC {auc:.3}");
        assert!(auc < 0.75, "means and deviations ({what}) tell the grade: AUC {auc:.3}");
    }
    let volume = tested(&|seen| vec![seen.whole]);
    assert!(volume < 0.75, "the tumour's volume tells the grade: AUC {volume:.3}");
    let oracle = tested(&|seen| vec![seen.enhancing]);
    println!("enhancing share of the segmentation: AUC {oracle:.3}");
    assert!(oracle > 0.9, "not even the enhancing share tells the grade: AUC {oracle:.3}");

    let all = || cohorts.iter().flatten();
    let low_that_enhances = all().filter(|s| !s.positive && s.enhancing > 0.0).count();
    let high_that_hardly_does = all().filter(|s| s.positive && s.enhancing < 0.05).count();
    assert!(low_that_enhances >= 5 && high_that_hardly_does >= 2, "the grades do not overlap");
}

#[test]
fn overlap_makes_the_grades_alike() {
    let told_apart = |overlap: f64| {
        let config =
            PhantomConfig { shape: [20, 24, 20], spacing_mm: [8.0; 3], overlap, ..PhantomConfig::default() };
        let seen: Vec<Seen> = (0..80).into_par_iter().map(|index| see(&config, 4, index)).collect();
        let (scores, labels): (Vec<f64>, Vec<bool>) = seen.iter().map(|s| (s.enhancing, s.positive)).unzip();
        roc_auc(&scores, &labels).unwrap()
    };
    let (clear, usual, hard) = (told_apart(0.0), told_apart(0.5), told_apart(1.0));
    assert!(clear > 0.98 && clear >= usual && usual > hard, "AUC {clear:.3}, {usual:.3}, {hard:.3}");
}
