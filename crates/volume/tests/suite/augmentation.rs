//! Augmentation preserves air and range, intensity changes preserve order, and settings that are off preserve the image.

use ndarray::Array4;
use proptest::prelude::*;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use relevox_volume::augment::Augment;

/// An image of 2 channels whose voxels all differ, with a margin of air.
fn image() -> Array4<f32> {
    Array4::from_shape_fn([2, 6, 7, 8], |(c, z, y, x)| {
        let inside = (1..5).contains(&z) && (1..6).contains(&y) && (1..7).contains(&x);
        if inside { (c * 336 + z * 56 + y * 8 + x + 1) as f32 / 673.0 } else { 0.0 }
    })
}

fn apply(augment: Augment, seed: u64) -> Array4<f32> {
    augment.check().unwrap().apply(image().view(), &mut ChaCha8Rng::seed_from_u64(seed))
}

#[test]
fn the_default_changes_nothing() {
    assert!(Augment::default().is_off());
    assert_eq!(apply(Augment::default(), 1), image());
}

#[test]
fn about_half_of_the_images_are_mirrored_along_x() {
    let mirrored = image().slice_move(ndarray::s![.., .., .., ..;-1]).to_owned();
    let flips = (0..100).filter(|&seed| {
        let changed = apply(Augment { flip: true, ..Augment::default() }, seed);
        assert!(changed == image() || changed == mirrored);
        changed == mirrored
    });
    let flips = flips.count();
    assert!((25..=75).contains(&flips), "{flips} of 100");
}

/// The three channels are the voxels' own positions, so that the image says where each voxel came from.
#[test]
fn all_channels_are_rotated_and_scaled_together_about_the_centre() {
    const N: usize = 11;
    let image = Array4::from_shape_fn([3, N, N, N], |(c, z, y, x)| [z, y, x][c] as f32 / N as f32);
    let (rotate_degrees, scale) = (30.0_f32, 0.2_f32);
    let augment = Augment { rotate_degrees, scale, ..Augment::default() };
    assert!(!augment.is_off());
    let mut seen = std::collections::BTreeSet::new();
    for seed in 0..40 {
        let turned = augment.check().unwrap().apply(image.view(), &mut ChaCha8Rng::seed_from_u64(seed));
        let at = |voxel: [usize; 3]| {
            [0, 1, 2].map(|c| f64::from(turned[[c, voxel[0], voxel[1], voxel[2]]]) * N as f64)
        };
        let centre = at([5; 3]);
        assert!(centre.iter().all(|i| (i - 5.0).abs() < 1e-4), "{centre:?}");
        let columns = [[6, 5, 5], [5, 6, 5], [5, 5, 6]].map(at);
        let columns = columns.map(|column| [0, 1, 2].map(|i| column[i] - centre[i]));
        let dot = |a: [f64; 3], b: [f64; 3]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        let step = dot(columns[0], columns[0]).sqrt();
        assert!(step.ln().abs() <= f64::from(scale) + 1e-4, "{step}");
        for (one, a) in columns.into_iter().enumerate() {
            for (other, b) in columns.into_iter().enumerate() {
                let expected = if one == other { step * step } else { 0.0 };
                assert!((dot(a, b) - expected).abs() < 1e-4, "{columns:?}");
            }
        }
        // The trace of a rotation matrix is 1 + 2 cos of its angle, at most that of the three rotations together.
        let trace = (0..3).map(|i| columns[i][i]).sum::<f64>() / step;
        let angle = ((trace - 1.0) / 2.0).clamp(-1.0, 1.0).acos().to_degrees();
        assert!(angle > 0.1 && angle <= 3.0 * f64::from(rotate_degrees), "{angle}");
        // All of the image that the rotation reaches is linear; its border is mixed with air.
        let voxel = [4, 6, 7];
        let offset = [-1.0, 1.0, 2.0];
        let expected = [0, 1, 2].map(|i| 5.0 + (0..3).map(|j| columns[j][i] * offset[j]).sum::<f64>());
        assert!(at(voxel).iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-3), "{:?}", at(voxel));
        seen.insert(((angle * 10.0) as i64, (step * 1000.0) as i64));
    }
    assert!(seen.len() > 30, "{seen:?}");
}

#[test]
fn boxes_are_hidden_with_the_probability_that_was_set() {
    let hidden = (0..200).map(|seed| {
        let changed = apply(Augment { hide: 0.3, hide_voxels: 2, ..Augment::default() }, seed);
        changed.iter().zip(&image()).filter(|(after, before)| after != before).count()
    });
    let share = hidden.sum::<usize>() as f64 / (200.0 * 2.0 * 4.0 * 5.0 * 6.0);
    assert!((0.27..0.33).contains(&share), "{share}");
}

#[test]
fn empty_images_have_one_value_where_there_is_tissue() {
    let augment = Augment { shift_voxels: 2, intensity: 0.2, empty: 0.5, ..Augment::default() };
    assert!(!augment.is_off());
    for seed in 0..20 {
        let empty = augment.check().unwrap().empty(image().view(), &mut ChaCha8Rng::seed_from_u64(seed));
        let full = apply(augment, seed);
        for (channel, of) in empty.outer_iter().zip(full.outer_iter()) {
            let tissue: Vec<f64> = of.iter().filter(|&&v| v != 0.0).map(|&v| f64::from(v)).collect();
            let mean = tissue.iter().sum::<f64>() / tissue.len() as f64;
            for (&value, &before) in channel.iter().zip(of) {
                let expected = if before == 0.0 { 0.0 } else { mean };
                assert!((f64::from(value) - expected).abs() < 1e-6);
            }
        }
    }
}

proptest! {
    /// Both channels are shifted together, by at most the set distance, and air fills the gap.
    #[test]
    fn all_channels_are_shifted_together(seed in any::<u64>(), reach in 0_usize..12) {
        let (original, changed) = (image(), apply(Augment { shift_voxels: reach, ..Augment::default() }, seed));
        let reach = reach as isize;
        let fits = |shift: [isize; 3]| {
            changed.indexed_iter().all(|((c, z, y, x), &value)| {
                let from = [z as isize - shift[0], y as isize - shift[1], x as isize - shift[2]];
                let inside = from.iter().zip([6, 7, 8]).all(|(i, n)| (0..n).contains(i));
                value == if inside { original[[c, from[0] as usize, from[1] as usize, from[2] as usize]] } else { 0.0 }
            })
        };
        let mut shifts = (-reach..=reach)
            .flat_map(|z| (-reach..=reach).flat_map(move |y| (-reach..=reach).map(move |x| [z, y, x])));
        prop_assert!(shifts.any(fits));
    }

    #[test]
    fn intensity_changes_preserve_air_range_and_order(seed in any::<u64>(), intensity in 0.01_f32..0.9) {
        let (original, changed) = (image(), apply(Augment { intensity, ..Augment::default() }, seed));
        for (channel, of) in changed.outer_iter().zip(original.outer_iter()) {
            let mut pairs: Vec<_> = of.iter().copied().zip(channel.iter().copied()).collect();
            pairs.sort_by(|a, b| a.0.total_cmp(&b.0));
            for pair in pairs.windows(2) {
                prop_assert!(pair[0].1 <= pair[1].1);
            }
            for (before, after) in pairs {
                prop_assert!((0.0..=1.0).contains(&after));
                prop_assert!(before != 0.0 || after == 0.0);
            }
        }
        prop_assert_ne!(changed, original);
    }

    #[test]
    fn the_same_seed_gives_the_same_image(seed in any::<u64>()) {
        let augment = Augment {
            rotate_degrees: 20.0,
            scale: 0.2,
            shift_voxels: 2,
            flip: true,
            intensity: 0.3,
            hide: 0.3,
            hide_voxels: 3,
            empty: 0.0,
        };
        prop_assert_eq!(apply(augment, seed), apply(augment, seed));
    }

    /// Hidden voxels form whole boxes of a grid, the same in both channels; all others, and air, are unchanged.
    #[test]
    fn boxes_are_hidden_whole_and_in_all_channels(seed in any::<u64>(), hide in 0.01_f32..0.9, edge in 1_usize..9) {
        let augment = Augment { hide, hide_voxels: edge, ..Augment::default() };
        let (original, changed) = (image(), apply(augment, seed));
        let means: Vec<f32> = original.outer_iter().map(|channel| {
            let tissue: Vec<f64> = channel.iter().filter(|&&v| v > 0.0).map(|&v| f64::from(v)).collect();
            (tissue.iter().sum::<f64>() / tissue.len() as f64) as f32
        }).collect();
        let fits = |origin: [usize; 3]| {
            let mut hidden_of = std::collections::HashMap::new();
            original.indexed_iter().all(|((c, z, y, x), &before)| {
                let after = changed[[c, z, y, x]];
                if before == 0.0 {
                    return after == 0.0;
                }
                let hidden = after == means[c] && before != means[c];
                let cell = [z, y, x].iter().zip(origin).map(|(i, o)| (i + o) / edge).collect::<Vec<_>>();
                (hidden || after == before) && *hidden_of.entry(cell).or_insert(hidden) == hidden
            })
        };
        let mut origins = (0..edge).flat_map(|z| (0..edge).flat_map(move |y| (0..edge).map(move |x| [z, y, x])));
        prop_assert!(origins.any(fits));
    }
}
