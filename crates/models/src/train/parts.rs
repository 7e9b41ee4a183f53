//! The gradients of a batch, in as many parts as a GPU's memory asks for.

use crate::memory::is_exhausted;
use crate::{Error, Parameters, ResNet3d, loss};
use candle_core::Tensor;
use candle_core::backprop::GradStore;

/// What learns from a batch.
pub(super) struct Learner<'a> {
    pub network: &'a ResNet3d,
    pub parameters: &'a Parameters,
    pub positive_weight: f64,
}

/// How many parts a batch is done in.
#[derive(Debug)]
pub(super) struct Parts(usize);

impl Default for Parts {
    fn default() -> Self {
        Self(1)
    }
}

impl Parts {
    /// Found to be needed so far.
    pub(super) fn count(&self) -> usize {
        self.0
    }

    /// The mean loss of a batch, and its gradients where that is a number. A batch that does not fit into the device's
    /// memory is halved, and so are all after it.
    ///
    /// # Errors
    /// If one example alone does not fit, and what candle meets.
    pub(super) fn learn(
        &mut self,
        learner: &Learner<'_>,
        images: &Tensor,
        labels: &[bool],
    ) -> Result<(f32, Option<GradStore>), Error> {
        // An attempt that fails half-way has moved the running statistics of some layers.
        let before = if images.device().is_cpu() { Vec::new() } else { learner.parameters.statistics()? };
        loop {
            let parts = self.0.min(labels.len());
            match learner.in_parts(images, labels, parts) {
                Err(Error::Candle(error)) if parts < labels.len() && is_exhausted(&error) => {
                    self.0 = 2 * parts;
                    for (var, value) in &before {
                        var.set(value)?;
                    }
                }
                result => return result,
            }
        }
    }
}

impl Learner<'_> {
    fn in_parts(
        &self,
        images: &Tensor,
        labels: &[bool],
        parts: usize,
    ) -> Result<(f32, Option<GradStore>), Error> {
        let count = labels.len();
        let (mut mean, mut total) = (0.0, None::<GradStore>);
        for part in 0..parts {
            let range = part * count / parts..(part + 1) * count / parts;
            let share = range.len() as f64 / count as f64;
            let seen = images.narrow(0, range.start, range.len())?;
            let logits = self.network.forward_t(&seen, true)?;
            let loss = loss::bce_with_logits(&logits, &labels[range], self.positive_weight)?;
            mean += share * f64::from(loss.to_scalar::<f32>()?);
            if !mean.is_finite() {
                return Ok((mean as f32, None));
            }
            let loss = if parts == 1 { loss } else { (loss * share)? };
            let gradients = loss.backward()?;
            total = Some(match total {
                None => gradients,
                Some(total) => self.parameters.add_gradients(total, &gradients)?,
            });
        }
        Ok((mean as f32, total))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ResNetConfig;
    use candle_core::Device;

    #[test]
    fn equal_halves_learn_what_the_whole_does() {
        let parameters = Parameters::seeded(3, &Device::Cpu);
        let config = ResNetConfig { depth: 10, in_channels: 1, width: 2, ..ResNetConfig::default() };
        let network = ResNet3d::new(&config, parameters.builder()).unwrap();
        let learner = Learner { network: &network, parameters: &parameters, positive_weight: 1.5 };
        let values: Vec<f32> = (0..2 * 20 * 20 * 20).map(|i| ((i * 37) % 101) as f32 / 101.0).collect();
        let pair = Tensor::from_vec(values, (2, 1, 20, 20, 20), &Device::Cpu).unwrap();
        // Batch norm sees the same in a half as in the whole.
        let images = Tensor::cat(&[&pair, &pair], 0).unwrap();
        let labels = [true, false, true, false];
        let (loss, whole) = learner.in_parts(&images, &labels, 1).unwrap();
        let (half_loss, halves) = learner.in_parts(&images, &labels, 2).unwrap();
        assert!((loss - half_loss).abs() < 1e-5, "{loss} and {half_loss}");
        let (whole, halves) = (whole.unwrap(), halves.unwrap());
        for (name, var) in parameters.trainable() {
            let list =
                |store: &GradStore| store.get(&var).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
            let (a, b) = (list(&whole), list(&halves));
            let scale = a.iter().fold(1e-3f32, |most, value| most.max(value.abs()));
            for (a, b) in a.iter().zip(b) {
                assert!((a - b).abs() < 1e-3 * scale, "{name}: {a} and {b}");
            }
        }
    }
}
