//! A network as steps between layers, with what their sizes decide: which memory each layer takes, and until when.

use conv3d::ConvGeometry;
use conv3d::blocked::conv::{Convolution, Job};
use conv3d::blocked::pool::MaxPool;
use conv3d::blocked::window::{BLOCK, Window};
use conv3d::blocked::winograd::Winograd;

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

/// One operation of a graph.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) work: Work,
    pub(crate) input: usize,
    pub(crate) output: usize,
    /// A layer to add, every so many voxels.
    pub(crate) residual: Option<(usize, usize)>,
}

/// Operation of a step.
#[derive(Debug)]
pub(crate) enum Work {
    /// Batch norm, residual and ReLU included.
    Conv(Convolution),
    /// The same, with Winograd's algorithm.
    Winograd(Winograd),
    Pool(MaxPool),
    /// A transposed convolution whose kernel equals its stride: a pointwise convolution per voxel of the kernel.
    TransposedConv {
        phases: Vec<Convolution>,
        factor: usize,
    },
}

impl Work {
    /// Computes each job's box.
    pub(crate) fn run(&self, jobs: &mut [Job<'_>]) {
        match self {
            Work::Conv(conv) => conv.run(jobs),
            Work::Winograd(conv) => conv.run(jobs),
            Work::Pool(pool) => pool.run(jobs),
            Work::TransposedConv { phases, .. } => phases.iter().for_each(|phase| phase.run(jobs)),
        }
    }

    /// Kernel, stride and padding; those of a voxel alone for [`Work::TransposedConv`].
    pub(crate) fn geometry(&self) -> ConvGeometry {
        match self {
            Work::TransposedConv { .. } => ConvGeometry::POINTWISE,
            Work::Conv(conv) => conv.geometry(),
            Work::Winograd(conv) => conv.geometry(),
            Work::Pool(pool) => pool.geometry,
        }
    }

    /// Returns the voxels of the output along an axis per computed voxel: more than 1 for a transposed convolution.
    pub(crate) fn factor(&self) -> usize {
        if let Work::TransposedConv { factor, .. } = self { *factor } else { 1 }
    }

    /// Returns the alignment of boxes along each axis; at the end of the layer they may be shorter.
    pub(crate) fn grid(&self) -> [usize; 3] {
        if let Work::Winograd(conv) = self { [1, conv.grid(), conv.grid()] } else { [1; 3] }
    }

    /// Returns the number of multiply-adds per computed voxel, including taps outside the layer.
    pub(crate) fn products(&self) -> usize {
        match self {
            Work::Conv(conv) => conv.products(),
            Work::Winograd(conv) => conv.products(),
            Work::TransposedConv { phases, .. } => phases.iter().map(Convolution::products).sum(),
            Work::Pool(_) => 0,
        }
    }

    /// Returns the size of the output, or `None` if the kernel does not fit.
    pub(crate) fn output_size(&self, input: [usize; 3]) -> Option<[usize; 3]> {
        if let Work::TransposedConv { factor, .. } = self {
            return Some(input.map(|size| size * factor));
        }
        self.geometry().output_size(input)
    }
}

/// Result of the last layer.
#[derive(Debug)]
pub(crate) enum End {
    /// The mean over voxels, then weighted sums of channels.
    Outputs(Head),
    /// All values of the first channels.
    Values { channels: usize },
}

/// The last layer of a classifier.
#[derive(Debug)]
pub(crate) struct Head {
    /// `[k, channels]`
    pub(crate) weights: Vec<f32>,
    /// `[k]`
    pub(crate) bias: Vec<f32>,
}

impl Head {
    /// Computes the outputs of an image from its last layer: the mean over voxels by channel, in float64, then the
    /// weighted sums.
    pub(crate) fn outputs(&self, window: &Window, values: &[f32], outputs: &mut [f32]) {
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
        let channels = self.weights.len() / self.bias.len().max(1);
        for ((weights, bias), output) in self.weights.chunks(channels.max(1)).zip(&self.bias).zip(outputs) {
            let weighted =
                sums.iter().zip(weights).map(|(sum, &weight)| sum / count * f64::from(weight)).sum::<f64>();
            *output = (weighted + f64::from(*bias)) as f32;
        }
    }
}

/// A network: layer 0 is the image, the last step's output is the last layer.
#[derive(Debug)]
pub(crate) struct Graph {
    pub(crate) channels: usize,
    /// The image is padded at its far ends to a multiple of this.
    pub(crate) multiple: usize,
    pub(crate) layers: Vec<Layer>,
    pub(crate) buffers: Vec<Buffer>,
    pub(crate) steps: Vec<Step>,
    pub(crate) end: End,
}

impl Graph {
    /// The last layer.
    pub(crate) fn last(&self) -> usize {
        self.steps.last().map_or(0, |step| step.output)
    }
}

/// A graph for images of one size.
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
    pub(crate) fn new(graph: &Graph, size: [usize; 3]) -> Option<Arrangement> {
        let mut sizes = vec![[0; 3]; graph.layers.len()];
        sizes[0] = size.map(|size| size.next_multiple_of(graph.multiple));
        for step in &graph.steps {
            let output = step.work.output_size(sizes[step.input])?;
            sizes[step.output] = output;
            // Layers that lie beside one another are of one size.
            let buffer = graph.layers[step.output].buffer;
            for (layer, size) in graph.layers.iter().zip(&mut sizes) {
                if layer.buffer == buffer {
                    *size = output;
                }
            }
        }
        let window = |layer: &Layer, &size: &[usize; 3]| {
            let buffer = &graph.buffers[layer.buffer];
            Window::whole(size, layer.blocks, buffer.pitch, buffer.halo)
        };
        let windows: Vec<Window> =
            graph.layers.iter().zip(&sizes).map(|(layer, size)| window(layer, size)).collect();
        let mut buffer_lens = vec![0; graph.buffers.len()];
        for (layer, window) in graph.layers.iter().zip(&windows) {
            buffer_lens[layer.buffer] = window.block_len() * graph.buffers[layer.buffer].blocks;
        }
        let (slots, slot_lens) = share_memory(graph, &buffer_lens, &vec![false; buffer_lens.len()]);
        Some(Arrangement { windows, slots, slot_lens, buffer_lens })
    }

    /// Gives each of these buffers a slot that nothing else is written to.
    pub(crate) fn keep(&mut self, graph: &Graph, cached: &[bool]) {
        (self.slots, self.slot_lens) = share_memory(graph, &self.buffer_lens, cached);
    }

    /// Values by image in all.
    pub(crate) fn len(&self) -> usize {
        self.slot_lens.iter().sum()
    }
}

/// Gives each buffer a slot, which it leaves after its last use; one that is cached has a slot of its own.
fn share_memory(graph: &Graph, lens: &[usize], cached: &[bool]) -> (Vec<usize>, Vec<usize>) {
    let buffer_of = |layer: usize| graph.layers[layer].buffer;
    let mut last_use = vec![0; graph.buffers.len()];
    for (at, step) in graph.steps.iter().enumerate() {
        let residual = step.residual.map(|(layer, _)| layer);
        for layer in [step.input, step.output].into_iter().chain(residual) {
            last_use[buffer_of(layer)] = at;
        }
    }
    last_use[buffer_of(graph.last())] = usize::MAX;
    last_use.iter_mut().zip(cached).filter(|(_, cached)| **cached).for_each(|(last, _)| *last = usize::MAX);
    let mut slots = vec![usize::MAX; graph.buffers.len()];
    let mut slot_lens: Vec<usize> = Vec::new();
    let mut free: Vec<usize> = Vec::new();
    let mut place = |buffer: usize, free: &mut Vec<usize>, slots: &mut Vec<usize>| {
        if slots[buffer] != usize::MAX {
            return;
        }
        // The slot that has to grow least, and of those that need not the smallest.
        let cost = |slot: usize| {
            let held: usize = slot_lens[slot];
            (lens[buffer].saturating_sub(held), held)
        };
        let best = (0..free.len()).min_by_key(|&at| cost(free[at])).filter(|_| !cached[buffer]);
        slots[buffer] = match best {
            Some(at) => free.swap_remove(at),
            None => {
                slot_lens.push(0);
                slot_lens.len() - 1
            }
        };
        let held = &mut slot_lens[slots[buffer]];
        *held = (*held).max(lens[buffer]);
    };
    place(buffer_of(0), &mut free, &mut slots);
    for (at, step) in graph.steps.iter().enumerate() {
        place(buffer_of(step.output), &mut free, &mut slots);
        for buffer in 0..graph.buffers.len() {
            if last_use[buffer] == at && slots[buffer] != usize::MAX {
                free.push(slots[buffer]);
            }
        }
    }
    (slots, slot_lens)
}

impl Buffer {
    /// A layer's own memory.
    pub(crate) fn new(channels: usize) -> Buffer {
        Buffer { blocks: channels.div_ceil(BLOCK), pitch: BLOCK, halo: 0 }
    }
}
