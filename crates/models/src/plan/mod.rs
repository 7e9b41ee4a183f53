//! Networks compiled to an inference plan for the CPU.
//!
//! A [`Plan`] is a [`Graph`] as a list of steps: norms are folded into the weights before them, bias, residual and
//! activation are the end of a convolution's sums, weights are packed once in the order in which the kernel reads them.
//! Activations stay blocked (`conv3d::blocked`) from the image to the outputs. Which memory a layer takes, and until when,
//! follows from the sizes (`program`); memory is reused from call to call.
//!
//! - `compile`: graphs into steps; `work`: the operations of steps; `program`: steps, sizes, memory;
//! - `incremental`: an image whose layers are cached, and the outputs for patches of it.
//!
//! A change is followed incrementally up to the first operation that is not local (the mean of a gate, instance
//! normalisation), and densely from there on; either way the outputs are those of a whole pass.
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
mod incremental;
mod program;
mod separate;
#[cfg(test)]
mod tests;
mod work;

pub use incremental::{Cache, Costs, LayerCost, MEMORY};

use crate::graph::Graph;
use crate::{Error, ResNet3d, UNet3d};
use compile::{Algorithms, compile};
use conv3d::blocked::Lines;
use conv3d::blocked::image;
use conv3d::blocked::job::{Job, Residual};
use program::{Arrangement, End, Program, Step};
use relevox_grid::Box3;
use separate::separate;
use std::sync::{Mutex, PoisonError};

/// Bytes of activations that a call keeps to, where one image does not take more.
const AT_ONCE: usize = 1 << 29;

/// A network compiled for the CPU; threads may share it.
///
/// Results are the same bytes whatever the number of threads, and whatever the other images of a batch.
#[derive(Debug)]
pub struct Plan {
    program: Program,
    /// Memory of earlier calls.
    spare: Mutex<Vec<Vec<Lines>>>,
}

impl Plan {
    /// Compiles a network.
    ///
    /// # Errors
    /// Returns [`Error::Graph`] if the network has an operation that the compiler does not support.
    pub fn new(graph: &Graph) -> Result<Plan, Error> {
        Plan::padded(graph, 1)
    }

    /// Compiles a network whose images are padded at their far ends to a multiple of `multiple` voxels.
    ///
    /// # Errors
    /// As [`Plan::new`].
    pub(crate) fn padded(graph: &Graph, multiple: usize) -> Result<Plan, Error> {
        Ok(Plan::of(compile(graph, Algorithms::best(), multiple)?))
    }

    /// Compiles a classifier in evaluation mode, with its parameters as they are now.
    ///
    /// # Errors
    /// Returns [`Error::Candle`] if its parameters can't be read.
    pub fn resnet(network: &ResNet3d) -> Result<Plan, Error> {
        Plan::new(&network.graph()?)
    }

    /// Compiles a U-Net in evaluation mode, with its parameters as they are now. Images are padded at their far ends.
    ///
    /// # Errors
    /// Returns [`Error::Candle`] if its parameters can't be read.
    pub fn unet(network: &UNet3d) -> Result<Plan, Error> {
        Plan::padded(&network.graph()?, network.multiple())
    }

    fn of(program: Program) -> Plan {
        Plan { program, spare: Mutex::default() }
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
        Ok(in_pool(|| self.compute(&arrangement, batch, shape)))
    }

    /// Computes a batch of this shape, which the arrangement fits.
    fn compute(&self, arrangement: &Arrangement, batch: &[f32], shape: [usize; 5]) -> Vec<f32> {
        let [n, channels, z, y, x] = shape;
        let size = [z, y, x];
        let image = channels * z * y * x;
        let by_image = self.values(arrangement, size);
        let mut output = vec![0.0; n * by_image];
        let together = (AT_ONCE / (arrangement.len() * size_of::<f32>()).max(1)).clamp(1, n.max(1));
        let mut memory = self.take();
        for (batch, output) in batch.chunks(together * image).zip(output.chunks_mut(together * by_image)) {
            let images = batch.len() / image;
            memory.resize_with(arrangement.slot_lens.len().max(memory.len()), Lines::new);
            for (slot, &len) in memory.iter_mut().zip(&arrangement.slot_lens) {
                if slot.len() < images * len {
                    *slot = Lines::zeros(images * len);
                }
            }
            self.pack(arrangement, batch, size, &mut memory);
            for step in &self.program.steps {
                self.step(arrangement, step, images, &mut memory);
            }
            self.unpack(arrangement, size, &memory, output);
        }
        self.give(memory);
        output
    }

    /// Sizes and memory for a batch of so many values and this shape.
    fn arrange(&self, values: usize, shape: [usize; 5]) -> Result<Arrangement, Error> {
        let [_, channels, z, y, x] = shape;
        let size = [z, y, x];
        let refuse = |expected: String, found: String| Error::Batch { expected, found };
        if channels != self.program.channels {
            let found = format!("{channels} in {shape:?}");
            return Err(refuse(format!("{} channels", self.program.channels), found));
        }
        let expected: Option<usize> = shape.iter().try_fold(1usize, |product, &n| product.checked_mul(n));
        if expected != Some(values) {
            return Err(refuse(format!("a batch of shape {shape:?}"), format!("{values} values")));
        }
        let arrangement = if size.contains(&0) { None } else { Arrangement::new(&self.program, size) };
        arrangement
            .ok_or_else(|| refuse("images that the network's kernels fit in".into(), format!("{shape:?}")))
    }

    /// Floating-point operations of the convolutions for one image of `size` voxels, a multiply-add counted as two and
    /// taps outside the image included; none where the network's kernels do not fit.
    pub fn operations(&self, size: [usize; 3]) -> Option<u64> {
        let arrangement = Arrangement::new(&self.program, size)?;
        let of = |step: &Step| {
            let positions = step.work.positions(Box3::whole(arrangement.windows[step.output].layer));
            step.work.products() * positions.voxels()
        };
        Some(2 * self.program.steps.iter().map(|step| of(step) as u64).sum::<u64>())
    }

    /// Returns the number of values of an image's result. The map of an image that is padded is cut to the image.
    fn values(&self, arrangement: &Arrangement, size: [usize; 3]) -> usize {
        self.program.end.len(self.result_size(arrangement, size))
    }

    /// Returns the voxels of an image's result, if it is a map.
    fn result_size(&self, arrangement: &Arrangement, size: [usize; 3]) -> [usize; 3] {
        if self.program.multiple > 1 { size } else { arrangement.windows[self.program.last()].layer }
    }

    fn take(&self) -> Vec<Lines> {
        self.spare.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default()
    }

    fn give(&self, memory: Vec<Lines>) {
        self.spare.lock().unwrap_or_else(PoisonError::into_inner).push(memory);
    }

    fn pack(&self, arrangement: &Arrangement, batch: &[f32], size: [usize; 3], memory: &mut [Lines]) {
        let window = &arrangement.windows[0];
        let slot = &mut memory[arrangement.slots[self.program.layers[0].buffer]];
        let image = self.program.channels * size.iter().product::<usize>();
        for (image, to) in batch.chunks(image).zip(slot.chunks_mut(window.elements())) {
            image::pack(image, self.program.channels, size, window, to);
        }
    }

    fn unpack(&self, arrangement: &Arrangement, size: [usize; 3], memory: &[Lines], output: &mut [f32]) {
        let last = self.program.last();
        let images = self.images(arrangement, last, memory);
        let window = &arrangement.windows[last];
        let by_image = self.values(arrangement, size);
        for (values, to) in images.zip(output.chunks_mut(by_image.max(1))) {
            match &self.program.end {
                End::Map(lanes) => {
                    image::unpack(window, values, lanes, self.result_size(arrangement, size), to);
                }
                end => end.outputs(window, values, to),
            }
        }
    }

    /// A layer's values, image by image.
    fn images<'a>(
        &self,
        arrangement: &'a Arrangement,
        layer: usize,
        memory: &'a [Lines],
    ) -> impl Iterator<Item = &'a [f32]> {
        let place = self.program.layers[layer];
        let window = &arrangement.windows[layer];
        let skip = place.first_block * window.block_len();
        let slot = &memory[arrangement.slots[place.buffer]];
        slot.chunks_exact(arrangement.buffer_lens[place.buffer])
            .map(move |image| &image[skip..][..window.elements()])
    }

    /// Computes a step's whole output for all images.
    fn step(&self, arrangement: &Arrangement, step: &Step, images: usize, memory: &mut [Lines]) {
        let place = self.program.layers[step.output];
        let output = &arrangement.windows[step.output];
        let slot = arrangement.slots[place.buffer];
        let mut written = std::mem::take(&mut memory[slot]);
        {
            let memory = &*memory;
            let outputs = step.work.positions(Box3::whole(output.layer));
            let len = arrangement.buffer_lens[place.buffer];
            let own = place.first_block * output.block_len()..;
            let mut jobs: Vec<Job<'_>> = written
                .chunks_exact_mut(len)
                .take(images)
                .enumerate()
                .map(|(image, buffer)| {
                    let (to, beside) = separate(buffer, own.start..own.start + output.elements());
                    let read = |layer: usize| {
                        let (of, window) = (self.program.layers[layer], &arrangement.windows[layer]);
                        let range = of.first_block * window.block_len()..;
                        let range = range.start..range.start + window.elements();
                        let values = if of.buffer == place.buffer {
                            beside.get(range)
                        } else {
                            let first = image * arrangement.buffer_lens[of.buffer];
                            &memory[arrangement.slots[of.buffer]][first..][range]
                        };
                        (window, values)
                    };
                    let residual = step.residual.map(|(layer, stride)| {
                        let (window, values) = read(layer);
                        Residual { window, values, stride }
                    });
                    Job { outputs, parts: None, input: read(step.input), residual, output: (output, to) }
                })
                .collect();
            step.work.run(&mut jobs);
        }
        memory[slot] = written;
    }
}

/// Runs work with many parallel sections in the thread pool: each section that another thread begins costs that thread a sleep.
fn in_pool<R: Send>(work: impl FnOnce() -> R + Send) -> R {
    rayon::scope(|_| work())
}
