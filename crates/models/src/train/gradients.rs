//! Gradients of a batch, in as many parts as the device's memory requires.

use candle_core::Tensor;
use candle_core::backprop::GradStore;

use super::part::{Measured, Part};
use crate::{Error, Parameters};

/// Number of parts that a batch is computed in.
#[derive(Debug)]
pub(super) struct Parts(usize);

impl Default for Parts {
    fn default() -> Self {
        Self(1)
    }
}

impl Parts {
    /// Returns the number of parts that were needed so far.
    pub(super) fn count(&self) -> usize {
        self.0
    }

    /// Returns the measurements of a batch of `examples` and, if its loss is finite, its gradients. A batch that does
    /// not fit into the device's memory is computed in twice as many parts, and so are all after it.
    ///
    /// # Errors
    /// Returns the errors of `loss`, also if a single example does not fit.
    pub(super) fn gradients<M: Measured, E: From<Error>>(
        &mut self,
        parameters: &Parameters,
        examples: usize,
        mut loss: impl FnMut(Part) -> Result<(M, Tensor), E>,
        is_exhausted: impl Fn(&E) -> bool,
    ) -> Result<(M, Option<GradStore>), E> {
        // An attempt that fails half-way has already updated the running statistics of some layers.
        let before = if parameters.device().is_cpu() { Vec::new() } else { parameters.statistics()? };
        loop {
            let parts = self.0.min(examples);
            match sum(parameters, examples, parts, &mut loss) {
                Err(error) if parts < examples && is_exhausted(&error) => {
                    self.0 = 2 * parts;
                    for (var, value) in &before {
                        var.set(value).map_err(Error::from)?;
                    }
                }
                result => return result,
            }
        }
    }
}

/// Adds up the measurements and gradients of a batch's parts; returns no gradients if the loss is not finite.
fn sum<M: Measured, E: From<Error>>(
    parameters: &Parameters,
    examples: usize,
    parts: usize,
    loss: &mut impl FnMut(Part) -> Result<(M, Tensor), E>,
) -> Result<(M, Option<GradStore>), E> {
    let (mut measured, mut total) = (M::default(), None::<GradStore>);
    for part in 0..parts {
        let range = part * examples / parts..(part + 1) * examples / parts;
        let (of_part, loss) = loss(Part { range, batch: examples })?;
        measured.add(of_part);
        if !measured.loss().is_finite() {
            return Ok((measured, None));
        }
        let gradients = loss.backward().map_err(Error::from)?;
        total = Some(match total {
            None => gradients,
            Some(total) => parameters.add_gradients(total, &gradients)?,
        });
    }
    Ok((measured, total))
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, Tensor};

    use super::*;
    use crate::{ResNet3d, ResNetConfig, loss::bce_with_logits};

    #[test]
    fn halves_have_the_gradients_of_the_whole() {
        let parameters = Parameters::seeded(3, &Device::Cpu);
        let config = ResNetConfig { depth: 10, in_channels: 1, width: 2, ..ResNetConfig::default() };
        let network = ResNet3d::new(&config, parameters.builder()).unwrap();
        let values: Vec<f32> = (0..2 * 20 * 20 * 20).map(|i| ((i * 37) % 101) as f32 / 101.0).collect();
        let pair = Tensor::from_vec(values, (2, 1, 20, 20, 20), &Device::Cpu).unwrap();
        // Both halves have the batch statistics of the whole.
        let images = Tensor::cat(&[&pair, &pair], 0).unwrap();
        let labels = [true, false, true, false];
        let mut loss = |part: Part| -> Result<(f64, Tensor), Error> {
            let logits = network
                .forward_t(&images.narrow(0, part.range.start, part.range.len())?, true)?
                .squeeze(1)?;
            let loss = (bce_with_logits(&logits, &labels[part.range.clone()], 1.5)? * part.share())?;
            Ok((f64::from(loss.to_scalar::<f32>()?), loss))
        };
        let (loss_of_whole, whole) = sum(&parameters, 4, 1, &mut loss).unwrap();
        let (loss_of_halves, halves) = sum(&parameters, 4, 2, &mut loss).unwrap();
        assert!((loss_of_whole - loss_of_halves).abs() < 1e-5, "{loss_of_whole} and {loss_of_halves}");
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
