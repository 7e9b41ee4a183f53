//! The training loop, pass by pass.

use std::ops::ControlFlow;
use std::path::Path;

use candle_core::backprop::GradStore;
use candle_core::{Device, Tensor};
use ndarray::Axis;
use relevox_models::adam::Adam;
use relevox_models::checkpoint::{self, Metadata, Network};
use relevox_models::memory::is_exhausted;
use relevox_models::{Parameters, UNet3d, UNetConfig};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::super::LearnedFill;
use super::super::loss::perturbation_loss;
use super::super::network::sigmoid;
use super::batch::{Batch, Item, items, looks};
use super::{FillCase, FillConfig};
use crate::Error;

/// What a pass came to: means over its regions, each as it was when its step came.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct PassRecord {
    /// The pass, from 1.
    pub pass: usize,
    /// Regions that were learned from.
    pub regions: usize,
    /// Mean loss of a region.
    pub loss: f64,
    /// Mean |p − p′|.
    pub delta_p: f64,
    /// Share of regions of whose values 95 % are within 0.01 of 0 or 1.
    pub saturated: f64,
    /// Mean absolute distance of the values from their sequence's largest, which the fill `max` would give.
    pub from_max: f64,
}

/// A step that is done.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FillStep {
    /// The pass, from 1.
    pub pass: usize,
    /// The step, from 1.
    pub step: usize,
    /// Steps of this pass.
    pub steps: usize,
    /// Mean loss of this pass so far.
    pub loss: f64,
    /// Mean |p − p′| of this pass so far.
    pub delta_p: f64,
    /// Regions that go through the networks together: fewer than a step's where a GPU's memory is too small for those. The
    /// gradients are a step's all the same, but for batch norm, which sees these alone.
    pub together: usize,
}

/// The classifier that a fill learns to move: images `[n, c, z, y, x]` to logits `[n]`, in evaluation mode, and
/// differentiable by the images.
pub type Logits<'a> = &'a dyn Fn(&Tensor) -> candle_core::Result<Tensor>;

/// Training of one learned fill.
#[derive(Debug)]
pub struct FillTrainer {
    config: FillConfig,
    network: UNetConfig,
    metadata: Metadata,
    parameters: Parameters,
    unet: UNet3d,
    adam: Adam,
    history: Vec<PassRecord>,
    together: usize,
}

/// What the metadata of a state holds beside the tensors.
#[derive(Serialize, Deserialize)]
struct State {
    config: FillConfig,
    steps: u64,
    history: Vec<PassRecord>,
}

impl FillTrainer {
    /// An untrained fill with parameters drawn from the config's seed. `preprocess` goes into its checkpoints as
    /// it is.
    ///
    /// # Errors
    /// A setting out of range; a U-Net that does not give one value per sequence.
    pub fn new(
        network: &UNetConfig,
        config: &FillConfig,
        preprocess: Value,
        device: &Device,
    ) -> Result<Self, Error> {
        config.check()?;
        if network.in_channels != network.out_channels {
            return Err(Error::InvalidSetting {
                setting: "out_channels",
                expected: "as many as in_channels: one value per sequence".to_owned(),
                found: format!("{} for {}", network.out_channels, network.in_channels),
            });
        }
        let parameters = Parameters::seeded(config.seed, device);
        let unet = UNet3d::new(network, parameters.builder())?;
        let adam = Adam::new(parameters.trainable(), config.adam)?;
        let metadata = Metadata::new(Network::Unet(network.clone()), preprocess);
        let (config, network, together) = (config.clone(), network.clone(), config.batch);
        Ok(Self { config, network, metadata, parameters, unet, adam, history: Vec::new(), together })
    }

    /// Goes on from what [`FillTrainer::save_state`] wrote, under the config it was written with: the same bytes
    /// come out as without the break.
    ///
    /// # Errors
    /// A file that can't be read or is no such state, or was written under another config.
    pub fn resume(path: &Path, config: &FillConfig, device: &Device) -> Result<Self, Error> {
        let (tensors, metadata) = checkpoint::load(path)?;
        let refuse = |found: &str| relevox_models::Error::Format {
            path: path.to_owned(),
            expected: "a state of the learned fill's training",
            found: found.to_owned(),
        };
        let metadata = metadata.ok_or_else(|| refuse("weights without metadata"))?;
        let Network::Unet(network) = &metadata.network else {
            return Err(refuse("the weights of another network").into());
        };
        let state: State = serde_json::from_value(metadata.state.clone())
            .map_err(|error| refuse(&format!("weights that training cannot go on from ({error})")))?;
        // More passes may be asked for than before.
        if (FillConfig { passes: config.passes, ..state.config.clone() }) != *config {
            return Err(Error::InvalidSetting {
                setting: "perturb",
                expected: "the settings that the saved state was written under".to_owned(),
                found: format!("{config:?}, but {} has {:?}", path.display(), state.config),
            });
        }
        let mut trainer = Self::new(network, config, metadata.preprocess.clone(), device)?;
        trainer.adam.load(&tensors, state.steps)?;
        trainer.parameters.load(&checkpoint::weights(tensors))?;
        trainer.metadata.epoch = state.history.len();
        trainer.history = state.history;
        Ok(trainer)
    }

    /// One pass over all regions that are not air, in an order drawn for this pass. `progress` hears of every
    /// step and may break off.
    ///
    /// The parameters of `classifier` should be frozen ([`relevox_models::frozen`]): they are not changed in any case,
    /// but gradients for them would be computed in vain.
    ///
    /// # Errors
    /// Cases of different shapes, cases without a region, a loss that is no longer finite, or `progress` broke
    /// off: the trainer is then in mid-pass, to be dropped and resumed from its last state.
    pub fn run_pass(
        &mut self,
        classifier: Logits<'_>,
        cases: &[FillCase<'_>],
        progress: &mut dyn FnMut(FillStep) -> ControlFlow<()>,
    ) -> Result<PassRecord, Error> {
        let pass = self.pass() + 1;
        let mut order = items(cases)?;
        self.config.shuffle(pass, &mut order);
        let original = self.original(classifier, cases)?;
        let steps = order.len().div_ceil(self.config.batch);
        let mut sums = Sums::default();
        for (index, items) in order.chunks(self.config.batch).enumerate() {
            let loss = self.step(classifier, cases, items, &original, &mut sums)?;
            let step = index + 1;
            if !loss.is_finite() {
                return Err(Error::Diverged { pass, step, loss });
            }
            let (loss, delta_p) = (sums.mean(sums.loss), sums.mean(sums.delta_p));
            let together = self.together;
            if progress(FillStep { pass, step, steps, loss, delta_p, together }).is_break() {
                return Err(Error::Interrupted { pass });
            }
        }
        let record = PassRecord {
            pass,
            regions: sums.regions,
            loss: sums.mean(sums.loss),
            delta_p: sums.mean(sums.delta_p),
            saturated: sums.mean(sums.saturated),
            from_max: sums.mean(sums.from_max),
        };
        self.history.push(record);
        self.metadata.epoch = pass;
        Ok(record)
    }

    /// Probability of each scan as it is.
    fn original(&self, classifier: Logits<'_>, cases: &[FillCase<'_>]) -> Result<Vec<f32>, Error> {
        let mut original = Vec::with_capacity(cases.len());
        for case in cases {
            let image = case.image.insert_axis(Axis(0));
            let values: Vec<f32> = image.iter().copied().collect();
            let image = Tensor::from_vec(values, image.dim(), self.parameters.device())?;
            let logit = classifier(&image)?.detach();
            original.extend(sigmoid(&logit)?.to_vec1::<f32>()?);
        }
        Ok(original)
    }

    /// One step of the optimiser; gives the loss, which it was taken against only where it is finite.
    fn step(
        &mut self,
        classifier: Logits<'_>,
        cases: &[FillCase<'_>],
        items: &[Item],
        original: &[f32],
        sums: &mut Sums,
    ) -> Result<f64, Error> {
        // An attempt that fails half-way has moved the running statistics of some layers.
        let on_host = self.parameters.device().is_cpu();
        let before = if on_host { Vec::new() } else { self.parameters.statistics()? };
        let (found, gradients) = loop {
            match self.learn(classifier, cases, items, original) {
                Err(Error::Tensor(error) | Error::Network(relevox_models::Error::Candle(error)))
                    if self.together.min(items.len()) > 1 && is_exhausted(&error) =>
                {
                    self.together = self.together.min(items.len()) / 2;
                    for (var, value) in &before {
                        var.set(value)?;
                    }
                }
                result => break result?,
            }
        };
        let Some(gradients) = gradients else { return Ok(found.loss) };
        self.adam.step(&gradients, self.config.learning_rate)?;
        sums.add(&found);
        Ok(found.loss)
    }

    /// What a step comes to, and its gradients where the loss is finite.
    fn learn(
        &self,
        classifier: Logits<'_>,
        cases: &[FillCase<'_>],
        items: &[Item],
        original: &[f32],
    ) -> Result<(Sums, Option<GradStore>), Error> {
        let device = self.parameters.device();
        let (mut found, mut total) = (Sums::default(), None::<GradStore>);
        for items in items.chunks(self.together) {
            let batch = Batch::new(cases, items, device)?;
            let values = sigmoid(&self.unet.forward_t(&batch.isolated, true)?)?;
            let logits = classifier(&batch.filled(&values)?)?;
            let original: Vec<f32> = items.iter().map(|item| original[item.case]).collect();
            let perturbed = sigmoid(&logits.detach())?.to_vec1::<f32>()?;
            found.delta_p +=
                original.iter().zip(perturbed).map(|(p, q)| f64::from((p - q).abs())).sum::<f64>();
            let original = Tensor::from_vec(original, items.len(), device)?;
            let loss = perturbation_loss(&original, &logits, self.config.epsilon)?;
            found.loss += f64::from(loss.to_scalar::<f32>()?);
            if !found.loss.is_finite() {
                return Ok((found, None));
            }
            // The loss is a sum over regions, and so are its gradients.
            let gradients = loss.backward()?;
            total = Some(match total {
                None => gradients,
                Some(total) => self.parameters.add_gradients(total, &gradients)?,
            });
            found.regions += items.len();
            for look in looks(cases, items, &values.detach())? {
                found.from_max += look.from_max;
                found.saturated += f64::from(u8::from(look.saturated));
            }
        }
        Ok((found, total))
    }

    /// Passes that are done.
    pub fn pass(&self) -> usize {
        self.history.len()
    }

    /// Whether all passes are done.
    pub fn is_finished(&self) -> bool {
        self.pass() >= self.config.passes
    }

    /// The records of the passes that are done.
    pub fn history(&self) -> &[PassRecord] {
        &self.history
    }

    /// All parameters as they are now.
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// The fill as it is now; it follows further training.
    ///
    /// # Errors
    /// Whatever the tensor library meets.
    pub fn fill(&self) -> Result<LearnedFill, Error> {
        let unet = UNet3d::new(&self.network, self.parameters.frozen_builder())?;
        LearnedFill::new(unet, self.parameters.device().clone())
    }

    /// Writes the weights, for [`LearnedFill::load`].
    ///
    /// # Errors
    /// The file can't be written.
    pub fn save_weights(&self, path: &Path) -> Result<(), Error> {
        Ok(checkpoint::save(path, &self.parameters.tensors(), &self.metadata)?)
    }

    /// Writes weights, optimiser and history, for [`FillTrainer::resume`].
    ///
    /// # Errors
    /// The file can't be written.
    pub fn save_state(&self, path: &Path) -> Result<(), Error> {
        let mut tensors = self.parameters.tensors();
        tensors.extend(self.adam.tensors()?);
        let state =
            State { config: self.config.clone(), steps: self.adam.steps(), history: self.history.clone() };
        let state = serde_json::to_value(state).map_err(|error| relevox_models::Error::Format {
            path: path.to_owned(),
            expected: "a state that JSON can hold",
            found: error.to_string(),
        })?;
        Ok(checkpoint::save(path, &tensors, &Metadata { state, ..self.metadata.clone() })?)
    }
}

/// Sums over the regions of a pass so far.
#[derive(Default)]
struct Sums {
    regions: usize,
    loss: f64,
    delta_p: f64,
    saturated: f64,
    from_max: f64,
}

impl Sums {
    fn add(&mut self, step: &Sums) {
        self.regions += step.regions;
        self.loss += step.loss;
        self.delta_p += step.delta_p;
        self.saturated += step.saturated;
        self.from_max += step.from_max;
    }

    fn mean(&self, sum: f64) -> f64 {
        sum / self.regions.max(1) as f64
    }
}
