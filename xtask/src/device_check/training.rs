//! Compares ten training steps on the device with the CPU, also with the training state moved between them.

use std::ops::ControlFlow;
use std::path::Path;

use anyhow::Context;
use relevox_models::candle_core::Device;
use relevox_models::train::{ClassifierTrainer, EpochRecord, Examples, Step, TrainConfig};
use relevox_models::{Precision, ResNetConfig};

use super::checks::{Checks, distance};
use super::tolerance::Allowed;

const SIZE: [usize; 3] = [16, 18, 14];

/// Images whose brightness depends on the label.
struct Blobs {
    first: usize,
    count: usize,
}

impl Examples for Blobs {
    fn len(&self) -> usize {
        self.count
    }

    fn shape(&self) -> [usize; 4] {
        [2, SIZE[0], SIZE[1], SIZE[2]]
    }

    fn label(&self, index: usize) -> bool {
        (self.first + index).is_multiple_of(2)
    }

    fn image(
        &self,
        index: usize,
        _: Option<usize>,
    ) -> Result<Vec<f32>, Box<dyn std::error::Error + Send + Sync>> {
        let bright = if self.label(index) { 0.3 } else { 0.0 };
        let number = self.first + index;
        let value = |i: usize| ((i * 31 + number * 7919) % 257) as f32 / 257.0 + bright;
        Ok((0..self.shape().iter().product()).map(value).collect())
    }
}

/// Compares losses and logits.
///
/// # Errors
/// Returns an error if training on the CPU fails or a temporary folder can't be written to.
pub(super) fn run(checks: &Checks, device: &Device, precision: Precision) -> anyhow::Result<()> {
    let folder = tempfile::tempdir().context("creating a folder for training states")?;
    let allowed = Allowed::at(precision).network;
    let host = Device::Cpu;
    let whole = epochs(folder.path(), [&host, &host])?;
    // An epoch has five steps.
    let compare = |name: &str, devices: [&Device; 2]| -> anyhow::Result<()> {
        for (found, expected) in epochs(folder.path(), devices)?.iter().zip(&whole) {
            let losses = |record: &EpochRecord| [record.train_loss as f32, record.validation_loss as f32];
            let off = distance(&losses(found), &losses(expected), 0.1);
            checks.off(&format!("{name}, losses of epoch {}", found.epoch), off, allowed)?;
            let off = distance(&found.validation_logits, &expected.validation_logits, 1.0);
            checks.off(&format!("{name}, logits of epoch {}", found.epoch), off, allowed)?;
        }
        Ok(())
    };
    for (name, devices) in [
        ("ten steps", [device, device]),
        ("five steps on the CPU, five on the device", [&host, device]),
        ("five steps on the device, five on the CPU", [device, &host]),
    ] {
        checks.part(name, compare(name, devices))?;
    }
    Ok(())
}

/// Trains two epochs, each on a given device, the second resumed from the first's state.
fn epochs(folder: &Path, devices: [&Device; 2]) -> anyhow::Result<Vec<EpochRecord>> {
    let network = ResNetConfig { depth: 10, in_channels: 2, width: 4, ..ResNetConfig::default() };
    let config = TrainConfig { epochs: 2, batch: 4, learning_rate: 1e-4, seed: 5, ..TrainConfig::default() };
    let (train, validation) = (Blobs { first: 0, count: 20 }, Blobs { first: 20, count: 6 });
    let state = folder.join("state.safetensors");
    let mut go_on = |_: Step| ControlFlow::Continue(());
    let mut trainer = ClassifierTrainer::new(&network, &config, serde_json::Value::Null, devices[0])?;
    trainer.run_epoch(&train, &validation, &mut go_on)?;
    trainer.save_state(&state)?;
    let mut trainer = ClassifierTrainer::resume(&state, &config, devices[1])?;
    trainer.run_epoch(&train, &validation, &mut go_on)?;
    Ok(trainer.history().to_vec())
}
