//! Networks into steps: batch norm into weights, residual and ReLU into the step before.

use super::graph::{Buffer, End, Graph, Layer, Step, Work};
use crate::layers::{BatchNorm3d, Conv3d, ConvTranspose3d, Linear};
use crate::resnet::{Around, Block, ResNet3d};
use crate::unet::{Level, UNet3d};
use candle_core::{DType, Device, Result, Tensor, bail};
use conv3d::ConvGeometry;
use conv3d::Isa;
use conv3d::Pool3dParams;
use conv3d::blocked::conv::{Convolution, Dense, Lanes, Spread};
use conv3d::blocked::pool::MaxPool;
use conv3d::blocked::winograd::{Shape, Winograd};

/// How convolutions are computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Form {
    pub(super) isa: Isa,
    /// Whether those that it suits take Winograd's form, or all the direct one.
    pub(super) winograd: bool,
}

impl Form {
    /// The fastest on this CPU.
    pub(super) fn best() -> Form {
        Form { isa: Isa::best(), winograd: true }
    }
}

/// The steps of a classifier.
pub(super) fn resnet(network: &ResNet3d, form: Form) -> Result<Graph> {
    let mut builder = Builder::new(network.stem.weight().dim(1)?, form);
    let mut at = builder.conv(0, (&network.stem, Some(&network.stem_norm)), true, None)?;
    at = builder.pool(at, ResNet3d::POOL);
    for block in network.stages.iter().flatten() {
        at = builder.block(at, block)?;
    }
    let (weights, bias) = logit(&network.head)?;
    Ok(builder.finish(1, End::Logit { weights, bias }))
}

/// The steps of a U-Net.
pub(super) fn unet(network: &UNet3d, form: Form) -> Result<Graph> {
    let mut builder = Builder::new(network.down[0].layers[0].0.weight().dim(1)?, form);
    let mut at = 0;
    let mut beside = Vec::new();
    for (index, level) in network.down.iter().enumerate() {
        if index > 0 {
            at = builder.pool(at, UNet3d::POOL);
        }
        if index + 1 == network.down.len() {
            at = builder.level(at, level, None)?;
            break;
        }
        // What the way up will put beside: the level's output lies in the concatenation's memory from the start.
        let (_, channels) = channels(&level.layers[1].0)?;
        let parts = builder.concatenation([channels; 2]);
        at = builder.level(at, level, Some(parts[0]))?;
        beside.push(parts);
    }
    for (transposed, level) in &network.up {
        let Some([_, enlarged, both]) = beside.pop() else { bail!("u-net: a level up has no level down") };
        builder.enlarge(at, transposed, enlarged)?;
        at = builder.level(both, level, None)?;
    }
    builder.conv(at, (&network.last, None), false, None)?;
    let (_, channels) = channels(&network.last)?;
    Ok(builder.finish(1 << network.up.len(), End::Values { channels }))
}

/// Input and output channels.
fn channels(conv: &Conv3d) -> Result<(usize, usize)> {
    Ok((conv.weight().dim(1)?, conv.weight().dim(0)?))
}

fn values(tensor: &Tensor) -> Result<Vec<f32>> {
    tensor.to_device(&Device::Cpu)?.to_dtype(DType::F32)?.flatten_all()?.to_vec1()
}

/// Weights and bias of a convolution with the batch norm that follows it.
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

fn logit(head: &Linear) -> Result<(Vec<f32>, f32)> {
    let (weight, bias) = head.parameters();
    let bias = values(bias)?;
    match bias.as_slice() {
        &[bias] => Ok((values(weight)?, bias)),
        other => bail!("plan: the classifier should have one logit, found {}", other.len()),
    }
}

/// Outputs of a tile along an axis: of the latest layers, whose transformed weights are read from memory for few voxels,
/// smaller ones.
fn tile(weights: &[f32]) -> usize {
    if weights.len() >= LARGE { 2 } else { 4 }
}

/// Weights from which on a layer is large: those of 512 channels, 27 MiB.
const LARGE: usize = 27 * 512 * 512;

/// Steps in the making.
struct Builder {
    form: Form,
    channels: usize,
    layers: Vec<Layer>,
    buffers: Vec<Buffer>,
    steps: Vec<Step>,
    /// The channels of each layer.
    lanes: Vec<Lanes>,
}

impl Builder {
    fn new(channels: usize, form: Form) -> Builder {
        let lanes = Lanes::image(channels);
        let buffer = Buffer { blocks: lanes.blocks(), pitch: lanes.pitch, halo: 0 };
        let layer = Layer { buffer: 0, first_block: 0, blocks: lanes.blocks() };
        Builder {
            form,
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

    /// A layer with memory of its own.
    fn layer(&mut self, channels: usize) -> usize {
        self.buffers.push(Buffer::new(channels));
        self.part(self.buffers.len() - 1, 0, &[channels])
    }

    /// Some blocks of a buffer.
    fn part(&mut self, buffer: usize, first_block: usize, parts: &[usize]) -> usize {
        let lanes = Lanes::parts(parts);
        self.layers.push(Layer { buffer, first_block, blocks: lanes.blocks() });
        self.lanes.push(lanes);
        self.layers.len() - 1
    }

    /// Two layers beside one another, and both as one.
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
        let work = match Shape::of(geometry, lanes).filter(|_| self.form.winograd) {
            Some(shape) => {
                let shape = if shape == Shape::Stem { shape } else { Shape::Cube(tile(&weights)) };
                Work::Winograd(Winograd::new(self.form.isa, shape, lanes, dense, relu))
            }
            None => Work::Conv(Convolution::new(self.form.isa, geometry, Spread::NONE, lanes, dense, relu)),
        };
        Ok(self.step(work, input, output, residual))
    }

    fn pool(&mut self, input: usize, params: Pool3dParams) -> usize {
        let channels = self.lanes[input].channels.iter().flatten().count();
        let output = self.layer(channels);
        let geometry = params.geometry();
        self.step(Work::Pool(MaxPool { isa: self.form.isa, geometry }), input, output, None)
    }

    /// A residual block.
    fn block(&mut self, input: usize, block: &Block) -> Result<usize> {
        let residual = match &block.around {
            Around::Same => (input, 1),
            Around::Padded { stride, .. } => (input, *stride),
            Around::Projected(layers) => (self.conv(input, (&layers.0, Some(&layers.1)), false, None)?, 1),
        };
        let last = block.layers.len() - 1;
        let mut at = input;
        for (index, (conv, norm)) in block.layers.iter().enumerate() {
            at = self.conv(at, (conv, Some(norm)), true, (index == last).then_some(residual))?;
        }
        Ok(at)
    }

    /// Two convolutions of a U-Net, the second into `output` where one is given.
    fn level(&mut self, input: usize, level: &Level, output: Option<usize>) -> Result<usize> {
        let [first, second] = &level.layers;
        let at = self.conv(input, (&first.0, Some(&first.1)), true, None)?;
        let output = match output {
            Some(output) => output,
            None => self.layer(channels(&second.0)?.1),
        };
        self.conv_into(at, (&second.0, Some(&second.1)), true, None, output)
    }

    fn enlarge(&mut self, input: usize, transposed: &ConvTranspose3d, output: usize) -> Result<usize> {
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
            Convolution::new(self.form.isa, ConvGeometry::POINTWISE, spread, &self.lanes[input], dense, false)
        });
        let phases = phases.collect();
        Ok(self.step(Work::Enlarge { phases, factor }, input, output, None))
    }
}
