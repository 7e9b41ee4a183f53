//! Checks that cuDNN runs every convolution of a network, by counting its runs.

use ndarray::Array4;
use relevox_models::candle_core::{Device, Tensor};
use relevox_models::conv3d::cudnn_runs;
use relevox_models::memory::{Fitting, ON_GPU};
use relevox_models::windows::{ResNetWindows, UNetWindows};
use relevox_models::{Parameters, ResNet3d, ResNetConfig, UNet3d, UNetConfig, loss};
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
    let convolutions = parameters.trainable().iter().filter(|(_, var)| var.rank() == 5).count() as u64;

    let [c, z, y, x] = SHAPE;
    let image: Vec<f32> = (0..c * z * y * x).map(|i| ((i * 7919) % 97) as f32 / 97.0).collect();
    let batch = Tensor::from_slice(&image, (1, c, z, y, x), device)?;
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

    let windows = ResNetWindows::new(frozen.clone(), device.clone());
    let patches = [Patch::new(Box3::new([10, 12, 9], [16, 19, 17]), Array4::ones((c, 6, 7, 8)))?];
    let pass = || -> anyhow::Result<()> {
        let cache = windows.cache(&image, SHAPE)?;
        windows.patched(&cache, &patches, ON_GPU, &Fitting::default())?;
        Ok(())
    };
    // Once for the image, once for the windows.
    checks.part("a pass of windows", count(&pass, "a pass of windows", 2 * convolutions))?;

    let parameters = Parameters::seeded(2, device);
    let config = UNetConfig { widths: vec![4, 8, 16], ..UNetConfig::default() };
    let windows = UNetWindows::new(UNet3d::new(&config, parameters.builder())?, device.clone());
    let convolutions = parameters.trainable().iter().filter(|(_, var)| var.rank() == 5).count() as u64;
    let pass = || -> anyhow::Result<()> {
        let cache = windows.cache(&image, SHAPE)?;
        windows.patched(&cache, &patches, ON_GPU, &Fitting::default())?;
        Ok(())
    };
    // The last two are not computed for the image: no patch reads their outputs.
    let what = "a U-Net's pass of windows";
    checks.part(what, count(&pass, what, 2 * convolutions - 2))
}
