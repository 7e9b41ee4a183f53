//! The training loop.

use super::parts::{Learner, Parts};
use super::{Examples, TrainConfig};
use crate::{
    Error, Parameters, ResNet3d, ResNetConfig,
    adam::Adam,
    checkpoint::{self, Metadata, Network},
    loss,
    memory::{Fitting, is_exhausted},
};
use candle_core::{Device, Tensor};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{ops::ControlFlow, path::Path};

/// What an epoch came to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EpochRecord {
    /// The epoch, from 1.
    pub epoch: usize,
    /// Adam's learning rate in it.
    pub learning_rate: f64,
    /// Mean loss of the training examples, each as it was when its batch was seen.
    pub train_loss: f64,
    /// Mean loss of the validation examples after the epoch.
    pub validation_loss: f64,
    /// Share of validation examples on the right side of probability one half.
    pub validation_accuracy: f64,
    /// Logits of the validation examples, in their order.
    pub validation_logits: Vec<f32>,
}

/// What a pass over examples is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Parameters change.
    Train,
    /// They are judged.
    Validate,
}

/// A batch that is done.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Step {
    /// The epoch, from 1.
    pub epoch: usize,
    /// What the pass is for.
    pub phase: Phase,
    /// The batch, from 1.
    pub batch: usize,
    /// Batches of this pass.
    pub batches: usize,
    /// Mean loss of this pass so far.
    pub loss: f64,
    /// How many parts a batch of this phase is done in, because a GPU's memory is too small for all of it: 1 where it is
    /// not. Gradients are those of the whole batch, but for batch norm, which sees a part alone.
    pub parts: usize,
}

/// Training of one classifier, epoch by epoch.
#[derive(Debug)]
pub struct Trainer {
    config: TrainConfig,
    metadata: Metadata,
    parameters: Parameters,
    learning: ResNet3d,
    judged: ResNet3d,
    adam: Adam,
    history: Vec<EpochRecord>,
    parts: Parts,
    fitting: Fitting,
}

/// What the metadata of a state holds beside the tensors.
#[derive(Serialize, Deserialize)]
struct State {
    config: TrainConfig,
    steps: u64,
    history: Vec<EpochRecord>,
}

impl Trainer {
    /// An untrained classifier with parameters drawn from the config's seed. `preprocess` goes into its
    /// checkpoints as it is.
    ///
    /// # Errors
    /// If a config value is out of range.
    pub fn new(
        network: &ResNetConfig,
        config: &TrainConfig,
        preprocess: Value,
        device: &Device,
    ) -> Result<Self, Error> {
        config.check()?;
        let parameters = Parameters::seeded(config.seed, device);
        let learning = ResNet3d::new(network, parameters.builder())?;
        let judged = ResNet3d::new(network, parameters.frozen_builder())?;
        let adam = Adam::new(parameters.trainable(), config.adam)?;
        let metadata = Metadata::new(Network::Resnet(network.clone()), preprocess);
        Ok(Self {
            config: config.clone(),
            metadata,
            parameters,
            learning,
            judged,
            adam,
            history: Vec::new(),
            parts: Parts::default(),
            fitting: Fitting::default(),
        })
    }

    /// Goes on from what [`Trainer::save_state`] wrote, under the config it was written with.
    ///
    /// # Errors
    /// If the file cannot be read or is no such state, or was written under another config.
    pub fn resume(path: &Path, config: &TrainConfig, device: &Device) -> Result<Self, Error> {
        let (tensors, metadata) = checkpoint::load(path)?;
        let refuse = |found: &str| checkpoint::format_error(path, "a state of training", found.to_owned());
        let metadata = metadata.ok_or_else(|| refuse("weights without metadata"))?;
        let Network::Resnet(network) = &metadata.network else {
            return Err(refuse("the weights of another network"));
        };
        let state: State = serde_json::from_value(metadata.state.clone())
            .map_err(|error| refuse(&format!("weights that training cannot go on from ({error})")))?;
        if state.config != *config {
            return Err(Error::Config {
                key: "train",
                expected: format!("what {} was written under, {:?}", path.display(), state.config),
                found: format!("{config:?}"),
            });
        }
        let mut trainer = Self::new(network, config, metadata.preprocess.clone(), device)?;
        trainer.adam.load(&tensors, state.steps).map_err(checkpoint::in_file(path))?;
        trainer.parameters.load(&checkpoint::weights(tensors)).map_err(checkpoint::in_file(path))?;
        trainer.history = state.history;
        Ok(trainer)
    }

    /// Trains one more epoch, then validates. `progress` hears of every batch and may break off.
    ///
    /// # Errors
    /// If examples are missing or do not fit, if the loss is no longer finite, or if `progress` broke off: the
    /// trainer is then in mid-epoch, to be dropped and resumed from its last state.
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
        let mut loss_sum = 0.0;
        for (index, range) in batches.iter().enumerate() {
            let indices = &order[range.clone()];
            let (images, labels) = batch(train, indices, Some(epoch), self.parameters.device())?;
            let learner = Learner {
                network: &self.learning,
                parameters: &self.parameters,
                positive_weight: self.config.positive_weight,
            };
            let (value, gradients) = self.parts.learn(&learner, &images, &labels)?;
            let Some(gradients) = gradients else {
                return Err(Error::Diverged { epoch, batch: index + 1, loss: value });
            };
            self.adam.step(&gradients, learning_rate)?;
            loss_sum += f64::from(value) * indices.len() as f64;
            let seen = range.end as f64;
            let (phase, batch, batches) = (Phase::Train, index + 1, batches.len());
            let (loss, parts) = (loss_sum / seen, self.parts.count());
            if progress(Step { epoch, phase, batch, batches, loss, parts }).is_break() {
                return Err(Error::Interrupted { epoch });
            }
        }
        let train_loss = loss_sum / train.len() as f64;
        let (validation_loss, validation_logits) = self.validate(epoch, validation, progress)?;
        let right = validation_logits
            .iter()
            .enumerate()
            .filter(|&(index, &logit)| (logit >= 0.0) == validation.label(index))
            .count();
        let validation_accuracy = right as f64 / validation.len() as f64;
        let record = EpochRecord {
            epoch,
            learning_rate,
            train_loss,
            validation_loss,
            validation_accuracy,
            validation_logits,
        };
        self.history.push(record.clone());
        self.metadata.epoch = epoch;
        Ok(record)
    }

    fn validate(
        &self,
        epoch: usize,
        examples: &dyn Examples,
        progress: &mut dyn FnMut(Step) -> ControlFlow<()>,
    ) -> Result<(f64, Vec<f32>), Error> {
        let mut all = Vec::with_capacity(examples.len());
        let mut loss_sum = 0.0;
        let batches = self.config.batches(examples.len());
        for (index, range) in batches.iter().enumerate() {
            let indices: Vec<usize> = range.clone().collect();
            let (images, labels) = batch(examples, &indices, None, self.parameters.device())?;
            let exhausted = |error: &candle_core::Error| is_exhausted(error);
            let logits = self.fitting.run(indices.len(), exhausted, |part| {
                self.judged.forward_t(&images.narrow(0, part.start, part.len())?, false)?.to_vec1::<f32>()
            })?;
            let known = Tensor::new(logits.as_slice(), &Device::Cpu)?;
            let loss = loss::bce_with_logits(&known, &labels, self.config.positive_weight)?;
            loss_sum += f64::from(loss.to_scalar::<f32>()?) * indices.len() as f64;
            all.extend(logits);
            let (phase, batch, batches) = (Phase::Validate, index + 1, batches.len());
            let parts = range.len().div_ceil(self.fitting.most().min(range.len()));
            let loss = loss_sum / range.end as f64;
            if progress(Step { epoch, phase, batch, batches, loss, parts }).is_break() {
                return Err(Error::Interrupted { epoch });
            }
        }
        Ok((loss_sum / examples.len() as f64, all))
    }

    /// Epochs that are done.
    pub fn epoch(&self) -> usize {
        self.history.len()
    }

    /// Whether all epochs are done.
    pub fn is_finished(&self) -> bool {
        self.epoch() >= self.config.epochs
    }

    /// The records of the epochs that are done.
    pub fn history(&self) -> &[EpochRecord] {
        &self.history
    }

    /// The network as it is now, without a record of gradients for its parameters.
    pub fn network(&self) -> &ResNet3d {
        &self.judged
    }

    /// All parameters as they are now.
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// Writes the weights, to be loaded by [`checkpoint::load_resnet`] or by MONAI.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn save_weights(&self, path: &Path) -> Result<(), Error> {
        checkpoint::save(path, &self.parameters.tensors(), &self.metadata)
    }

    /// Writes weights, optimiser and history, for [`Trainer::resume`].
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn save_state(&self, path: &Path) -> Result<(), Error> {
        let mut tensors = self.parameters.tensors();
        tensors.extend(self.adam.tensors()?);
        let state =
            State { config: self.config.clone(), steps: self.adam.steps(), history: self.history.clone() };
        let state = serde_json::to_value(state).map_err(|error| {
            checkpoint::format_error(path, "a state that JSON can hold", error.to_string())
        })?;
        checkpoint::save(path, &tensors, &Metadata { state, ..self.metadata.clone() })
    }
}

/// Images and labels of some examples.
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
                    expected: format!("{voxels} values by image, as its shape {shape:?} says"),
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
    use std::ops::Range;

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
    fn each_phase_tells_of_its_own_parts() {
        let network = ResNetConfig { depth: 10, in_channels: 1, width: 2, ..ResNetConfig::default() };
        let config = TrainConfig { epochs: 1, batch: 4, ..TrainConfig::default() };
        let mut trainer = Trainer::new(&network, &config, Value::Null, &Device::Cpu).unwrap();
        let pairs = |part: Range<usize>| if part.len() > 2 { Err(()) } else { Ok(vec![(); part.len()]) };
        trainer.fitting.run(4, |_: &()| true, pairs).unwrap();
        let mut parts = Vec::new();
        let mut note = |step: Step| {
            parts.push((step.phase, step.parts));
            ControlFlow::Continue(())
        };
        trainer.run_epoch(&Noise, &Noise, &mut note).unwrap();
        assert_eq!(parts, [(Phase::Train, 1), (Phase::Validate, 2)]);
    }
}
