//! The learned fill: its input and values, that it learns, and that a resumed training gives the same bytes.
#![cfg(feature = "learned")]
use std::ops::ControlFlow;

use candle_core::{Device, Tensor, Var};
use ndarray::{Array3, Array4, Axis, s};
use relevox_models::{Parameters, ResNet3d, ResNetConfig, UNetConfig};
use relevox_perturb::learned::train::{FillCase, FillConfig, FillStep, FillTrainer};
use relevox_perturb::learned::{LearnedFill, perturbation_loss};
use relevox_perturb::{ConstantFill, Error, Fill, FillKind, Patch, distance};
use slic3d::Supervoxels;

const SHAPE: (usize, usize, usize) = (8, 10, 12);

fn image(seed: usize) -> Array4<f32> {
    Array4::from_shape_fn((2, SHAPE.0, SHAPE.1, SHAPE.2), |(c, z, y, x)| {
        if x < 4 { 0.0 } else { ((7 * z + 3 * y + 5 * x + 11 * c + seed) % 13) as f32 / 13.0 }
    })
}

/// Twelve boxes; those with x < 4 are air.
fn regions() -> Supervoxels {
    let labels = Array3::from_shape_fn(SHAPE, |(z, y, x)| (z / 4 * 6 + y / 5 * 3 + x / 4) as u32);
    Supervoxels::from_labels(labels, None).unwrap()
}

fn unet() -> UNetConfig {
    UNetConfig { in_channels: 2, out_channels: 2, widths: vec![4, 8] }
}

fn classifier() -> (ResNet3d, Parameters) {
    let config =
        ResNetConfig { depth: 10, in_channels: 2, width: 4, stem_stride: [1; 3], ..ResNetConfig::default() };
    let parameters = Parameters::seeded(5, &Device::Cpu);
    (ResNet3d::new(&config, parameters.frozen_builder()).unwrap(), parameters)
}

/// How a fill asks a network.
fn logits_of(network: &ResNet3d) -> impl Fn(&Tensor) -> candle_core::Result<Tensor> {
    |images| network.forward_t(images, false)?.squeeze(1)
}

fn trainer(config: &FillConfig) -> FillTrainer {
    FillTrainer::new(&unet(), config, serde_json::Value::Null, &Device::Cpu).unwrap()
}

fn on(_: FillStep) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

fn bits(parameters: &Parameters) -> Vec<(String, Vec<u32>)> {
    let values = |tensor: Tensor| tensor.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    parameters
        .tensors()
        .into_iter()
        .map(|(name, tensor)| (name, values(tensor).into_iter().map(f32::to_bits).collect()))
        .collect()
}

/// Mean |Δp| over the regions that are not air, everything in evaluation mode.
fn moved(classifier: &ResNet3d, fill: &dyn Fill, image: &Array4<f32>, regions: &Supervoxels) -> f64 {
    let probability = |image: &Array4<f32>| {
        let batch = image.view().insert_axis(Axis(0));
        let tensor = Tensor::from_vec(batch.iter().copied().collect::<Vec<f32>>(), batch.dim(), &Device::Cpu);
        let logit = classifier.forward_t(&tensor.unwrap(), false).unwrap().to_vec2::<f32>().unwrap()[0][0];
        1.0 / (1.0 + (-f64::from(logit)).exp())
    };
    let original = probability(image);
    let brain: Vec<usize> = (0..regions.len()).filter(|region| region % 3 != 0).collect();
    let sum: f64 = brain
        .iter()
        .map(|&region| {
            let mut after = image.clone();
            fill.patch(image.view(), regions, region).unwrap().apply(&mut after.view_mut()).unwrap();
            (original - probability(&after)).abs()
        })
        .sum();
    sum / brain.len() as f64
}

#[test]
fn the_loss_and_its_gradient_are_the_formulas() {
    let logits = [0.3_f32, -2.0, 1.5, 40.0];
    let original = [0.5_f32, 0.9, 0.1, 0.2];
    let epsilon = 1e-3;
    let var = Var::from_slice(&logits, 4, &Device::Cpu).unwrap();
    let p = Tensor::from_slice(&original, 4, &Device::Cpu).unwrap();
    let loss = perturbation_loss(&p, var.as_tensor(), epsilon).unwrap();
    let gradient = loss.backward().unwrap().get(var.as_tensor()).unwrap().to_vec1::<f32>().unwrap();
    let mut sum = 0.0;
    for ((&l, &p), &found) in logits.iter().zip(&original).zip(&gradient) {
        let q = 1.0 / (1.0 + (-f64::from(l)).exp());
        let d = (f64::from(p) - q).abs();
        sum += 1.0 / (d + epsilon);
        let expected = -(q - f64::from(p)).signum() / (d + epsilon).powi(2) * q * (1.0 - q);
        assert!((f64::from(found) - expected).abs() <= 1e-4 * expected.abs() + 1e-6, "{found} {expected}");
    }
    assert!((f64::from(loss.to_scalar::<f32>().unwrap()) / sum - 1.0).abs() < 1e-5);
}

#[test]
fn the_loss_is_bounded_where_nothing_moves() {
    let var = Var::from_slice(&[0.0_f32], 1, &Device::Cpu).unwrap();
    let p = Tensor::from_slice(&[0.5_f32], 1, &Device::Cpu).unwrap();
    let loss = perturbation_loss(&p, var.as_tensor(), 1e-3).unwrap();
    // 1/ε in float32, where ε itself is rounded.
    assert_eq!(loss.to_scalar::<f32>().unwrap(), 1.0 / 1e-3_f32);
    let gradient = loss.backward().unwrap().get(var.as_tensor()).unwrap().to_vec1::<f32>().unwrap()[0];
    assert!(gradient.is_finite());
}

#[test]
fn a_region_takes_the_networks_values_and_the_rest_stays() {
    let (image, regions) = (image(0), regions());
    let fill = trainer(&FillConfig::default()).fill().unwrap();
    assert_eq!(fill.name(), "learned");
    for region in [0, 1, 11] {
        let patch = fill.patch(image.view(), &regions, region).unwrap();
        let changed = patch.changed_voxels(image.view()).unwrap();
        assert_eq!(changed, regions.voxel_counts()[region], "a sigmoid leaves no voxel as it is");
        let mut after = image.clone();
        patch.apply(&mut after.view_mut()).unwrap();
        for ((z, y, x), &label) in regions.labels().indexed_iter() {
            for c in 0..2 {
                let (old, new) = (image[[c, z, y, x]], after[[c, z, y, x]]);
                if label == regions.ids()[region] {
                    assert!(new > 0.0 && new < 1.0 && new != old);
                } else {
                    assert_eq!(new, old);
                }
            }
        }
    }
}

#[test]
fn each_voxel_takes_the_sigmoid_of_the_networks_output_there() {
    let (image, regions) = (image(0), regions());
    let fill = trainer(&FillConfig::default()).fill().unwrap();
    // The last region is a box: nothing else is in its patch.
    let [z, y, x] = regions.bounds(11);
    let inside = s![.., z.clone(), y.clone(), x.clone()];
    let mut alone = Array4::zeros(image.dim());
    alone.slice_mut(inside).assign(&image.slice(inside));
    let input = alone.insert_axis(Axis(0));
    let input = Tensor::from_vec(input.iter().copied().collect::<Vec<f32>>(), input.dim(), &Device::Cpu);
    let output = fill.unet().forward_t(&input.unwrap(), false).unwrap().flatten_all().unwrap();
    let output = Array4::from_shape_vec(image.dim(), output.to_vec1::<f32>().unwrap()).unwrap();
    let expected = output.slice(inside).mapv(|logit| 1.0 / (1.0 + (-logit).exp()));
    let patch = fill.patch(image.view(), &regions, 11).unwrap();
    assert_eq!(patch.values().dim(), expected.dim());
    assert!((&patch.values() - &expected).iter().all(|rest| rest.abs() < 1e-5), "{expected}");
    let spread = expected.iter().copied().fold(0.0, f32::max) - expected.iter().copied().fold(1.0, f32::min);
    assert!(spread > 1e-3, "voxels differ: {spread}");
}

#[test]
fn the_network_sees_the_region_alone() {
    let (one, regions) = (image(0), regions());
    let mut other = image(3);
    let [z, y, x] = regions.bounds(4);
    let inside = s![.., z.clone(), y.clone(), x.clone()];
    other.slice_mut(inside).assign(&one.slice(s![.., z, y, x]));
    let fill = trainer(&FillConfig::default()).fill().unwrap();
    let values = |image: &Array4<f32>| fill.patch(image.view(), &regions, 4).unwrap().values().to_owned();
    assert_eq!(values(&one), values(&other), "what lies around does not count");
    assert_ne!(values(&one), values(&image(3)), "what lies inside does");
}

fn close(a: &Patch, b: &Patch) -> bool {
    a.as_slice().iter().zip(b.as_slice()).all(|(a, b)| (a - b).abs() <= 1e-6)
}

#[test]
fn a_batch_is_its_regions_one_by_one() {
    let (image, regions) = (image(0), regions());
    for keep_air in [false, true] {
        let fill = trainer(&FillConfig::default()).fill().unwrap().keep_air(keep_air);
        let asked = [3, 0, 11, 6, 7];
        let batch = fill.patches(image.view(), &regions, &asked).unwrap();
        for (patch, region) in batch.into_iter().zip(asked) {
            let alone = fill.patch(image.view(), &regions, region).unwrap();
            assert_eq!(patch.bounds(), alone.bounds());
            let changed = patch.changed_voxels(image.view()).unwrap();
            assert_eq!(changed == 0, keep_air && region % 3 == 0, "only air is kept");
            assert!(close(&patch, &alone));
        }
    }
}

#[test]
fn boxes_give_the_values_of_whole_passes() {
    let (image, regions) = (image(3), regions());
    let all: Vec<usize> = (0..regions.len()).collect();
    let engine = |dense| trainer(&FillConfig::default()).fill().unwrap().into_engine().dense(dense);
    let whole = LearnedFill::from(engine(true)).patches(image.view(), &regions, &all).unwrap();
    // With little memory hardly a layer is kept.
    for engine in [engine(false), engine(false).memory(1), engine(false).compiled(false).unwrap()] {
        let boxes = LearnedFill::from(engine).patches(image.view(), &regions, &all).unwrap();
        assert_eq!(boxes.len(), whole.len());
        for (boxed, whole) in boxes.iter().zip(&whole) {
            assert_eq!(boxed.bounds(), whole.bounds());
            assert!(close(boxed, whole));
        }
    }
}

#[test]
fn it_learns_to_move_the_classifier_and_leaves_it_alone() {
    let (first, second, regions) = (image(0), image(3), regions());
    let (network, frozen) = classifier();
    let before = bits(&frozen);
    let config = FillConfig { passes: 12, learning_rate: 1e-2, ..FillConfig::default() };
    let mut trainer = trainer(&config);
    let untrained = moved(&network, &trainer.fill().unwrap(), &first, &regions);
    let cases = [
        FillCase { image: first.view(), regions: &regions },
        FillCase { image: second.view(), regions: &regions },
    ];
    while !trainer.is_finished() {
        let record = trainer.run_pass(&logits_of(&network), &cases, &mut on).unwrap();
        assert_eq!(record.regions, 16, "two scans of eight regions, air left out");
        assert!(record.loss.is_finite() && (0.0..=1.0).contains(&record.saturated));
        assert!((0.0..=1.0).contains(&record.from_max) && (0.0..=1.0).contains(&record.delta_p));
    }
    let history = trainer.history();
    assert!(history[11].loss < history[0].loss, "{history:?}");
    assert!(history[11].delta_p > history[0].delta_p, "{history:?}");
    let trained = moved(&network, &trainer.fill().unwrap(), &first, &regions);
    assert!(trained > untrained, "mean |Δp| in evaluation mode went from {untrained} to {trained}");
    assert_eq!(bits(&frozen), before);
}

#[test]
fn a_training_goes_on_to_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("last.safetensors");
    let (image, regions) = (image(0), regions());
    let (network, _) = classifier();
    let cases = [FillCase { image: image.view(), regions: &regions }];
    let config = FillConfig { passes: 3, batch: 3, seed: 11, ..FillConfig::default() };

    let mut whole = trainer(&config);
    for _ in 0..3 {
        whole.run_pass(&logits_of(&network), &cases, &mut on).unwrap();
    }
    let mut begun = trainer(&config);
    begun.run_pass(&logits_of(&network), &cases, &mut on).unwrap();
    begun.save_state(&path).unwrap();
    // Broken off in mid-pass, and dropped.
    let mut left = 1;
    let stop = |_| {
        left -= 1;
        if left < 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let found = begun.run_pass(&logits_of(&network), &cases, &mut { stop }).unwrap_err();
    assert!(matches!(found, Error::Interrupted { pass: 2 }), "{found}");
    drop(begun);

    let mut resumed = FillTrainer::resume(&path, &config, &Device::Cpu).unwrap();
    assert_eq!(resumed.pass(), 1);
    while !resumed.is_finished() {
        resumed.run_pass(&logits_of(&network), &cases, &mut on).unwrap();
    }
    assert_eq!(resumed.history(), whole.history());
    assert_eq!(bits(resumed.parameters()), bits(whole.parameters()));
    let (a, b) = (folder.path().join("a"), folder.path().join("b"));
    whole.save_state(&a).unwrap();
    resumed.save_state(&b).unwrap();
    assert_eq!(std::fs::read(a).unwrap(), std::fs::read(b).unwrap());

    let other = FillConfig { seed: 12, ..config };
    assert!(matches!(
        FillTrainer::resume(&path, &other, &Device::Cpu),
        Err(Error::Network(relevox_models::Error::InvalidSetting { .. }))
    ));
}

#[test]
fn a_saved_fill_is_the_fill() {
    let folder = tempfile::tempdir().unwrap();
    let (image, regions) = (image(0), regions());
    let (network, _) = classifier();
    let mut trainer = trainer(&FillConfig::default());
    trainer
        .run_pass(&logits_of(&network), &[FillCase { image: image.view(), regions: &regions }], &mut on)
        .unwrap();
    for (name, save) in
        [("weights", FillTrainer::save_weights as fn(&_, &_) -> _), ("state", FillTrainer::save_state)]
    {
        let path = folder.path().join(name);
        save(&trainer, &path).unwrap();
        let loaded = LearnedFill::load(&path, &Device::Cpu).unwrap();
        let values = |fill: &LearnedFill| fill.patch(image.view(), &regions, 5).unwrap();
        assert_eq!(values(&loaded), values(&trainer.fill().unwrap()));
    }
}

#[test]
fn a_distance_tells_fills_apart() {
    let (image, regions) = (image(0), regions());
    let brain = Array3::from_elem(SHAPE, true);
    let max = ConstantFill::new(FillKind::Max, image.view(), brain.view()).unwrap();
    let blank = ConstantFill::new(FillKind::Blank, image.view(), brain.view()).unwrap();
    let far = distance(&blank, &max, image.view(), &regions).unwrap();
    let expected = f64::from(max.values()[0] + max.values()[1]) / 2.0;
    assert!((far - expected).abs() < 1e-6);
    assert_eq!(distance(&max, &max, image.view(), &regions).unwrap(), 0.0);
    let learned = trainer(&FillConfig::default()).fill().unwrap();
    let near = distance(&learned, &max, image.view(), &regions).unwrap();
    assert!(near > 0.0 && near < far);
}

#[test]
fn what_does_not_fit_is_named() {
    let new = |network: &UNetConfig, config: &FillConfig| {
        FillTrainer::new(network, config, serde_json::Value::Null, &Device::Cpu).map(|_| ()).unwrap_err()
    };
    let odd = UNetConfig { out_channels: 3, ..unet() };
    assert!(new(&odd, &FillConfig::default()).to_string().contains("3 for 2"));
    for config in [
        FillConfig { batch: 0, ..FillConfig::default() },
        FillConfig { learning_rate: f64::NAN, ..FillConfig::default() },
        FillConfig { epsilon: 0.0, ..FillConfig::default() },
    ] {
        assert!(matches!(new(&unet(), &config), Error::InvalidSetting { .. }));
    }

    let (image, regions) = (image(0), regions());
    let (network, _) = classifier();
    let mut trainer = trainer(&FillConfig::default());
    let mut run =
        |cases: &[FillCase<'_>]| trainer.run_pass(&logits_of(&network), cases, &mut on).unwrap_err();
    let air = Array4::zeros(image.dim());
    let found = run(&[FillCase { image: air.view(), regions: &regions }]);
    assert!(matches!(found, Error::NoRegions { cases: 1 }), "{found}");
    assert!(matches!(run(&[]), Error::NoRegions { cases: 0 }));
    let small = image.slice(s![.., ..4, .., ..]);
    let found = run(&[
        FillCase { image: image.view(), regions: &regions },
        FillCase { image: small, regions: &regions },
    ]);
    assert!(matches!(found, Error::ShapeMismatch { .. }), "{found}");
    let three = Array4::ones((3, SHAPE.0, SHAPE.1, SHAPE.2));
    run(&[FillCase { image: three.view(), regions: &regions }]);

    let fill = trainer.fill().unwrap();
    let found = fill.patch(image.view(), &regions, 12).unwrap_err();
    assert!(matches!(found, Error::OutOfRange { what: "region", len: 12, found: 12 }), "{found}");
    assert!(matches!(fill.patch(small, &regions, 0), Err(Error::ShapeMismatch { .. })));
    fill.patch(three.view(), &regions, 1).unwrap_err();
}
