//! State, optimiser steps and resumption, for whatever is trained.

use std::fmt::Debug;
use std::ops::{ControlFlow, Range};
use std::path::Path;

use candle_core::{Device, Tensor};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::gradients::Parts;
use super::part::{Measured, Part};
use crate::adam::{Adam, AdamConfig};
use crate::checkpoint::{self, Metadata, Network};
use crate::{Error, Parameters};

/// A training task: its networks, settings and losses.
pub trait Trainable: Sized {
    /// Settings. They are stored in the state, and a training is resumed under the same settings only.
    type Config: Clone + Debug + PartialEq + Serialize + DeserializeOwned;
    /// Result of an epoch, stored in the state.
    type Record: Clone + Serialize + DeserializeOwned;
    /// Error of a step.
    type Error: From<Error>;

    /// What the state file should hold, for messages.
    const STATE: &'static str;

    /// Builds the networks on `parameters`.
    ///
    /// # Errors
    /// Returns an error if the settings or the network's configuration are out of range, or if the task cannot train
    /// this network.
    fn new(network: &Network, config: &Self::Config, parameters: &Parameters) -> Result<Self, Self::Error>;

    /// Returns what the trainer itself takes from the settings.
    fn trainer_config(config: &Self::Config) -> TrainerConfig;

    /// Returns whether a training saved under `saved` may be resumed under `config`.
    fn resumes(saved: &Self::Config, config: &Self::Config) -> bool {
        saved == config
    }

    /// Returns the error for a training that ended early.
    fn stopped(stop: Stop) -> Self::Error;

    /// Returns whether an error may be avoided by a smaller batch.
    fn is_exhausted(error: &Self::Error) -> bool;
}

/// The settings of a [`Trainer`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TrainerConfig {
    /// Seed of the initial parameters.
    pub seed: u64,
    /// Constants of the optimiser.
    pub adam: AdamConfig,
    /// Number of epochs.
    pub epochs: usize,
}

/// Why a training ended early.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Stop {
    /// The loss is not finite.
    Diverged {
        /// The epoch, from 1.
        epoch: usize,
        /// The batch of that epoch, from 1.
        batch: usize,
        /// The loss.
        loss: f64,
    },
    /// The progress callback returned [`ControlFlow::Break`].
    Cancelled {
        /// The epoch that was not finished, from 1.
        epoch: usize,
    },
}

/// A finished optimiser step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Done<M> {
    /// The batch, from 1.
    pub batch: usize,
    /// Number of batches of the epoch.
    pub batches: usize,
    /// Measurements of the batch.
    pub measured: M,
    /// Number of parts that a batch is computed in.
    pub parts: usize,
}

/// Trains a [`Trainable`] epoch by epoch, with Adam.
///
/// On the CPU a training resumed from a saved state writes the same bytes as an uninterrupted one.
#[derive(Debug)]
pub struct Trainer<T: Trainable> {
    pub(super) task: T,
    pub(super) config: T::Config,
    metadata: Metadata,
    parameters: Parameters,
    adam: Adam,
    history: Vec<T::Record>,
    parts: Parts,
}

/// Metadata of a state, stored with the tensors.
#[derive(Serialize, Deserialize)]
struct State<C, R> {
    config: C,
    steps: u64,
    history: Vec<R>,
}

impl<T: Trainable> Trainer<T> {
    /// Starts a training with parameters drawn from the seed. The checkpoints carry `metadata`.
    ///
    /// # Errors
    /// Returns the errors of [`Trainable::new`].
    pub fn start(metadata: Metadata, config: &T::Config, device: &Device) -> Result<Self, T::Error> {
        let TrainerConfig { seed, adam, .. } = T::trainer_config(config);
        let parameters = Parameters::seeded(seed, device);
        let task = T::new(&metadata.network, config, &parameters)?;
        let adam = Adam::new(parameters.trainable(), adam)?;
        Ok(Self {
            task,
            config: config.clone(),
            metadata,
            parameters,
            adam,
            history: Vec::new(),
            parts: Parts::default(),
        })
    }

    /// Resumes a training from the file that [`Trainer::save_state`] wrote.
    ///
    /// # Errors
    /// Returns [`Error::Io`] or [`Error::Format`] if the file cannot be read or is not a state,
    /// [`Error::InvalidSetting`] if it was written under other settings, and the errors of [`Trainable::new`].
    pub fn restore(path: &Path, config: &T::Config, device: &Device) -> Result<Self, T::Error> {
        let (tensors, metadata) = checkpoint::load(path)?;
        let refuse = |found: &str| checkpoint::format_error(path, T::STATE, found.to_owned());
        let metadata = metadata.ok_or_else(|| refuse("weights without metadata"))?;
        let state: State<T::Config, T::Record> = serde_json::from_value(metadata.state.clone())
            .map_err(|error| refuse(&format!("weights without a training state that fits ({error})")))?;
        if !T::resumes(&state.config, config) {
            return Err(Error::InvalidSetting {
                setting: "train",
                expected: format!("the settings of {}, {:?}", path.display(), state.config),
                found: format!("{config:?}"),
            }
            .into());
        }
        let metadata =
            Metadata { task: metadata.task, ..Metadata::new(metadata.network, metadata.preprocess) };
        let mut trainer = Self::start(metadata, config, device)?;
        trainer.adam.load(&tensors, state.steps).map_err(checkpoint::in_file(path))?;
        trainer.parameters.load(&checkpoint::weights(tensors)).map_err(checkpoint::in_file(path))?;
        trainer.metadata.epoch = state.history.len();
        trainer.history = state.history;
        Ok(trainer)
    }

    /// Takes an optimiser step for each batch, then calls `done` with its measurements.
    ///
    /// `prepare` loads a batch, given by the positions of its examples in the epoch's order. `loss` computes the
    /// measurements and the loss of one part of it; losses of parts are added, and so are their gradients. A batch that
    /// does not fit into the device's memory is computed in twice as many parts, and so are all after it.
    ///
    /// # Errors
    /// Returns the errors of `prepare` and `loss`, and [`Trainable::stopped`] if the loss is not finite or `done` breaks
    /// off. The epoch is then unfinished: drop the trainer and resume from the last state.
    pub fn steps<B, M: Measured>(
        &mut self,
        batches: &[Range<usize>],
        learning_rate: f64,
        mut prepare: impl FnMut(Range<usize>) -> Result<B, T::Error>,
        mut loss: impl FnMut(&T, &B, Part) -> Result<(M, Tensor), T::Error>,
        mut done: impl FnMut(Done<M>) -> ControlFlow<()>,
    ) -> Result<(), T::Error> {
        let epoch = self.epoch() + 1;
        for (index, range) in batches.iter().enumerate() {
            let batch = prepare(range.clone())?;
            let task = &self.task;
            let (measured, gradients) = self.parts.gradients(
                &self.parameters,
                range.len(),
                |part| loss(task, &batch, part),
                T::is_exhausted,
            )?;
            let Some(gradients) = gradients else {
                let loss = measured.loss();
                return Err(T::stopped(Stop::Diverged { epoch, batch: index + 1, loss }));
            };
            self.adam.step(&gradients, learning_rate)?;
            let (batch, batches, parts) = (index + 1, batches.len(), self.parts.count());
            if done(Done { batch, batches, measured, parts }).is_break() {
                return Err(T::stopped(Stop::Cancelled { epoch }));
            }
        }
        Ok(())
    }

    /// Ends an epoch with its record.
    pub fn finish_epoch(&mut self, record: T::Record) {
        self.history.push(record);
        self.metadata.epoch = self.history.len();
    }

    /// Returns the number of finished epochs.
    pub fn epoch(&self) -> usize {
        self.history.len()
    }

    /// Returns whether all epochs are finished.
    pub fn is_finished(&self) -> bool {
        self.epoch() >= T::trainer_config(&self.config).epochs
    }

    /// Returns the records of the finished epochs.
    pub fn history(&self) -> &[T::Record] {
        &self.history
    }

    /// Returns what is trained.
    pub fn task(&self) -> &T {
        &self.task
    }

    /// Returns the settings.
    pub fn config(&self) -> &T::Config {
        &self.config
    }

    /// Returns the current parameters.
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// Writes the weights as a checkpoint.
    ///
    /// # Errors
    /// Returns [`Error::Io`] if the file cannot be written.
    pub fn save_weights(&self, path: &Path) -> Result<(), Error> {
        checkpoint::save(path, &self.parameters.tensors(), &self.metadata)
    }

    /// Writes weights, optimiser and history, to resume from.
    ///
    /// # Errors
    /// Returns [`Error::Io`] if the file cannot be written.
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
