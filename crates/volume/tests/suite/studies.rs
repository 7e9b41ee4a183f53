//! Properties of studies: values in 0..1, air at exactly 0, and an error for sequences that cannot be normalised.

use ndarray::{Array3, Axis};
use proptest::prelude::*;
use relevox_volume::{Error, Geometry, Preprocess, Study, ValidPreprocess, Volume};

use crate::scans::{oblique, preprocess, scan, settings, write_case};

const SHAPE: [usize; 3] = [6, 7, 8];

fn volume<T>(voxels: Array3<T>) -> Volume<T> {
    let (z, y, x) = voxels.dim();
    Volume { voxels, geometry: Geometry::axis_aligned([z, y, x], [1.0; 3]) }
}

#[track_caller]
fn load(
    sequences: &[Volume<f32>],
    seg: Option<&Volume<u32>>,
    preprocess: &ValidPreprocess,
) -> Result<Study, Error> {
    let folder = tempfile::tempdir().unwrap();
    Study::load(&write_case(folder.path(), sequences, seg), preprocess)
}

#[track_caller]
fn rejected(sequences: &[Volume<f32>], seg: Option<&Volume<u32>>, words: &[&str]) {
    let message = load(sequences, seg, &preprocess(sequences.len(), SHAPE, 1)).unwrap_err().to_string();
    for word in words.iter().chain([&"case one"]) {
        assert!(message.contains(word), "{message:?} does not contain {word:?}");
    }
}

fn usable() -> Volume<f32> {
    scan(SHAPE, &Geometry::axis_aligned(SHAPE, [1.0; 3]))
}

#[test]
fn intensities_are_normalised_over_the_whole_scan() {
    let mut bright = usable();
    bright.voxels[[0, 0, 0]] = 5000.0;
    let study = load(&[bright.clone()], None, &preprocess(1, [4, 4, 4], 1)).unwrap();
    let expected = f64::from(bright.voxels[[1, 1, 2]]) / 5000.0;
    assert_eq!(study.image[[0, 0, 0, 0]], expected as f32);
}

#[test]
fn clipped_negative_intensities_become_air() {
    let mut ringing = usable();
    ringing.voxels[[0, 3, 3]] = -40.0;
    let clipped = load(&[ringing.clone()], None, &preprocess(1, SHAPE, 1)).unwrap();
    assert_eq!(clipped.image[[0, 0, 3, 3]], 0.0);
    assert!(!clipped.brain[[0, 3, 3]]);
    assert_eq!(clipped.image[[0, 0, 0, 0]], 0.0);

    let unclipped = Preprocess { clip_negative: false, ..settings(1, SHAPE, 1) }.check().unwrap();
    let kept = load(&[ringing], None, &unclipped).unwrap();
    assert_eq!(kept.image[[0, 0, 3, 3]], 0.0);
    assert!(kept.brain[[0, 3, 3]]);
    assert!(kept.image[[0, 0, 0, 0]] > 0.0);
}

#[test]
fn the_brain_mask_is_the_union_over_the_sequences() {
    let mut second = usable();
    second.voxels.fill(0.0);
    second.voxels[[0, 0, 0]] = 3.0;
    let first = usable();
    let study = load(&[first.clone(), second], None, &preprocess(2, SHAPE, 1)).unwrap();
    for ((z, y, x), &brain) in study.brain.indexed_iter() {
        assert_eq!(brain, first.voxels[[z, y, x]] > 0.0 || [z, y, x] == [0, 0, 0]);
    }
}

#[test]
fn downsampling_averages_intensities_and_takes_the_majority_of_labels() {
    let mut tumour = Array3::zeros(SHAPE);
    for (z, y, x) in [(0, 1, 0), (0, 1, 1), (0, 2, 0), (1, 1, 0)] {
        tumour[[z, y, x]] = 4; // Half of the first block: the crop starts at y = floor((7 − 6) / 2) = 0.
    }
    tumour[[1, 0, 0]] = 1;
    let original = usable();
    let study =
        load(std::slice::from_ref(&original), Some(&volume(tumour)), &preprocess(1, [6, 6, 8], 2)).unwrap();
    assert_eq!(study.image.dim(), (1, 3, 3, 4));
    let largest = f64::from(original.voxels.iter().copied().fold(0.0, f32::max));
    for ((z, y, x), &mean) in study.image.index_axis(Axis(0), 0).indexed_iter() {
        let block = (0..8).map(|i| [2 * z + i / 4, 2 * y + i / 2 % 2, 2 * x + i % 2]);
        let expected = block.map(|at| f64::from(original.voxels[at]) / largest).sum::<f64>() / 8.0;
        assert!((f64::from(mean) - expected).abs() < 1e-6);
    }
    let tumour = study.tumour.unwrap();
    assert!(tumour[[0, 0, 0]]);
    assert_eq!(tumour.iter().filter(|t| **t).count(), 1);
}

#[test]
fn non_finite_voxels() {
    for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let mut broken = usable();
        broken.voxels[[2, 3, 4]] = value;
        broken.voxels[[5, 0, 0]] = value;
        rejected(&[usable(), broken], None, &["1.nii.gz", "finite", "z 2, y 3, x 4", &value.to_string()]);
    }
}

#[test]
fn constant_sequences() {
    for value in [0.0, 7.0, -2.0] {
        let mut flat = usable();
        flat.voxels.fill(value);
        let found = format!("found {} throughout", if value < 0.0 { 0.0 } else { value });
        rejected(&[usable(), flat], None, &["1.nii.gz", "intensities that vary", &found]);
    }
}

#[test]
fn files_on_different_grids() {
    let larger = scan([6, 7, 9], &Geometry::axis_aligned([6, 7, 9], [1.0; 3]));
    rejected(&[usable(), larger], None, &["1.nii.gz", "0.nii.gz", "8 x 7 x 6 voxels", "9 x 7 x 6 voxels"]);
    let moved = scan(SHAPE, &Geometry::from_affine(SHAPE, oblique()));
    rejected(&[usable(), moved], None, &["1.nii.gz", "0.nii.gz", "moves a corner"]);
    let short = volume(Array3::zeros([5, 7, 8]));
    rejected(&[usable()], Some(&short), &["seg.nii.gz", "8 x 7 x 6 voxels", "8 x 7 x 5 voxels"]);
}

#[test]
fn a_sequence_without_a_file() {
    let message = load(&[usable()], None, &preprocess(2, SHAPE, 1)).unwrap_err().to_string();
    assert!(
        message.contains("case one: expected a file for the sequence s1, found files for s0"),
        "{message}"
    );
}

#[test]
fn channels_are_found_by_name() {
    let mut second = usable();
    second.voxels[[2, 2, 2]] = 0.0;
    let study = load(&[usable(), second], None, &preprocess(2, SHAPE, 1)).unwrap();
    assert_eq!(study.channel_names(), ["s0", "s1"]);
    assert_eq!(study.channel_index("s1").unwrap(), 1);
    assert_eq!(study.channel("s1").unwrap(), study.image.index_axis(Axis(0), 1));
    let message = study.channel("flair").unwrap_err().to_string();
    assert_eq!(message, "channel: expected one of s0, s1, found flair");
}

/// The order of the channels is that of the settings, not of the files.
#[test]
fn files_are_selected_by_sequence() {
    let mut second = usable();
    second.voxels[[2, 2, 2]] = 0.0;
    let swapped = Preprocess { sequences: vec!["s1".into(), "s0".into()], ..settings(0, SHAPE, 1) };
    let sequences = [usable(), second];
    let study = load(&sequences, None, &preprocess(2, SHAPE, 1)).unwrap();
    let other = load(&sequences, None, &swapped.check().unwrap()).unwrap();
    assert_eq!(study.channel("s0").unwrap(), other.channel("s0").unwrap());
    assert_eq!(other.image.index_axis(Axis(0), 0), study.channel("s1").unwrap());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn air_is_exactly_zero_and_values_stay_in_range(
        raw in prop::collection::vec(prop_oneof![Just(0.0_f32), -20.0_f32..0.0, 0.0_f32..5000.0], 2 * 120),
        blocks in [1_usize..4, 1_usize..4, 1_usize..4],
        factor in 1_usize..4,
    ) {
        let sequences: Vec<_> = raw
            .chunks(120)
            .map(|voxels| {
                let mut voxels = Array3::from_shape_vec([4, 5, 6], voxels.to_vec()).unwrap();
                (voxels[[0, 0, 0]], voxels[[0, 0, 1]]) = (0.0, 1.0);
                volume(voxels)
            })
            .collect();
        let study = load(&sequences, None, &preprocess(2, blocks.map(|n| n * factor), factor))?;
        prop_assert!(study.image.iter().all(|v| (0.0..=1.0).contains(v)));
        for channel in study.image.axis_iter(Axis(0)) {
            for (value, brain) in channel.iter().zip(&study.brain) {
                prop_assert!(*brain || *value == 0.0);
            }
        }
        // If nothing is cropped, the brain mask has as many voxels as the scans have with signal.
        if factor == 1 && blocks == [4, 5, 6] {
            let signal = sequences[0].voxels.iter().zip(&sequences[1].voxels).filter(|(a, b)| **a > 0.0 || **b > 0.0);
            prop_assert_eq!(signal.count(), study.brain.iter().filter(|b| **b).count());
        }
    }
}

#[test]
fn one_file_for_two_sequences_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut files = write_case(folder.path(), &[usable(), usable()], None);
    Study::load(&files, &preprocess(2, SHAPE, 1)).unwrap();
    files.sequences[1].1 = files.sequences[0].1.clone();
    let error = Study::load(&files, &preprocess(2, SHAPE, 1)).unwrap_err();
    assert!(matches!(error, Error::SameFile { .. }), "{error}");
    assert!(error.to_string().ends_with("0.nii.gz for s0 and s1"), "{error}");
}
