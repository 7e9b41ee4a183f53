//! Variants of the learned fill: their losses, their values, and that they find what the paper's does not.
#![cfg(feature = "learned")]
use std::ops::ControlFlow;

use candle_core::{Device, Tensor, Var};
use ndarray::{Array3, Array4};
use relevox_models::UNetConfig;
use relevox_models::checkpoint::{self, Metadata, Network};
use relevox_perturb::learned::train::{FillCase, FillConfig, FillTrainer};
use relevox_perturb::learned::{LearnedFill, Tissues, Variant, signed_loss};
use relevox_perturb::{Error, Fill};
use serde_json::Value;
use slic3d::Supervoxels;

const SHAPE: (usize, usize, usize) = (8, 10, 12);
/// The region whose first channel is evidence for the class.
const TUMOUR: usize = 4;

/// Twelve boxes; those with x < 4 are air.
fn regions() -> Supervoxels {
    let labels = Array3::from_shape_fn(SHAPE, |(z, y, x)| (z / 4 * 6 + y / 5 * 3 + x / 4) as u32);
    Supervoxels::from_labels(labels, None).unwrap()
}

fn brain() -> impl Iterator<Item = usize> {
    (0..12).filter(|region| region % 3 != 0)
}

/// The first channel differs between regions and is 1 in the tumour; the second is low everywhere.
fn image() -> Array4<f32> {
    let regions = regions();
    Array4::from_shape_fn((2, SHAPE.0, SHAPE.1, SHAPE.2), |(c, z, y, x)| {
        let region = regions.labels()[[z, y, x]] as usize;
        match c {
            _ if x < 4 => 0.0,
            0 if region == TUMOUR => 1.0,
            0 => 0.2 + region as f32 / 40.0 + ((z + y + x) % 3) as f32 / 100.0,
            _ => 0.1,
        }
    })
}

/// The logit: the first channel's mean over the tumour, and 24 times the second's over the scan. A flare of the second, which
/// the scan does not hold, counts wherever it is.
fn logits(images: &Tensor) -> candle_core::Result<Tensor> {
    let n = images.dim(0)?;
    let tumour = images.narrow(1, 0, 1)?.narrow(2, 0, 4)?.narrow(3, 5, 5)?.narrow(4, 4, 4)?;
    let flare = images.narrow(1, 1, 1)?;
    tumour.reshape((n, ()))?.mean(1)? + (flare.reshape((n, ()))?.mean(1)? * 24.0)?
}

fn logit(image: &Array4<f32>) -> f32 {
    let (c, z, y, x) = image.dim();
    let batch = Tensor::from_vec(image.iter().copied().collect::<Vec<f32>>(), (1, c, z, y, x), &Device::Cpu);
    logits(&batch.unwrap()).unwrap().to_vec1::<f32>().unwrap()[0]
}

fn unet(variant: Variant) -> UNetConfig {
    let out_channels = if variant == Variant::Tissue { 3 } else { 2 };
    UNetConfig { in_channels: 2, out_channels, widths: vec![4, 8] }
}

fn trainer(variant: Variant, config: FillConfig) -> FillTrainer {
    FillTrainer::new(&unet(variant), &FillConfig { variant, ..config }, Value::Null, &Device::Cpu).unwrap()
}

fn run_pass(trainer: &mut FillTrainer) {
    let (image, regions) = (image(), regions());
    let cases = [FillCase { image: image.view(), regions: &regions }];
    trainer.run_pass(&logits, &cases, &mut |_| ControlFlow::Continue(())).unwrap();
}

/// Changes of the logit, original − perturbed, by region of the brain.
fn changes(fill: &dyn Fill) -> Vec<(usize, f32)> {
    let (image, regions) = (image(), regions());
    let original = logit(&image);
    brain()
        .map(|region| {
            let mut after = image.clone();
            fill.patch(image.view(), &regions, region).unwrap().apply(&mut after.view_mut()).unwrap();
            (region, original - logit(&after))
        })
        .collect()
}

#[test]
fn the_signed_loss_and_its_gradient_are_the_formulas() {
    let original = [1.5_f32, 0.0, -0.7, -2.0, 30.0, 0.4, -0.1];
    let perturbed = [0.3_f32, 0.0, 1.5, -5.0, -60.0, 7.0, -0.1];
    let epsilon = 1e-3;
    let l = Tensor::from_slice(&original, 7, &Device::Cpu).unwrap();
    let var = Var::from_slice(&perturbed, 7, &Device::Cpu).unwrap();
    let loss = signed_loss(&l, var.as_tensor(), epsilon).unwrap();
    let gradient = loss.backward().unwrap().get(var.as_tensor()).unwrap().to_vec1::<f32>().unwrap();
    let term = |original: f32, perturbed: f64| {
        let sign = if original >= 0.0 { 1.0 } else { -1.0 };
        1.0 / ((sign * (f64::from(original) - perturbed)).exp().ln_1p() + epsilon)
    };
    let mut sum = 0.0;
    for ((&original, &perturbed), &found) in original.iter().zip(&perturbed).zip(&gradient) {
        let at = f64::from(perturbed);
        sum += term(original, at);
        let slope = (term(original, at + 1e-4) - term(original, at - 1e-4)) / 2e-4;
        assert!((f64::from(found) - slope).abs() <= 1e-3 * slope.abs(), "{found}, expected {slope}");
    }
    // In float32 the logarithm of 1 plus a small number has few digits.
    assert!((f64::from(loss.to_scalar::<f32>().unwrap()) / sum - 1.0).abs() < 1e-4);
}

#[test]
fn a_fill_that_strengthens_the_class_is_pushed_back() {
    for (original, perturbed) in [(2.0_f32, 8.0_f32), (-2.0, -8.0)] {
        let l = Tensor::from_slice(&[original], 1, &Device::Cpu).unwrap();
        let var = Var::from_slice(&[perturbed], 1, &Device::Cpu).unwrap();
        let loss = signed_loss(&l, var.as_tensor(), 1e-3).unwrap();
        let gradient = loss.backward().unwrap().get(var.as_tensor()).unwrap().to_vec1::<f32>().unwrap()[0];
        assert!(gradient * original.signum() > 1.0, "{gradient}");
    }
}

/// Evidence for the class is in one region only, but a flare would be evidence anywhere.
#[test]
fn variants_find_the_evidence_that_the_papers_loss_does_not() {
    let found = |variant: Variant| {
        let mut trainer =
            trainer(variant, FillConfig { passes: 40, learning_rate: 1e-2, ..FillConfig::default() });
        while !trainer.is_finished() {
            run_pass(&mut trainer);
        }
        let all = changes(&trainer.fill().unwrap());
        let tumour = all.iter().find(|(region, _)| *region == TUMOUR).unwrap().1.abs();
        let others = all.iter().filter(|(region, _)| *region != TUMOUR).map(|(_, change)| change.abs());
        (tumour, others.fold(0.0, f32::max))
    };
    let (tumour, others) = found(Variant::Paper);
    assert!(others > 1.0 && tumour < 1.5 * others, "paper: {tumour} in the tumour, {others} elsewhere");
    for variant in [Variant::Signed, Variant::Tissue] {
        let (tumour, others) = found(variant);
        assert!(
            tumour > 0.5 && tumour > 2.0 * others,
            "{variant}: {tumour} in the tumour, {others} elsewhere"
        );
    }
}

#[test]
fn a_tissue_is_one_of_the_other_regions() {
    let (image, regions) = (image(), regions());
    let fill = trainer(Variant::Tissue, FillConfig::default()).fill().unwrap();
    let tissues = Tissues::of(image.view(), &regions).unwrap();
    for region in 0..regions.len() {
        let patch = fill.patch(image.view(), &regions, region).unwrap();
        let mut after = image.clone();
        patch.apply(&mut after.view_mut()).unwrap();
        let first = regions.voxels(region).next().unwrap();
        let value = |[z, y, x]: [usize; 3]| [after[[0, z, y, x]], after[[1, z, y, x]]];
        let choices = tissues.others(region, 3);
        assert!(choices.iter().any(|choice| *choice == value(first)), "{:?} of {choices:?}", value(first));
        for ((z, y, x), &label) in regions.labels().indexed_iter() {
            match label == regions.ids()[region] {
                true => assert_eq!(value([z, y, x]), value(first), "one tissue in the whole region"),
                false => assert_eq!(value([z, y, x]), [image[[0, z, y, x]], image[[1, z, y, x]]]),
            }
        }
    }
}

/// Two regions, each of which can only become the other: a bright one, which is the scan's largest value, and a dark one.
#[test]
fn a_pass_records_how_many_regions_are_saturated_and_how_far_from_the_largest_value() {
    let image =
        Array4::from_shape_fn((2, SHAPE.0, SHAPE.1, SHAPE.2), |(.., x)| if x < 6 { 1.0 } else { 0.25 });
    let halves = Array3::from_shape_fn(SHAPE, |(.., x)| u32::from(x >= 6));
    let regions = Supervoxels::from_labels(halves, None).unwrap();
    let cases = [FillCase { image: image.view(), regions: &regions }];
    for batch in [1, 2] {
        let mut trainer = trainer(Variant::Tissue, FillConfig { batch, ..FillConfig::default() });
        let record = trainer.run_pass(&logits, &cases, &mut |_| ControlFlow::Continue(())).unwrap();
        assert_eq!((record.regions, record.saturated), (2, 0.5), "the dark region becomes 1");
        assert!((record.from_max - 0.375).abs() < 1e-6, "{record:?}");
    }
}

#[test]
fn a_failure_other_than_of_memory_is_not_tried_again_in_parts() {
    let (image, regions) = (image(), regions());
    let cases = [FillCase { image: image.view(), regions: &regions }];
    let calls = std::cell::Cell::new(0);
    let fails = |images: &Tensor| {
        calls.set(calls.get() + 1);
        // The first call is for the unperturbed scan.
        if calls.get() > 1 { candle_core::bail!("the device is gone") } else { logits(images) }
    };
    let mut trainer = trainer(Variant::Paper, FillConfig { batch: 4, ..FillConfig::default() });
    let error = trainer.run_pass(&fails, &cases, &mut |_| ControlFlow::Continue(())).unwrap_err();
    assert!(error.to_string().contains("the device is gone"), "{error}");
    assert_eq!(calls.get(), 2);
}

#[test]
fn a_loss_that_is_not_a_number_ends_the_training_and_names_the_step() {
    let (image, regions) = (image(), regions());
    let cases = [FillCase { image: image.view(), regions: &regions }];
    let calls = std::cell::Cell::new(0);
    let diverges = |images: &Tensor| {
        calls.set(calls.get() + 1);
        // The unperturbed scan, and one step.
        if calls.get() > 2 { logits(images)? * f64::NAN } else { logits(images) }
    };
    let mut trainer = trainer(Variant::Paper, FillConfig::default());
    let error = trainer.run_pass(&diverges, &cases, &mut |_| ControlFlow::Continue(())).unwrap_err();
    assert!(matches!(error, Error::Diverged { pass: 1, step: 2, loss } if loss.is_nan()), "{error}");
}

#[test]
fn boxes_select_the_tissue_of_whole_passes() {
    let (image, regions) = (image(), regions());
    let all: Vec<usize> = (0..regions.len()).collect();
    let mut trainer = trainer(Variant::Tissue, FillConfig::default());
    run_pass(&mut trainer);
    let fill = |dense| {
        LearnedFill::from(trainer.fill().unwrap().into_engine().dense(dense)).variant(Variant::Tissue)
    };
    let patches = |dense| fill(dense).patches(image.view(), &regions, &all).unwrap();
    assert_eq!(patches(false), patches(true));
    let kept = fill(false).keep_air(true).patches(image.view(), &regions, &all).unwrap();
    for (region, patch) in kept.iter().enumerate() {
        assert_eq!(patch.changed_voxels(image.view()).unwrap() == 0, region % 3 == 0, "only air is kept");
    }
}

#[test]
fn a_resumed_training_ends_with_the_same_bytes_and_its_file_states_the_variant() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    for variant in Variant::ALL {
        let config = FillConfig { passes: 2, batch: 3, ..FillConfig::default() };
        let mut whole = trainer(variant, config.clone());
        run_pass(&mut whole);
        whole.save_state(&path("last")).unwrap();
        run_pass(&mut whole);
        whole.save_weights(&path("whole")).unwrap();
        let settings = FillConfig { variant, ..config.clone() };
        let mut resumed = FillTrainer::resume(&path("last"), &settings, &Device::Cpu).unwrap();
        run_pass(&mut resumed);
        resumed.save_weights(&path("resumed")).unwrap();
        let bytes = std::fs::read(path("resumed")).unwrap();
        assert_eq!(std::fs::read(path("whole")).unwrap(), bytes);
        // The paper's is written as it was before there were others.
        let text = String::from_utf8_lossy(&bytes[..1000]).into_owned();
        assert_eq!(text.contains("task"), variant != Variant::Paper, "{text}");
        let loaded = LearnedFill::load(&path("resumed"), &Device::Cpu).unwrap();
        assert_eq!(loaded.name(), variant.name());
        assert_eq!(changes(&loaded), changes(&resumed.fill().unwrap()));
        let other = Variant::ALL.into_iter().find(|other| *other != variant).unwrap();
        let other = FillConfig { variant: other, ..config };
        assert!(FillTrainer::resume(&path("last"), &other, &Device::Cpu).is_err());
    }
}

#[test]
fn a_training_resumes_for_more_passes_than_before() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("last");
    let config = FillConfig { passes: 1, ..FillConfig::default() };
    let mut trainer = trainer(Variant::Paper, config.clone());
    run_pass(&mut trainer);
    assert!(trainer.is_finished());
    trainer.save_state(&path).unwrap();
    let more = FillConfig { passes: 2, ..config };
    let resumed = FillTrainer::resume(&path, &more, &Device::Cpu).unwrap();
    assert_eq!((resumed.pass(), resumed.is_finished()), (1, false));
}

#[test]
fn settings_of_the_paper_are_written_as_before() {
    let written = serde_json::to_value(FillConfig::default()).unwrap();
    assert!(written.get("variant").is_none(), "{written}");
    assert_eq!(serde_json::from_value::<FillConfig>(written).unwrap(), FillConfig::default());
    let tissue = FillConfig { variant: Variant::Tissue, ..FillConfig::default() };
    let written = serde_json::to_value(&tissue).unwrap();
    assert_eq!(written["variant"], "learned_tissue");
    assert_eq!(serde_json::from_value::<FillConfig>(written).unwrap(), tissue);
}

#[test]
fn what_does_not_fit_is_named() {
    let one = UNetConfig { out_channels: 1, ..unet(Variant::Tissue) };
    let config = FillConfig { variant: Variant::Tissue, ..FillConfig::default() };
    let error = FillTrainer::new(&one, &config, Value::Null, &Device::Cpu).map(|_| ()).unwrap_err();
    assert!(matches!(error, Error::InvalidSetting { setting: "out_channels", .. }), "{error}");

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("unet.safetensors");
    let trainer = trainer(Variant::Signed, FillConfig::default());
    let mut metadata = Metadata::new(Network::Unet(unet(Variant::Signed)), Value::Null);
    metadata.task = "inpainting".into();
    checkpoint::save_parameters(&path, trainer.parameters(), &metadata).unwrap();
    let error = LearnedFill::load(&path, &Device::Cpu).map(|_| ()).unwrap_err().to_string();
    assert!(error.contains("learned_tissue") && error.contains("`inpainting`"), "{error}");
}
