//! Compiles networks into steps: batch norm is folded into weights, residual and ReLU into the previous step.

use super::graph::{Buffer, End, Graph, Head, Layer, Step, Work};
use crate::layers::{BatchNorm3d, Conv3d, ConvTranspose3d};
use crate::resnet::{Block, ResNet3d, ShortcutLayer};
use crate::unet::{Level, UNet3d};
use candle_core::{DType, Device, Result, Tensor, bail};
use conv3d::ConvGeometry;
use conv3d::Isa;
use conv3d::Pool3dParams;
use conv3d::blocked::conv::{Convolution, Dense, Lanes, Spread};
use conv3d::blocked::pool::MaxPool;
use conv3d::blocked::winograd::{Shape, Winograd};

/// Algorithms of convolutions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Algorithms {
    pub(super) isa: Isa,
    /// Whether supported convolutions use Winograd's algorithm.
    pub(super) winograd: bool,
}

impl Algorithms {
    /// Returns the fastest on this CPU.
    pub(super) fn best() -> Algorithms {
        Algorithms { isa: Isa::best(), winograd: true }
    }
}

/// Compiles a classifier.
pub(super) fn resnet(network: &ResNet3d, algorithms: Algorithms) -> Result<Graph> {
    let mut builder = Builder::new(network.stem.weight().dim(1)?, algorithms);
    let mut at = builder.conv(0, (&network.stem, Some(&network.stem_norm)), true, None)?;
    if network.max_pool {
        at = builder.pool(at, ResNet3d::POOL);
    }
    for block in network.stages.iter().flatten() {
        at = builder.block(at, block)?;
    }
    let (weights, bias) = network.head.parameters();
    Ok(builder.finish(1, End::Outputs(Head { weights: values(weights)?, bias: values(bias)? })))
}

/// Compiles a U-Net.
pub(super) fn unet(network: &UNet3d, algorithms: Algorithms) -> Result<Graph> {
    let mut builder = Builder::new(network.down[0].layers[0].0.weight().dim(1)?, algorithms);
    let mut at = 0;
    let mut skipped = Vec::new();
    for (index, level) in network.down.iter().enumerate() {
        if index > 0 {
            at = builder.pool(at, UNet3d::POOL);
        }
        if index + 1 == network.down.len() {
            at = builder.level(at, level, None)?;
            break;
        }
        // The level's output is written to the memory of the later concatenation.
        let (_, channels) = channels(&level.layers[1].0)?;
        let parts = builder.concatenation([channels; 2]);
        at = builder.level(at, level, Some(parts[0]))?;
        skipped.push(parts);
    }
    for (transposed, level) in &network.up {
        let Some([_, upsampled, both]) = skipped.pop() else { bail!("u-net: a level up has no level down") };
        builder.transposed_conv(at, transposed, upsampled)?;
        at = builder.level(both, level, None)?;
    }
    builder.conv(at, (&network.last, None), false, None)?;
    let (_, channels) = channels(&network.last)?;
    Ok(builder.finish(1 << network.up.len(), End::Values { channels }))
}

/// Returns the numbers of input and output channels.
fn channels(conv: &Conv3d) -> Result<(usize, usize)> {
    Ok((conv.weight().dim(1)?, conv.weight().dim(0)?))
}

fn values(tensor: &Tensor) -> Result<Vec<f32>> {
    tensor.to_device(&Device::Cpu)?.to_dtype(DType::F32)?.flatten_all()?.to_vec1()
}

/// Returns weights and bias of a convolution with its batch norm folded in.
fn folded(conv: &Conv3d, norm: Option<&BatchNorm3d>) -> Result<(Vec<f32>, Vec<f32>)> {
    let mut weights = values(conv.weight())?;
    let outputs = conv.weight().dim(0)?;
    let mut bias = conv.bias().map_or_else(|| Ok(vec![0.0; outputs]), values)?;
    if let Some(norm) = norm {
        let ((gamma, beta), (mean, variance)) = (norm.affine(), norm.statistics());
        let [gamma, beta, mean, variance] = [values(gamma)?, values(beta)?, values(mean)?, values(variance)?]
            .map(|v| v.into_iter().map(f64::from));
        let by_output = weights.len() / outputs.max(1);
        let statistics = gamma.zip(beta).zip(mean.zip(variance));
        for ((kernel, bias), ((gamma, beta), (mean, variance))) in
            weights.chunks_mut(by_output.max(1)).zip(&mut bias).zip(statistics)
        {
            let scale = gamma / (variance + BatchNorm3d::EPSILON).sqrt();
            kernel.iter_mut().for_each(|weight| *weight = (f64::from(*weight) * scale) as f32);
            *bias = ((f64::from(*bias) - mean) * scale + beta) as f32;
        }
    }
    Ok((weights, bias))
}

/// Returns the outputs of a tile along an axis: fewer for late layers, whose many transformed weights are read for few
/// voxels.
fn tile(weights: &[f32]) -> usize {
    if weights.len() >= LARGE { 2 } else { 4 }
}

/// Number of weights of a large layer: those of 512 channels, 27 MiB.
const LARGE: usize = 27 * 512 * 512;

/// Builds a graph.
struct Builder {
    algorithms: Algorithms,
    channels: usize,
    layers: Vec<Layer>,
    buffers: Vec<Buffer>,
    steps: Vec<Step>,
    /// The channels of each layer.
    lanes: Vec<Lanes>,
}

impl Builder {
    fn new(channels: usize, algorithms: Algorithms) -> Builder {
        let lanes = Lanes::image(channels);
        let buffer = Buffer { blocks: lanes.blocks(), pitch: lanes.pitch, halo: 0 };
        let layer = Layer { buffer: 0, first_block: 0, blocks: lanes.blocks() };
        Builder {
            algorithms,
            channels,
            layers: vec![layer],
            buffers: vec![buffer],
            steps: Vec::new(),
            lanes: vec![lanes],
        }
    }

    fn finish(self, multiple: usize, end: End) -> Graph {
        let Builder { channels, layers, buffers, steps, .. } = self;
        Graph { channels, multiple, layers, buffers, steps, end }
    }

    /// Adds a layer with its own memory.
    fn layer(&mut self, channels: usize) -> usize {
        self.buffers.push(Buffer::new(channels));
        self.part(self.buffers.len() - 1, 0, &[channels])
    }

    /// Adds a layer that is part of a buffer.
    fn part(&mut self, buffer: usize, first_block: usize, parts: &[usize]) -> usize {
        let lanes = Lanes::parts(parts);
        self.layers.push(Layer { buffer, first_block, blocks: lanes.blocks() });
        self.lanes.push(lanes);
        self.layers.len() - 1
    }

    /// Adds two concatenated layers: each, and both as one.
    fn concatenation(&mut self, parts: [usize; 2]) -> [usize; 3] {
        let [first, second] = parts.map(|channels| Lanes::parts(&[channels]).blocks());
        self.buffers.push(Buffer { blocks: first + second, ..Buffer::new(0) });
        let buffer = self.buffers.len() - 1;
        [
            self.part(buffer, 0, &parts[..1]),
            self.part(buffer, first, &parts[1..]),
            self.part(buffer, 0, &parts),
        ]
    }

    fn step(&mut self, work: Work, input: usize, output: usize, residual: Option<(usize, usize)>) -> usize {
        self.steps.push(Step { work, input, output, residual });
        output
    }

    fn conv(
        &mut self,
        input: usize,
        layers: (&Conv3d, Option<&BatchNorm3d>),
        relu: bool,
        residual: Option<(usize, usize)>,
    ) -> Result<usize> {
        let output = self.layer(channels(layers.0)?.1);
        self.conv_into(input, layers, relu, residual, output)
    }

    fn conv_into(
        &mut self,
        input: usize,
        (conv, norm): (&Conv3d, Option<&BatchNorm3d>),
        relu: bool,
        residual: Option<(usize, usize)>,
        output: usize,
    ) -> Result<usize> {
        let params = conv.params();
        if params.dilation != [1; 3] {
            bail!("plan: dilated convolutions are not compiled, found {params:?}")
        }
        let (weights, bias) = folded(conv, norm)?;
        let (_, _, kz, ky, kx) = conv.weight().dims5()?;
        let geometry = params.geometry([kz, ky, kx]);
        let halo = &mut self.buffers[self.layers[input].buffer].halo;
        *halo = (*halo).max(params.padding[2]);
        let dense = Dense { weights: &weights, bias: &bias };
        let lanes = &self.lanes[input];
        let work = match Shape::of(geometry, lanes).filter(|_| self.algorithms.winograd) {
            Some(shape) => {
                let shape = if shape == Shape::Stem { shape } else { Shape::Cube(tile(&weights)) };
                Work::Winograd(Winograd::new(self.algorithms.isa, shape, lanes, dense, relu))
            }
            None => {
                Work::Conv(Convolution::new(self.algorithms.isa, geometry, Spread::NONE, lanes, dense, relu))
            }
        };
        Ok(self.step(work, input, output, residual))
    }

    fn pool(&mut self, input: usize, params: Pool3dParams) -> usize {
        let channels = self.lanes[input].channels.iter().flatten().count();
        let output = self.layer(channels);
        let geometry = params.geometry();
        self.step(Work::Pool(MaxPool { isa: self.algorithms.isa, geometry }), input, output, None)
    }

    /// Adds a residual block.
    fn block(&mut self, input: usize, block: &Block) -> Result<usize> {
        let residual = match &block.shortcut {
            ShortcutLayer::Identity => (input, 1),
            ShortcutLayer::Padded { stride, .. } => (input, *stride),
            ShortcutLayer::Projected(layers) => {
                (self.conv(input, (&layers.0, Some(&layers.1)), false, None)?, 1)
            }
        };
        let last = block.layers.len() - 1;
        let mut at = input;
        for (index, (conv, norm)) in block.layers.iter().enumerate() {
            at = self.conv(at, (conv, Some(norm)), true, (index == last).then_some(residual))?;
        }
        Ok(at)
    }

    /// Adds two convolutions of a U-Net, the second into `output` if one is given.
    fn level(&mut self, input: usize, level: &Level, output: Option<usize>) -> Result<usize> {
        let [first, second] = &level.layers;
        let at = self.conv(input, (&first.0, Some(&first.1)), true, None)?;
        let output = match output {
            Some(output) => output,
            None => self.layer(channels(&second.0)?.1),
        };
        self.conv_into(at, (&second.0, Some(&second.1)), true, None, output)
    }

    fn transposed_conv(
        &mut self,
        input: usize,
        transposed: &ConvTranspose3d,
        output: usize,
    ) -> Result<usize> {
        let params = transposed.params();
        let (inputs, outputs, kz, ky, kx) = transposed.weight().dims5()?;
        let factor = params.stride[0];
        let plain = params.padding == [0; 3] && params.output_padding == [0; 3] && params.dilation == [1; 3];
        if !plain || params.stride != [factor; 3] || [kz, ky, kx] != [factor; 3] {
            bail!(
                "plan: transposed convolutions are compiled where kernel and stride agree, found {params:?}"
            )
        }
        let weights = values(transposed.weight())?;
        let bias = values(transposed.bias())?;
        let taps = factor.pow(3);
        let phases = (0..taps).map(|tap| {
            let of_tap: Vec<f32> = (0..outputs)
                .flat_map(|o| (0..inputs).map(move |i| (i * outputs + o) * taps + tap))
                .map(|at| weights[at])
                .collect();
            let offset = [tap / (factor * factor), tap / factor % factor, tap % factor];
            let dense = Dense { weights: &of_tap, bias: &bias };
            let spread = Spread { step: factor, offset };
            Convolution::new(
                self.algorithms.isa,
                ConvGeometry::POINTWISE,
                spread,
                &self.lanes[input],
                dense,
                false,
            )
        });
        let phases = phases.collect();
        Ok(self.step(Work::TransposedConv { phases, factor }, input, output, None))
    }
}
