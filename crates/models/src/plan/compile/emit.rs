//! Pending values into steps.

use super::Compiler;
use super::pending::{Before, Kind, PendingConv, PendingMap, State, rectifier};
use crate::Error;
use crate::graph::{Activation, Conv, Value};
use crate::plan::work::{Grouped, Work};
use conv3d::ConvGeometry;
use conv3d::blocked::conv::{Convolution, Prologue};
use conv3d::blocked::depthwise::Depthwise;
use conv3d::blocked::elementwise::{Combine, Elementwise};
use conv3d::blocked::function::Function;
use conv3d::blocked::lanes::{Dense, Lanes};
use conv3d::blocked::reduce::Norm;
use conv3d::blocked::window::BLOCK;
use conv3d::blocked::winograd::{Dilated, Shape, Winograd};

/// Number of weights of a large layer: those of 512 channels, 27 MiB. Tiles of 4 × 4 × 4 outputs would take 216 MiB, which a
/// single image of 4³ voxels reads for one tile: measured on two threads with AVX-512, 9.5 ms instead of 2.0, although 32
/// images take 20 ms instead of 48.
const LARGE: usize = 27 * 512 * 512;

/// Blocks of inputs from which tiles of a kernel of one plane pay. Measured on two threads of a Zen 4 with AVX-512, in the
/// relevance map of an r2plus1d_18 at 64³ (`cargo xtask bench regions --model`): 64 to 144 channels take 0.56 of the time of the
/// direct algorithm, although boxes of whole tiles hold up to a third more voxels, and 128 to 288 channels 0.43. Fewer blocks were not
/// measured.
const LEAST_BLOCKS: usize = 4;

/// Channels up to which the direct algorithm, which skips the lanes of a block that no channel has, takes fewer operations
/// than tiles: 27 per channel and output, where tiles take 108 per block.
const FEW_CHANNELS: usize = 4;

/// Returns whether tiles are faster than the direct algorithm.
fn pays(shape: Shape, lanes: &Lanes) -> bool {
    if lanes.pitch == BLOCK && lanes.blocks() == 1 && lanes.count() <= FEW_CHANNELS {
        return false;
    }
    !matches!(shape, Shape::Plane { depth: 1, .. }) || lanes.blocks() >= LEAST_BLOCKS
}

/// Returns the shape of a layer's tiles: along every axis for a 3³ kernel, with fewer outputs for late layers, whose many
/// transformed weights are read for few voxels.
fn tiles(shape: Shape, weights: usize) -> Shape {
    let outputs = if weights >= LARGE { 2 } else { 4 };
    match shape {
        Shape::Plane { depth: 3, .. } => Shape::Cube { outputs },
        Shape::Plane { depth, .. } => Shape::Plane { outputs, depth },
        shape => shape,
    }
}

impl Compiler<'_> {
    /// Computes a value if it is still pending; returns its layer.
    pub(super) fn materialize(&mut self, value: Value) -> Result<usize, Error> {
        let state = self.states[value.index()].clone();
        let layer = self.emit(state, self.places.of(value))?;
        self.states[value.index()] = State::Layer(layer);
        Ok(layer)
    }

    /// Emits the step of a pending value, into `place` if it is given.
    pub(super) fn emit(&mut self, state: State, place: Option<usize>) -> Result<usize, Error> {
        Ok(match state {
            State::Layer(layer) => layer,
            State::Conv(conv) => self.emit_conv(*conv, place)?,
            State::Map(map) => self.emit_map(map, place),
            State::Norm { layer, norm, rectifier } => {
                let channels = norm.scale.len();
                let input = self.lanes_for(layer, place);
                let lanes = &self.lanes[input];
                let parameters = [norm.scale, norm.shift];
                let isa = self.algorithms.isa;
                let norm = Norm::new(isa, lanes, norm.groups, norm.epsilon, parameters, rectifier);
                let output = self.output_like(input, place, channels);
                self.step(Work::Norm(norm), input, output, None)
            }
            State::Strided { layer, stride, missing } => {
                let channels = self.lanes[layer].count();
                let conv = Conv { stride: [stride; 3], ..identity(channels, missing) };
                self.emit_conv(PendingConv::of(layer, Kind::Conv(conv)), place)?
            }
            State::Mean(layer) => {
                let input = self.lanes_for(layer, place);
                let channels = self.lanes[input].count();
                let output = self.output_like(input, place, channels);
                self.step(Work::Mean, input, output, None)
            }
            State::Head { layer, weights, bias } => {
                let mean = self.layer_of(self.lanes[layer].clone());
                self.step(Work::Mean, layer, mean, None);
                let conv = Conv::new(weights, bias, [1; 3]);
                self.emit_conv(PendingConv::of(mean, Kind::Conv(conv)), place)?
            }
        })
    }

    /// Returns the layer to write: a part of a concatenation, or a new one with the lanes of `input`.
    fn output_like(&mut self, input: usize, place: Option<usize>, channels: usize) -> usize {
        debug_assert_eq!(self.lanes[input].count(), channels);
        place.unwrap_or_else(|| self.layer_of(self.lanes[input].clone()))
    }

    /// Returns a layer in blocks whose lanes are those of `place`, where it is given.
    fn lanes_for(&mut self, layer: usize, place: Option<usize>) -> usize {
        let blocked = self.lanes[layer].pitch == BLOCK;
        match place {
            Some(place) if self.lanes[place] != self.lanes[layer] => self.plain(layer),
            None if !blocked => self.plain(layer),
            _ => layer,
        }
    }

    /// Returns a layer with the same values in blocks without padding between channels.
    pub(super) fn plain(&mut self, layer: usize) -> usize {
        let channels = self.lanes[layer].count();
        if self.lanes[layer] == Lanes::parts(&[channels]) {
            return layer;
        }
        if let Some(&plain) = self.plain.get(&layer) {
            return plain;
        }
        let plain = self.copy(layer);
        self.plain.insert(layer, plain);
        plain
    }

    /// Copies a layer into one of its own.
    pub(super) fn copy(&mut self, layer: usize) -> usize {
        let to = self.layer(self.lanes[layer].count());
        self.copy_into(layer, to);
        to
    }

    /// Copies a layer into another of plain lanes.
    pub(super) fn copy_into(&mut self, from: usize, to: usize) {
        let lanes = &self.lanes[from];
        let work = if *lanes == self.lanes[to] {
            Work::Elementwise(Elementwise::new(self.algorithms.isa, lanes, Combine::Alone))
        } else {
            let conv = identity(lanes.count(), 0);
            let dense = Dense { weights: &conv.weights, bias: &conv.bias };
            Work::Conv(Convolution::new(self.algorithms.isa, ConvGeometry::POINTWISE, lanes, dense))
        };
        self.step(work, from, to, None);
    }

    /// Emits a function of voxels.
    pub(super) fn emit_map(&mut self, map: PendingMap, place: Option<usize>) -> usize {
        let PendingMap { input, other, affine, activation } = map;
        let (mut input, mut other) = (self.lanes_for(input, place), other);
        if let Some((layer, _)) = &mut other
            && self.lanes[*layer] != self.lanes[input]
        {
            (input, *layer) = (self.plain(input), self.plain(*layer));
        }
        let lanes = self.lanes[input].clone();
        let channels = lanes.count();
        let combine = other.map_or(Combine::Alone, |(_, combine)| combine);
        let mut work = Elementwise::new(self.algorithms.isa, &lanes, combine);
        if let Some((scale, shift)) = affine {
            work = work.affine(lanes.arrange(&scale), lanes.arrange(&shift));
        }
        match activation.as_ref().map(|activation| (rectifier(activation), activation.clone())) {
            None => {}
            Some((Some(rectifier), _)) => work = work.rectified(rectifier),
            Some((None, Activation::PRelu(slopes))) => work = work.leaky(lanes.arrange(&slopes)),
            Some((None, activation)) => work = work.function(function(&activation)),
        }
        let output = self.output_like(input, place, channels);
        let residual = other.map(|(layer, _)| (layer, 1));
        self.step(Work::Elementwise(work), input, output, residual)
    }

    /// Emits a convolution.
    fn emit_conv(&mut self, pending: PendingConv, place: Option<usize>) -> Result<usize, Error> {
        let PendingConv { input, before, kind, residual, rectifier } = pending;
        let conv = match kind {
            Kind::Conv(conv) => conv,
            Kind::Transposed(conv) => return Ok(self.emit_transposed(input, &conv, rectifier, place)),
        };
        let outputs = conv.bias.len();
        let input = if conv.groups == 1 { input } else { self.plain(input) };
        let isa = self.algorithms.isa;
        let taps = ConvGeometry { kernel: conv.kernel, stride: conv.stride, padding: conv.padding.before };
        let after = conv.padding.after;
        self.halo(input, taps.padding[2].max(after[2]));
        let lanes = &self.lanes[input];
        let dense = Dense { weights: &conv.weights, bias: &conv.bias };
        let work = if conv.groups == 1 {
            // Of a dilated kernel whose padding is so too, each phase is a layer with the kernel's own.
            let padding = std::array::from_fn(|axis| taps.padding[axis] / conv.dilation[axis]);
            let is_whole = (0..3).all(|axis| taps.padding[axis].is_multiple_of(conv.dilation[axis]));
            let supported = self.algorithms.winograd && is_whole && before.is_none();
            let shape = Shape::of(ConvGeometry { padding, ..taps }, lanes);
            let shape = shape.filter(|&shape| supported && pays(shape, lanes));
            let is_dilated = conv.dilation != [1; 3];
            match shape.filter(|shape| !is_dilated || shape.geometry().stride == [1; 3]) {
                Some(shape) => {
                    let tiles = tiles(shape, conv.weights.len());
                    let winograd = Winograd::new(isa, tiles, lanes, dense, rectifier);
                    match is_dilated {
                        true => Work::Dilated(Dilated::new(winograd, conv.dilation)),
                        false => Work::Winograd(winograd),
                    }
                }
                None => {
                    let mut direct =
                        Convolution::new(isa, taps, lanes, dense).dilated(conv.dilation).rectified(rectifier);
                    if let Some(before) = before {
                        direct = direct.after(prologue(before, lanes));
                    }
                    Work::Conv(direct)
                }
            }
        } else if conv.groups == lanes.count() && outputs == conv.groups {
            Work::Depthwise(Depthwise::new(isa, taps, conv.dilation, lanes, dense).rectified(rectifier))
        } else {
            Work::Grouped(grouped(isa, &conv, taps, lanes.count(), rectifier))
        };
        let output = place.unwrap_or_else(|| self.layer(outputs));
        Ok(self.step_after(work, input, output, residual, after))
    }
}

/// Returns the function by lane.
pub(super) fn prologue(before: Before, lanes: &Lanes) -> Prologue {
    let Before { scale, shift, rectifier } = before;
    Prologue { scale: lanes.arrange(&scale), shift: lanes.arrange(&shift), rectifier }
}

/// Returns an activation as the function of a step. The others are rectifiers.
fn function(activation: &Activation) -> Function {
    match *activation {
        Activation::Elu(alpha) => Function::Elu(alpha),
        Activation::Sigmoid => Function::Sigmoid,
        Activation::HardSigmoid { alpha, beta } => Function::HardSigmoid { alpha, beta },
        Activation::Silu => Function::Silu,
        Activation::HardSwish => Function::HardSwish,
        Activation::Mish => Function::Mish,
        Activation::Gelu => Function::Gelu,
        Activation::GeluTanh => Function::GeluTanh,
        Activation::Tanh => Function::Tanh,
        Activation::Softplus => Function::Softplus,
        Activation::Clip { low, high } => Function::Clip { low, high },
        Activation::Relu | Activation::LeakyRelu(_) | Activation::PRelu(_) => {
            unreachable!("{activation:?} is a rectifier")
        }
    }
}

/// A pointwise convolution that copies channels and adds `missing` channels of zeros after them.
pub(super) fn identity(channels: usize, missing: usize) -> Conv {
    let outputs = channels + missing;
    let mut weights = vec![0.0; outputs * channels];
    weights.iter_mut().step_by(channels + 1).take(channels).for_each(|weight| *weight = 1.0);
    Conv::new(weights, vec![0.0; outputs], [1; 3])
}

/// Divides a convolution in groups into one for each block of outputs.
fn grouped(
    isa: conv3d::Isa,
    conv: &Conv,
    taps: ConvGeometry,
    channels: usize,
    rectifier: conv3d::blocked::rectifier::Rectifier,
) -> Grouped {
    let outputs = conv.bias.len();
    let (inputs_of, outputs_of) = (channels / conv.groups, outputs / conv.groups);
    let by_channel: usize = conv.kernel.iter().product();
    let mut parts = Vec::new();
    for first in (0..outputs).step_by(BLOCK) {
        let here = first..(first + BLOCK).min(outputs);
        let [low, high] =
            [here.start / outputs_of, (here.end - 1) / outputs_of + 1].map(|group| group * inputs_of);
        let (block, end) = (low / BLOCK, high.div_ceil(BLOCK));
        let wide = (end - block) * BLOCK;
        let mut weights = vec![0.0; here.len() * wide * by_channel];
        for o in here.clone() {
            for i in 0..inputs_of {
                let channel = o / outputs_of * inputs_of + i;
                let to = ((o - first) * wide + channel - block * BLOCK) * by_channel;
                let from = (o * inputs_of + i) * by_channel;
                weights[to..to + by_channel].copy_from_slice(&conv.weights[from..from + by_channel]);
            }
        }
        let dense = Dense { weights: &weights, bias: &conv.bias[here] };
        let part = Convolution::new(isa, taps, &Lanes::parts(&[wide]), dense)
            .dilated(conv.dilation)
            .rectified(rectifier);
        parts.push((block, end - block, part));
    }
    Grouped { parts, products: conv.weights.len(), channels: [channels, outputs] }
}
