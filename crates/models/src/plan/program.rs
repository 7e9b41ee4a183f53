//! A compiled network: steps between layers, with what their sizes decide: which memory each layer takes, and until when.

use super::work::Work;
use conv3d::blocked::lanes::Lanes;
use conv3d::blocked::window::{BLOCK, Window};

/// Blocks of a buffer: all of it, or a part beside others (a concatenation).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Layer {
    pub(crate) buffer: usize,
    pub(crate) first_block: usize,
    pub(crate) blocks: usize,
}

/// Memory of its own.
#[derive(Clone, Debug)]
pub(crate) struct Buffer {
    pub(crate) blocks: usize,
    pub(crate) pitch: usize,
    /// Zeros cached before and after each row for the convolutions that read it.
    pub(crate) halo: usize,
}

/// One operation of a program.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) work: Work,
    pub(crate) input: usize,
    pub(crate) output: usize,
    /// A second input, every so many voxels; one voxel with the value of each channel for a gate.
    pub(crate) residual: Option<(usize, usize)>,
    /// Zeros after the input along each axis, which allow for more outputs.
    pub(crate) after: [usize; 3],
}

/// Result of the last layer.
#[derive(Debug)]
pub(crate) enum End {
    /// The mean over voxels, then weighted sums of channels.
    Head(Head),
    /// The values of the single voxel, by channel.
    Vector(Lanes),
    /// All values, by channel.
    Map(Lanes),
}

impl End {
    /// Returns the number of values of an image of `size` voxels.
    pub(crate) fn len(&self, size: [usize; 3]) -> usize {
        match self {
            End::Head(head) => head.bias.len(),
            End::Vector(lanes) => lanes.count(),
            End::Map(lanes) => lanes.count() * size.iter().product::<usize>(),
        }
    }

    /// Returns whether the result is a vector, as a classifier's.
    pub(crate) fn is_vector(&self) -> bool {
        !matches!(self, End::Map(_))
    }

    /// Writes an image's vector, from its last layer.
    pub(crate) fn outputs(&self, window: &Window, values: &[f32], outputs: &mut [f32]) {
        match self {
            End::Head(head) => head.outputs(window, values, outputs),
            End::Vector(lanes) | End::Map(lanes) => {
                for (lane, channel) in lanes.channels.iter().enumerate() {
                    if let Some(channel) = channel {
                        outputs[*channel] = values[window.at(lane / BLOCK, [0; 3]) + lane % BLOCK];
                    }
                }
            }
        }
    }
}

/// The last layer of a classifier.
#[derive(Debug)]
pub(crate) struct Head {
    /// `[k, lanes]`
    pub(crate) weights: Vec<f32>,
    /// `[k]`
    pub(crate) bias: Vec<f32>,
}

impl Head {
    /// Computes the outputs of an image from its last layer: the mean over voxels by channel, in float64, then the
    /// weighted sums.
    fn outputs(&self, window: &Window, values: &[f32], outputs: &mut [f32]) {
        let [z, y, x] = window.layer;
        let mut sums = vec![0.0f64; window.blocks * window.pitch];
        for (block, sums) in sums.chunks_mut(window.pitch).enumerate() {
            for z in 0..z {
                for y in 0..y {
                    let row = &values[window.at(block, [z as isize, y as isize, 0])..][..x * window.pitch];
                    for voxel in row.chunks_exact(window.pitch) {
                        sums.iter_mut().zip(voxel).for_each(|(sum, &value)| *sum += f64::from(value));
                    }
                }
            }
        }
        let count = (z * y * x) as f64;
        for ((weights, bias), output) in self.weights.chunks(sums.len().max(1)).zip(&self.bias).zip(outputs) {
            let weighted =
                sums.iter().zip(weights).map(|(sum, &weight)| sum / count * f64::from(weight)).sum::<f64>();
            *output = (weighted + f64::from(*bias)) as f32;
        }
    }
}

/// A network: layer 0 is the image, the last step's output is the last layer.
#[derive(Debug)]
pub(crate) struct Program {
    pub(crate) channels: usize,
    /// The image is padded at its far ends to a multiple of this.
    pub(crate) multiple: usize,
    pub(crate) layers: Vec<Layer>,
    pub(crate) buffers: Vec<Buffer>,
    pub(crate) steps: Vec<Step>,
    pub(crate) end: End,
}

impl Program {
    /// The last layer.
    pub(crate) fn last(&self) -> usize {
        self.steps.last().map_or(0, |step| step.output)
    }
}

/// A program for images of one size.
#[derive(Debug)]
pub(crate) struct Arrangement {
    /// What each layer's memory holds.
    pub(crate) windows: Vec<Window>,
    /// Which slot each buffer takes.
    pub(crate) slots: Vec<usize>,
    /// Values of each slot, by image.
    pub(crate) slot_lens: Vec<usize>,
    /// Values of each buffer, by image.
    pub(crate) buffer_lens: Vec<usize>,
}

impl Arrangement {
    /// Sizes and memory for images of `size` voxels, or none where a kernel does not fit.
    pub(crate) fn new(program: &Program, size: [usize; 3]) -> Option<Arrangement> {
        let mut sizes = vec![[0; 3]; program.layers.len()];
        sizes[0] = size.map(|size| size.next_multiple_of(program.multiple));
        for step in &program.steps {
            let output = step.work.output_size(step.after, sizes[step.input])?;
            sizes[step.output] = output;
            // Layers that lie beside one another are of one size.
            let buffer = program.layers[step.output].buffer;
            for (layer, size) in program.layers.iter().zip(&mut sizes) {
                if layer.buffer == buffer {
                    *size = output;
                }
            }
        }
        let window = |layer: &Layer, &size: &[usize; 3]| {
            let buffer = &program.buffers[layer.buffer];
            Window::whole(size, layer.blocks, buffer.pitch, buffer.halo)
        };
        let windows: Vec<Window> =
            program.layers.iter().zip(&sizes).map(|(layer, size)| window(layer, size)).collect();
        let mut buffer_lens = vec![0; program.buffers.len()];
        for (layer, window) in program.layers.iter().zip(&windows) {
            buffer_lens[layer.buffer] = window.block_len() * program.buffers[layer.buffer].blocks;
        }
        let mut arrangement = Arrangement { windows, slots: Vec::new(), slot_lens: Vec::new(), buffer_lens };
        arrangement.keep(program, &vec![false; program.buffers.len()]);
        Some(arrangement)
    }

    /// Gives each of these buffers a slot that nothing else is written to.
    pub(crate) fn keep(&mut self, program: &Program, cached: &[bool]) {
        let mut lifetimes = lifetimes(program, |_| true);
        for (lifetime, _) in lifetimes.iter_mut().zip(cached).filter(|(_, cached)| **cached) {
            *lifetime = Some([0, usize::MAX]);
        }
        let (slots, slot_lens) = share_memory(&lifetimes, &self.buffer_lens);
        // A buffer that no step uses is empty.
        self.slots = slots.into_iter().map(Option::unwrap_or_default).collect();
        self.slot_lens = slot_lens;
    }

    /// Values by image in all.
    pub(crate) fn len(&self) -> usize {
        self.slot_lens.iter().sum()
    }
}

/// First and last step that use a buffer, if any does.
pub(crate) type Lifetime = Option<[usize; 2]>;

/// Returns when each buffer is used by the steps that `run`. The image is used from the start, the last layer after all steps.
pub(crate) fn lifetimes(program: &Program, runs: impl Fn(usize) -> bool) -> Vec<Lifetime> {
    let mut lifetimes: Vec<Lifetime> = vec![None; program.buffers.len()];
    let mut used = |layer: usize, at: usize| {
        let lifetime = &mut lifetimes[program.layers[layer].buffer];
        *lifetime = Some(lifetime.map_or([at; 2], |[first, last]| [first.min(at), last.max(at)]));
    };
    used(0, 0);
    for (at, step) in program.steps.iter().enumerate().filter(|(at, _)| runs(*at)) {
        let residual = step.residual.map(|(layer, _)| layer);
        [step.input, step.output].into_iter().chain(residual).for_each(|layer| used(layer, at));
    }
    used(program.last(), program.steps.len());
    lifetimes
}

/// Assigns a slot to each buffer that is used, from its first use to its last; returns the slots by buffer, and their lengths.
pub(crate) fn share_memory(lifetimes: &[Lifetime], lens: &[usize]) -> (Vec<Option<usize>>, Vec<usize>) {
    let mut slots = vec![None; lens.len()];
    let mut slot_lens: Vec<usize> = Vec::new();
    let mut free: Vec<usize> = Vec::new();
    // Slots that are taken, by the last use of their buffer.
    let mut taken: Vec<(usize, usize)> = Vec::new();
    let mut order: Vec<(usize, usize, usize)> = lifetimes
        .iter()
        .enumerate()
        .filter_map(|(buffer, lifetime)| lifetime.map(|[first, last]| (first, buffer, last)))
        .collect();
    order.sort_unstable();
    for (first, buffer, last) in order {
        taken.retain(|&(last, slot)| {
            if last < first {
                free.push(slot);
            }
            last >= first
        });
        // The slot that has to grow least, and of those that need not the smallest.
        let cost = |slot: usize| (lens[buffer].saturating_sub(slot_lens[slot]), slot_lens[slot]);
        let slot = match (0..free.len()).min_by_key(|&at| cost(free[at])) {
            Some(at) => free.swap_remove(at),
            None => {
                slot_lens.push(0);
                slot_lens.len() - 1
            }
        };
        slot_lens[slot] = slot_lens[slot].max(lens[buffer]);
        slots[buffer] = Some(slot);
        taken.push((last, slot));
    }
    (slots, slot_lens)
}

impl Buffer {
    /// A layer's own memory.
    pub(crate) fn new(channels: usize) -> Buffer {
        Buffer { blocks: channels.div_ceil(BLOCK), pitch: BLOCK, halo: 0 }
    }
}
