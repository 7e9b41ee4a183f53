//! Checks that cuDNN runs every convolution of a network, by counting its runs.

use ndarray::Array4;
use relevox_models::candle_core::{Device, Tensor};
use relevox_models::conv3d::cudnn_runs;
use relevox_models::engine::{Engine, Network};
use relevox_models::graph::tensor::TensorGraph;
use relevox_models::{DenseNetConfig, Parameters, ResNet3d, ResNetConfig, UNet3d, UNetConfig, loss};
use relevox_perturb::{Box3, Patch};
use serde_json::json;

use super::checks::Checks;

const SHAPE: [usize; 4] = [4, 36, 40, 36];

/// Counts the runs of a forward pass, a training step and a pass of windows. On a device without cuDNN, these run without
/// counting.
///
/// # Errors
/// Returns an error if a network can't be built.
pub(super) fn run(checks: &Checks, device: &Device) -> anyhow::Result<()> {
    let config = ResNetConfig { depth: 18, width: 4, ..ResNetConfig::default() };
    let parameters = Parameters::seeded(2, device);
    let network = ResNet3d::new(&config, parameters.builder())?;
    let frozen = ResNet3d::new(&config, parameters.frozen_builder())?;
    let convolutions = kernels(&parameters);

    let [c, z, y, x] = SHAPE;
    let batch = Tensor::from_vec(image(), (1, c, z, y, x), device)?;
    let count = |work: &dyn Fn() -> anyhow::Result<()>, what: &str, expected: u64| -> anyhow::Result<()> {
        let before = cudnn_runs(device)?;
        work()?;
        if let (Some(before), Some(after)) = (before, cudnn_runs(device)?) {
            let runs = after - before;
            checks.note(&format!("{what}, runs of cuDNN"), json!(runs), runs == expected)?;
        }
        Ok(())
    };

    let forward = || -> anyhow::Result<()> {
        frozen.forward_t(&batch, false)?;
        Ok(())
    };
    checks.part("a forward pass", count(&forward, "a forward pass", convolutions))?;

    let step = || -> anyhow::Result<()> {
        let loss = loss::bce_with_logits(&network.forward_t(&batch, true)?.squeeze(1)?, &[true], 1.0)?;
        loss.backward()?;
        Ok(())
    };
    // Each has two gradients, except the first, whose input is not a variable.
    checks.part("a training step", count(&step, "a training step", 3 * convolutions - 1))?;

    // Once for the image, once for the windows.
    let what = "a pass of windows";
    checks.part(what, count(&|| windows(frozen.clone(), device), what, 2 * convolutions))?;

    let parameters = Parameters::seeded(2, device);
    let config = UNetConfig { widths: vec![4, 8, 16], ..UNetConfig::default() };
    let unet = UNet3d::new(&config, parameters.builder())?;
    // The last two are not computed for the image: no patch reads their outputs.
    let what = "a U-Net's pass of windows";
    let expected = 2 * kernels(&parameters) - 2;
    checks.part(what, count(&|| windows(unet.clone(), device), what, expected))?;

    let parameters = Parameters::seeded(2, device);
    let dense = TensorGraph::new(dense_network().graph(parameters.builder())?, device)?;
    let what = "a DenseNet's pass of windows";
    checks.part(what, count(&|| windows(dense.clone(), device), what, 2 * kernels(&parameters)))
}

/// A small DenseNet with one output.
pub(super) fn dense_network() -> DenseNetConfig {
    DenseNetConfig {
        in_channels: SHAPE[0],
        init_features: 8,
        growth_rate: 4,
        block_config: vec![3, 4, 2],
        outputs: 1,
        ..DenseNetConfig::default()
    }
}

/// Number of convolutions.
fn kernels(parameters: &Parameters) -> u64 {
    parameters.trainable().iter().filter(|(_, var)| var.rank() == 5).count() as u64
}

/// Computes an image and a patch of it in windows.
fn windows<N: Network>(network: N, device: &Device) -> anyhow::Result<()> {
    let [c, z, y, x] = SHAPE;
    let image = Array4::from_shape_vec((c, z, y, x), image())?;
    let patch = Patch::new(Box3::new([10, 12, 9], [16, 19, 17]), Array4::ones((c, 6, 7, 8)))?;
    let engine = Engine::new(network, device.clone())?.compiled(false)?;
    engine.patched(&*engine.baseline(image.view())?, &[patch])?;
    Ok(())
}

fn image() -> Vec<f32> {
    (0..SHAPE.iter().product::<usize>()).map(|i| ((i * 7919) % 97) as f32 / 97.0).collect()
}
