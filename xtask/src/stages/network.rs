//! The trained classifier as later stages use it.

use ndarray::ArrayView4;
use relevox_models::{ResNet3d, checkpoint};
use relevox_relevance::{Classifier, NetworkClassifier, RelevanceMap, gradcam};

use super::{Session, train};
use crate::place::say_smaller_batches;

/// A network with the content hash of its weights.
pub struct Network {
    network: NetworkClassifier,
    /// Of the weights.
    pub hash: String,
}

impl Network {
    /// The classifier of the kept epoch.
    ///
    /// # Errors
    /// A classifier that is not trained yet, or on something else.
    pub fn best(session: &Session) -> anyhow::Result<Self> {
        train::require(session)?;
        Self::load(session, train::BEST)
    }

    /// The classifier of one file of the run.
    ///
    /// # Errors
    /// Weights that can't be read or don't fit the config's network.
    pub fn load(session: &Session, artefact: &str) -> anyhow::Result<Self> {
        let trained = checkpoint::load_resnet(&session.run.path(artefact), None, &session.device)?;
        let network = NetworkClassifier::new(trained.network, session.device.clone())?
            .on_smaller_batches(say_smaller_batches("classifier"));
        Ok(Self { network, hash: session.run.hash(artefact)? })
    }

    /// As a black box.
    pub fn classifier(&self) -> &dyn Classifier {
        &self.network
    }

    /// As the residual network that it is.
    pub fn resnet(&self) -> &ResNet3d {
        self.network.network()
    }

    /// Grad-CAM for the predicted class.
    ///
    /// # Errors
    /// What the network meets.
    pub fn grad_cam(&self, image: ArrayView4<'_, f32>) -> anyhow::Result<RelevanceMap> {
        Ok(gradcam::grad_cam(self.network.network(), image, self.network.device())?)
    }
}
