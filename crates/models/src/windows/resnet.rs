//! A classifier, asked for the logit of each change.

use super::cut::{Changed, Layer, cut};
use super::image::{Image, Room, grouped};
use super::step::{inside, layer, next};
use crate::Error;
use crate::memory::Fitting;
use crate::resnet::{Around, Block, ResNet3d};
use candle_core::{Device, Result as TensorResult, Tensor, bail};
use conv3d::{ConvGeometry, Pool3dParams};
use relevox_grid::Patch;

/// A residual network, ready to be asked about changes of an image.
#[derive(Debug)]
pub struct Windows {
    network: ResNet3d,
    device: Device,
}

/// The layers of an image, on the device.
pub struct Kept {
    image: Image,
    logit: f32,
    /// Before the stem, after it, after its pooling.
    stem: [Layer; 3],
    /// Of each block: what follows each of its convolutions, the last being what the block gives.
    blocks: Vec<Vec<Layer>>,
}

impl Kept {
    /// The image's own logit.
    pub fn logit(&self) -> f32 {
        self.logit
    }

    /// Whether it was computed of this very image, `shape` being `[c, z, y, x]`.
    pub fn is_of(&self, image: &[f32], shape: [usize; 4]) -> bool {
        self.image.shape == shape && self.image.values == image
    }
}

impl Windows {
    /// Of a network whose parameters are on `device`.
    pub fn new(network: ResNet3d, device: Device) -> Self {
        Self { network, device }
    }

    /// Computes an image and keeps its layers.
    ///
    /// # Shapes
    /// `image` is `[c, z, y, x]` in C order.
    ///
    /// # Errors
    /// If `image` has another number of values, and what candle meets.
    pub fn keep(&self, image: &[f32], shape: [usize; 4]) -> Result<Kept, Error> {
        let image = Image::new(image, shape)?;
        let network = &self.network;
        let before = image.tensor(&self.device)?;
        let after = network.stem_norm.forward_t(&network.stem.forward(&before)?, false, true)?;
        let mut at = conv3d::max_pool3d(&after, ResNet3d::POOL)?;
        let stem = [Layer::new(&before)?, Layer::new(&after)?, Layer::new(&at)?];
        let mut blocks = Vec::new();
        for block in network.stages.iter().flatten() {
            let mut layers = Vec::new();
            let whole = at.clone();
            let last = block.layers.len() - 1;
            for (index, (conv, norm)) in block.layers.iter().enumerate() {
                at = norm.forward_t(&conv.forward(&at)?, false, index < last)?;
                if index == last {
                    at = conv3d::add_relu(&at, &beside(&block.around, &whole)?)?;
                }
                layers.push(Layer::new(&at)?);
            }
            blocks.push(layers);
        }
        let logit = network.head(&at)?.detach().to_vec1::<f32>()?[0];
        Ok(Kept { image, logit, stem, blocks })
    }

    /// The logit of the kept image after each change, each on its own.
    ///
    /// Changes of like size go together, as many as are expected to take `memory` bytes; `fitting` learns where that was
    /// too many.
    ///
    /// # Errors
    /// If a box does not lie in the image or has another number of values than its size says, and what candle meets.
    pub fn changed(
        &self,
        kept: &Kept,
        patches: &[Patch],
        memory: usize,
        fitting: &Fitting,
    ) -> Result<Vec<f32>, Error> {
        kept.image.check(patches, kept.image.size())?;
        // The first layer is the largest: its input, its output and rearranged copies of both.
        let (out, c, ..) = self.network.stem.weight().dims5()?;
        let stride = self.network.stem.params().stride.iter().product::<usize>();
        let by_voxel = 3 * (c + out.div_ceil(stride)) * size_of::<f32>();
        grouped(patches, &Room { memory, by_voxel }, fitting, |together| self.together(kept, together))
    }

    fn together(&self, kept: &Kept, patches: &[&Patch]) -> TensorResult<Vec<f32>> {
        let network = &self.network;
        let [before, after, pooled] = &kept.stem;
        let mut at = kept.image.upload(patches, &self.device)?;
        at = layer(&network.stem, &network.stem_norm, true, &[(before, &at)], None)?;
        at = pool(after, &at)?;
        let mut whole = pooled;
        for (block, layers) in network.stages.iter().flatten().zip(&kept.blocks) {
            at = through(block, whole, layers, &at)?;
            whole = layers.last().unwrap_or(whole);
        }
        let features = cut(whole, &at, &vec![[0; 3]; patches.len()], whole.size, [1; 3], 0.0)?;
        network.head(&features)?.detach().to_vec1::<f32>()
    }
}

/// The pooling after the stem.
fn pool(from: &Layer, changed: &Changed) -> TensorResult<Changed> {
    // Padding never wins.
    let geometry = ResNet3d::POOL.geometry();
    let (seen, place) = next(geometry, &[(from, changed)], None, f32::NEG_INFINITY)?;
    let values = conv3d::max_pool3d(&seen, Pool3dParams { padding: [0; 3], ..ResNet3d::POOL })?;
    Ok(Changed { values, place })
}

/// A block, of which `whole` is the input and `layers` what follows its convolutions.
fn through(block: &Block, whole: &Layer, layers: &[Layer], changed: &Changed) -> TensorResult<Changed> {
    let last = block.layers.len() - 1;
    let mut at: Option<Changed> = None;
    let mut from = whole;
    for (index, ((conv, norm), kept)) in block.layers.iter().zip(layers).enumerate() {
        at = Some(layer(conv, norm, index < last, &[(from, at.as_ref().unwrap_or(changed))], None)?);
        from = kept;
    }
    let Some(at) = at else { bail!("windows: a block without convolutions") };
    // What the way round reaches lies within what the convolutions reach: their kernels are no smaller.
    let stride = match &block.around {
        Around::Same => [1; 3],
        Around::Padded { stride, .. } => [*stride; 3],
        Around::Projected(layers) => layers.0.params().stride,
    };
    let Changed { values, place } = at;
    let firsts = place.first_inputs(ConvGeometry::strided(stride));
    let seen = cut(whole, changed, &firsts, place.size, stride, 0.0)?;
    let around = match &block.around {
        Around::Same => seen,
        Around::Padded { channels, .. } => {
            let more = channels - seen.dim(1)?;
            seen.pad_with_zeros(1, 0, more)?
        }
        Around::Projected(layers) => layers.1.forward_t(&inside(&layers.0, &seen)?, false, false)?,
    };
    Ok(Changed { values: conv3d::add_relu(&values, &around)?, place })
}

/// The way round a block, of a whole layer.
fn beside(around: &Around, whole: &Tensor) -> TensorResult<Tensor> {
    match around {
        Around::Same => Ok(whole.clone()),
        Around::Padded { stride, channels } => {
            let kept = conv3d::avg_pool3d(whole, Pool3dParams::cubic(1, *stride, 0))?;
            let more = channels - kept.dim(1)?;
            kept.pad_with_zeros(1, 0, more)
        }
        Around::Projected(layers) => layers.1.forward_t(&layers.0.forward(whole)?, false, false),
    }
}
