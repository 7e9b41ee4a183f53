//! What a change of an image changes in a classifier's logit, on a GPU: windows of equal size around many changes go
//! through each layer as one batch.
//!
//! [`Windows::keep`] computes the image as it is and keeps every layer on the device. [`Windows::changed`] then follows each
//! change from layer to layer: the box of outputs that it reaches (`boxes`), a window around that as large as the
//! batch's largest, its inputs cut out of the kept layer with the change's own values in it (`cut`), and the layer's own
//! operation on all windows together. A window of an early layer is small, and so there are many to fill the chip; in late
//! layers it is the whole layer.
//!
//! Everything is candle's and this crate's operations, so that it runs on any device and is tested on the CPU against
//! whole forward passes, with which it agrees to rounding. On the CPU itself the compiled [`crate::plan`] is faster.

mod boxes;
mod cut;
#[cfg(test)]
mod tests;

use crate::Error;
use crate::layers::{BatchNorm3d, Conv3d};
use crate::memory::{Fitting, is_exhausted};
use crate::ops::{self, Conv3dParams, Pool3dParams};
use crate::plan::Change;
use crate::resnet::{Around, Block, ResNet3d};
use boxes::{Bounds, Place, Reach};
use candle_core::{Device, Result as TensorResult, Tensor, bail};
use cut::{Changed, Layer, cut};

/// Most changes that go through a layer together.
pub const TOGETHER: usize = 32;

/// A residual network, ready to be asked about changes of an image.
#[derive(Debug)]
pub struct Windows {
    network: ResNet3d,
    device: Device,
}

/// The layers of an image, on the device.
pub struct Kept {
    image: Vec<f32>,
    shape: [usize; 4],
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
        self.shape == shape && self.image == image
    }

    fn size(&self) -> [usize; 3] {
        [self.shape[1], self.shape[2], self.shape[3]]
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
        if image.len() != shape.iter().product::<usize>() {
            return Err(Error::Batch {
                expected: format!("an image of shape {shape:?}"),
                found: format!("{} values", image.len()),
            });
        }
        let [c, z, y, x] = shape;
        let network = &self.network;
        let before = Tensor::from_slice(image, (1, c, z, y, x), &self.device)?;
        let after = network.stem_norm.forward_t(&network.stem.forward(&before)?, false, true)?;
        let mut at = ops::max_pool3d(&after, ResNet3d::POOL)?;
        let stem = [Layer::new(&before)?, Layer::new(&after)?, Layer::new(&at)?];
        let mut blocks = Vec::new();
        for block in network.stages.iter().flatten() {
            let mut layers = Vec::new();
            let whole = at.clone();
            let last = block.layers.len() - 1;
            for (index, (conv, norm)) in block.layers.iter().enumerate() {
                at = norm.forward_t(&conv.forward(&at)?, false, index < last)?;
                if index == last {
                    at = ops::add_relu(&at, &beside(&block.around, &whole)?)?;
                }
                layers.push(Layer::new(&at)?);
            }
            blocks.push(layers);
        }
        let logit = network.head(&at)?.detach().to_vec1::<f32>()?[0];
        Ok(Kept { image: image.to_vec(), shape, logit, stem, blocks })
    }

    /// The logit of the kept image after each change, each on its own.
    ///
    /// Changes of like size go together; `fitting` learns how many of them the device's memory takes.
    ///
    /// # Errors
    /// If a box does not lie in the image or has another number of values than its size says, and what candle meets.
    pub fn changed(&self, kept: &Kept, changes: &[Change<'_>], fitting: &Fitting) -> Result<Vec<f32>, Error> {
        for change in changes {
            let inside = (0..3).all(|axis| {
                change.size[axis] > 0 && change.start[axis] + change.size[axis] <= kept.size()[axis]
            });
            let values = kept.shape[0] * change.size.iter().product::<usize>();
            if !inside || change.values.len() != values {
                return Err(Error::Batch {
                    expected: format!("a box in {:?} with a value for each sequence and voxel", kept.size()),
                    found: format!(
                        "{} values for {:?} from {:?}",
                        change.values.len(),
                        change.size,
                        change.start
                    ),
                });
            }
        }
        let mut order: Vec<usize> = (0..changes.len()).collect();
        order.sort_by_key(|&index| (changes[index].size.iter().product::<usize>(), index));
        let mut logits = vec![kept.logit; changes.len()];
        for group in order.chunks(TOGETHER) {
            let exhausted = |error: &candle_core::Error| is_exhausted(error);
            let found = fitting.run(group.len(), exhausted, |range| {
                let together: Vec<Change<'_>> = group[range].iter().map(|&index| changes[index]).collect();
                self.together(kept, &together)
            })?;
            for (&index, logit) in group.iter().zip(found) {
                logits[index] = logit;
            }
        }
        Ok(logits)
    }

    fn together(&self, kept: &Kept, changes: &[Change<'_>]) -> TensorResult<Vec<f32>> {
        let wanted = changes.len();
        let Some(last) = changes.last() else { return Ok(Vec::new()) };
        // Few sizes of batches, so that each shape's algorithm is chosen once.
        let mut changes = changes.to_vec();
        changes.resize(wanted.next_power_of_two(), *last);
        let network = &self.network;
        let [before, after, pooled] = &kept.stem;
        let mut at = self.upload(kept, &changes)?;
        at = layer(&network.stem, &network.stem_norm, true, before, &at)?;
        at = pool(after, &at)?;
        let mut whole = pooled;
        for (block, layers) in network.stages.iter().flatten().zip(&kept.blocks) {
            at = through(block, whole, layers, &at)?;
            whole = layers.last().unwrap_or(whole);
        }
        let features = cut(whole, &at, &vec![[0; 3]; changes.len()], whole.size, [1; 3], 0.0)?;
        let mut logits = network.head(&features)?.detach().to_vec1::<f32>()?;
        logits.truncate(wanted);
        Ok(logits)
    }

    /// Windows of the image itself, as each change leaves it.
    fn upload(&self, kept: &Kept, changes: &[Change<'_>]) -> TensorResult<Changed> {
        let boxes: Vec<Bounds> = changes
            .iter()
            .map(|change| {
                std::array::from_fn(|axis| change.start[axis]..change.start[axis] + change.size[axis])
            })
            .collect();
        let place = Place::around(boxes, kept.size());
        let size = place.size;
        let channels = kept.shape[0];
        let [_, height, width] = kept.size();
        let voxels = kept.size().iter().product::<usize>();
        let mut values = Vec::with_capacity(changes.len() * channels * size.iter().product::<usize>());
        for ((change, bounds), start) in changes.iter().zip(&place.boxes).zip(&place.starts) {
            for channel in 0..channels {
                for z in start[0]..start[0] + size[0] {
                    for y in start[1]..start[1] + size[1] {
                        let row = channel * voxels + (z * height + y) * width + start[2];
                        let first = values.len();
                        values.extend_from_slice(&kept.image[row..row + size[2]]);
                        if bounds[0].contains(&z) && bounds[1].contains(&y) {
                            let within = (channel * change.size[0] + z - bounds[0].start) * change.size[1];
                            let from = (within + y - bounds[1].start) * change.size[2];
                            let onto = first + bounds[2].start - start[2];
                            values[onto..onto + change.size[2]]
                                .copy_from_slice(&change.values[from..from + change.size[2]]);
                        }
                    }
                }
            }
        }
        let [z, y, x] = size;
        let values = Tensor::from_vec(values, (changes.len(), channels, z, y, x), &self.device)?;
        Ok(Changed { values, place })
    }
}

/// Where windows of a layer's outputs are, and the windows of its inputs that they look at.
fn next(reach: Reach, from: &Layer, changed: &Changed, outside: f32) -> TensorResult<(Tensor, Place)> {
    let size = reach.output_size(from.size)?;
    let reached = changed.place.boxes.iter().map(|inputs| reach.outputs(inputs, size)).collect();
    let place = Place::around(reached, size);
    // Of a kernel of 1, the inputs between are not looked at.
    let one = reach.kernel == [1; 3];
    let step = if one { reach.stride } else { [1; 3] };
    let inputs = if one { place.size } else { reach.inputs([0; 3], place.size).1 };
    let firsts: Vec<[isize; 3]> =
        place.starts.iter().map(|&start| reach.inputs(start, place.size).0).collect();
    Ok((cut(from, changed, &firsts, inputs, step, outside)?, place))
}

/// A convolution with its batch norm.
fn layer(
    conv: &Conv3d,
    norm: &BatchNorm3d,
    relu: bool,
    from: &Layer,
    changed: &Changed,
) -> TensorResult<Changed> {
    let Conv3dParams { stride, padding, dilation } = conv.params();
    let (_, _, kz, ky, kx) = conv.weight().dims5()?;
    if dilation != [1; 3] {
        bail!("windows: a dilated convolution has none")
    }
    let reach = Reach { kernel: [kz, ky, kx], stride, padding };
    let (seen, place) = next(reach, from, changed, 0.0)?;
    let values = norm.forward_t(&inside(conv, &seen)?, false, relu)?;
    Ok(Changed { values, place })
}

/// A convolution of windows that hold all that it looks at.
fn inside(conv: &Conv3d, seen: &Tensor) -> TensorResult<Tensor> {
    let one = conv.weight().dims()[2..] == [1; 3];
    let stride = if one { [1; 3] } else { conv.params().stride };
    let params = Conv3dParams { stride, padding: [0; 3], dilation: [1; 3] };
    ops::conv3d(seen, conv.weight(), conv.bias(), params)
}

/// The pooling after the stem.
fn pool(from: &Layer, changed: &Changed) -> TensorResult<Changed> {
    let Pool3dParams { kernel, stride, padding } = ResNet3d::POOL;
    // Padding never wins.
    let (seen, place) = next(Reach { kernel, stride, padding }, from, changed, f32::NEG_INFINITY)?;
    let values = ops::max_pool3d(&seen, Pool3dParams { kernel, stride, padding: [0; 3] })?;
    Ok(Changed { values, place })
}

/// A block, of which `whole` is the input and `layers` what follows its convolutions.
fn through(block: &Block, whole: &Layer, layers: &[Layer], changed: &Changed) -> TensorResult<Changed> {
    let last = block.layers.len() - 1;
    let mut at: Option<Changed> = None;
    let mut from = whole;
    for (index, ((conv, norm), kept)) in block.layers.iter().zip(layers).enumerate() {
        at = Some(layer(conv, norm, index < last, from, at.as_ref().unwrap_or(changed))?);
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
    let firsts: Vec<[isize; 3]> =
        place.starts.iter().map(|&start| Reach::each(stride).inputs(start, place.size).0).collect();
    let seen = cut(whole, changed, &firsts, place.size, stride, 0.0)?;
    let around = match &block.around {
        Around::Same => seen,
        Around::Padded { channels, .. } => {
            let more = channels - seen.dim(1)?;
            seen.pad_with_zeros(1, 0, more)?
        }
        Around::Projected(layers) => layers.1.forward_t(&inside(&layers.0, &seen)?, false, false)?,
    };
    Ok(Changed { values: ops::add_relu(&values, &around)?, place })
}

/// The way round a block, of a whole layer.
fn beside(around: &Around, whole: &Tensor) -> TensorResult<Tensor> {
    match around {
        Around::Same => Ok(whole.clone()),
        Around::Padded { stride, channels } => {
            let kept = ops::avg_pool3d(whole, Pool3dParams::cubic(1, *stride, 0))?;
            let more = channels - kept.dim(1)?;
            kept.pad_with_zeros(1, 0, more)
        }
        Around::Projected(layers) => layers.1.forward_t(&layers.0.forward(whole)?, false, false),
    }
}
