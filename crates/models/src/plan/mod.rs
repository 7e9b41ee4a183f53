//! Networks compiled to an inference plan for the CPU.
//!
//! A [`Plan`] is what a network in evaluation mode computes, as a list of steps: batch norm is folded into the weights
//! before it, bias, residual and ReLU are the end of a convolution's sums, weights are packed once in the order in which
//! the kernel reads them. Activations stay blocked (`conv3d::blocked`) from the image to the outputs. Which memory a layer takes,
//! and until when, follows from the sizes (`graph`); the memory is kept from call to call.
//!
//! - `compile`: networks into steps; `graph`: steps, sizes, memory;
//! - `incremental`: a scan whose layers are kept, and what changes of a few voxels make of its output.
//!
//! ```
//! use relevox_models::{Parameters, ResNet3d, ResNetConfig, candle_core::Tensor, device, plan::Plan};
//!
//! let config = ResNetConfig { depth: 10, width: 4, ..ResNetConfig::default() };
//! let network = ResNet3d::new(&config, Parameters::seeded(7, &device("cpu")?).builder())?;
//! let plan = Plan::resnet(&network)?;
//! let logits = plan.forward(&vec![0.5; 2 * 4 * 20 * 24 * 20], [2, 4, 20, 24, 20])?;
//! assert_eq!(logits.len(), 2);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod compile;
mod graph;
mod incremental;
#[cfg(test)]
mod tests;

pub use incremental::{Cache, Costs, LayerCost, MEMORY};

use crate::{Error, ResNet3d, UNet3d};
use compile::Algorithms;
use conv3d::blocked::conv::{Job, Residual};
use conv3d::blocked::image;
use graph::{Arrangement, End, Graph, Step, Work};
use relevox_grid::Box3;
use std::sync::{Mutex, PoisonError};

/// Bytes of activations that a call keeps to, where one image does not take more.
const AT_ONCE: usize = 1 << 29;

/// A network compiled for the CPU; threads may share it.
///
/// Results are the same bytes whatever the number of threads, and whatever the other images of a batch.
#[derive(Debug)]
pub struct Plan {
    graph: Graph,
    /// Memory of earlier calls.
    spare: Mutex<Vec<Vec<Vec<f32>>>>,
}

impl Plan {
    /// Compiles a classifier in evaluation mode, with its parameters as they are now.
    ///
    /// # Errors
    /// If its parameters can't be read.
    pub fn resnet(network: &ResNet3d) -> Result<Plan, Error> {
        Ok(Plan::of(compile::resnet(network, Algorithms::best())?))
    }

    /// Compiles a U-Net in evaluation mode, with its parameters as they are now.
    ///
    /// # Errors
    /// If its parameters can't be read.
    pub fn unet(network: &UNet3d) -> Result<Plan, Error> {
        Ok(Plan::of(compile::unet(network, Algorithms::best())?))
    }

    fn of(graph: Graph) -> Plan {
        Plan { graph, spare: Mutex::default() }
    }

    /// What the network gives for a batch.
    ///
    /// # Shapes
    /// `batch` is `[n, c, z, y, x]` in C order. A classifier gives its outputs `[n, k]`, a U-Net its values
    /// `[n, out, z, y, x]` before any sigmoid.
    ///
    /// # Errors
    /// If the batch is not as long as its shape says, has other channels than the network, or is too small for it.
    pub fn forward(&self, batch: &[f32], shape: [usize; 5]) -> Result<Vec<f32>, Error> {
        let arrangement = self.arrange(batch.len(), shape)?;
        let [n, channels, z, y, x] = shape;
        let size = [z, y, x];
        let image = channels * z * y * x;
        let by_image = match self.graph.end {
            End::Outputs(ref head) => head.bias.len(),
            End::Values { channels } => channels * z * y * x,
        };
        let mut output = vec![0.0; n * by_image];
        let together = (AT_ONCE / (arrangement.len() * size_of::<f32>()).max(1)).clamp(1, n.max(1));
        let mut memory = self.take();
        for (batch, output) in batch.chunks(together * image).zip(output.chunks_mut(together * by_image)) {
            let images = batch.len() / image;
            memory.resize_with(arrangement.slot_lens.len().max(memory.len()), Vec::new);
            for (slot, &len) in memory.iter_mut().zip(&arrangement.slot_lens) {
                if slot.len() < images * len {
                    *slot = vec![0.0; images * len];
                }
            }
            self.pack(&arrangement, batch, size, &mut memory);
            for step in &self.graph.steps {
                self.step(&arrangement, step, images, &mut memory);
            }
            self.unpack(&arrangement, size, &memory, output);
        }
        self.give(memory);
        Ok(output)
    }

    /// Sizes and memory for a batch of so many values and this shape.
    fn arrange(&self, values: usize, shape: [usize; 5]) -> Result<Arrangement, Error> {
        let [_, channels, z, y, x] = shape;
        let size = [z, y, x];
        let refuse = |expected: String, found: String| Error::Batch { expected, found };
        if channels != self.graph.channels {
            let found = format!("{channels} in {shape:?}");
            return Err(refuse(format!("{} channels", self.graph.channels), found));
        }
        let expected: Option<usize> = shape.iter().try_fold(1usize, |product, &n| product.checked_mul(n));
        if expected != Some(values) {
            return Err(refuse(format!("a batch of shape {shape:?}"), format!("{values} values")));
        }
        let arrangement = if size.contains(&0) { None } else { Arrangement::new(&self.graph, size) };
        arrangement
            .ok_or_else(|| refuse("images that the network's kernels fit in".into(), format!("{shape:?}")))
    }

    /// Floating-point operations of the convolutions for one image of `size` voxels, a multiply-add counted as two and
    /// taps outside the image included; none where the network's kernels do not fit.
    pub fn operations(&self, size: [usize; 3]) -> Option<u64> {
        let arrangement = Arrangement::new(&self.graph, size)?;
        let voxels = |layer: usize| arrangement.windows[layer].layer.iter().product::<usize>();
        let of = |step: &Step| step.work.products() * voxels(step.output) / step.work.factor().pow(3);
        Some(2 * self.graph.steps.iter().map(|step| of(step) as u64).sum::<u64>())
    }

    fn take(&self) -> Vec<Vec<f32>> {
        self.spare.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default()
    }

    fn give(&self, memory: Vec<Vec<f32>>) {
        self.spare.lock().unwrap_or_else(PoisonError::into_inner).push(memory);
    }

    fn pack(&self, arrangement: &Arrangement, batch: &[f32], size: [usize; 3], memory: &mut [Vec<f32>]) {
        let window = &arrangement.windows[0];
        let slot = &mut memory[arrangement.slots[self.graph.layers[0].buffer]];
        let image = self.graph.channels * size.iter().product::<usize>();
        for (image, to) in batch.chunks(image).zip(slot.chunks_mut(window.elements())) {
            image::pack(image, self.graph.channels, size, window, to);
        }
    }

    fn unpack(&self, arrangement: &Arrangement, size: [usize; 3], memory: &[Vec<f32>], output: &mut [f32]) {
        let last = self.graph.last();
        let images = self.images(arrangement, last, memory);
        let window = &arrangement.windows[last];
        match &self.graph.end {
            End::Outputs(head) => {
                for (values, to) in images.zip(output.chunks_mut(head.bias.len())) {
                    head.outputs(window, values, to);
                }
            }
            End::Values { channels } => {
                let by_image = channels * size.iter().product::<usize>();
                for (values, to) in images.zip(output.chunks_mut(by_image)) {
                    image::unpack(window, values, size, to);
                }
            }
        }
    }

    /// A layer's values, image by image.
    fn images<'a>(
        &self,
        arrangement: &'a Arrangement,
        layer: usize,
        memory: &'a [Vec<f32>],
    ) -> impl Iterator<Item = &'a [f32]> {
        let place = self.graph.layers[layer];
        let window = &arrangement.windows[layer];
        let skip = place.first_block * window.block_len();
        let slot = &memory[arrangement.slots[place.buffer]];
        slot.chunks_exact(arrangement.buffer_lens[place.buffer])
            .map(move |image| &image[skip..][..window.elements()])
    }

    /// Computes a step's whole output for all images.
    fn step(&self, arrangement: &Arrangement, step: &Step, images: usize, memory: &mut [Vec<f32>]) {
        let place = self.graph.layers[step.output];
        let (input, output) = (&arrangement.windows[step.input], &arrangement.windows[step.output]);
        let slot = arrangement.slots[place.buffer];
        let mut written = std::mem::take(&mut memory[slot]);
        {
            let memory = &*memory;
            let mut residuals =
                step.residual.map(|(layer, stride)| (layer, stride, self.images(arrangement, layer, memory)));
            let outputs = Box3::whole(match &step.work {
                Work::TransposedConv { .. } => input.layer,
                _ => output.layer,
            });
            let skip = place.first_block * output.block_len();
            let mut jobs: Vec<Job<'_>> = written
                .chunks_exact_mut(arrangement.buffer_lens[place.buffer])
                .zip(self.images(arrangement, step.input, memory))
                .take(images)
                .map(|(to, from)| Job {
                    outputs,
                    parts: None,
                    input: (input, from),
                    residual: residuals.as_mut().and_then(|(layer, stride, images)| {
                        let values = images.next()?;
                        Some(Residual { window: &arrangement.windows[*layer], values, stride: *stride })
                    }),
                    output: (output, &mut to[skip..][..output.elements()]),
                })
                .collect();
            step.work.run(&mut jobs);
        }
        memory[slot] = written;
    }
}
