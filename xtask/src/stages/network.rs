//! The trained classifier as later stages use it: one network, or several whose mean logit decides.

use ndarray::{ArrayView4, Axis};
use relevox_models::candle_core::{Result as TensorResult, Tensor};
use relevox_models::checkpoint;
use relevox_relevance::gradcam::{Target, grad_cam_for};
use relevox_relevance::gradcam_pp::grad_cam_pp;
use relevox_relevance::{Classifier, Ensemble, NetworkClassifier, RelevanceMap};

use super::Session;
use super::train::{self, Member};
use crate::place::say_smaller_batches;

/// A classifier with the content hash of its weights.
pub struct Network {
    networks: Ensemble<NetworkClassifier>,
    /// Of the weights.
    pub hash: String,
}

/// A kind of Grad-CAM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cam {
    /// Grad-CAM itself.
    Plain,
    /// Grad-CAM++.
    PlusPlus,
}

impl Network {
    /// The classifier of the kept epoch, which must be this config's.
    ///
    /// # Errors
    /// A classifier that is not trained yet, or on something else.
    pub fn best(session: &Session) -> anyhow::Result<Self> {
        train::require(session)?;
        Self::kept(session)
    }

    /// The classifier of the kept epoch, as it lies there.
    ///
    /// # Errors
    /// As [`Network::load`].
    pub fn kept(session: &Session) -> anyhow::Result<Self> {
        Self::load(session, &Member::all(&session.config).iter().map(Member::best).collect::<Vec<_>>())
    }

    /// The classifier after an epoch of training.
    ///
    /// # Errors
    /// As [`Network::load`].
    pub fn after(session: &Session, epoch: usize) -> anyhow::Result<Self> {
        let weights: Vec<String> =
            Member::all(&session.config).iter().map(|member| member.epoch(epoch)).collect();
        Self::load(session, &weights)
    }

    /// The classifier of files of the run.
    ///
    /// # Errors
    /// Weights that can't be read or don't fit the config's network.
    fn load(session: &Session, weights: &[String]) -> anyhow::Result<Self> {
        let mut networks = Vec::new();
        for file in weights {
            let trained = checkpoint::load_resnet(&session.run.path(file), None, &session.device)?;
            let network = NetworkClassifier::new(trained.network, session.device.clone())?;
            networks.push(network.on_smaller_batches(say_smaller_batches("classifier")));
        }
        Ok(Self { networks: Ensemble::new(networks)?, hash: train::hash(session, weights)? })
    }

    /// As a black box.
    pub fn classifier(&self) -> &dyn Classifier {
        &self.networks
    }

    /// Logits `[n]` of images `[n, c, z, y, x]`, in evaluation mode and differentiable by the images.
    ///
    /// # Errors
    /// What the networks meet.
    pub fn differentiable(&self, images: &Tensor) -> TensorResult<Tensor> {
        let networks = self.networks.members().iter();
        let logits: Vec<Tensor> = networks
            .map(|network| network.network().forward_t(images, false))
            .collect::<TensorResult<_>>()?;
        Tensor::stack(&logits, 0)?.mean(0)
    }

    /// Grad-CAM for the predicted class: of several networks, the mean of their maps for the class that they predict
    /// together.
    ///
    /// # Errors
    /// What the networks meet.
    pub fn grad_cam(&self, image: ArrayView4<'_, f32>, cam: Cam) -> anyhow::Result<RelevanceMap> {
        let logits = self.networks.logits(image.insert_axis(Axis(0)))?;
        let positive = logits.first().is_some_and(|&logit| logit >= 0.0);
        let target = if positive { Target::Positive } else { Target::Negative };
        let map = |network: &NetworkClassifier| match cam {
            Cam::Plain => grad_cam_for(network.network(), image, target, network.device()),
            Cam::PlusPlus => grad_cam_pp(network.network(), image, target, network.device()),
        };
        let mut maps = self.networks.members().iter().map(map).collect::<Result<Vec<_>, _>>()?;
        match maps.len() {
            1 => Ok(maps.remove(0)),
            _ => Ok(RelevanceMap::average(&maps)?),
        }
    }
}
