//! Residual networks as classifiers.

use std::sync::Arc;

use candle_core::{Device, Tensor};
use ndarray::{Array1, Array2, ArrayView5, Axis};
use relevox_models::ResNet3d;
use relevox_models::engine::{self, Engine};
use relevox_perturb::{ImageView, Patch};

use crate::classifier::{checked, unperturbed};
use crate::{Baseline, Classifier, Error};

/// A residual network in evaluation mode, on the CPU or a GPU.
///
/// Patches of a scan are computed incrementally, from the cached activations of the scan, in agreement with whole forward
/// passes within rounding: see [`relevox_models::engine`]. The activations of the latest scan stay cached, so that its
/// other partitions and fills start from them.
pub struct NetworkClassifier {
    engine: Engine<ResNet3d>,
}

impl NetworkClassifier {
    /// Creates the classifier of a network whose parameters are on `device`, with the engine's default options.
    ///
    /// # Errors
    /// Returns [`Error::Network`] if a parameter cannot be read.
    pub fn new(network: ResNet3d, device: Device) -> Result<Self, Error> {
        Ok(Self::from(Engine::new(network, device)?))
    }

    /// Returns the engine, for other options; `NetworkClassifier::from` makes it a classifier again.
    pub fn into_engine(self) -> Engine<ResNet3d> {
        self.engine
    }

    /// Returns the network.
    pub fn network(&self) -> &ResNet3d {
        self.engine.network()
    }

    /// Returns the device that holds the parameters.
    pub fn device(&self) -> &Device {
        self.engine.device()
    }
}

impl From<Engine<ResNet3d>> for NetworkClassifier {
    fn from(engine: Engine<ResNet3d>) -> Self {
        Self { engine }
    }
}

impl Classifier for NetworkClassifier {
    fn logits(&self, batch: ArrayView5<'_, f32>) -> Result<Array2<f32>, Error> {
        Ok(column(self.engine.forward(batch)?))
    }

    fn batch_size(&self, shape: [usize; 4]) -> usize {
        self.engine.images_at_once(shape)
    }

    fn baseline<'a>(&'a self, image: ImageView<'a>) -> Result<Box<dyn Baseline + 'a>, Error> {
        let cached = self.engine.baseline(image)?;
        checked(column(cached.outputs().to_vec()), [1, 1], unperturbed)?;
        Ok(Box::new(NetworkBaseline { engine: &self.engine, image, cached }))
    }
}

/// A scan with its cached activations.
struct NetworkBaseline<'a> {
    engine: &'a Engine<ResNet3d>,
    image: ImageView<'a>,
    cached: Arc<engine::Baseline<ResNet3d>>,
}

impl Baseline for NetworkBaseline<'_> {
    fn image(&self) -> ImageView<'_> {
        self.image
    }

    fn logits(&self) -> &[f32] {
        self.cached.outputs()
    }

    fn patched(&self, patches: &[Patch]) -> Result<Array2<f32>, Error> {
        Ok(column(self.engine.patched(&self.cached, patches)?))
    }

    fn batch_size(&self) -> usize {
        self.engine.patches_at_once(self.image.dim().into())
    }

    fn whole(&self, batch: ArrayView5<'_, f32>) -> Result<Array2<f32>, Error> {
        Ok(column(self.engine.forward(batch)?))
    }

    fn whole_batch_size(&self) -> usize {
        self.engine.images_at_once(self.image.dim().into())
    }
}

/// Logits as a classifier's outputs, `[n, 1]`.
fn column(logits: Vec<f32>) -> Array2<f32> {
    Array1::from_vec(logits).insert_axis(Axis(1))
}

/// Copies an image to the device, as a batch of one.
pub(crate) fn upload_one(image: ImageView<'_>, device: &Device) -> Result<Tensor, Error> {
    let (c, z, y, x) = image.dim();
    Ok(Tensor::from_vec(image.iter().copied().collect::<Vec<f32>>(), (1, c, z, y, x), device)?)
}
