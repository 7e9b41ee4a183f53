//! Whether cuDNN computes every convolution of a network: one that something else computed is missing from its count.

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

/// Counts what a forward pass, the gradients of a training step and a pass of windows take. On a device without cuDNN they
/// run, and nothing is counted.
///
/// # Errors
/// A network that can't be made.
pub(super) fn run(checks: &Checks, device: &Device) -> anyhow::Result<()> {
    let config = ResNetConfig { depth: 18, width: 4, ..ResNetConfig::default() };
    let parameters = Parameters::seeded(2, device);
    let network = ResNet3d::new(&config, parameters.builder())?;
    let judged = ResNet3d::new(&config, parameters.frozen_builder())?;
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
        judged.forward_t(&batch, false)?;
        Ok(())
    };
    checks.part("a forward pass", count(&forward, "a forward pass", convolutions))?;

    let step = || -> anyhow::Result<()> {
        let loss = loss::bce_with_logits(&network.forward_t(&batch, true)?, &[true], 1.0)?;
        loss.backward()?;
        Ok(())
    };
    // Each has two gradients, but for the first, whose input is no variable.
    checks.part("a training step", count(&step, "a training step", 3 * convolutions - 1))?;

    let windows = ResNetWindows::new(judged.clone(), device.clone());
    let patches = [Patch::new(Box3::new([10, 12, 9], [16, 19, 17]), Array4::ones((c, 6, 7, 8)))?];
    let pass = || -> anyhow::Result<()> {
        let kept = windows.cache(&image, SHAPE)?;
        windows.patched(&kept, &patches, ON_GPU, &Fitting::default())?;
        Ok(())
    };
    // Once for the image, once for the windows.
    checks.part("a pass of windows", count(&pass, "a pass of windows", 2 * convolutions))?;

    let parameters = Parameters::seeded(2, device);
    let config = UNetConfig { widths: vec![4, 8, 16], ..UNetConfig::default() };
    let windows = UNetWindows::new(UNet3d::new(&config, parameters.builder())?, device.clone());
    let convolutions = parameters.trainable().iter().filter(|(_, var)| var.rank() == 5).count() as u64;
    let pass = || -> anyhow::Result<()> {
        let kept = windows.cache(&image, SHAPE)?;
        windows.patched(&kept, &patches, ON_GPU, &Fitting::default())?;
        Ok(())
    };
    // Of the image the last two, which no change looks back at, are not computed.
    let what = "a U-Net's pass of windows";
    checks.part(what, count(&pass, what, 2 * convolutions - 2))
}
