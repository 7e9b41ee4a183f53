//! Radiological contrasts of tissues and tumours, on cases without noise.

use super::case::Body;
use super::settings::PhantomConfig;
use super::tissue::Tissue;
use super::tumour::{self, Share};

/// A case and its four sequences without noise.
fn clean(positive: bool, index: usize, distractors: f64) -> (Body, Vec<Vec<f32>>) {
    let config = PhantomConfig {
        shape: [40, 48, 40],
        spacing_mm: [4.0; 3],
        noise: 0.0,
        bias: 0.0,
        overlap: 0.0,
        distractors,
        intensity_scale: [5000.0, 5000.0],
        ..PhantomConfig::default()
    };
    let body = Body::new(&config, 11, index + 1, positive);
    let images = body.scan(&config, 11, index + 1);
    (body, images)
}

/// Median of each sequence over the voxels that `wanted` selects.
fn medians(
    body: &Body,
    images: &[Vec<f32>],
    what: &str,
    wanted: impl Fn(&Tissue, &Share) -> bool,
) -> [f32; 4] {
    let voxels: Vec<usize> = (0..body.grid.len())
        .filter(|&v| body.tissue[v].brain && wanted(&body.tissue[v], &body.shares[v]))
        .collect();
    assert!(voxels.len() >= 10, "only {} voxels of {what}", voxels.len());
    std::array::from_fn(|sequence| {
        let mut values: Vec<f32> = voxels.iter().map(|&v| images[sequence][v]).collect();
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

fn normal(body: &Body, images: &[Vec<f32>]) -> Normal {
    let of = |what, wanted: fn(&Tissue) -> f32| {
        medians(body, images, what, move |t, s| wanted(t) > 0.9 && s.whole == 0.0 && t.vessel == 0.0)
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
        let (body, images) = clean(index % 2 == 0, index, 0.0);
        let Normal { fluid, grey, white } = normal(&body, &images);
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
        let (body, images) = clean(true, index, 0.0);
        let Normal { fluid, grey, white } = normal(&body, &images);
        let rim = medians(&body, &images, "rim", |_, s| s.rim > 0.8);
        let core = medians(&body, &images, "core", |_, s| s.core > 0.9 && s.rim < 0.1);
        let oedema = medians(&body, &images, "oedema", |_, s| s.whole > 0.9 && s.core < 0.1);
        for other in [fluid, grey, white, core, oedema] {
            assert!(rim[T1CE] > 1.2 * other[T1CE], "the rim is the brightest on T1ce");
        }
        assert!(rim[T1] < white[T1], "and only on T1ce");
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
fn a_low_grade_tumour_is_visible_without_enhancing_much() {
    for index in 0..4 {
        let (body, images) = clean(false, index, 0.0);
        let Normal { grey, white, .. } = normal(&body, &images);
        let core = medians(&body, &images, "core", |_, s| s.core > 0.9 && s.rim < 0.1);
        assert!(core[T1CE] < white[T1CE] && core[T2] > 1.3 * grey[T2]);
        let brightest = (0..body.grid.len())
            .filter(|&v| body.shares[v].core > 0.5)
            .map(|v| images[T1CE][v])
            .fold(0.0, f32::max);
        assert!(brightest < 1.4 * white[T1CE], "{brightest} against white matter's {}", white[T1CE]);
    }
}

#[test]
fn both_grades_have_distractors() {
    for positive in [false, true] {
        let (body, images) = clean(positive, 2, 1.0);
        let Normal { white, .. } = normal(&body, &images);
        let vessels = medians(&body, &images, "vessels", |t, s| t.vessel > 1.0 && s.whole == 0.0);
        assert!(vessels[T1CE] > 1.2 * white[T1CE] && vessels[T1] < white[T1]);
        let lesions = (0..8).any(|index| {
            let (body, _) = clean(positive, index, 1.0);
            body.tissue.iter().any(|t| t.lesion > 0.5)
        });
        assert!(lesions, "no white-matter hyperintensity in eight cases");
    }
    let (body, _) = clean(true, 2, 0.0);
    assert!(body.tissue.iter().all(|t| t.vessel == 0.0 && t.lesion == 0.0));
}

#[test]
fn labels_follow_the_voxels_composition() {
    for positive in [false, true] {
        let (body, _) = clean(positive, 0, 1.0);
        for (share, &label) in body.shares.iter().zip(&body.labels) {
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
