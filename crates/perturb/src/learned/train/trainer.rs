//! Training of the learned fill, pass by pass.

use std::ops::{ControlFlow, Range};
use std::path::Path;

use candle_core::{Device, Tensor};
use ndarray::Axis;
use relevox_models::checkpoint::{Metadata, Network};
use relevox_models::memory::is_exhausted;
use relevox_models::train::{Done, Measured, Stop, Trainable, Trainer, TrainerConfig};
use relevox_models::{Parameters, UNet3d, UNetConfig};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::super::loss::{perturbation_loss, signed_loss};
use super::super::network::sigmoid;
use super::super::{LearnedFill, Tissues, Variant};
use super::batch::{Batch, choices, items, statistics};
use super::{FillCase, FillConfig};
use crate::Error;

/// Result of a pass: means over its regions, each measured before its step.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct PassRecord {
    /// The pass, from 1.
    pub pass: usize,
    /// Number of regions.
    pub regions: usize,
    /// Mean loss of a region.
    pub loss: f64,
    /// Mean |p − p′|.
    pub delta_p: f64,
    /// Share of regions with at least 95 % of their values within 0.01 of 0 or 1.
    pub saturated: f64,
    /// Mean absolute distance of the values from their sequence's largest, the value of the fill `max`.
    pub from_max: f64,
}

/// A finished step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FillStep {
    /// The pass, from 1.
    pub pass: usize,
    /// The step, from 1.
    pub step: usize,
    /// Number of steps of the pass.
    pub steps: usize,
    /// Mean loss of this pass so far.
    pub loss: f64,
    /// Mean |p − p′| of this pass so far.
    pub delta_p: f64,
    /// Number of regions that are computed together: fewer than a step's if the GPU's memory is too small for those.
    /// The gradients are those of the whole step, except that batch norm uses the statistics of these regions.
    pub together: usize,
}

/// The classifier whose probability the fill learns to change: images `[n, c, z, y, x]` to logits `[n]`, in evaluation mode, and
/// differentiable by the images.
pub type Logits<'a> = &'a dyn Fn(&Tensor) -> candle_core::Result<Tensor>;

/// Task of a [`FillTrainer`]: a U-Net whose output moves a classifier's probability.
#[derive(Debug)]
struct FillTask {
    network: UNetConfig,
    unet: UNet3d,
}

impl Trainable for FillTask {
    type Config = FillConfig;
    type Record = PassRecord;
    type Error = Error;

    const STATE: &'static str = "a state of the learned fill's training";

    fn new(network: &Network, config: &FillConfig, parameters: &Parameters) -> Result<Self, Error> {
        config.clone().check()?;
        let Network::Unet(network) = network else {
            return Err(Error::InvalidSetting {
                setting: "network",
                expected: "a U-Net".to_owned(),
                found: format!("{network:?}"),
            });
        };
        if config.variant == Variant::Tissue {
            if network.out_channels < 2 {
                return Err(Error::InvalidSetting {
                    setting: "out_channels",
                    expected: "at least 2: one for each tissue to choose from".to_owned(),
                    found: network.out_channels.to_string(),
                });
            }
        } else if network.in_channels != network.out_channels {
            return Err(Error::InvalidSetting {
                setting: "out_channels",
                expected: "as many as in_channels: one value per sequence".to_owned(),
                found: format!("{} for {}", network.out_channels, network.in_channels),
            });
        }
        Ok(Self { network: network.clone(), unet: UNet3d::new(network, parameters.builder())? })
    }

    fn trainer_config(config: &FillConfig) -> TrainerConfig {
        TrainerConfig { seed: config.seed, adam: config.adam, epochs: config.passes }
    }

    fn resumes(saved: &FillConfig, config: &FillConfig) -> bool {
        // More passes may be requested than before.
        (FillConfig { passes: config.passes, ..saved.clone() }) == *config
    }

    fn stopped(stop: Stop) -> Error {
        match stop {
            Stop::Diverged { epoch, batch, loss } => Error::Diverged { pass: epoch, step: batch, loss },
            Stop::Cancelled { epoch } => Error::Interrupted { pass: epoch },
        }
    }

    fn is_exhausted(error: &Error) -> bool {
        match error {
            Error::Tensor(error) | Error::Network(relevox_models::Error::Candle(error)) => {
                is_exhausted(error)
            }
            _ => false,
        }
    }
}

/// Trains one learned fill.
#[derive(Debug)]
pub struct FillTrainer(Trainer<FillTask>);

impl FillTrainer {
    /// Starts the training of a fill with parameters drawn from the config's seed. The checkpoints carry `preprocess`
    /// unchanged.
    ///
    /// # Errors
    /// Returns [`Error::InvalidSetting`] if a setting is out of range or the U-Net does not return one value per sequence (or, to
    /// choose a tissue, at least two).
    pub fn new(
        network: &UNetConfig,
        config: &FillConfig,
        preprocess: Value,
        device: &Device,
    ) -> Result<Self, Error> {
        let metadata = Metadata {
            task: config.variant.task(),
            ..Metadata::new(Network::Unet(network.clone()), preprocess)
        };
        Trainer::start(metadata, config, device).map(Self)
    }

    /// Resumes a training from the file that [`FillTrainer::save_state`] wrote, under the same settings except for the
    /// number of passes: it writes the same bytes as an uninterrupted training.
    ///
    /// # Errors
    /// Returns [`Error::Network`] if the file cannot be read, is not such a state or was written under other settings.
    pub fn resume(path: &Path, config: &FillConfig, device: &Device) -> Result<Self, Error> {
        Trainer::restore(path, config, device).map(Self)
    }

    /// Runs one pass over all regions that are not air, in an order drawn for this pass. `progress` is called after
    /// every step and may break off.
    ///
    /// The parameters of `classifier` should be frozen ([`relevox_models::frozen`]): they never change, but otherwise
    /// their gradients are computed for nothing.
    ///
    /// # Errors
    /// Returns [`Error::ShapeMismatch`] or [`Error::NoRegions`] if the cases have different shapes or no regions,
    /// [`Error::Diverged`] if the loss is not finite, and [`Error::Interrupted`] if `progress` broke off; the pass is
    /// then unfinished: drop the trainer and resume from the last state.
    pub fn run_pass(
        &mut self,
        classifier: Logits<'_>,
        cases: &[FillCase<'_>],
        progress: &mut dyn FnMut(FillStep) -> ControlFlow<()>,
    ) -> Result<PassRecord, Error> {
        let pass = self.pass() + 1;
        let config = self.0.config().clone();
        let mut order = items(cases)?;
        config.shuffle(pass, &mut order);
        let device = self.parameters().device().clone();
        let original = Original::of(classifier, cases, &device)?;
        let batches: Vec<Range<usize>> = (0..order.len())
            .step_by(config.batch)
            .map(|start| start..(start + config.batch).min(order.len()))
            .collect();
        let tissues: Vec<Tissues> = match config.variant {
            Variant::Tissue => {
                cases.iter().map(|case| Tissues::of(case.image, case.regions)).collect::<Result<_, _>>()?
            }
            Variant::Paper | Variant::Signed => Vec::new(),
        };
        let mut sums = Sums::default();
        self.0.steps(
            &batches,
            config.learning_rate,
            |range| Ok(&order[range]),
            |task, items, part| {
                let items = &items[part.range];
                let batch = Batch::new(cases, items, &device)?;
                let output = task.unet.forward_t(&batch.isolated, true)?;
                let values = match config.variant {
                    Variant::Tissue => {
                        let choices = choices(&tissues, items, output.dim(1)?, &device)?;
                        batch.mixed(&output, &choices)?
                    }
                    Variant::Paper | Variant::Signed => sigmoid(&output)?,
                };
                let logits = classifier(&batch.filled(&values)?)?;
                let of_items =
                    |values: &[f32]| -> Vec<f32> { items.iter().map(|item| values[item.case]).collect() };
                let original = Original {
                    logits: of_items(&original.logits),
                    probabilities: of_items(&original.probabilities),
                };
                let perturbed = sigmoid(&logits.detach())?.to_vec1::<f32>()?;
                let delta_p = original
                    .probabilities
                    .iter()
                    .zip(perturbed)
                    .map(|(p, q)| f64::from((p - q).abs()))
                    .sum::<f64>();
                let constants = |values: Vec<f32>| Tensor::from_vec(values, items.len(), &device);
                // The loss is a sum over regions, and so are its gradients.
                let loss = match config.variant {
                    Variant::Paper => {
                        perturbation_loss(&constants(original.probabilities)?, &logits, config.epsilon)?
                    }
                    Variant::Signed | Variant::Tissue => {
                        signed_loss(&constants(original.logits)?, &logits, config.epsilon)?
                    }
                };
                let mut found = Sums {
                    regions: items.len(),
                    loss: f64::from(loss.to_scalar::<f32>()?),
                    delta_p,
                    ..Sums::default()
                };
                let values = values.detach().broadcast_as(batch.around.shape())?;
                for region in statistics(cases, items, &values)? {
                    found.from_max += region.from_max;
                    found.saturated += f64::from(u8::from(region.saturated));
                }
                Ok((found, loss))
            },
            |Done { batch, batches, measured, parts }| {
                sums.add(measured);
                let (loss, delta_p) = (sums.mean(sums.loss), sums.mean(sums.delta_p));
                let together = config.batch.div_ceil(parts);
                progress(FillStep { pass, step: batch, steps: batches, loss, delta_p, together })
            },
        )?;
        let record = PassRecord {
            pass,
            regions: sums.regions,
            loss: sums.mean(sums.loss),
            delta_p: sums.mean(sums.delta_p),
            saturated: sums.mean(sums.saturated),
            from_max: sums.mean(sums.from_max),
        };
        self.0.finish_epoch(record);
        Ok(record)
    }

    /// Returns the number of finished passes.
    pub fn pass(&self) -> usize {
        self.0.epoch()
    }

    /// Returns whether all passes are finished.
    pub fn is_finished(&self) -> bool {
        self.0.is_finished()
    }

    /// Returns the records of the finished passes.
    pub fn history(&self) -> &[PassRecord] {
        self.0.history()
    }

    /// Returns the current parameters.
    pub fn parameters(&self) -> &Parameters {
        self.0.parameters()
    }

    /// Returns the current fill; it shares the parameters and so follows further training.
    ///
    /// # Errors
    /// Returns [`Error::Network`] if the network cannot be built.
    pub fn fill(&self) -> Result<LearnedFill, Error> {
        let unet = UNet3d::new(&self.0.task().network, self.parameters().frozen_builder())?;
        let fill = LearnedFill::new(unet, self.parameters().device().clone())?;
        Ok(fill.variant(self.0.config().variant))
    }

    /// Writes the weights, for [`LearnedFill::load`].
    ///
    /// # Errors
    /// Returns [`Error::Network`] if the file cannot be written.
    pub fn save_weights(&self, path: &Path) -> Result<(), Error> {
        Ok(self.0.save_weights(path)?)
    }

    /// Writes weights, optimiser and history, for [`FillTrainer::resume`].
    ///
    /// # Errors
    /// Returns [`Error::Network`] if the file cannot be written.
    pub fn save_state(&self, path: &Path) -> Result<(), Error> {
        Ok(self.0.save_state(path)?)
    }
}

/// The classifier's answers for the unperturbed scans.
#[derive(Default)]
struct Original {
    logits: Vec<f32>,
    probabilities: Vec<f32>,
}

impl Original {
    fn of(classifier: Logits<'_>, cases: &[FillCase<'_>], device: &Device) -> Result<Self, Error> {
        let mut original = Self::default();
        for case in cases {
            let image = case.image.insert_axis(Axis(0));
            let values: Vec<f32> = image.iter().copied().collect();
            let image = Tensor::from_vec(values, image.dim(), device)?;
            let logit = classifier(&image)?.detach();
            original.probabilities.extend(sigmoid(&logit)?.to_vec1::<f32>()?);
            original.logits.extend(logit.to_vec1::<f32>()?);
        }
        Ok(original)
    }
}

/// Sums over regions.
#[derive(Default)]
struct Sums {
    regions: usize,
    loss: f64,
    delta_p: f64,
    saturated: f64,
    from_max: f64,
}

impl Measured for Sums {
    fn add(&mut self, part: Sums) {
        self.regions += part.regions;
        self.loss += part.loss;
        self.delta_p += part.delta_p;
        self.saturated += part.saturated;
        self.from_max += part.from_max;
    }

    fn loss(&self) -> f64 {
        self.loss
    }
}

impl Sums {
    fn mean(&self, sum: f64) -> f64 {
        sum / self.regions.max(1) as f64
    }
}
