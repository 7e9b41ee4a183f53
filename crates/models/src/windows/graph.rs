//! Results of any network for patches of an image.

use super::cut::{Changed, Layer};
use super::image::{Image, Room, grouped};
use super::pass::{Current, Layers, Pass, joined};
use super::prepare::Program;
use crate::Error;
use crate::graph::Graph;
use crate::memory::Fitting;
use candle_core::{Device, Result as TensorResult, Tensor, bail};
use relevox_grid::{Box3, Patch};

/// Computes a network incrementally, on a device.
///
/// ```
/// use ndarray::Array4;
/// use relevox_grid::{Box3, Patch};
/// use relevox_models::candle_core::Device;
/// use relevox_models::memory::{Fitting, ON_GPU};
/// use relevox_models::windows::GraphWindows;
/// use relevox_models::{DenseNetConfig, Parameters};
///
/// let config = DenseNetConfig { init_features: 4, growth_rate: 2, block_config: vec![2, 2], ..Default::default() };
/// let graph = config.graph(Parameters::seeded(7, &Device::Cpu).builder())?;
/// let windows = GraphWindows::new(graph, &Device::Cpu)?;
/// let cache = windows.cache(&vec![0.5; 24 * 24 * 24], [1, 24, 24, 24])?;
/// let patch = Patch::new(Box3::new([8; 3], [12; 3]), Array4::zeros((1, 4, 4, 4)))?;
/// let outputs = windows.patched(&cache, &[patch], ON_GPU, &Fitting::default())?;
/// assert_eq!(outputs[0].len(), 2);
/// assert_ne!(outputs[0], cache.outputs());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct GraphWindows {
    /// Without the weights of its convolutions.
    graph: Graph,
    program: Program,
    device: Device,
    multiple: usize,
}

/// Activations of an image, on the device.
pub struct GraphCache {
    /// With zeros at the far ends.
    image: Image,
    /// Voxels of the image itself.
    size: [usize; 3],
    layers: Layers,
    outputs: Vec<f32>,
}

impl GraphCache {
    /// Returns the unperturbed image's outputs, `[k]`; nothing for a network that returns a map.
    pub fn outputs(&self) -> &[f32] {
        &self.outputs
    }

    /// Returns whether the activations are those of this image of shape `[c, z, y, x]`.
    pub fn is_of(&self, image: &[f32], shape: [usize; 4]) -> bool {
        self.size == [shape[1], shape[2], shape[3]] && self.image.is(image, shape)
    }
}

impl GraphWindows {
    /// Copies the parameters of a network to a device, with batch normalisations folded into the convolutions before them.
    ///
    /// # Errors
    /// Returns [`Error::Candle`] if the device has no room for them.
    pub fn new(graph: Graph, device: &Device) -> Result<Self, Error> {
        let graph = graph.fold_into_convolutions();
        let program = Program::new(&graph, device)?;
        let graph = graph.without_convolution_weights();
        Ok(Self { graph, program, device: device.clone(), multiple: 1 })
    }

    /// Pads images with zeros at their far ends, to a multiple of `multiple` voxels along each axis (default 1).
    #[must_use]
    pub fn padded_to(self, multiple: usize) -> Self {
        Self { multiple: multiple.max(1), ..self }
    }

    /// Computes an image and caches its activations.
    ///
    /// # Shapes
    /// `image` is `[c, z, y, x]` in C order.
    ///
    /// # Errors
    /// Returns [`Error::Batch`] if `image` does not have this shape or other channels than the network, or if the network
    /// returns a map of another size than its image's; [`Error::Graph`] if the network does not take images of this size,
    /// and [`Error::Candle`] if an operation fails.
    pub fn cache(&self, image: &[f32], shape: [usize; 4]) -> Result<GraphCache, Error> {
        let (image, channels) = (Image::new(image, shape)?, self.graph.channels());
        if shape[0] != channels || shape.contains(&0) {
            return Err(Error::Batch {
                expected: format!("an image [{channels}, z, y, x] of at least one voxel"),
                found: format!("{shape:?}"),
            });
        }
        let size = image.size();
        let image = image.padded(self.multiple);
        let sizes: Vec<[usize; 3]> = (self.graph.sizes(image.size())?.iter())
            .map(|shape| shape[1..].try_into().unwrap_or([0; 3]))
            .collect();
        let output = sizes[self.program.output];
        if !self.graph.is_classifier() && output != image.size() {
            return Err(Error::Batch {
                expected: format!("a network that returns a map of its image's size, {:?}", image.size()),
                found: format!("one of {output:?}"),
            });
        }
        let Program { traits, of_image, .. } = &self.program;
        let mut cached: Vec<Option<Layer>> = traits.iter().map(|_| None).collect();
        let result = self.whole(
            image.tensor(&self.device)?,
            |step| of_image[step],
            |value, values| {
                cached[value] = traits[value].is_cached.then(|| Layer::new(values)).transpose()?;
                Ok(())
            },
        )?;
        let outputs = match result.filter(|_| self.graph.is_classifier()) {
            Some(outputs) => outputs.flatten_all()?.to_vec1::<f32>()?,
            None => Vec::new(),
        };
        Ok(GraphCache { image, size, layers: Layers { cached, sizes }, outputs })
    }

    /// Computes whole images, with the kernels of [`GraphWindows::cache`].
    ///
    /// # Shapes
    /// `[n, c, z, y, x]` to `[n, k]` of a classifier, otherwise to `[n, c', z', y', x']`; if images are padded, the map is
    /// cut to their size.
    ///
    /// # Errors
    /// Returns an error if the network does not take images of this shape (see [`Graph::sizes`]), or if a tensor operation
    /// fails: images must be float32 and on the network's device.
    pub fn forward(&self, images: &Tensor) -> TensorResult<Tensor> {
        let (_, channels, z, y, x) = images.dims5()?;
        if channels != self.graph.channels() || images.elem_count() == 0 {
            bail!(
                "network: expected images [n, {}, z, y, x], found {:?}",
                self.graph.channels(),
                images.dims()
            )
        }
        let size = [z, y, x];
        let padded = size.map(|size| size.next_multiple_of(self.multiple));
        self.graph.sizes(padded).map_err(candle_core::Error::wrap)?;
        let mut images = images.clone();
        for axis in 0..3 {
            images = images.pad_with_zeros(axis + 2, 0, padded[axis] - size[axis])?;
        }
        let Some(mut result) = self.whole(images, |_| true, |_, _| Ok(()))? else {
            bail!("network: it has no result")
        };
        if padded != size && !self.graph.is_classifier() {
            for (axis, size) in size.into_iter().enumerate() {
                result = result.narrow(axis + 2, 0, size)?;
            }
        }
        result.contiguous()
    }

    /// Computes those steps of whole images for which `of` holds, calls `seen` with each value, and returns the result if it
    /// is among them.
    fn whole(
        &self,
        images: Tensor,
        of: impl Fn(usize) -> bool,
        mut seen: impl FnMut(usize, &Tensor) -> TensorResult<()>,
    ) -> TensorResult<Option<Tensor>> {
        let Program { steps, traits, output, .. } = &self.program;
        let mut values: Vec<Option<Tensor>> = vec![None; traits.len()];
        seen(0, &images)?;
        values[0] = Some(images);
        for (at, step) in steps.iter().enumerate().filter(|(at, _)| of(*at)) {
            let inputs = step.inputs.iter().map(|&input| match &values[input] {
                Some(value) => Ok(value.clone()),
                None => bail!("windows: value {input} is read before it is computed"),
            });
            let mut inputs = inputs.collect::<TensorResult<Vec<Tensor>>>()?;
            if step.joins_inputs() {
                inputs = vec![joined(inputs)?];
            }
            let result = step.kernel.compute(&inputs)?.detach();
            for &input in step.inputs.iter().filter(|&&input| traits[input].last_use == Some(at)) {
                values[input] = None;
            }
            seen(step.output, &result)?;
            values[step.output] = Some(result);
        }
        Ok(values[*output].take())
    }

    /// Computes the result of the image with each patch pasted in, separately: the outputs `[k]` of a classifier, or the
    /// values `[c, dz, dy, dx]` of a map in the patch's box, in C order.
    ///
    /// Patches of similar size are computed at once, as many as should take `memory` bytes; `fitting` halves batches that
    /// do not fit.
    ///
    /// # Errors
    /// Returns [`Error::Batch`] if a patch does not fit the image, or [`Error::Candle`] if an operation fails.
    ///
    /// # Panics
    /// May panic if the cache is of another network.
    pub fn patched(
        &self,
        cache: &GraphCache,
        patches: &[Patch],
        memory: usize,
        fitting: &Fitting,
    ) -> Result<Vec<Vec<f32>>, Error> {
        cache.image.check(patches, cache.size)?;
        let image = cache.image.size();
        let bytes = |size: [usize; 3]| {
            // In the middle, where the borders limit what it reaches least.
            let start: [usize; 3] = std::array::from_fn(|axis| (image[axis] - size[axis]) / 2);
            let bounds = Box3::new(start, std::array::from_fn(|axis| start[axis] + size[axis]));
            self.program.bytes(&cache.layers.sizes, bounds)
        };
        grouped(patches, &Room { memory, bytes }, fitting, |together| self.together(cache, together))
    }

    fn together(&self, cache: &GraphCache, patches: &[&Patch]) -> TensorResult<Vec<Vec<f32>>> {
        let image = cache.image.upload(patches, &self.device)?;
        let bounds: Vec<Box3> = patches.iter().map(|patch| patch.bounds()).collect();
        match Pass::run(&self.program, &cache.layers, &bounds, image)? {
            Current::Vector(outputs) => outputs.detach().to_vec2::<f32>(),
            Current::Map(changed) => inside(&changed, &bounds),
        }
    }
}

/// Copies the values of each box out of windows that hold it.
fn inside(changed: &Changed, boxes: &[Box3]) -> TensorResult<Vec<Vec<f32>>> {
    let (_, channels, ..) = changed.values.dims5()?;
    let window = changed.place.size;
    let values = changed.values.detach().flatten_all()?.to_vec1::<f32>()?;
    let voxels = window.iter().product::<usize>();
    let of_box = |(index, bounds): (usize, &Box3)| {
        let start = changed.place.starts[index];
        let [depth, height, width] = bounds.size();
        let [dz, dy, dx]: [usize; 3] = std::array::from_fn(|axis| bounds.start[axis] - start[axis]);
        let mut own = Vec::with_capacity(channels * bounds.voxels());
        for channel in 0..channels {
            for z in 0..depth {
                for y in 0..height {
                    let row = ((z + dz) * window[1] + y + dy) * window[2] + dx;
                    let from = (index * channels + channel) * voxels + row;
                    own.extend_from_slice(&values[from..from + width]);
                }
            }
        }
        own
    };
    Ok(boxes.iter().enumerate().map(of_box).collect())
}
