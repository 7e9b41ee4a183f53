//! The trained classifier: one network, or an ensemble whose logits are averaged.

use ndarray::ArrayView4;
use relevox_models::ResNetConfig;
use relevox_models::candle_core::{Result as TensorResult, Tensor};
use relevox_models::checkpoint::{self, WeightsHints};
use relevox_models::engine::Engine;
use relevox_relevance::gradcam::Class;
use relevox_relevance::{Cam, Classifier, Ensemble, NetworkClassifier, RelevanceMap, Target};

use super::session::Session;
use super::train::weights::{content_hash, epoch_files, selected_files};
use crate::config::Config;
use crate::device::batch_size_notice;

/// A trained classifier, and the content hash of its weights.
pub struct Network {
    networks: Ensemble<NetworkClassifier>,
    /// Content hash of the weights.
    pub hash: String,
}

/// Returns the configuration of each network.
pub fn network_config(config: &Config) -> ResNetConfig {
    config.classifier.network(config.preprocess.sequences.len())
}

impl Network {
    /// Loads the classifier of the selected epoch. Does not check that its weights are current.
    ///
    /// # Errors
    /// Returns an error if the weights can't be read or do not fit the configured network.
    pub fn selected(session: &Session) -> anyhow::Result<Self> {
        Self::load(session, &selected_files(session))
    }

    /// Loads the classifier after an epoch of training.
    ///
    /// # Errors
    /// As [`Network::selected`].
    pub fn after(session: &Session, epoch: usize) -> anyhow::Result<Self> {
        Self::load(session, &epoch_files(session, epoch))
    }

    fn load(session: &Session, weights: &[String]) -> anyhow::Result<Self> {
        let mut networks = Vec::new();
        for file in weights {
            let trained =
                checkpoint::load_resnet(&session.run.path(file), &WeightsHints::default(), &session.device)?;
            let engine = Engine::new(trained.network, session.device.clone())?;
            networks.push(engine.on_smaller_batches(batch_size_notice("classifier")).into());
        }
        Ok(Self { networks: Ensemble::new(networks)?, hash: content_hash(session, weights)? })
    }

    /// Returns the classifier without access to gradients.
    pub fn classifier(&self) -> &dyn Classifier {
        &self.networks
    }

    /// Computes logits in evaluation mode, differentiable with respect to the images.
    ///
    /// # Shapes
    /// `images` is `[n, c, z, y, x]`, the result `[n]`.
    ///
    /// # Errors
    /// Returns an error if a tensor operation fails.
    pub fn differentiable(&self, images: &Tensor) -> TensorResult<Tensor> {
        let networks = self.networks.members().iter();
        let logits: Vec<Tensor> = networks
            .map(|network| network.network().forward_t(images, false)?.squeeze(1))
            .collect::<TensorResult<_>>()?;
        Tensor::stack(&logits, 0)?.mean(0)
    }

    /// Computes Grad-CAM or Grad-CAM++ for the predicted class; for an ensemble, the mean map for the class that the
    /// ensemble predicts.
    ///
    /// # Errors
    /// Returns an error if the network fails or the map is not finite.
    pub fn grad_cam(&self, image: ArrayView4<'_, f32>, cam: Cam) -> anyhow::Result<RelevanceMap> {
        Ok(self.networks.baseline(image)?.class_activation(&Target::default(), Class::Predicted, cam)?)
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{Array4, Axis};
    use relevox_models::candle_core::{Device, Var};
    use relevox_models::{Parameters, ResNet3d, ResNetConfig};
    use relevox_relevance::gradcam::LastStage;

    use super::*;

    const SHAPE: (usize, usize, usize, usize) = (2, 20, 24, 20);

    fn of(seeds: &[u64]) -> Network {
        // Without strides in the stem, so that the last feature map has several voxels.
        let (stem_stride, max_pool) = ([1; 3], false);
        let config = ResNetConfig {
            depth: 10,
            in_channels: 2,
            width: 2,
            stem_stride,
            max_pool,
            ..ResNetConfig::default()
        };
        let network = |seed: &u64| {
            let parameters = Parameters::seeded(*seed, &Device::Cpu);
            let network = ResNet3d::new(&config, parameters.frozen_builder()).unwrap();
            NetworkClassifier::new(network, Device::Cpu).unwrap()
        };
        let networks = Ensemble::new(seeds.iter().map(network).collect()).unwrap();
        Network { networks, hash: String::new() }
    }

    fn image() -> Array4<f32> {
        Array4::from_shape_fn(SHAPE, |(c, z, y, x)| ((7 * z + 3 * y + 5 * x + 11 * c) % 13) as f32 / 13.0)
    }

    #[test]
    fn ensembles_average_logits_and_gradients() {
        let image = Tensor::from_vec(image().into_raw_vec_and_offset().0, SHAPE, &Device::Cpu).unwrap();
        let logits_and_gradient = |network: &Network| {
            let image = Var::from_tensor(&image.unsqueeze(0).unwrap()).unwrap();
            let logits = network.differentiable(image.as_tensor()).unwrap();
            let gradient = logits.sum_all().unwrap().backward().unwrap().remove(image.as_tensor()).unwrap();
            let mut all = logits.to_vec1::<f32>().unwrap();
            all.extend(gradient.flatten_all().unwrap().to_vec1::<f32>().unwrap());
            all
        };
        let (one, other, both) = (
            logits_and_gradient(&of(&[1])),
            logits_and_gradient(&of(&[2])),
            logits_and_gradient(&of(&[1, 2])),
        );
        assert!(one.iter().zip(&other).any(|(a, b)| (a - b).abs() > 1e-4), "the networks are equal");
        for ((a, b), mean) in one.iter().zip(&other).zip(&both) {
            assert!((mean - (a + b) / 2.0).abs() < 1e-6);
        }
    }

    #[test]
    fn grad_cam_of_an_ensemble_is_for_the_class_it_predicts() {
        let image = image();
        let both = of(&[1, 2]);
        let logits = both.classifier().logits(image.view().insert_axis(Axis(0))).unwrap();
        let class = if logits[[0, 0]] >= 0.0 { Class::Positive } else { Class::Negative };
        let target = Target::default();
        for cam in [Cam::GradCam, Cam::GradCamPlusPlus] {
            let each = both.networks.members().iter().map(|member| {
                let stage =
                    LastStage::new(member.network(), image.view(), &target, class, member.device()).unwrap();
                match cam {
                    Cam::GradCam => stage.grad_cam().unwrap(),
                    Cam::GradCamPlusPlus => stage.grad_cam_pp().unwrap(),
                }
            });
            let expected = RelevanceMap::average(&each.collect::<Vec<_>>()).unwrap();
            assert!(!expected.flat);
            let found = both.grad_cam(image.view(), cam).unwrap();
            let off =
                found.voxels.iter().zip(&expected.voxels).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(!found.flat && off < 1e-2, "{off} of 100");
        }
    }
}
