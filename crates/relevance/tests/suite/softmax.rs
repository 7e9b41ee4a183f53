//! Every explainer explains a class of three exclusive ones as it explains the class's own logit.
use ndarray::{Array2, Array3, Array4, ArrayView5, Axis, s};
use relevox_perturb::ConstantFill;
use relevox_relevance::{
    Classifier, Coalitions, Diffusion, Ensemble, Error, Explainer, Hierarchical, Inputs, Lime, Masks,
    Occlusion, Perturbation, Rise, ScoreKind, Target, Weighting, deletion, from_fn, insertion,
    random_ablations, score_channels, silent,
};
use slic3d::Supervoxels;

const SHAPE: (usize, usize, usize) = (4, 6, 6);
const CLASSES: usize = 3;

fn image() -> Array4<f32> {
    Array4::from_shape_fn((2, SHAPE.0, SHAPE.1, SHAPE.2), |(c, z, y, x)| {
        0.2 + 0.1 * ((3 * c + 5 * z + 7 * y + 11 * x) % 8) as f32
    })
}

/// Twelve boxes of 2×2×3 voxels.
fn regions() -> Supervoxels {
    let labels = Array3::from_shape_fn(SHAPE, |(z, y, x)| (z / 2 * 6 + y / 2 * 2 + x / 3) as u32);
    Supervoxels::from_labels(labels, None).unwrap()
}

fn blank() -> ConstantFill {
    ConstantFill::from_values("blank", vec![0.0; 2]).unwrap()
}

/// Three outputs that depend on different parts of both channels, with an interaction.
fn outputs(batch: ArrayView5<'_, f32>) -> Result<Array2<f32>, Error> {
    let mut found = Array2::zeros((batch.dim().0, CLASSES));
    for (image, mut row) in batch.axis_iter(Axis(0)).zip(found.axis_iter_mut(Axis(0))) {
        let upper = image.slice(s![0, ..2, .., ..]).sum() / 10.0;
        let left = image.slice(s![1, .., .., ..3]).sum() / 10.0;
        row[0] = upper - 1.0;
        row[1] = 1.5 * left - upper;
        row[2] = upper.min(left) + 0.5;
    }
    Ok(found)
}

fn classes() -> impl Classifier {
    from_fn(CLASSES, outputs)
}

/// The classifier whose only output is the logit of one of the three classes.
fn logit_of(class: usize) -> impl Classifier {
    move |batch: ArrayView5<'_, f32>| -> Result<Vec<f32>, Error> {
        let rows = outputs(batch)?;
        Ok(rows.outer_iter().map(|row| Target::softmax(class).logit(&row.to_vec()) as f32).collect())
    }
}

#[track_caller]
fn assert_close(name: &str, found: &[f64], expected: &[f64]) {
    assert_eq!(found.len(), expected.len(), "{name}");
    let largest = expected.iter().fold(0.0_f64, |largest, value| largest.max(value.abs()));
    assert!(largest > 1e-3, "{name}: nothing to compare");
    for (found, expected) in found.iter().zip(expected) {
        assert!((found - expected).abs() < 1e-4 * largest.max(1.0), "{name}: {found}, expected {expected}");
    }
}

/// The explainers by name, except those of networks: Grad-CAM and Grad-CAM++.
fn explainers() -> Vec<(&'static str, Box<dyn Explainer>)> {
    let lime = |weighting| Lime { samples: 200, seed: 3, weighting, ..Lime::default() };
    let rise = |masks| Rise { samples: 100, seed: 3, keep: 0.5, masks };
    vec![
        ("perturbation, logit", Box::new(Perturbation { score: ScoreKind::DeltaLogit, channel: None })),
        ("perturbation, probability", Box::new(Perturbation { score: ScoreKind::DeltaP, channel: None })),
        ("one channel", Box::new(Perturbation { score: ScoreKind::DeltaLogit, channel: Some(1) })),
        ("diffused", Box::new(Diffusion { score: ScoreKind::DeltaLogit, ..Diffusion::default() })),
        ("hierarchical", Box::new(Hierarchical { evaluations: 60, ..Hierarchical::default() })),
        ("LIME", Box::new(lime(Weighting::Lime))),
        ("KernelSHAP", Box::new(lime(Weighting::KernelShap))),
        ("RISE, regions", Box::new(rise(Masks::Regions))),
        ("RISE, cells", Box::new(rise(Masks::Cells([2, 2, 2])))),
        ("occlusion", Box::new(Occlusion { size: [2; 3], overlap: 1 })),
    ]
}

fn values(explainer: &dyn Explainer, classifier: &dyn Classifier, target: &Target) -> Vec<f64> {
    let (image, regions, blank) = (image(), regions(), blank());
    let baseline = classifier.baseline(image.view()).unwrap();
    let inputs = Inputs { baseline: &*baseline, regions: &regions, fill: &blank, target };
    let found = explainer.explain(&inputs, &silent).unwrap();
    assert_eq!(found.target, *target);
    found.values
}

#[test]
fn explainers_follow_the_class_that_they_are_given() {
    for (name, explainer) in explainers() {
        let mut by_class = Vec::new();
        for class in 0..CLASSES {
            let found = values(&*explainer, &classes(), &Target::softmax(class));
            let expected = values(&*explainer, &logit_of(class), &Target::sigmoid(0));
            assert_close(name, &found, &expected);
            by_class.push(found);
        }
        assert!(by_class[0] != by_class[1] && by_class[1] != by_class[2], "{name} ignores the target");
        for target in [Target::softmax(CLASSES), Target::sigmoid(CLASSES)] {
            let (image, regions, blank, classes) = (image(), regions(), blank(), classes());
            let baseline = classes.baseline(image.view()).unwrap();
            let inputs = Inputs { baseline: &*baseline, regions: &regions, fill: &blank, target: &target };
            let found = explainer.explain(&inputs, &silent);
            assert!(matches!(found, Err(Error::OutOfRange { len: CLASSES, .. })), "{name}");
        }
    }
}

#[test]
fn an_ensemble_explains_the_class_of_its_mean_outputs() {
    let half = |sign: f32| {
        from_fn(CLASSES, move |batch: ArrayView5<'_, f32>| {
            let mut rows = outputs(batch)?;
            rows.indexed_iter_mut().for_each(|((_, class), value)| *value += sign * class as f32);
            Ok(rows)
        })
    };
    let ensemble = Ensemble::new(vec![half(1.0), half(-1.0)]).unwrap();
    for (name, explainer) in explainers() {
        let found = values(&*explainer, &ensemble, &Target::softmax(2));
        assert_close(name, &found, &values(&*explainer, &classes(), &Target::softmax(2)));
    }
}

#[test]
fn scores_by_channel_are_those_of_the_class() {
    let (image, regions, blank) = (image(), regions(), blank());
    for class in 0..CLASSES {
        let (all, alone) = (classes(), logit_of(class));
        let tables = |classifier: &dyn Classifier, target: &Target| {
            let baseline = classifier.baseline(image.view()).unwrap();
            let tables = score_channels(&*baseline, &regions, &blank, target, &silent).unwrap();
            tables.iter().flat_map(|table| table.values(ScoreKind::DeltaP)).collect::<Vec<_>>()
        };
        let found = tables(&all, &Target::softmax(class));
        assert_close("by channel", &found, &tables(&alone, &Target::sigmoid(0)));
    }
}

#[test]
fn curves_and_ablations_are_those_of_the_class() {
    let (image, regions, blank) = (image(), regions(), blank());
    let ranking: Vec<usize> = (0..regions.len()).rev().collect();
    for class in 0..CLASSES {
        let (all, alone) = (classes(), logit_of(class));
        let measured = |classifier: &dyn Classifier, target: &Target| {
            let baseline = classifier.baseline(image.view()).unwrap();
            let coalitions = Coalitions::new(&*baseline, &regions, &blank, target).unwrap();
            let mut found = deletion(&coalitions, &ranking, 12).unwrap().logits;
            found.extend(insertion(&coalitions, &ranking, 12).unwrap().logits);
            found.extend(random_ablations(&coalitions, 20, 4).unwrap().iter().map(|ablation| ablation.drop));
            found
        };
        let found = measured(&all, &Target::softmax(class));
        assert_close("curves", &found, &measured(&alone, &Target::sigmoid(0)));
    }
}
