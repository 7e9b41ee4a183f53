//! Training of a classifier.

use std::ops::{ControlFlow, Range};
use std::path::Path;

use candle_core::{Device, Tensor};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::trainer::{Done, Stop, Trainable, Trainer, TrainerConfig};
use super::{Examples, TrainConfig};
use crate::checkpoint::{Metadata, Network};
use crate::loss::bce_with_logits;
use crate::memory::{Fitting, is_exhausted};
use crate::{Error, Parameters, ResNet3d, ResNetConfig};

/// Result of an epoch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EpochRecord {
    /// The epoch, from 1.
    pub epoch: usize,
    /// Adam's learning rate.
    pub learning_rate: f64,
    /// Mean loss of the training examples, each measured before its batch's step.
    pub train_loss: f64,
    /// Mean loss of the validation examples after the epoch.
    pub validation_loss: f64,
    /// Share of validation examples classified correctly at probability 0.5.
    pub validation_accuracy: f64,
    /// Logits of the validation examples, in their order.
    pub validation_logits: Vec<f32>,
}

/// Purpose of a pass over examples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Updates the parameters.
    Train,
    /// Measures them.
    Validate,
}

/// A finished batch.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Step {
    /// The epoch, from 1.
    pub epoch: usize,
    /// Purpose of the pass.
    pub phase: Phase,
    /// The batch, from 1.
    pub batch: usize,
    /// Number of batches of the pass.
    pub batches: usize,
    /// Mean loss of this pass so far.
    pub loss: f64,
    /// Number of parts that a batch of this phase is computed in: 1 unless the GPU's memory is too small for the whole
    /// batch. The gradients are those of the whole batch, except that batch norm uses the statistics of a part.
    pub parts: usize,
}

/// Task of a [`ClassifierTrainer`]: a residual network with binary cross-entropy, validated after each epoch.
#[derive(Debug)]
pub struct Classification {
    learning: ResNet3d,
    /// The same parameters without a record of gradients.
    frozen: ResNet3d,
    fitting: Fitting,
}

impl Trainable for Classification {
    type Config = TrainConfig;
    type Record = EpochRecord;
    type Error = Error;

    const STATE: &'static str = "a state of training";

    fn new(network: &Network, config: &TrainConfig, parameters: &Parameters) -> Result<Self, Error> {
        config.clone().check()?;
        let Network::Resnet(network) = network else {
            return Err(Error::InvalidSetting {
                setting: "network",
                expected: "a residual network".to_owned(),
                found: format!("{network:?}"),
            });
        };
        if network.outputs != 1 {
            return Err(Error::InvalidSetting {
                setting: "outputs",
                expected: "1 for training with binary cross-entropy".to_owned(),
                found: network.outputs.to_string(),
            });
        }
        Ok(Self {
            learning: ResNet3d::new(network, parameters.builder())?,
            frozen: ResNet3d::new(network, parameters.frozen_builder())?,
            fitting: Fitting::default(),
        })
    }

    fn trainer_config(config: &TrainConfig) -> TrainerConfig {
        TrainerConfig { seed: config.seed, adam: config.adam, epochs: config.epochs }
    }

    fn stopped(stop: Stop) -> Error {
        match stop {
            Stop::Diverged { epoch, batch, loss } => Error::Diverged { epoch, batch, loss: loss as f32 },
            Stop::Cancelled { epoch } => Error::Interrupted { epoch },
        }
    }

    fn is_exhausted(error: &Error) -> bool {
        matches!(error, Error::Candle(error) if is_exhausted(error))
    }
}

/// Trains a classifier.
pub type ClassifierTrainer = Trainer<Classification>;

impl ClassifierTrainer {
    /// Starts the training of a classifier. The checkpoints carry `preprocess` unchanged.
    ///
    /// # Errors
    /// Returns [`Error::InvalidSetting`] if a setting is out of range.
    pub fn new(
        network: &ResNetConfig,
        config: &TrainConfig,
        preprocess: Value,
        device: &Device,
    ) -> Result<Self, Error> {
        Self::start(Metadata::new(Network::Resnet(network.clone()), preprocess), config, device)
    }

    /// Resumes the training of a classifier; see [`Trainer::restore`].
    ///
    /// # Errors
    /// Returns the errors of [`Trainer::restore`].
    pub fn resume(path: &Path, config: &TrainConfig, device: &Device) -> Result<Self, Error> {
        Self::restore(path, config, device)
    }

    /// Trains one more epoch, then validates. `progress` is called after every batch and may break off.
    ///
    /// # Errors
    /// Returns [`Error::Examples`] or [`Error::Example`] if examples are missing or have another shape,
    /// [`Error::Diverged`] if the loss is not finite, and [`Error::Interrupted`] if `progress` broke off; the epoch is
    /// then unfinished: drop the trainer and resume from the last state.
    pub fn run_epoch(
        &mut self,
        train: &dyn Examples,
        validation: &dyn Examples,
        progress: &mut dyn FnMut(Step) -> ControlFlow<()>,
    ) -> Result<EpochRecord, Error> {
        if train.is_empty() || validation.is_empty() {
            return Err(Error::Examples {
                expected: "at least one example to train on and one to validate with".to_owned(),
                found: format!("{} and {}", train.len(), validation.len()),
            });
        }
        let epoch = self.epoch() + 1;
        let learning_rate = self.config.rate(epoch);
        let order = self.config.order(epoch, train.len());
        let batches = self.config.batches(train.len());
        let positive_weight = self.config.positive_weight;
        let device = self.parameters().device().clone();
        let mut loss_sum = 0.0;
        self.steps(
            &batches,
            learning_rate,
            |range| batch(train, &order[range], Some(epoch), &device),
            |task, (images, labels), part| {
                let Range { start, end } = part.range;
                let logits =
                    task.learning.forward_t(&images.narrow(0, start, end - start)?, true)?.squeeze(1)?;
                let loss = bce_with_logits(&logits, &labels[start..end], positive_weight)?;
                let measured = part.share() * f64::from(loss.to_scalar::<f32>()?);
                Ok((measured, if part.is_whole() { loss } else { (loss * part.share())? }))
            },
            |Done { batch, batches: count, measured, parts }| {
                let range = &batches[batch - 1];
                loss_sum += f64::from(measured as f32) * range.len() as f64;
                let loss = loss_sum / range.end as f64;
                progress(Step { epoch, phase: Phase::Train, batch, batches: count, loss, parts })
            },
        )?;
        let train_loss = loss_sum / train.len() as f64;
        let (validation_loss, validation_logits) = self.validate(epoch, validation, progress)?;
        let correct = validation_logits
            .iter()
            .enumerate()
            .filter(|&(index, &logit)| (logit >= 0.0) == validation.label(index))
            .count();
        let record = EpochRecord {
            epoch,
            learning_rate,
            train_loss,
            validation_loss,
            validation_accuracy: correct as f64 / validation.len() as f64,
            validation_logits,
        };
        self.finish_epoch(record.clone());
        Ok(record)
    }

    fn validate(
        &self,
        epoch: usize,
        examples: &dyn Examples,
        progress: &mut dyn FnMut(Step) -> ControlFlow<()>,
    ) -> Result<(f64, Vec<f32>), Error> {
        let Classification { frozen, fitting, .. } = &self.task;
        let mut all = Vec::with_capacity(examples.len());
        let mut loss_sum = 0.0;
        let batches = self.config.batches(examples.len());
        for (index, range) in batches.iter().enumerate() {
            let indices: Vec<usize> = range.clone().collect();
            let (images, labels) = batch(examples, &indices, None, self.parameters().device())?;
            let logits = fitting.run(indices.len(), is_exhausted, |part| {
                frozen
                    .forward_t(&images.narrow(0, part.start, part.len())?, false)?
                    .squeeze(1)?
                    .to_vec1::<f32>()
            })?;
            let known = Tensor::new(logits.as_slice(), &Device::Cpu)?;
            let loss = bce_with_logits(&known, &labels, self.config.positive_weight)?;
            loss_sum += f64::from(loss.to_scalar::<f32>()?) * indices.len() as f64;
            all.extend(logits);
            let (phase, batch, batches) = (Phase::Validate, index + 1, batches.len());
            let parts = range.len().div_ceil(fitting.most().min(range.len()));
            let loss = loss_sum / range.end as f64;
            if progress(Step { epoch, phase, batch, batches, loss, parts }).is_break() {
                return Err(Error::Interrupted { epoch });
            }
        }
        Ok((loss_sum / examples.len() as f64, all))
    }

    /// Returns the current network, without a record of gradients.
    pub fn network(&self) -> &ResNet3d {
        &self.task.frozen
    }
}

/// Loads the images and labels of some examples.
fn batch(
    examples: &dyn Examples,
    indices: &[usize],
    epoch: Option<usize>,
    device: &Device,
) -> Result<(Tensor, Vec<bool>), Error> {
    let shape = examples.shape();
    let voxels = shape.iter().product::<usize>();
    let images: Vec<Vec<f32>> = indices
        .par_iter()
        .map(|&index| {
            let image = examples.image(index, epoch).map_err(Error::Example)?;
            if image.len() != voxels {
                return Err(Error::Examples {
                    expected: format!("{voxels} values by image, of the shape {shape:?}"),
                    found: format!("{} in example {index}", image.len()),
                });
            }
            Ok(image)
        })
        .collect::<Result<_, Error>>()?;
    let [c, d, h, w] = shape;
    let images = Tensor::from_vec(images.concat(), (indices.len(), c, d, h, w), device)?;
    Ok((images, indices.iter().map(|&index| examples.label(index)).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Noise;

    impl Examples for Noise {
        fn len(&self) -> usize {
            4
        }

        fn shape(&self) -> [usize; 4] {
            [1, 20, 20, 20]
        }

        fn label(&self, index: usize) -> bool {
            index.is_multiple_of(2)
        }

        fn image(
            &self,
            index: usize,
            _: Option<usize>,
        ) -> Result<Vec<f32>, Box<dyn std::error::Error + Send + Sync>> {
            Ok((0..20 * 20 * 20).map(|i| ((i * 37 + index * 11) % 101) as f32 / 101.0).collect())
        }
    }

    #[test]
    fn each_phase_reports_its_own_parts() {
        let network = ResNetConfig { depth: 10, in_channels: 1, width: 2, ..ResNetConfig::default() };
        let config = TrainConfig { epochs: 1, batch: 4, ..TrainConfig::default() };
        let mut trainer = ClassifierTrainer::new(&network, &config, Value::Null, &Device::Cpu).unwrap();
        let pairs = |part: Range<usize>| if part.len() > 2 { Err(()) } else { Ok(vec![(); part.len()]) };
        trainer.task.fitting.run(4, |_: &()| true, pairs).unwrap();
        let mut parts = Vec::new();
        let mut note = |step: Step| {
            parts.push((step.phase, step.parts));
            ControlFlow::Continue(())
        };
        trainer.run_epoch(&Noise, &Noise, &mut note).unwrap();
        assert_eq!(parts, [(Phase::Train, 1), (Phase::Validate, 2)]);
    }
}
