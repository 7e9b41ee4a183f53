//! Values of a U-Net in the boxes of patches.

use super::boxes::{Place, reached};
use super::cut::{Changed, Layer};
use super::image::{Image, Room, grouped};
use super::step::{layer, next};
use crate::Error;
use crate::layers::ConvTranspose3d;
use crate::memory::Fitting;
use crate::unet::{Level, UNet3d};
use candle_core::{Device, Result as TensorResult, Tensor};
use conv3d::ConvGeometry;
use relevox_grid::{Box3, Patch};

/// A level's convolutions.
const CONV: ConvGeometry = ConvGeometry { kernel: [3; 3], stride: [1; 3], padding: [1; 3] };
/// The pooling between two levels.
const POOL: ConvGeometry = UNet3d::POOL.geometry();

/// Computes a U-Net incrementally, on a device.
#[derive(Debug)]
pub struct UNetWindows {
    network: UNet3d,
    device: Device,
}

/// Activations of an image, on the device.
pub struct UNetCache {
    /// With zeros at the far ends.
    image: Image,
    /// Voxels of the image itself.
    size: [usize; 3],
    /// The way down, the finest first: before, between and after a level's two convolutions.
    down: Vec<[Layer; 3]>,
    /// The way up, the coarsest first: after the transposed convolution and between the two convolutions.
    up: Vec<[Layer; 2]>,
}

impl UNetCache {
    /// Returns whether the activations are those of this image of shape `[c, z, y, x]`.
    pub fn is_of(&self, image: &[f32], shape: [usize; 4]) -> bool {
        self.size == [shape[1], shape[2], shape[3]] && self.image.is(image, shape)
    }
}

/// Boxes that each patch needs after the first and after the second convolution of a level.
#[derive(Clone, Default)]
struct Needed {
    first: Vec<Box3>,
    second: Vec<Box3>,
}

impl Needed {
    /// Returns the boxes for outputs of the second convolution of a level of `size` voxels.
    fn of(second: Vec<Box3>, size: [usize; 3]) -> Self {
        let first = second.iter().map(|outputs| CONV.reads(*outputs, size)).collect();
        Self { first, second }
    }

    /// Returns the boxes of the level's input.
    fn input(&self, size: [usize; 3]) -> Vec<Box3> {
        self.first.iter().map(|outputs| CONV.reads(*outputs, size)).collect()
    }
}

impl UNetWindows {
    /// Wraps a network whose parameters are on `device`.
    pub fn new(network: UNet3d, device: Device) -> Self {
        Self { network, device }
    }

    /// Computes an image and caches its activations.
    ///
    /// # Shapes
    /// `image` is `[c, z, y, x]` in C order.
    ///
    /// # Errors
    /// Returns [`Error::Batch`] if `image` does not have this shape, or [`Error::Candle`] if an operation fails.
    pub fn cache(&self, image: &[f32], shape: [usize; 4]) -> Result<UNetCache, Error> {
        let network = &self.network;
        let image = Image::new(image, shape)?;
        let size = image.size();
        let image = image.padded(1 << network.up.len());
        let mut at = image.tensor(&self.device)?;
        let (mut down, mut features) = (Vec::new(), Vec::new());
        for (index, level) in network.down.iter().enumerate() {
            if index > 0 {
                at = conv3d::max_pool3d(&at, UNet3d::POOL)?;
            }
            let between = convolved(level, 0, &at)?;
            let after = convolved(level, 1, &between)?;
            down.push([Layer::new(&at)?, Layer::new(&between)?, Layer::new(&after)?]);
            at = after;
            features.push(at.clone());
        }
        let mut up = Vec::new();
        for ((transposed, level), skip) in network.up.iter().zip(features.iter().rev().skip(1)) {
            let upsampled = transposed.forward(&at)?;
            let between = convolved(level, 0, &Tensor::cat(&[skip, &upsampled], 1)?)?;
            up.push([Layer::new(&upsampled)?, Layer::new(&between)?]);
            // No later layer reads the finest level's cached output.
            if up.len() < network.up.len() {
                at = convolved(level, 1, &between)?;
            }
        }
        Ok(UNetCache { image, size, down, up })
    }

    /// Computes the U-Net's values in the box of each patch, separately.
    ///
    /// Patches of similar size are computed at once, as many as should take `memory` bytes; `fitting` halves batches that
    /// do not fit.
    ///
    /// # Shapes
    /// `[out, z, y, x]` for each patch, of the size of its box.
    ///
    /// # Errors
    /// Returns [`Error::Batch`] if a patch does not fit the image, or [`Error::Candle`] if an operation fails.
    pub fn patched(
        &self,
        cache: &UNetCache,
        patches: &[Patch],
        memory: usize,
        fitting: &Fitting,
    ) -> Result<Vec<Vec<f32>>, Error> {
        cache.image.check(patches, cache.size)?;
        // The first convolution of the finest level's way up is the largest: its input, its parts, and their copies.
        let (_, channels, ..) = self.network.last.weight().dims5()?;
        let by_voxel = 3 * 2 * channels * size_of::<f32>();
        grouped(patches, &Room { memory, by_voxel }, fitting, |together| self.together(cache, together))
    }

    /// Returns the receptive field of the patches' boxes in each level, down and up, the finest first.
    fn needed(&self, cache: &UNetCache, patches: &[&Patch]) -> (Vec<Needed>, Vec<Needed>) {
        let levels = self.network.down.len();
        let size = |level: usize| cache.image.size().map(|size| size >> level);
        let mut outputs: Vec<Box3> = patches.iter().map(|patch| patch.bounds()).collect();
        let mut up = Vec::new();
        for level in 0..levels - 1 {
            let needed = Needed::of(outputs, size(level));
            let input = needed.input(size(level));
            outputs = input.iter().map(|&fine| reached(POOL, fine, size(level + 1))).collect();
            up.push(needed);
        }
        let mut down = Vec::new();
        for level in (0..levels).rev() {
            let needed = Needed::of(outputs, size(level));
            let input = needed.input(size(level));
            down.push(needed);
            // The way up reads the finer level too, within the voxels that the pooling reads: each of its voxels lies
            // under a coarse voxel that the way up needed, and the convolutions of the coarse level only add to these.
            outputs = match level.checked_sub(1) {
                Some(finer) => input.iter().map(|&coarse| POOL.reads(coarse, size(finer))).collect(),
                None => Vec::new(),
            };
        }
        down.reverse();
        (down, up)
    }

    fn together(&self, cache: &UNetCache, patches: &[&Patch]) -> TensorResult<Vec<Vec<f32>>> {
        let network = &self.network;
        let (needed_down, needed_up) = self.needed(cache, patches);
        let mut at = cache.image.upload(patches, &self.device)?;
        let mut skipped: Vec<Changed> = Vec::new();
        for (index, (level, needed)) in network.down.iter().zip(&needed_down).enumerate() {
            let [before, between, _] = &cache.down[index];
            if let Some(finer) = index.checked_sub(1) {
                let from = &cache.down[finer][2];
                let size = before.size;
                let (seen, place) = next(POOL, &[(from, &at)], Some(&needed.input(size)), 0.0)?;
                skipped.push(at);
                at = Changed { values: conv3d::max_pool3d(&seen, UNet3d::POOL)?, place };
            }
            at = through(level, between, &[(before, &at)], needed)?;
        }
        let ways_up = network.up.iter().zip(&cache.up);
        for (((transposed, level), [whole, between]), (fine, skip)) in
            ways_up.zip(skipped.iter().enumerate().rev())
        {
            let upsampled = upsample(transposed, &at)?;
            let inputs = [(&cache.down[fine][2], skip), (whole, &upsampled)];
            at = through(level, between, &inputs, &needed_up[fine])?;
        }
        let values = network.last.forward(&at.values)?.detach();
        let (count, channels, ..) = values.dims5()?;
        let window = at.place.size;
        let values = values.flatten_all()?.to_vec1::<f32>()?;
        let voxels = window.iter().product::<usize>();
        let of_patch = |index: usize| {
            let (bounds, start) = (patches[index].bounds(), at.place.starts[index]);
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
        Ok((0..count).map(of_patch).collect())
    }
}

/// Computes one of a level's convolutions for a whole layer.
fn convolved(level: &Level, index: usize, before: &Tensor) -> TensorResult<Tensor> {
    let (conv, norm) = &level.layers[index];
    norm.forward_t(&conv.forward(before)?, false, true)
}

/// Computes a level's convolutions for windows; `between` is the cached layer between them.
fn through(
    level: &Level,
    between: &Layer,
    inputs: &[(&Layer, &Changed)],
    needed: &Needed,
) -> TensorResult<Changed> {
    let [(first, first_norm), (second, second_norm)] = &level.layers;
    let at = layer(first, first_norm, true, inputs, Some(&needed.first))?;
    layer(second, second_norm, true, &[(between, &at)], Some(&needed.second))
}

/// Computes a transposed convolution for windows: no output reads more than one input.
fn upsample(transposed: &ConvTranspose3d, changed: &Changed) -> TensorResult<Changed> {
    let Place { starts, size, boxes } = &changed.place;
    let place = Place {
        starts: starts.iter().map(|start| start.map(|at| 2 * at)).collect(),
        size: size.map(|size| 2 * size),
        boxes: boxes.iter().map(|bounds| bounds.scaled(2)).collect(),
    };
    Ok(Changed { values: transposed.forward(&changed.values)?, place })
}
