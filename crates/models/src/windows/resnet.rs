//! Outputs of a classifier for patches.

use super::cut::{Changed, Layer, cut};
use super::image::{Image, Room, grouped};
use super::step::{inside, layer, next};
use crate::Error;
use crate::memory::Fitting;
use crate::resnet::{Block, ResNet3d, ShortcutLayer};
use candle_core::{Device, Result as TensorResult, Tensor, bail};
use conv3d::{ConvGeometry, Pool3dParams};
use relevox_grid::Patch;

/// Computes a residual network incrementally, on a device.
#[derive(Debug)]
pub struct ResNetWindows {
    network: ResNet3d,
    device: Device,
}

/// Activations of an image, on the device.
pub struct ResNetCache {
    image: Image,
    /// `[k]`
    outputs: Vec<f32>,
    /// Before the stem, after it.
    stem: [Layer; 2],
    /// After the pooling, if there is one.
    pooled: Option<Layer>,
    /// Outputs of each block's convolutions; the last is the block's output.
    blocks: Vec<Vec<Layer>>,
}

impl ResNetCache {
    /// Returns the unperturbed image's outputs, `[k]`.
    pub fn outputs(&self) -> &[f32] {
        &self.outputs
    }

    /// Returns whether the activations are those of this image of shape `[c, z, y, x]`.
    pub fn is_of(&self, image: &[f32], shape: [usize; 4]) -> bool {
        self.image.shape == shape && self.image.values == image
    }
}

impl ResNetWindows {
    /// Wraps a network whose parameters are on `device`.
    pub fn new(network: ResNet3d, device: Device) -> Self {
        Self { network, device }
    }

    /// Computes an image and caches its activations.
    ///
    /// # Shapes
    /// `image` is `[c, z, y, x]` in C order.
    ///
    /// # Errors
    /// Returns [`Error::Batch`] if `image` does not have this shape, or [`Error::Candle`] if an operation fails.
    pub fn cache(&self, image: &[f32], shape: [usize; 4]) -> Result<ResNetCache, Error> {
        let image = Image::new(image, shape)?;
        let network = &self.network;
        let before = image.tensor(&self.device)?;
        let after = network.stem_norm.forward_t(&network.stem.forward(&before)?, false, true)?;
        let stem = [Layer::new(&before)?, Layer::new(&after)?];
        let mut at = network.pool(after)?;
        let pooled = network.max_pool.then(|| Layer::new(&at)).transpose()?;
        let mut blocks = Vec::new();
        for block in network.stages.iter().flatten() {
            let mut layers = Vec::new();
            let whole = at.clone();
            let last = block.layers.len() - 1;
            for (index, (conv, norm)) in block.layers.iter().enumerate() {
                at = norm.forward_t(&conv.forward(&at)?, false, index < last)?;
                if index == last {
                    at = conv3d::add_relu(&at, &shortcut(&block.shortcut, &whole)?)?;
                }
                layers.push(Layer::new(&at)?);
            }
            blocks.push(layers);
        }
        let outputs = network.head(&at)?.detach().flatten_all()?.to_vec1::<f32>()?;
        Ok(ResNetCache { image, outputs, stem, pooled, blocks })
    }

    /// Computes the outputs of the image with each patch pasted in, separately: `[k]` for each patch.
    ///
    /// Patches of similar size are computed at once, as many as should take `memory` bytes; `fitting` halves batches that
    /// do not fit.
    ///
    /// # Errors
    /// Returns [`Error::Batch`] if a patch does not fit the image, or [`Error::Candle`] if an operation fails.
    pub fn patched(
        &self,
        cache: &ResNetCache,
        patches: &[Patch],
        memory: usize,
        fitting: &Fitting,
    ) -> Result<Vec<Vec<f32>>, Error> {
        cache.image.check(patches, cache.image.size())?;
        // The first layer is the largest: its input, its output and rearranged copies of both.
        let (out, c, ..) = self.network.stem.weight().dims5()?;
        let stride = self.network.stem.params().stride.iter().product::<usize>();
        let by_voxel = 3 * (c + out.div_ceil(stride)) * size_of::<f32>();
        grouped(patches, &Room { memory, by_voxel }, fitting, |together| self.together(cache, together))
    }

    fn together(&self, cache: &ResNetCache, patches: &[&Patch]) -> TensorResult<Vec<Vec<f32>>> {
        let network = &self.network;
        let [before, after] = &cache.stem;
        let mut at = cache.image.upload(patches, &self.device)?;
        at = layer(&network.stem, &network.stem_norm, true, &[(before, &at)], None)?;
        let mut whole = after;
        if let Some(pooled) = &cache.pooled {
            at = pool(after, &at)?;
            whole = pooled;
        }
        for (block, layers) in network.stages.iter().flatten().zip(&cache.blocks) {
            at = through(block, whole, layers, &at)?;
            whole = layers.last().unwrap_or(whole);
        }
        let features = cut(whole, &at, &vec![[0; 3]; patches.len()], whole.size, [1; 3], 0.0)?;
        network.head(&features)?.detach().to_vec2::<f32>()
    }
}

/// The pooling after the stem.
fn pool(from: &Layer, changed: &Changed) -> TensorResult<Changed> {
    // Padding is excluded from the maximum.
    let geometry = ResNet3d::POOL.geometry();
    let (seen, place) = next(geometry, &[(from, changed)], None, f32::NEG_INFINITY)?;
    let values = conv3d::max_pool3d(&seen, Pool3dParams { padding: [0; 3], ..ResNet3d::POOL })?;
    Ok(Changed { values, place })
}

/// Computes a block with input `whole` and cached outputs `layers` of its convolutions.
fn through(block: &Block, whole: &Layer, layers: &[Layer], changed: &Changed) -> TensorResult<Changed> {
    let last = block.layers.len() - 1;
    let mut at: Option<Changed> = None;
    let mut from = whole;
    for (index, ((conv, norm), output)) in block.layers.iter().zip(layers).enumerate() {
        at = Some(layer(conv, norm, index < last, &[(from, at.as_ref().unwrap_or(changed))], None)?);
        from = output;
    }
    let Some(at) = at else { bail!("windows: a block without convolutions") };
    // The shortcut reaches no more than the convolutions, whose kernels are at least as large.
    let stride = match &block.shortcut {
        ShortcutLayer::Identity => [1; 3],
        ShortcutLayer::Padded { stride, .. } => [*stride; 3],
        ShortcutLayer::Projected(layers) => layers.0.params().stride,
    };
    let Changed { values, place } = at;
    let firsts = place.first_inputs(ConvGeometry::strided(stride));
    let seen = cut(whole, changed, &firsts, place.size, stride, 0.0)?;
    let shortcut = match &block.shortcut {
        ShortcutLayer::Identity => seen,
        ShortcutLayer::Padded { channels, .. } => {
            let more = channels - seen.dim(1)?;
            seen.pad_with_zeros(1, 0, more)?
        }
        ShortcutLayer::Projected(layers) => layers.1.forward_t(&inside(&layers.0, &seen)?, false, false)?,
    };
    Ok(Changed { values: conv3d::add_relu(&values, &shortcut)?, place })
}

/// Computes the shortcut of a block for a whole layer.
fn shortcut(layer: &ShortcutLayer, whole: &Tensor) -> TensorResult<Tensor> {
    match layer {
        ShortcutLayer::Identity => Ok(whole.clone()),
        ShortcutLayer::Padded { stride, channels } => {
            let strided = conv3d::avg_pool3d(whole, Pool3dParams::cubic(1, *stride, 0))?;
            let more = channels - strided.dim(1)?;
            strided.pad_with_zeros(1, 0, more)
        }
        ShortcutLayer::Projected(layers) => layers.1.forward_t(&layers.0.forward(whole)?, false, false),
    }
}
