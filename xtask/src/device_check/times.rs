//! Times a forward pass, a training step and a relevance map on the device.

use std::time::Instant;

use ndarray::{Array4, Axis};
use relevox_models::adam::{Adam, AdamConfig};
use relevox_models::candle_core::{Device, Tensor};
use relevox_models::engine::Engine;
use relevox_models::{Parameters, ResNet3d, ResNetConfig, loss};
use relevox_perturb::{ConstantFill, FillKind};
use relevox_relevance::{Classifier, NetworkClassifier, region_logits, silent};

use super::checks::Checks;
use super::relevance::{network, phantom};
use relevox_experiment::interrupt;

/// Number of timed runs, after the warm-up.
const RUNS: usize = 5;
/// Warm-up runs: cuDNN's algorithms are tried at the third use of a shape.
const BEFORE: usize = 3;

/// Sizes of the timed work.
struct Sizes {
    config: ResNetConfig,
    size: [usize; 3],
    spacing_mm: f64,
    regions: usize,
}

/// Times all three.
///
/// # Errors
/// Returns an error if stdout is closed or the user interrupts.
pub(super) fn run(checks: &Checks, device: &Device, quick: bool) -> anyhow::Result<()> {
    let sizes = if quick {
        let config = ResNetConfig { depth: 10, width: 4, ..ResNetConfig::default() };
        Sizes { config, size: [36, 40, 36], spacing_mm: 5.0, regions: 12 }
    } else {
        Sizes { config: ResNetConfig::default(), size: [128; 3], spacing_mm: 1.3, regions: 112 }
    };
    let Sizes { config, size: [z, y, x], .. } = &sizes;
    let about = format!("ResNet-{}, width {}, 4×{z}×{y}×{x}", config.depth, config.width);
    let batch = Tensor::full(0.5f32, (1, 4, *z, *y, *x), device)?;
    let time = |what: &str, seconds: anyhow::Result<f64>| {
        let what = format!("{what}, {about}");
        checks.part(&what, seconds.and_then(|seconds| checks.seconds(&what, seconds)))
    };
    time("forward", forward(config, &batch, device))?;
    time("training step", training_step(config, &batch, device))?;
    for (name, dense) in [("whole", true), ("incremental", false)] {
        checks
            .part(&format!("relevance, {name}"), relevance(checks, &sizes, &about, device, (name, dense)))?;
    }
    Ok(())
}

fn forward(config: &ResNetConfig, batch: &Tensor, device: &Device) -> anyhow::Result<f64> {
    let network = network(config, device)?;
    median(|| {
        network.forward_t(batch, false)?.to_vec2::<f32>()?;
        Ok(())
    })
}

fn training_step(config: &ResNetConfig, batch: &Tensor, device: &Device) -> anyhow::Result<f64> {
    let parameters = Parameters::seeded(2, device);
    let network = ResNet3d::new(config, parameters.builder())?;
    let mut adam = Adam::new(parameters.trainable(), AdamConfig::default())?;
    median(|| {
        let loss = loss::bce_with_logits(&network.forward_t(batch, true)?.squeeze(1)?, &[true], 1.0)?;
        adam.step(&loss.backward()?, 1e-4)?;
        Ok(device.synchronize()?)
    })
}

/// Times scans whose shapes were used before, and a new scan, whose windows have other sizes.
fn relevance(
    checks: &Checks,
    sizes: &Sizes,
    about: &str,
    device: &Device,
    (name, dense): (&str, bool),
) -> anyhow::Result<()> {
    let engine = Engine::new(network(&sizes.config, device)?, device.clone())?;
    let classifier = NetworkClassifier::from(engine.dense(dense));
    let scan = |case: usize| phantom(case, sizes.size, sizes.spacing_mm, sizes.regions);
    let maximum = |image: &Array4<f32>| {
        let brain = image.index_axis(Axis(0), 0).mapv(|value| value > 0.0);
        ConstantFill::new(FillKind::Max, image.view(), brain.view())
    };
    let (image, regions) = scan(0)?;
    let fill = maximum(&image)?;
    // Two scans in turn, so that neither finds its activations cached.
    let other = image.mapv(|value| 1.0 - value);
    let mut scans = [&image, &other].into_iter().cycle();
    let seconds = median(|| {
        if let Some(scan) = scans.next() {
            region_logits(&*classifier.baseline(scan.view())?, &regions, &fill, &silent)?;
        }
        Ok(())
    })?;
    checks.seconds(&format!("relevance of {} regions, {name}, {about}", regions.len()), seconds)?;

    let (image, regions) = scan(1)?;
    let fill = maximum(&image)?;
    let start = Instant::now();
    region_logits(&*classifier.baseline(image.view())?, &regions, &fill, &silent)?;
    let seconds = start.elapsed().as_secs_f64();
    checks.seconds(&format!("relevance of {} regions of a new scan, {name}, {about}", regions.len()), seconds)
}

fn median(mut work: impl FnMut() -> anyhow::Result<()>) -> anyhow::Result<f64> {
    for _ in 0..BEFORE {
        work()?;
    }
    let mut seconds = Vec::with_capacity(RUNS);
    for _ in 0..RUNS {
        interrupt::check()?;
        let start = Instant::now();
        work()?;
        seconds.push(start.elapsed().as_secs_f64());
    }
    seconds.sort_by(f64::total_cmp);
    Ok(seconds[RUNS / 2])
}
