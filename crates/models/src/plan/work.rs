//! The operations of compiled programs.

use conv3d::ConvGeometry;
use conv3d::blocked::conv::Convolution;
use conv3d::blocked::depthwise::Depthwise;
use conv3d::blocked::elementwise::{Combine, Elementwise};
use conv3d::blocked::job::{Job, Residual};
use conv3d::blocked::lanes::{Dense, Lanes};
use conv3d::blocked::pool::Pool;
use conv3d::blocked::reduce::{self, Norm};
use conv3d::blocked::window::Window;
use conv3d::blocked::winograd::{Dilated, Winograd};
use rayon::prelude::*;
use relevox_grid::Box3;

/// Operation of a step.
#[derive(Debug)]
pub(crate) enum Work {
    /// Norm, residual and activation included.
    Conv(Convolution),
    /// The same, with Winograd's algorithm.
    Winograd(Winograd),
    /// The same, of a dilated kernel.
    Dilated(Dilated),
    /// The same, each channel on its own.
    Depthwise(Depthwise),
    /// The same, in groups of channels.
    Grouped(Grouped),
    /// A transposed convolution: one convolution for each position of an output relative to the stride.
    Transposed(Transposed),
    Pool(Pool),
    /// Sums, products, gates, norms in evaluation mode and activations.
    Elementwise(Elementwise),
    /// Normalisation by the statistics of the layer.
    Norm(Norm),
    /// Mean over voxels.
    Mean,
    /// A fully connected layer of all values.
    Linear(FullyConnected),
}

/// A convolution by blocks of outputs, each of which reads some blocks of inputs.
#[derive(Debug)]
pub(crate) struct Grouped {
    /// By block of outputs: the first block of inputs, and the convolution.
    pub(crate) parts: Vec<(usize, usize, Convolution)>,
    /// Multiply-adds per output voxel.
    pub(crate) products: usize,
    /// Input and output channels.
    pub(crate) channels: [usize; 2],
}

/// The convolutions of a transposed convolution.
#[derive(Debug)]
pub(crate) struct Transposed {
    pub(crate) phases: Vec<Convolution>,
    pub(crate) stride: [usize; 3],
    /// What any of the phases reads.
    pub(crate) geometry: ConvGeometry,
    /// Output voxels less than `stride` times those of the input, which may be negative.
    pub(crate) missing: [isize; 3],
    /// Multiply-adds per position of the stride.
    pub(crate) products: usize,
}

/// A fully connected layer of a whole map.
#[derive(Debug)]
pub(crate) struct FullyConnected {
    pub(crate) weights: Vec<f32>,
    pub(crate) bias: Vec<f32>,
    pub(crate) lanes: Lanes,
}

impl Work {
    /// Computes each job's box.
    pub(crate) fn run(&self, jobs: &mut [Job<'_>]) {
        match self {
            Work::Conv(conv) => conv.run(jobs),
            Work::Winograd(conv) => conv.run(jobs),
            Work::Dilated(conv) => conv.run(jobs),
            Work::Depthwise(conv) => conv.run(jobs),
            Work::Grouped(conv) => conv.run(jobs),
            Work::Transposed(conv) => conv.run(jobs),
            Work::Pool(pool) => pool.run(jobs),
            Work::Elementwise(of) => of.run(jobs),
            Work::Norm(norm) => norm.run(jobs),
            Work::Mean => reduce::mean(jobs),
            Work::Linear(of) => {
                let dense = Dense { weights: &of.weights, bias: &of.bias };
                reduce::linear(dense, &of.lanes, jobs);
            }
        }
    }

    /// Returns what an output reads of the input, or `None` if it reads all of it.
    pub(crate) fn geometry(&self) -> Option<ConvGeometry> {
        Some(match self {
            Work::Conv(conv) => conv.geometry(),
            Work::Winograd(conv) => conv.geometry(),
            Work::Dilated(conv) => conv.geometry(),
            Work::Depthwise(conv) => conv.geometry(),
            Work::Grouped(conv) => conv.parts.first()?.2.geometry(),
            Work::Transposed(conv) => conv.geometry,
            Work::Pool(pool) => pool.geometry,
            Work::Elementwise(_) => ConvGeometry::POINTWISE,
            Work::Norm(_) | Work::Mean | Work::Linear(_) => return None,
        })
    }

    /// Returns whether the second input is read as a whole by every output.
    pub(crate) fn gates(&self) -> bool {
        matches!(self, Work::Elementwise(of) if of.combine() == Combine::Gate)
    }

    /// Returns the voxels of the output along each axis per computed position: more than 1 for a transposed convolution.
    pub(crate) fn stride(&self) -> [usize; 3] {
        if let Work::Transposed(conv) = self { conv.stride } else { [1; 3] }
    }

    /// Returns the positions to compute for a box of the output.
    pub(crate) fn positions(&self, outputs: Box3) -> Box3 {
        let stride = self.stride();
        Box3 {
            start: std::array::from_fn(|axis| outputs.start[axis] / stride[axis]),
            end: std::array::from_fn(|axis| outputs.end[axis].div_ceil(stride[axis])),
        }
    }

    /// Returns the voxels of a layer that positions write.
    pub(crate) fn written(&self, positions: Box3, layer: [usize; 3]) -> Box3 {
        let stride = self.stride();
        Box3 {
            start: std::array::from_fn(|axis| positions.start[axis] * stride[axis]),
            end: std::array::from_fn(|axis| (positions.end[axis] * stride[axis]).min(layer[axis])),
        }
    }

    /// Returns the alignment of boxes along each axis; at the end of the layer they may be shorter.
    pub(crate) fn grid(&self) -> [usize; 3] {
        match self {
            Work::Winograd(conv) => conv.grid(),
            Work::Dilated(conv) => conv.grid(),
            _ => [1; 3],
        }
    }

    /// Returns the number of multiply-adds per computed position, including taps outside the layer.
    pub(crate) fn products(&self) -> usize {
        match self {
            Work::Conv(conv) => conv.products(),
            Work::Winograd(conv) => conv.products(),
            Work::Dilated(conv) => conv.products(),
            Work::Depthwise(conv) => conv.products(),
            Work::Grouped(conv) => conv.products,
            Work::Transposed(conv) => conv.products,
            Work::Linear(of) => of.weights.len(),
            Work::Pool(_) | Work::Elementwise(_) | Work::Norm(_) | Work::Mean => 0,
        }
    }

    /// Returns the convolution whose tiles Winograd's algorithm computes.
    fn tiled(&self) -> Option<&Winograd> {
        match self {
            Work::Winograd(conv) => Some(conv),
            Work::Dilated(conv) => Some(conv.phase()),
            _ => None,
        }
    }

    /// Returns the number of multiply-adds per computed position that the kernel does, in whole tiles.
    pub(crate) fn multiplications(&self) -> f64 {
        let by_tile = |conv: &Winograd| conv.weights() as f64 / conv.grid().iter().product::<usize>() as f64;
        self.tiled().map_or(self.products() as f64, by_tile)
    }

    /// Returns the least number of values that are read and written per computed position, and the number of weights; `None` for
    /// other operations than convolutions.
    pub(crate) fn traffic(&self) -> Option<(usize, usize)> {
        let [inputs, outputs] = match self {
            Work::Conv(conv) => conv.channels(),
            Work::Winograd(conv) => conv.channels(),
            Work::Dilated(conv) => conv.channels(),
            Work::Depthwise(conv) => [conv.channels(); 2],
            Work::Grouped(conv) => conv.channels,
            Work::Transposed(conv) => conv.phases.first()?.channels(),
            _ => return None,
        };
        let weights = self.tiled().map_or(self.products(), Winograd::weights);
        // Neighbouring positions share inputs: each is read once.
        let read: usize = self.geometry()?.stride.iter().product();
        let written: usize = self.stride().iter().product();
        Some((inputs * read + outputs * written, weights))
    }

    /// Returns the size of the output, or `None` if the kernel does not fit. `after`: zeros after the input.
    pub(crate) fn output_size(&self, after: [usize; 3], input: [usize; 3]) -> Option<[usize; 3]> {
        match self {
            Work::Transposed(conv) => {
                let mut output = [0; 3];
                for axis in 0..3 {
                    let full = (input[axis] * conv.stride[axis]) as isize - conv.missing[axis];
                    output[axis] = usize::try_from(full).ok().filter(|&size| size > 0)?;
                }
                Some(output)
            }
            Work::Elementwise(_) | Work::Norm(_) => Some(input),
            Work::Mean => Some([1; 3]),
            Work::Linear(of) => {
                let values = of.lanes.count() * input.iter().product::<usize>();
                (values * of.bias.len() == of.weights.len()).then_some([1; 3])
            }
            _ => {
                let geometry = self.geometry()?;
                let mut output = [0; 3];
                for axis in 0..3 {
                    let padded = input[axis] + geometry.padding[axis] + after[axis];
                    output[axis] = padded.checked_sub(geometry.kernel[axis])? / geometry.stride[axis] + 1;
                }
                Some(output)
            }
        }
    }

    /// Describes the operation, for tables of costs.
    pub(crate) fn describe(&self) -> String {
        let sizes = |[z, y, x]: [usize; 3]| {
            if z == y && y == x { format!("{z}³") } else { format!("{z}×{y}×{x}") }
        };
        let stride = |[z, y, x]: [usize; 3]| {
            if z == y && y == x { format!("stride {z}") } else { format!("stride {z}×{y}×{x}") }
        };
        let conv = |what: &str, [from, to]: [usize; 2], geometry: ConvGeometry| {
            format!("{what} {from}→{to}, {}, {}", sizes(geometry.kernel), stride(geometry.stride))
        };
        match self {
            Work::Conv(of) => conv("convolution", of.channels(), of.geometry()),
            Work::Winograd(of) => conv("convolution (Winograd)", of.channels(), of.geometry()),
            Work::Dilated(of) => conv("dilated convolution (Winograd)", of.channels(), of.geometry()),
            Work::Depthwise(of) => conv("depthwise convolution", [of.channels(); 2], of.geometry()),
            Work::Grouped(of) => {
                let geometry = of.parts.first().map_or(ConvGeometry::POINTWISE, |part| part.2.geometry());
                conv("grouped convolution", of.channels, geometry)
            }
            Work::Transposed(of) => {
                let [from, to] = of.phases.first().map_or([0; 2], Convolution::channels);
                format!("transposed convolution {from}→{to}, {}", stride(of.stride))
            }
            Work::Pool(of) => format!("pool, {}, {}", sizes(of.geometry.kernel), stride(of.geometry.stride)),
            Work::Elementwise(_) => "sum, product or activation".to_owned(),
            Work::Norm(_) => "instance or group norm".to_owned(),
            Work::Mean => "global mean".to_owned(),
            Work::Linear(of) => format!("fully connected, {} outputs", of.bias.len()),
        }
    }
}

impl Grouped {
    /// Computes all blocks of outputs at the same time: one after the other, each would be too little work for the threads.
    fn run(&self, jobs: &mut [Job<'_>]) {
        // The windows of the blocks that each convolution reads and writes, by job.
        let outputs: Vec<Window> =
            jobs.iter().map(|job| Window { blocks: 1, ..job.output.0.clone() }).collect();
        let inputs: Vec<Vec<Window>> = self
            .parts
            .iter()
            .map(|&(_, blocks, _)| jobs.iter().map(|job| Window { blocks, ..job.input.0.clone() }).collect())
            .collect();
        let mut by_part: Vec<Vec<Job<'_>>> = self.parts.iter().map(|_| Vec::new()).collect();
        for (at, (job, window)) in jobs.iter_mut().zip(&outputs).enumerate() {
            let blocks = job.output.1.chunks_exact_mut(window.elements().max(1));
            for (((part, inputs), of_part), to) in
                self.parts.iter().zip(&inputs).zip(&mut by_part).zip(blocks)
            {
                let input = &inputs[at];
                of_part.push(Job {
                    outputs: job.outputs,
                    parts: job.parts,
                    input: (input, &job.input.1[part.0 * input.block_len()..][..input.elements()]),
                    residual: None::<Residual<'_>>,
                    output: (window, to),
                });
            }
        }
        self.parts.par_iter().zip(&mut by_part).for_each(|((.., conv), jobs)| conv.run(jobs));
    }
}

impl Transposed {
    fn run(&self, jobs: &mut [Job<'_>]) {
        for phase in &self.phases {
            let offset = phase.placement().offset;
            let mut of_phase: Vec<Job<'_>> = jobs
                .iter_mut()
                .filter_map(|job| {
                    let layer = job.output.0.layer;
                    // Positions whose output of this phase lies inside the layer.
                    let most =
                        |axis: usize| layer[axis].saturating_sub(offset[axis]).div_ceil(self.stride[axis]);
                    let outputs = Box3 {
                        start: job.outputs.start,
                        end: std::array::from_fn(|axis| job.outputs.end[axis].min(most(axis))),
                    };
                    let output = (job.output.0, &mut *job.output.1);
                    let of_phase = Job { outputs, parts: None, input: job.input, residual: None, output };
                    (!outputs.is_empty()).then_some(of_phase)
                })
                .collect();
            phase.run(&mut of_phase);
        }
    }
}
