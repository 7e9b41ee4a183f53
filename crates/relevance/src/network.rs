//! Residual networks as classifiers.

use std::sync::Arc;

use candle_core::{Device, Tensor};
use ndarray::{Array1, Array2, ArrayView4, ArrayView5, Axis};
use relevox_models::ResNet3d;
use relevox_models::engine::{self, Engine};
use relevox_models::memory::Notice;
use relevox_perturb::Patch;

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
    /// Creates the classifier of a network whose parameters are on `device`.
    ///
    /// # Errors
    /// Returns [`Error::Network`] if a parameter cannot be read.
    pub fn new(network: ResNet3d, device: Device) -> Result<Self, Error> {
        Ok(Self { engine: Engine::new(network, device)? })
    }

    /// Sets the bytes that a batch, or cached activations with the patches in work, may take: see [`Engine::memory`].
    #[must_use]
    pub fn memory(mut self, bytes: usize) -> Self {
        self.engine = self.engine.memory(bytes);
        self
    }

    /// Sets whether each patch takes a whole forward pass (default `false`).
    #[must_use]
    pub fn dense(mut self, dense: bool) -> Self {
        self.engine = self.engine.dense(dense);
        self
    }

    /// Sets whether a compiled plan is used on the CPU (default `true`): see [`Engine::compiled`].
    ///
    /// # Errors
    /// Returns [`Error::Network`] if a parameter cannot be read.
    pub fn compiled(mut self, compiled: bool) -> Result<Self, Error> {
        self.engine = self.engine.compiled(compiled)?;
        Ok(self)
    }

    /// Sets a function that is called when a batch did not fit into a GPU's memory: see [`Engine::on_smaller_batches`].
    #[must_use]
    pub fn on_smaller_batches(mut self, notice: Notice) -> Self {
        self.engine = self.engine.on_smaller_batches(notice);
        self
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

impl Classifier for NetworkClassifier {
    fn logits(&self, batch: ArrayView5<'_, f32>) -> Result<Array2<f32>, Error> {
        Ok(column(self.engine.forward(batch)?))
    }

    fn batch_size(&self, shape: [usize; 4]) -> usize {
        self.engine.images_at_once(shape)
    }

    fn baseline<'a>(&'a self, image: ArrayView4<'a, f32>) -> Result<Box<dyn Baseline + 'a>, Error> {
        let cached = self.engine.baseline(image)?;
        checked(column(cached.outputs().to_vec()), [1, 1], unperturbed)?;
        Ok(Box::new(NetworkBaseline { engine: &self.engine, image, cached }))
    }
}

/// A scan with its cached activations.
struct NetworkBaseline<'a> {
    engine: &'a Engine<ResNet3d>,
    image: ArrayView4<'a, f32>,
    cached: Arc<engine::Baseline<ResNet3d>>,
}

impl Baseline for NetworkBaseline<'_> {
    fn image(&self) -> ArrayView4<'_, f32> {
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
pub(crate) fn upload_one(image: ArrayView4<'_, f32>, device: &Device) -> Result<Tensor, Error> {
    let (c, z, y, x) = image.dim();
    Ok(Tensor::from_vec(image.iter().copied().collect::<Vec<f32>>(), (1, c, z, y, x), device)?)
}
