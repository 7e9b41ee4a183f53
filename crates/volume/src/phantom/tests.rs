//! What a radiologist expects to see, checked tissue by tissue on cases without noise.

use super::*;

/// A case as it is before noise, with its four sequences.
fn clean(positive: bool, index: usize, distractors: f64) -> (Made, Vec<Vec<f32>>) {
    let config = PhantomConfig {
        shape: [40, 48, 40],
        spacing_mm: [4.0; 3],
        positive: if positive { 0.999_999 } else { 1e-6 },
        noise: 0.0,
        bias: 0.0,
        overlap: 0.0,
        distractors,
        intensity_scale: [5000.0, 5000.0],
        ..PhantomConfig::default()
    };
    // Any index but the first is high-grade under the first share, low-grade under the second.
    let made = Made::new(&config, 11, index + 1);
    let pictures = made.pictures(&config, 11, index + 1);
    (made, pictures)
}

/// The median of each sequence over the voxels that `wanted` picks, which must be some.
fn medians(
    made: &Made,
    pictures: &[Vec<f32>],
    what: &str,
    wanted: impl Fn(&Tissue, &Share) -> bool,
) -> [f32; 4] {
    let voxels: Vec<usize> = (0..made.grid.len())
        .filter(|&v| made.tissue[v].brain && wanted(&made.tissue[v], &made.shares[v]))
        .collect();
    assert!(voxels.len() >= 10, "only {} voxels of {what}", voxels.len());
    std::array::from_fn(|sequence| {
        let mut values: Vec<f32> = voxels.iter().map(|&v| pictures[sequence][v]).collect();
        values.sort_by(f32::total_cmp);
        values[values.len() / 2]
    })
}

const T1: usize = 0;
const T1CE: usize = 1;
const T2: usize = 2;
const FLAIR: usize = 3;

struct Normal {
    fluid: [f32; 4],
    grey: [f32; 4],
    white: [f32; 4],
}

fn normal(made: &Made, pictures: &[Vec<f32>]) -> Normal {
    let of = |what, wanted: fn(&Tissue) -> f32| {
        medians(made, pictures, what, move |t, s| wanted(t) > 0.9 && s.whole == 0.0 && t.vessel == 0.0)
    };
    Normal {
        fluid: of("fluid", |t| t.fluid),
        grey: of("grey matter", |t| t.grey),
        white: of("white matter", Tissue::white),
    }
}

#[test]
fn healthy_tissue_has_the_contrasts_of_each_sequence() {
    for index in 0..4 {
        let (made, pictures) = clean(index % 2 == 0, index, 0.0);
        let Normal { fluid, grey, white } = normal(&made, &pictures);
        for sequence in [T1, T1CE] {
            assert!(fluid[sequence] < grey[sequence] && grey[sequence] < white[sequence]);
        }
        assert!(white[T2] < grey[T2] && grey[T2] < fluid[T2]);
        assert!(fluid[FLAIR] < white[FLAIR] && fluid[FLAIR] < grey[FLAIR]);
    }
}

#[test]
fn a_high_grade_tumour_has_a_rim_a_dark_core_and_oedema() {
    for index in 0..4 {
        let (made, pictures) = clean(true, index, 0.0);
        let Normal { fluid, grey, white } = normal(&made, &pictures);
        let rim = medians(&made, &pictures, "rim", |_, s| s.rim > 0.8);
        let core = medians(&made, &pictures, "core", |_, s| s.core > 0.9 && s.rim < 0.1);
        let oedema = medians(&made, &pictures, "oedema", |_, s| s.whole > 0.9 && s.core < 0.1);
        for other in [fluid, grey, white, core, oedema] {
            assert!(rim[T1CE] > 1.2 * other[T1CE], "the rim is the brightest on T1ce");
        }
        assert!(rim[T1] < white[T1], "and is seen there only");
        assert!(
            core[T1] < 0.8 * white[T1] && core[T2] > 1.3 * grey[T2],
            "the core is dark on T1 and bright on T2"
        );
        for sequence in [T2, FLAIR] {
            assert!(oedema[sequence] > 1.2 * grey[sequence] && oedema[sequence] > 1.2 * white[sequence]);
        }
        assert!(oedema[T1] < white[T1] && oedema[T1] > core[T1]);
    }
}

#[test]
fn a_low_grade_tumour_is_seen_without_enhancing_much() {
    for index in 0..4 {
        let (made, pictures) = clean(false, index, 0.0);
        let Normal { grey, white, .. } = normal(&made, &pictures);
        let core = medians(&made, &pictures, "core", |_, s| s.core > 0.9 && s.rim < 0.1);
        assert!(core[T1CE] < white[T1CE] && core[T2] > 1.3 * grey[T2]);
        let brightest = (0..made.grid.len())
            .filter(|&v| made.shares[v].core > 0.5)
            .map(|v| pictures[T1CE][v])
            .fold(0.0, f32::max);
        assert!(brightest < 1.4 * white[T1CE], "{brightest} against white matter's {}", white[T1CE]);
    }
}

#[test]
fn what_is_bright_and_no_tumour_is_in_both_grades() {
    for positive in [false, true] {
        let (made, pictures) = clean(positive, 2, 1.0);
        let Normal { white, .. } = normal(&made, &pictures);
        let vessels = medians(&made, &pictures, "vessels", |t, s| t.vessel > 1.0 && s.whole == 0.0);
        assert!(vessels[T1CE] > 1.2 * white[T1CE] && vessels[T1] < white[T1]);
        let lesions = (0..8).any(|index| {
            let (made, _) = clean(positive, index, 1.0);
            made.tissue.iter().any(|t| t.lesion > 0.5)
        });
        assert!(lesions, "no white-matter hyperintensity in eight cases");
    }
    let (made, _) = clean(true, 2, 0.0);
    assert!(made.tissue.iter().all(|t| t.vessel == 0.0 && t.lesion == 0.0));
}

#[test]
fn labels_follow_what_the_voxels_hold() {
    for positive in [false, true] {
        let (made, _) = clean(positive, 0, 1.0);
        for (share, &label) in made.shares.iter().zip(&made.labels) {
            assert!(share.rim <= share.core && share.core <= share.whole && share.whole <= 1.0);
            match label {
                tumour::ENHANCING => assert!(share.rim > 0.5),
                tumour::CORE => assert!(share.core >= 0.5),
                tumour::OEDEMA => assert!(share.core < 0.5 && share.whole >= 0.5),
                other => assert!(other == 0 && share.whole <= 0.5, "label {other} where {share:?}"),
            }
        }
    }
}
