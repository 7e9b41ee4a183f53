//! The networks that an engine runs.

use candle_core::{Device, Result as TensorResult, Tensor};
use relevox_grid::{Box3, Patch};

use crate::graph::Graph;
use crate::graph::tensor::TensorGraph;
use crate::memory::Fitting;
use crate::plan::{self, Plan};
use crate::windows::{self, ResNetWindows, UNetCache, UNetWindows};
use crate::{Error, ResNet3d, UNet3d};

/// A network that an [`Engine`](super::Engine) runs: [`ResNet3d`], [`UNet3d`] or, as a [`TensorGraph`], any classifier.
pub trait Network: Sized + private::Sealed {
    /// The network prepared for windows.
    #[doc(hidden)]
    type Windows;
    /// The activations of an image on a device.
    #[doc(hidden)]
    type Layers;

    /// `true` if an image has outputs `[k]`, `false` if it has an image of values.
    #[doc(hidden)]
    const IS_CLASSIFIER: bool;

    /// `false` if patches take whole passes where there is no compiled plan.
    #[doc(hidden)]
    const HAS_WINDOWS: bool;

    /// Returns the network as a graph.
    #[doc(hidden)]
    fn graph(&self) -> Result<Graph, Error>;

    /// Compiles the network for the CPU.
    #[doc(hidden)]
    fn plan(&self) -> Result<Plan, Error>;

    /// Prepares windows.
    #[doc(hidden)]
    fn windows(&self, device: &Device) -> Self::Windows;

    /// Computes whole images in evaluation mode.
    #[doc(hidden)]
    fn forward(&self, images: &Tensor) -> TensorResult<Tensor>;

    /// Estimates the bytes that a whole image `[c, z, y, x]` takes in a forward pass.
    #[doc(hidden)]
    fn image_bytes(&self, shape: [usize; 4]) -> usize;

    /// Computes an image's activations on the device.
    #[doc(hidden)]
    fn cache(windows: &Self::Windows, image: &[f32], shape: [usize; 4]) -> Result<Self::Layers, Error>;

    /// Returns whether activations are those of this image.
    #[doc(hidden)]
    fn is_of(layers: &Self::Layers, image: &[f32], shape: [usize; 4]) -> bool;

    /// The image's own outputs; none for a U-Net.
    #[doc(hidden)]
    fn outputs(layers: &Self::Layers) -> &[f32];

    /// Computes patches by the compiled plan.
    #[doc(hidden)]
    fn by_plan(plan: &Plan, cache: &plan::Cache, patches: &[Patch]) -> Result<Vec<Vec<f32>>, Error>;

    /// Computes patches by windows.
    #[doc(hidden)]
    fn by_windows(
        windows: &Self::Windows,
        layers: &Self::Layers,
        patches: &[Patch],
        memory: usize,
        fitting: &Fitting,
    ) -> Result<Vec<Vec<f32>>, Error>;

    /// Takes a patch's result out of the outputs of a whole image of `size` voxels.
    #[doc(hidden)]
    fn of_whole_pass(outputs: &[f32], size: [usize; 3], bounds: Box3) -> Vec<f32>;
}

mod private {
    /// Only this crate's networks have executors.
    pub trait Sealed {}
    impl Sealed for crate::ResNet3d {}
    impl Sealed for crate::UNet3d {}
    impl Sealed for crate::graph::tensor::TensorGraph {}
}

impl Network for ResNet3d {
    type Windows = ResNetWindows;
    type Layers = windows::ResNetCache;
    const IS_CLASSIFIER: bool = true;
    const HAS_WINDOWS: bool = true;

    fn graph(&self) -> Result<Graph, Error> {
        ResNet3d::graph(self)
    }

    fn plan(&self) -> Result<Plan, Error> {
        Plan::resnet(self)
    }

    fn windows(&self, device: &Device) -> ResNetWindows {
        ResNetWindows::new(self.clone(), device.clone())
    }

    fn forward(&self, images: &Tensor) -> TensorResult<Tensor> {
        self.forward_t(images, false)
    }

    fn image_bytes(&self, shape: [usize; 4]) -> usize {
        // The first stage is the largest: with stride 2 and 64 channels it is twice as large as four sequences, and an
        // operation holds its input, its output and a rearranged copy.
        8 * shape.iter().product::<usize>() * size_of::<f32>()
    }

    fn cache(
        windows: &ResNetWindows,
        image: &[f32],
        shape: [usize; 4],
    ) -> Result<windows::ResNetCache, Error> {
        windows.cache(image, shape)
    }

    fn is_of(layers: &windows::ResNetCache, image: &[f32], shape: [usize; 4]) -> bool {
        layers.is_of(image, shape)
    }

    fn outputs(layers: &windows::ResNetCache) -> &[f32] {
        layers.outputs()
    }

    fn by_plan(plan: &Plan, cache: &plan::Cache, patches: &[Patch]) -> Result<Vec<Vec<f32>>, Error> {
        plan.patched_outputs(cache, patches)
    }

    fn by_windows(
        windows: &ResNetWindows,
        layers: &windows::ResNetCache,
        patches: &[Patch],
        memory: usize,
        fitting: &Fitting,
    ) -> Result<Vec<Vec<f32>>, Error> {
        windows.patched(layers, patches, memory, fitting)
    }

    fn of_whole_pass(outputs: &[f32], _: [usize; 3], _: Box3) -> Vec<f32> {
        outputs.to_vec()
    }
}

impl Network for UNet3d {
    type Windows = UNetWindows;
    type Layers = UNetCache;
    const IS_CLASSIFIER: bool = false;
    const HAS_WINDOWS: bool = true;

    fn graph(&self) -> Result<Graph, Error> {
        UNet3d::graph(self)
    }

    fn plan(&self) -> Result<Plan, Error> {
        Plan::unet(self)
    }

    fn windows(&self, device: &Device) -> UNetWindows {
        UNetWindows::new(self.clone(), device.clone())
    }

    fn forward(&self, images: &Tensor) -> TensorResult<Tensor> {
        self.forward_t(images, false)
    }

    fn image_bytes(&self, [_, z, y, x]: [usize; 4]) -> usize {
        // The first level of 16 channels, its skip connection, and an operation's input, output and rearranged copy.
        16 * 6 * z * y * x * size_of::<f32>()
    }

    fn cache(windows: &UNetWindows, image: &[f32], shape: [usize; 4]) -> Result<UNetCache, Error> {
        windows.cache(image, shape)
    }

    fn is_of(layers: &UNetCache, image: &[f32], shape: [usize; 4]) -> bool {
        layers.is_of(image, shape)
    }

    fn outputs(_: &UNetCache) -> &[f32] {
        &[]
    }

    fn by_plan(plan: &Plan, cache: &plan::Cache, patches: &[Patch]) -> Result<Vec<Vec<f32>>, Error> {
        plan.patched_values(cache, patches)
    }

    fn by_windows(
        windows: &UNetWindows,
        layers: &UNetCache,
        patches: &[Patch],
        memory: usize,
        fitting: &Fitting,
    ) -> Result<Vec<Vec<f32>>, Error> {
        windows.patched(layers, patches, memory, fitting)
    }

    fn of_whole_pass(outputs: &[f32], size: [usize; 3], bounds: Box3) -> Vec<f32> {
        let voxels = size.iter().product::<usize>().max(1);
        let mut values = Vec::with_capacity(outputs.len() / voxels * bounds.voxels());
        for channel in outputs.chunks_exact(voxels) {
            for z in bounds.range(0) {
                for y in bounds.range(1) {
                    let row = (z * size[1] + y) * size[2];
                    values.extend_from_slice(&channel[row + bounds.start[2]..row + bounds.end[2]]);
                }
            }
        }
        values
    }
}

impl Network for TensorGraph {
    type Windows = ();
    type Layers = ();
    const IS_CLASSIFIER: bool = true;
    const HAS_WINDOWS: bool = false;

    fn graph(&self) -> Result<Graph, Error> {
        Ok(TensorGraph::graph(self).clone())
    }

    fn plan(&self) -> Result<Plan, Error> {
        Plan::new(TensorGraph::graph(self))
    }

    fn windows(&self, _: &Device) {}

    fn forward(&self, images: &Tensor) -> TensorResult<Tensor> {
        TensorGraph::forward(self, images)
    }

    fn image_bytes(&self, [_, z, y, x]: [usize; 4]) -> usize {
        // An operation holds its inputs, its output and a rearranged copy.
        let sizes = TensorGraph::graph(self).sizes([z, y, x]).unwrap_or_default();
        let largest = sizes.iter().map(|shape| shape.iter().product::<usize>()).max();
        4 * largest.unwrap_or(0) * size_of::<f32>()
    }

    fn cache((): &(), _: &[f32], _: [usize; 4]) -> Result<(), Error> {
        Err(no_windows())
    }

    fn is_of((): &(), _: &[f32], _: [usize; 4]) -> bool {
        false
    }

    fn outputs((): &()) -> &[f32] {
        &[]
    }

    fn by_plan(plan: &Plan, cache: &plan::Cache, patches: &[Patch]) -> Result<Vec<Vec<f32>>, Error> {
        plan.patched_outputs(cache, patches)
    }

    fn by_windows((): &(), (): &(), _: &[Patch], _: usize, _: &Fitting) -> Result<Vec<Vec<f32>>, Error> {
        Err(no_windows())
    }

    fn of_whole_pass(outputs: &[f32], _: [usize; 3], _: Box3) -> Vec<f32> {
        outputs.to_vec()
    }
}

fn no_windows() -> Error {
    Error::Batch { expected: "a network with windows".to_owned(), found: "a graph".to_owned() }
}
