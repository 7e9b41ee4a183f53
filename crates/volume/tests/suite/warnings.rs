//! Warnings about a case: each is given where it must be, and a clean case has none.

use ndarray::{Array3, s};
use proptest::prelude::*;
use rand::{Rng, SeedableRng};
use relevox_volume::phantom::{PhantomConfig, generate};
use relevox_volume::{
    BrainMask, CaseFiles, Geometry, Intensity, Orientation, PercentileOver, Preparation, Preprocess, Spacing,
    Study, Volume, ZScoreOver, nifti,
};

use crate::scans::{settings, write_case};

const SHAPE: [usize; 3] = [30, 32, 34];

/// A head in exact air, with values of 200 to 999.
fn head() -> Volume<f32> {
    let voxels = Array3::from_shape_fn(SHAPE, |(z, y, x)| {
        let squared: f64 =
            [z, y, x].iter().zip(SHAPE).map(|(&i, n)| (i as f64 - (n as f64 - 1.0) / 2.0).powi(2)).sum();
        if squared < 121.0 { 200.0 + ((z * 31 + y * 17 + x * 7) % 800) as f32 } else { 0.0 }
    });
    Volume { voxels, geometry: Geometry::axis_aligned(SHAPE, [1.0; 3]) }
}

fn whole() -> Preprocess {
    Preprocess { orientation: Orientation::LPS, ..settings(1, SHAPE, 1) }
}

#[track_caller]
fn prepared(scan: &Volume<f32>, preprocess: Preprocess) -> Preparation {
    study(scan, preprocess).preparation
}

#[track_caller]
fn study(scan: &Volume<f32>, preprocess: Preprocess) -> Study {
    let folder = tempfile::tempdir().unwrap();
    let files = write_case(folder.path(), std::slice::from_ref(scan), None);
    Study::load(&files, &preprocess.check().unwrap()).unwrap()
}

/// The case has exactly one warning, which contains the words.
#[track_caller]
fn warns(preparation: &Preparation, words: &[&str]) {
    let warnings = preparation.warnings();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    for word in words {
        assert!(warnings[0].contains(word), "{:?} does not contain {word:?}", warnings[0]);
    }
    assert_eq!(warnings[0].lines().count(), 1);
}

fn share(of: impl Iterator<Item = bool>) -> f64 {
    let all: Vec<bool> = of.collect();
    all.iter().filter(|b| **b).count() as f64 / all.len() as f64
}

fn shuffled(seed: u64) -> rand_chacha::ChaCha8Rng {
    rand_chacha::ChaCha8Rng::seed_from_u64(seed)
}

/// A standard normal value, by Box and Muller.
fn normal(random: &mut impl Rng) -> f64 {
    let (a, b): (f64, f64) = (1.0 - random.random::<f64>(), random.random());
    (-2.0 * a.ln()).sqrt() * (std::f64::consts::TAU * b).cos()
}

#[test]
fn a_clean_case_has_no_warning() {
    for intensity in [
        Intensity::MinMax,
        Intensity::ROBUST,
        Intensity::ZScore { over: ZScoreOver::NonZero },
        Intensity::None,
    ] {
        let preparation = prepared(&head(), Preprocess { intensity, ..whole() });
        assert_eq!(preparation.warnings(), Vec::<String>::new());
    }
    let summary = prepared(&head(), whole()).summary();
    assert_eq!(summary, "stored LPS, 1 x 1 x 1 mm (x, y, z), 0 % of the brain outside the crop");
}

#[test]
fn noise_in_the_air() {
    let mut random = shuffled(1);
    let mut scan = head();
    scan.voxels.mapv_inplace(|v| if v == 0.0 { 1.0 + 20.0 * random.random::<f32>() } else { v });
    warns(
        &prepared(&scan, whole()),
        &["s0: 100 % of the voxels in the volume's corners", "brain = \"otsu\""],
    );
    let otsu = study(&scan, Preprocess { brain: BrainMask::Otsu, ..whole() });
    assert_eq!(otsu.preparation.warnings(), Vec::<String>::new());
    let tissue = head().voxels.mapv(|v| v > 0.0);
    assert!(otsu.brain.iter().zip(&tissue).all(|(brain, tissue)| *tissue || !brain));
    assert!(dice(&otsu.brain, &tissue) > 0.8);
    // A window has air below its lower end.
    let intensity = Intensity::Window { low: 100.0, high: 1000.0 };
    assert_eq!(prepared(&scan, Preprocess { intensity, ..whole() }).air_not_zero, 0.0);
}

#[test]
fn the_share_of_air_is_counted_in_the_corners() {
    let mut scan = head();
    // A tenth of each axis: 3, 4 and 4 voxels.
    scan.voxels.slice_mut(s![..3, ..4, ..4]).fill(5.0);
    let preparation = prepared(&scan, whole());
    assert_eq!(preparation.air_not_zero, 1.0 / 8.0);
    warns(&preparation, &["12 % of the voxels in the volume's corners"]);
    scan.voxels[[3, 4, 4]] = 5.0;
    assert_eq!(prepared(&scan, whole()).air_not_zero, 1.0 / 8.0);
}

#[test]
fn a_hot_voxel() {
    let mut scan = head();
    scan.voxels[[15, 15, 15]] = 40_000.0;
    warns(&prepared(&scan, whole()), &["s0: 99.9 % of the brain lies below 0.025", "percentile"]);
    assert_eq!(
        prepared(&scan, Preprocess { intensity: Intensity::ROBUST, ..whole() }).warnings(),
        Vec::<String>::new()
    );
}

#[test]
fn z_scored_scans_under_clipping() {
    let mut scan = head();
    let brain: Vec<f32> = scan.voxels.iter().copied().filter(|v| *v != 0.0).collect();
    let mean = brain.iter().sum::<f32>() / brain.len() as f32;
    scan.voxels.mapv_inplace(|v| if v == 0.0 { 0.0 } else { (v - mean) / 230.0 });
    let expected = share(scan.voxels.iter().filter(|v| **v != 0.0).map(|v| *v < 0.0));
    assert!(expected > 0.4);
    let preparation = prepared(&scan, whole());
    assert_eq!(preparation.clipped, expected);
    warns(
        &preparation,
        &["s0: ", &format!("{:.0} % of the non-zero voxels are clipped", 100.0 * expected), "clip_negative"],
    );
    assert!(preparation.summary().contains("of the non-zero voxels clipped"));
    for intensity in [Intensity::None, Intensity::ZScore { over: ZScoreOver::NonZero }] {
        let unclipped = prepared(&scan, Preprocess { clip_negative: false, intensity, ..whole() });
        assert_eq!((unclipped.clipped, unclipped.warnings().len()), (0.0, 0));
    }
}

/// Percentiles and windows clip what they state.
#[test]
fn clipping_by_percentiles_and_windows() {
    let percentile = Intensity::Percentile { low: 2.0, high: 95.0, over: PercentileOver::Brain };
    let preparation = prepared(&head(), Preprocess { intensity: percentile, ..whole() });
    assert!((preparation.clipped - 0.07).abs() < 0.005, "{}", preparation.clipped);
    assert_eq!(preparation.warnings(), Vec::<String>::new());
    assert!(preparation.summary().contains("of the non-zero voxels clipped"));
    let window = Intensity::Window { low: 0.0, high: 600.0 };
    let preparation = prepared(&head(), Preprocess { intensity: window, ..whole() });
    let expected = share(head().voxels.iter().filter(|v| **v != 0.0).map(|v| *v > 600.0));
    assert_eq!(preparation.clipped, expected);
    assert_eq!(preparation.warnings(), Vec::<String>::new());
    assert!(preparation.summary().contains("of the non-zero voxels clipped"));
}

#[test]
fn a_window_starts_below_zero_whatever_clip_negative_is() {
    let mut scan = head();
    scan.voxels.mapv_inplace(|v| v - 500.0);
    let intensity = Intensity::Window { low: -500.0, high: 500.0 };
    let clipped = study(&scan, Preprocess { intensity, clip_negative: true, ..whole() });
    let unclipped = study(&scan, Preprocess { intensity, clip_negative: false, ..whole() });
    assert_eq!(clipped.image, unclipped.image);
    assert_eq!(clipped.preparation.warnings(), Vec::<String>::new());
    assert_eq!(clipped.brain, head().voxels.mapv(|v| v > 0.0));
}

#[test]
fn brain_and_tumour_outside_the_crop() {
    let scan = head();
    let labels = scan.voxels.mapv(|v| u32::from(v > 800.0));
    let folder = tempfile::tempdir().unwrap();
    let segmentation = Volume { voxels: labels.clone(), geometry: scan.geometry.clone() };
    let files = write_case(folder.path(), std::slice::from_ref(&scan), Some(&segmentation));
    let preprocess = Preprocess { crop: [16, 14, 20], ..whole() }.check().unwrap();
    let preparation = Study::load(&files, &preprocess).unwrap().preparation;
    let inside = s![7..23, 9..23, 7..27];
    let outside = |mask: &Array3<bool>| {
        let count = |mask: ndarray::ArrayView3<bool>| mask.iter().filter(|b| **b).count() as f64;
        (count(mask.view()) - count(mask.slice(inside))) / count(mask.view())
    };
    assert_eq!(preparation.brain_outside_crop, outside(&scan.voxels.mapv(|v| v > 0.0)));
    assert_eq!(preparation.tumour_outside_crop, Some(outside(&labels.mapv(|v| v > 0))));
    let frame = Study::load(&files, &preprocess).unwrap().frame;
    let share = frame.share_outside_crop(labels.mapv(|v| v > 0).view()).unwrap();
    assert_eq!(share, preparation.tumour_outside_crop);
    assert_eq!(frame.share_outside_crop(labels.mapv(|_| false).view()).unwrap(), None);
    let warnings = preparation.warnings();
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    for (warning, what) in warnings.iter().zip(["brain", "tumour"]) {
        assert!(warning.contains(&format!("of the {what} lies outside the crop")), "{warning}");
    }
    let summary = preparation.summary();
    assert!(
        summary.contains("of the brain outside the crop")
            && summary.contains("of the tumour outside the crop")
    );
}

fn rotated(degrees: f64, spacing: [f64; 3]) -> Geometry {
    let (sin, cos) = degrees.to_radians().sin_cos();
    let [x, y, z] = spacing;
    Geometry::from_affine(
        SHAPE,
        [[-cos * x, sin * y, 0.0, 0.0], [-sin * x, -cos * y, 0.0, 0.0], [0.0, 0.0, z, 0.0]],
    )
}

#[test]
fn oblique_scans() {
    for degrees in [0.0, 12.0, 19.9, 20.1, 30.0, 44.0] {
        let scan = Volume { geometry: rotated(degrees, [1.0, 1.1, 1.2]), ..head() };
        let preparation = prepared(&scan, whole());
        assert!((preparation.oblique_degrees - degrees).abs() < 1e-3);
        if degrees < 20.0 {
            assert_eq!(preparation.warnings(), Vec::<String>::new());
        } else {
            warns(&preparation, &[&format!("{degrees:.0} degrees oblique"), "without resampling"]);
        }
        // The stored axes are used as they are.
        let stored = prepared(&scan, Preprocess { orientation: Orientation::Stored, ..whole() });
        assert_eq!(stored.warnings(), Vec::<String>::new());
    }
    // Past 45 degrees another code is nearest.
    let scan = Volume { geometry: rotated(50.0, [1.0; 3]), ..head() };
    let preparation = prepared(&scan, whole());
    assert!((preparation.oblique_degrees - 40.0).abs() < 1e-3);
    assert_eq!(preparation.stored_codes.unwrap().to_string(), "PRS");
}

#[test]
fn nan_around_the_brain() {
    let mut scan = head();
    scan.voxels.mapv_inplace(|v| if v == 0.0 { f32::NAN } else { v });
    let found = study(&scan, whole());
    assert_eq!(found.image, study(&head(), whole()).image);
    let expected = share(scan.voxels.iter().map(|v| v.is_nan()));
    assert_eq!(found.preparation.nan_background, expected);
    let summary = found.preparation.summary();
    assert!(
        summary
            .ends_with(&format!("{:.0} % of the voxels NaN outside the brain, read as 0", 100.0 * expected)),
        "{summary}"
    );
}

#[test]
fn anisotropic_voxels() {
    for (spacing, warned) in [([1.0, 1.0, 6.0], true), ([0.5, 0.5, 1.01], true), ([1.0, 1.0, 2.0], false)] {
        let scan = Volume { geometry: rotated(0.0, spacing), ..head() };
        let preparation = prepared(&scan, whole());
        if warned {
            let [x, y, z] = spacing;
            warns(&preparation, &[&format!("voxels of {x} x {y} x {z} mm (x, y, z)"), "spacing_mm"]);
        } else {
            assert_eq!(preparation.warnings(), Vec::<String>::new());
        }
        let spacing_mm = Spacing::Millimetres([1.0; 3]);
        let resampled = prepared(&scan, Preprocess { spacing_mm, crop: [200, 40, 40], ..whole() });
        assert_eq!(resampled.warnings(), Vec::<String>::new());
        assert!(resampled.summary().contains("to 1 x 1 x 1 mm"), "{}", resampled.summary());
    }
}

#[test]
fn grids_that_differ_by_rounding() {
    for (moved, warned) in [(0.004, true), (0.0005, false)] {
        let mut rows = Geometry::axis_aligned(SHAPE, [1.0; 3]).world_from_voxel;
        rows[1][3] += moved;
        let second = Volume { geometry: Geometry::from_affine(SHAPE, rows), ..head() };
        let folder = tempfile::tempdir().unwrap();
        let files = write_case(folder.path(), &[head(), second], None);
        let preprocess =
            Preprocess { orientation: Orientation::LPS, ..settings(2, SHAPE, 1) }.check().unwrap();
        let preparation = Study::load(&files, &preprocess).unwrap().preparation;
        assert!((preparation.grid_distance_mm - moved).abs() < 1e-5);
        match warned {
            true => warns(&preparation, &["grids differ by up to 0.0040 mm"]),
            false => assert_eq!(preparation.warnings(), Vec::<String>::new()),
        }
    }
}

#[test]
fn settings_that_leave_no_difference_are_refused() {
    let scan = head();
    let mask = Volume { voxels: scan.voxels.mapv(|v| if v > 0.0 { 3.0 } else { 0.0 }), ..scan.clone() };
    let zscore = Intensity::ZScore { over: ZScoreOver::NonZero };
    let all = Intensity::Percentile { low: 5.0, high: 50.0, over: PercentileOver::All };
    let window = Intensity::Window { low: 2000.0, high: 3000.0 };
    for (scan, intensity, words) in [
        (&scan, window, "a window of 2000 to 3000 for intensities of 0 to 999"),
        (&scan, all, "percentiles 5 and 50, which are 0 and 0"),
        (&mask, Intensity::ROBUST, "percentiles 0 and 99.9, which are 3 and 3"),
        (&mask, zscore, "zscore with a width of 0"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let files = write_case(folder.path(), std::slice::from_ref(scan), None);
        let preprocess = Preprocess { intensity, ..whole() }.check().unwrap();
        let message = Study::load(&files, &preprocess).unwrap_err().to_string();
        assert!(
            message.starts_with("intensity: expected a scaling under which the voxels of case one, "),
            "{message}"
        );
        assert!(message.contains("0.nii.gz") && message.contains(words), "{message}");
    }
}

fn dice(a: &Array3<bool>, b: &Array3<bool>) -> f64 {
    let count = |mask: &Array3<bool>| mask.iter().filter(|b| **b).count() as f64;
    let both = a.iter().zip(b).filter(|(a, b)| **a && **b).count() as f64;
    2.0 * both / (count(a) + count(b))
}

/// Phantoms with Rician noise, also with a hot voxel: the mask is that of the noise-free head.
#[test]
fn otsu_finds_the_head_in_noise() {
    let shape = [48, 57, 48];
    let config = PhantomConfig { shape, spacing_mm: [4.0; 3], ..PhantomConfig::default() }.check().unwrap();
    for index in 0..3 {
        let mut random = shuffled(index as u64);
        let phantom = generate(&config, 7, index);
        let (mut noisy, mut head) = (Vec::new(), Array3::from_elem(shape, false));
        for (_, clean) in &phantom.sequences {
            let clean = clean.mapv(f64::from);
            let largest = clean.iter().copied().fold(0.0, f64::max);
            head.zip_mut_with(&clean, |head, v| *head |= *v != 0.0);
            let sigma = 0.03 * largest;
            let mut voxels = clean.mapv(|v| {
                let (a, b) = (v + sigma * normal(&mut random), sigma * normal(&mut random));
                a.hypot(b) as f32
            });
            if index == 2 {
                voxels[[24, 28, 24]] = 40.0 * largest as f32;
            }
            noisy.push(Volume { voxels, geometry: Geometry::axis_aligned(shape, [4.0; 3]) });
        }
        let folder = tempfile::tempdir().unwrap();
        let files = write_case(folder.path(), &noisy, None);
        let load = |brain| {
            let preprocess = Preprocess { brain, ..settings(noisy.len(), shape, 1) };
            Study::load(&files, &preprocess.check().unwrap()).unwrap()
        };
        let found = dice(&load(BrainMask::Otsu).brain, &head);
        assert!(found > 0.9, "case {index}: Dice {found}");
        assert!(dice(&load(BrainMask::NonZero).brain, &head) < 0.6);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Scaling to 0..1 stays there through resampling.
    #[test]
    fn resampled_values_stay_in_range(
        raw in prop::collection::vec(prop_oneof![Just(0.0_f32), Just(700.0), -20.0_f32..700.0], 120),
        spacing in [0.3_f64..3.0, 0.3_f64..3.0, 0.3_f64..3.0],
    ) {
        let mut voxels = Array3::from_shape_vec([4, 5, 6], raw).unwrap();
        (voxels[[0, 0, 0]], voxels[[0, 0, 1]]) = (0.0, 700.0);
        let scan = Volume { voxels, geometry: Geometry::axis_aligned([4, 5, 6], [1.0; 3]) };
        let spacing_mm = Spacing::Millimetres(spacing);
        let study = study(&scan, Preprocess { spacing_mm, ..settings(1, [20; 3], 1) });
        prop_assert!(study.image.iter().all(|v| (0.0..=1.0).contains(v)));
        prop_assert!(study.image.iter().zip(&study.brain).all(|(v, brain)| *brain || *v == 0.0));
    }
}

#[test]
fn an_sform_and_a_qform_of_other_orientations() {
    const QUATERN_D: usize = 264;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.nii");
    nifti::write(&path, &head()).unwrap();
    let load = |settings: Preprocess| {
        let sequences = vec![("s0".to_owned(), path.clone().into())];
        let files = CaseFiles { id: "a".to_owned(), sequences, segmentation: None };
        Study::load(&files, &settings.check().unwrap()).unwrap().preparation
    };
    assert_eq!(load(whole()).warnings(), [""; 0]);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[QUATERN_D..QUATERN_D + 4].copy_from_slice(&0.0_f32.to_le_bytes());
    std::fs::write(&path, bytes).unwrap();
    warns(&load(whole()), &["s0", "disagree about the orientation (LPS and RAS); the sform is used"]);
    assert_eq!(load(Preprocess { orientation: Orientation::Stored, ..whole() }).warnings(), [""; 0]);
}
