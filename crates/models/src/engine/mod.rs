//! Inference of a network on whole images and on patches of one image, on the CPU or a GPU.
//!
//! An [`Engine`] computes batches of images, and for an image whose activations it has cached ([`Engine::baseline`]) the
//! outputs under each of many [`Patch`]es. On the CPU a compiled [`Plan`] recomputes only the part of each layer that a
//! patch reaches, on a GPU windows of equal size around the patches go through the layers together
//! ([`crate::windows`]); a dense engine computes the whole image under each patch. The three agree within rounding.
//!
//! ```
//! use ndarray::{Array4, ArrayView4, Axis};
//! use relevox_grid::{Box3, Patch};
//! use relevox_models::{Parameters, ResNet3d, ResNetConfig, device, engine::Engine};
//!
//! let device = device("cpu")?;
//! let config = ResNetConfig { depth: 10, width: 4, ..ResNetConfig::default() };
//! let engine = Engine::new(ResNet3d::new(&config, Parameters::seeded(7, &device).builder())?, device)?;
//!
//! let image = Array4::<f32>::from_elem((4, 20, 24, 20), 0.5);
//! let baseline = engine.baseline(image.view())?;
//! assert_eq!(baseline.outputs(), engine.forward(image.view().insert_axis(Axis(0)))?);
//! let patch = Patch::new(Box3::new([8; 3], [12; 3]), Array4::zeros((4, 4, 4, 4)))?;
//! let outputs: Vec<Vec<f32>> = engine.patched(&baseline, &[patch])?;
//! assert_ne!(outputs[0], baseline.outputs());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod baseline;
mod network;
#[cfg(test)]
mod tests;

use std::sync::{Arc, OnceLock};

use candle_core::{Device, Tensor};
use ndarray::{Array5, ArrayView4, ArrayView5, Axis, s};
use relevox_grid::{Box3, Patch};

use crate::Error;
use crate::memory::{self, Fitting, Notice, is_exhausted};
use crate::plan::{self, Plan};
use crate::windows::{self, GraphWindows};
pub use baseline::Baseline;
use baseline::{Cache, Layers};
pub use network::Network;

/// Patches computed side by side by a compiled plan.
const TOGETHER: usize = 32;
/// Patches that windows choose groups of equal size from.
const FOR_WINDOWS: usize = 8 * windows::TOGETHER;
/// Most whole images in a batch.
const IMAGES: usize = 16;

/// A network in evaluation mode with what runs it on a device.
///
/// The activations of the latest image stay cached, so that further partitions and fills of a scan start from them.
pub struct Engine<N: Network> {
    network: N,
    plan: Option<Plan>,
    /// Made when they are first used, where there is no plan.
    windows: OnceLock<GraphWindows>,
    device: Device,
    memory: usize,
    dense: bool,
    /// Number of whole images that fit into the device's memory together.
    images: Fitting,
    /// The same for patches, each of which takes far less.
    patches: Fitting,
    cache: Cache,
}

impl<N: Network> Engine<N> {
    /// Creates the engine of a network whose parameters are on `device`. A plan compiled for the CPU copies them now;
    /// elsewhere they are copied at the first use.
    ///
    /// # Errors
    /// Returns [`Error::Candle`] if a parameter cannot be read.
    pub fn new(network: N, device: Device) -> Result<Self, Error> {
        let plan = device.is_cpu().then(|| plan(&network)).transpose()?;
        let memory = if device.is_cpu() { plan::MEMORY } else { memory::ON_GPU };
        Ok(Self {
            network,
            plan,
            windows: OnceLock::new(),
            device,
            memory,
            dense: false,
            images: Fitting::default(),
            patches: Fitting::default(),
            cache: Cache::default(),
        })
    }

    /// Sets the bytes that a batch of images, or cached activations with the patches in work, may take (default
    /// [`plan::MEMORY`], on a GPU [`memory::ON_GPU`]). It bounds the batch and selects the layers that are cached.
    #[must_use]
    pub fn memory(mut self, bytes: usize) -> Self {
        self.memory = bytes;
        self.cache.clear();
        self
    }

    /// Sets whether each patch takes a whole forward pass (default `false`).
    #[must_use]
    pub fn dense(mut self, dense: bool) -> Self {
        self.dense = dense;
        self.cache.clear();
        self
    }

    /// Sets whether a compiled plan is used on the CPU (default `true`). Without it tensor operations on whole images and
    /// windows are, as on a GPU.
    ///
    /// # Errors
    /// Returns [`Error::Candle`] if a parameter cannot be read.
    pub fn compiled(mut self, compiled: bool) -> Result<Self, Error> {
        self.plan = (compiled && self.device.is_cpu()).then(|| plan(&self.network)).transpose()?;
        self.cache.clear();
        Ok(self)
    }

    /// Sets a function that is called with the new batch size when a batch did not fit into the device's memory and was
    /// halved, as those after it are.
    #[must_use]
    pub fn on_smaller_batches(mut self, notice: Notice) -> Self {
        let notice: Arc<dyn Fn(usize) + Send + Sync> = Arc::from(notice);
        let same = Arc::clone(&notice);
        self.images = Fitting::with_notice(Box::new(move |most| notice(most)));
        self.patches = Fitting::with_notice(Box::new(move |most| same(most)));
        self
    }

    /// Returns the network.
    pub fn network(&self) -> &N {
        &self.network
    }

    /// Returns the device that holds the parameters.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Returns the number of whole images `[c, z, y, x]` worth computing together.
    pub fn images_at_once(&self, shape: [usize; 4]) -> usize {
        (self.memory / self.network.image_bytes(shape).max(1)).clamp(1, IMAGES).min(self.images.most())
    }

    /// Returns the number of patches of an image `[c, z, y, x]` worth computing together.
    pub fn patches_at_once(&self, shape: [usize; 4]) -> usize {
        match (self.dense, &self.plan) {
            (true, _) => self.images_at_once(shape),
            (false, Some(_)) => TOGETHER,
            (false, None) => FOR_WINDOWS,
        }
    }

    /// Computes the outputs for a batch.
    ///
    /// # Shapes
    /// `batch` is `[n, c, z, y, x]`. A classifier returns its outputs `[n, k]`, a U-Net its values `[n, out, z, y, x]` in C
    /// order, before any sigmoid.
    ///
    /// # Errors
    /// Returns [`Error::Batch`] or [`Error::Candle`] if the network does not take images of this shape, or if one image
    /// does not fit into the device's memory.
    pub fn forward(&self, batch: ArrayView5<'_, f32>) -> Result<Vec<f32>, Error> {
        if let Some(plan) = &self.plan {
            let images = batch.as_standard_layout();
            return plan.forward(images.as_slice().unwrap_or_default(), batch.dim().into());
        }
        let windows = self.windows()?;
        let exhausted = |error: &Error| matches!(error, Error::Candle(error) if is_exhausted(error));
        let passes = self.images.run(batch.dim().0, exhausted, |range| {
            let images = batch.slice(s![range, .., .., .., ..]);
            let shape: [usize; 5] = images.dim().into();
            let images =
                Tensor::from_vec(images.iter().copied().collect::<Vec<f32>>(), &shape, &self.device)?;
            let outputs = windows.forward(&images)?.flatten_all()?.to_vec1::<f32>()?;
            Ok(outputs.chunks(outputs.len() / shape[0].max(1)).map(<[f32]>::to_vec).collect())
        })?;
        Ok(passes.concat())
    }

    /// Computes an image `[c, z, y, x]` and caches its activations; returns the cached ones if the latest image was
    /// equal.
    ///
    /// # Errors
    /// As [`Engine::forward`].
    pub fn baseline(&self, image: ArrayView4<'_, f32>) -> Result<Arc<Baseline>, Error> {
        let image = image.as_standard_layout();
        let (values, shape) = (image.as_slice().unwrap_or_default(), image.dim().into());
        let is_this = |cached: &Baseline| !cached.is_zero && cached.is_of(self.plan.as_ref(), values, shape);
        self.cache.get_or_compute(is_this, || self.compute(image.view(), false))
    }

    /// Computes an image of zeros of this shape, as [`Engine::baseline`] does.
    ///
    /// # Errors
    /// As [`Engine::forward`].
    pub fn baseline_of_zeros(&self, shape: [usize; 4]) -> Result<Arc<Baseline>, Error> {
        let is_this = |cached: &Baseline| cached.is_zero && cached.shape() == shape;
        self.cache.get_or_compute(is_this, || self.compute(ndarray::Array4::zeros(shape).view(), true))
    }

    /// Computes the outputs of the baseline's image under each patch, each patch on its own.
    ///
    /// A classifier returns its outputs `[k]` for each patch; a network that returns a map, as a U-Net, its values
    /// `[out, dz, dy, dx]` in the patch's box, in C order.
    ///
    /// # Errors
    /// Returns [`Error::Batch`] if a patch does not fit the image, and as [`Engine::forward`].
    ///
    /// # Panics
    /// If an engine of another architecture computed the baseline.
    pub fn patched(&self, baseline: &Baseline, patches: &[Patch]) -> Result<Vec<Vec<f32>>, Error> {
        match (&baseline.layers, &self.plan) {
            (Layers::Plan(cache), Some(plan)) if self.network.is_classifier() => {
                plan.patched_outputs(cache, patches)
            }
            (Layers::Plan(cache), Some(plan)) => plan.patched_values(cache, patches),
            (Layers::Windows(cache), _) => {
                self.windows()?.patched(cache, patches, self.memory, &self.patches)
            }
            (Layers::Image(image), _) => self.by_whole_passes(image.view(), patches),
            (Layers::Plan(_), None) => Err(Error::Batch {
                expected: "a baseline of this engine".to_owned(),
                found: "one of an engine with a compiled plan".to_owned(),
            }),
        }
    }

    fn compute(&self, image: ArrayView4<'_, f32>, is_zero: bool) -> Result<Baseline, Error> {
        let shape: [usize; 4] = image.dim().into();
        let values = image.as_slice().unwrap_or_default();
        let size = [shape[1], shape[2], shape[3]];
        if !self.network.is_classifier() && self.network.map_size(size)? != size {
            return Err(Error::Batch {
                expected: format!("a network that returns a map of its image's size, {size:?}"),
                found: format!("one of {:?}", self.network.map_size(size)?),
            });
        }
        let (layers, outputs) = match &self.plan {
            _ if self.dense => {
                let outputs = match self.network.is_classifier() {
                    true => self.forward(image.insert_axis(Axis(0)))?,
                    false => Vec::new(),
                };
                (Layers::Image(image.to_owned()), outputs)
            }
            Some(plan) => {
                let cache = plan.cache(values, shape, self.memory)?;
                let outputs = cache.outputs().unwrap_or_default().to_vec();
                (Layers::Plan(Box::new(cache)), outputs)
            }
            None => {
                let cache = self.windows()?.cache(values, shape)?;
                let outputs = cache.outputs().to_vec();
                (Layers::Windows(Box::new(cache)), outputs)
            }
        };
        Ok(Baseline { layers, outputs, shape, is_zero })
    }

    /// Returns the network prepared for windows.
    fn windows(&self) -> Result<&GraphWindows, Error> {
        if let Some(windows) = self.windows.get() {
            return Ok(windows);
        }
        let graph = self.network.description()?.into_owned();
        let windows = GraphWindows::new(graph, &self.device)?.padded_to(self.network.multiple());
        Ok(self.windows.get_or_init(|| windows))
    }

    fn by_whole_passes(&self, image: ArrayView4<'_, f32>, patches: &[Patch]) -> Result<Vec<Vec<f32>>, Error> {
        let (c, z, y, x) = image.dim();
        let mut outputs = Vec::with_capacity(patches.len());
        for together in patches.chunks(self.images_at_once(image.dim().into())) {
            let mut batch = Array5::zeros((together.len(), c, z, y, x));
            for (mut input, patch) in batch.axis_iter_mut(Axis(0)).zip(together) {
                input.assign(&image);
                patch.apply(&mut input).map_err(|error| Error::Batch {
                    expected: "patches that fit the image".to_owned(),
                    found: error.to_string(),
                })?;
            }
            let values = self.forward(batch.view())?;
            let each = values.len() / together.len();
            let of_images = values.chunks(each.max(1)).zip(together);
            outputs.extend(of_images.map(|(values, patch)| match self.network.is_classifier() {
                true => values.to_vec(),
                false => inside(values, [z, y, x], patch.bounds()),
            }));
        }
        Ok(outputs)
    }
}

/// Compiles a network for the CPU.
fn plan<N: Network>(network: &N) -> Result<Plan, Error> {
    Plan::padded(&*network.description()?, network.multiple())
}

/// Copies the values of a box out of a map of `size` voxels.
fn inside(map: &[f32], size: [usize; 3], bounds: Box3) -> Vec<f32> {
    let voxels = size.iter().product::<usize>().max(1);
    let mut values = Vec::with_capacity(map.len() / voxels * bounds.voxels());
    for channel in map.chunks_exact(voxels) {
        for z in bounds.range(0) {
            for y in bounds.range(1) {
                let row = (z * size[1] + y) * size[2];
                values.extend_from_slice(&channel[row + bounds.start[2]..row + bounds.end[2]]);
            }
        }
    }
    values
}
