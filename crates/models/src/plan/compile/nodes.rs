//! The nodes of a graph, one after another.

use super::Compiler;
use super::emit::{identity, prologue};
use super::pending::{Kind, PendingConv, PendingMap, State, rectifier};
use crate::Error;
use crate::graph::{Activation, Conv, ConvTranspose, Form, Operation, Padding, Pool as Window, Value};
use crate::plan::work::{FullyConnected, Work};
use conv3d::blocked::elementwise::Combine;
use conv3d::blocked::pool::{Pool, Reduction};
use conv3d::blocked::rectifier::Rectifier;
use conv3d::blocked::window::BLOCK;

impl PendingConv {
    pub(super) fn of(input: usize, kind: Kind) -> Self {
        Self { input, before: None, kind, residual: None, rectifier: Rectifier::None }
    }

    /// Returns whether a residual and an activation may still be added to the sums.
    fn is_open(&self) -> bool {
        self.residual.is_none() && self.rectifier == Rectifier::None
    }

    /// Returns whether this is a pointwise convolution of all channels, to which nothing was added.
    fn is_pointwise(&self) -> bool {
        self.is_open() && matches!(&self.kind, Kind::Conv(conv) if is_pointwise(conv))
    }
}

fn is_pointwise(conv: &Conv) -> bool {
    conv.kernel == [1; 3] && conv.stride == [1; 3] && conv.padding == Padding::default() && conv.groups == 1
}

impl Compiler<'_> {
    /// Compiles a node.
    pub(super) fn node(&mut self, at: usize) -> Result<(), Error> {
        let node = &self.graph.nodes()[at];
        let value = Value::of_node(at);
        let first = node.inputs[0];
        let state = match &node.operation {
            Operation::Conv(conv) => self.conv(conv, first)?,
            Operation::ConvTranspose(conv) => {
                let input = self.materialize(first)?;
                State::Conv(Box::new(PendingConv::of(input, Kind::Transposed(conv.clone()))))
            }
            Operation::Affine { scale, shift } => self.affine(scale, shift, first)?,
            Operation::Activation(activation) => self.activation(activation, first)?,
            Operation::MaxPool(pool) => self.pool(pool, Reduction::Max, first, value)?,
            Operation::MeanPool { pool, count_padding } => {
                let reduction = if *count_padding { Reduction::MeanWithPadding } else { Reduction::Mean };
                self.pool(pool, reduction, first, value)?
            }
            Operation::Add => self.add(&node.inputs)?,
            Operation::Multiply => {
                let (a, b) = (self.materialize(first)?, self.materialize(node.inputs[1])?);
                let gate = self.graph.form(first) != self.graph.form(node.inputs[1]);
                let combine = if gate { Combine::Gate } else { Combine::Multiply };
                State::Map(PendingMap { other: Some((b, combine)), ..PendingMap::of(a) })
            }
            Operation::Concat => State::Layer(self.concatenation(value)?),
            Operation::PadChannels { before, after } => self.pad_channels(*before, *after, first)?,
            Operation::Norm(norm) => {
                let layer = self.materialize(first)?;
                State::Norm { layer, norm: norm.clone(), rectifier: Rectifier::None }
            }
            Operation::GlobalMean => State::Mean(self.materialize(first)?),
            Operation::Linear(linear) => {
                let last = self.graph.output() == value;
                match (self.graph.form(first), &self.states[first.index()]) {
                    (_, &State::Mean(layer)) if last => {
                        State::Head { layer, weights: linear.weights.clone(), bias: linear.bias.clone() }
                    }
                    (Form::Vector(_), _) => {
                        let input = self.materialize(first)?;
                        let conv = Conv::new(linear.weights.clone(), linear.bias.clone(), [1; 3]);
                        State::Conv(Box::new(PendingConv::of(input, Kind::Conv(conv))))
                    }
                    (Form::Map(_), _) => {
                        let input = self.materialize(first)?;
                        let input = self.plain(input);
                        let work = FullyConnected {
                            weights: linear.weights.clone(),
                            bias: linear.bias.clone(),
                            lanes: self.lanes[input].clone(),
                        };
                        let output = self.places.of(value).unwrap_or_else(|| self.layer(linear.bias.len()));
                        State::Layer(self.step(Work::Linear(work), input, output, None))
                    }
                }
            }
            Operation::Repeat(factors) => {
                let input = self.materialize(first)?;
                State::Conv(Box::new(PendingConv::of(
                    input,
                    Kind::Transposed(repeat(self.channels(first), *factors)),
                )))
            }
        };
        self.states.push(state);
        Ok(())
    }

    /// Takes the convolution that computes a value, if nothing else reads the value.
    fn open_conv(&self, value: Value) -> Option<Box<PendingConv>> {
        match &self.states[value.index()] {
            State::Conv(conv) if self.uses[value.index()] == 1 => Some(conv.clone()),
            _ => None,
        }
    }

    fn conv(&mut self, conv: &Conv, input: Value) -> Result<State, Error> {
        let kind = Kind::Conv(conv.clone());
        if is_pointwise(conv)
            && let State::Map(map) = &self.states[input.index()]
            && self.lanes[map.input].pitch == BLOCK
            && let Some(before) = map.as_before(self.channels(input))
        {
            let pending = PendingConv { before: Some(before), ..PendingConv::of(map.input, kind) };
            return Ok(State::Conv(Box::new(pending)));
        }
        let input = self.materialize(input)?;
        Ok(State::Conv(Box::new(PendingConv::of(input, kind))))
    }

    fn affine(&mut self, scale: &[f32], shift: &[f32], input: Value) -> Result<State, Error> {
        if let Some(mut conv) = self.open_conv(input).filter(|conv| conv.is_open()) {
            conv.kind.fold(scale, shift);
            return Ok(State::Conv(conv));
        }
        let alone = self.uses[input.index()] == 1;
        let affine = Some((scale.to_vec(), shift.to_vec()));
        if let State::Map(map) = &self.states[input.index()]
            && map.activation.is_none()
            && map.affine.is_none()
            && (alone || map.other.is_none())
        {
            return Ok(State::Map(PendingMap { affine, ..map.clone() }));
        }
        let layer = self.materialize(input)?;
        Ok(State::Map(PendingMap { affine, ..PendingMap::of(layer) }))
    }

    fn activation(&mut self, activation: &Activation, input: Value) -> Result<State, Error> {
        let rectifier = rectifier(activation);
        if let (Some(mut conv), Some(rectifier)) = (self.open_conv(input), rectifier)
            && conv.rectifier == Rectifier::None
        {
            conv.rectifier = rectifier;
            return Ok(State::Conv(conv));
        }
        let alone = self.uses[input.index()] == 1;
        match (&self.states[input.index()], rectifier) {
            (State::Map(map), _) if map.activation.is_none() && (alone || map.other.is_none()) => {
                Ok(State::Map(PendingMap { activation: Some(activation.clone()), ..map.clone() }))
            }
            (State::Norm { layer, norm, rectifier: Rectifier::None }, Some(rectifier)) if alone => {
                Ok(State::Norm { layer: *layer, norm: norm.clone(), rectifier })
            }
            _ => {
                let layer = self.materialize(input)?;
                Ok(State::Map(PendingMap { activation: Some(activation.clone()), ..PendingMap::of(layer) }))
            }
        }
    }

    fn pool(
        &mut self,
        pool: &Window,
        reduction: Reduction,
        input: Value,
        value: Value,
    ) -> Result<State, Error> {
        let isa = self.algorithms.isa;
        let mean = reduction != Reduction::Max;
        let unpadded = pool.padding == Padding::default();
        let [stride, ..] = pool.stride;
        if mean && unpadded && pool.kernel == [1; 3] && pool.stride == [stride; 3] {
            let layer = self.materialize(input)?;
            if self.lanes[layer].pitch == BLOCK {
                return Ok(State::Strided { layer, stride, missing: 0 });
            }
        }
        let geometry = pool.geometry();
        if mean
            && unpadded
            && pool.stride != [1; 3]
            && let Some(mut conv) = self.open_conv(input).filter(|conv| conv.is_pointwise())
            && self.lanes[conv.input].pitch == BLOCK
        {
            let lanes = self.lanes[conv.input].clone();
            let prologue = conv.before.take().map(|before| prologue(before, &lanes));
            let work = Work::Pool(Pool { isa, geometry, reduction, prologue });
            let output = self.layer_of(lanes);
            conv.input = self.step(work, conv.input, output, None);
            return Ok(State::Conv(conv));
        }
        let before = match &self.states[input.index()] {
            State::Map(map) if self.lanes[map.input].pitch == BLOCK => {
                map.as_before(self.channels(input)).map(|before| (map.input, before))
            }
            _ => None,
        };
        let (layer, before) = match before {
            Some((layer, before)) => (layer, Some(before)),
            None => (self.materialize(input)?, None),
        };
        let place = self.places.of(value);
        let plain = self.lanes[layer].pitch != BLOCK
            || place.is_some_and(|place| self.lanes[place] != self.lanes[layer]);
        let layer = if plain { self.plain(layer) } else { layer };
        let lanes = self.lanes[layer].clone();
        let prologue = before.map(|before| prologue(before, &lanes));
        let output = place.unwrap_or_else(|| self.layer_of(lanes));
        let work = Work::Pool(Pool { isa, geometry, reduction, prologue });
        Ok(State::Layer(self.step_after(work, layer, output, None, pool.padding.after)))
    }

    fn add(&mut self, inputs: &[Value]) -> Result<State, Error> {
        let mut state = self.add_two(inputs[0], inputs[1])?;
        for &next in &inputs[2..] {
            // The partial sum is a layer of its own.
            let sum = self.emit(state, None)?;
            let other = self.materialize(next)?;
            state = State::Map(PendingMap { other: Some((other, Combine::Add)), ..PendingMap::of(sum) });
        }
        Ok(state)
    }

    fn add_two(&mut self, a: Value, b: Value) -> Result<State, Error> {
        // The later of the two is computed when the earlier is there.
        let (late, early) = if a < b { (b, a) } else { (a, b) };
        for (main, other) in [(late, early), (early, late)] {
            let takes = |conv: &PendingConv| {
                conv.is_open() && matches!(&conv.kind, Kind::Conv(conv) if conv.groups == 1)
            };
            let Some(mut conv) = self.open_conv(main).filter(|conv| a != b && takes(conv)) else { continue };
            let residual = match self.states[other.index()] {
                State::Strided { layer, stride, .. } => (layer, stride),
                _ => (self.materialize(other)?, 1),
            };
            let layer = self.plain(residual.0);
            conv.residual = Some((layer, residual.1));
            return Ok(State::Conv(conv));
        }
        let (a, b) = (self.materialize(a)?, self.materialize(b)?);
        Ok(State::Map(PendingMap { other: Some((b, Combine::Add)), ..PendingMap::of(a) }))
    }

    fn pad_channels(&mut self, before: usize, after: usize, input: Value) -> Result<State, Error> {
        if before == 0 {
            if let State::Strided { layer, stride, missing } = self.states[input.index()] {
                return Ok(State::Strided { layer, stride, missing: missing + after });
            }
            let layer = self.materialize(input)?;
            if self.lanes[layer].pitch == BLOCK {
                return Ok(State::Strided { layer, stride: 1, missing: after });
            }
        }
        let layer = self.materialize(input)?;
        let channels = self.lanes[layer].count();
        let mut conv = identity(channels, before + after);
        // Move the channels behind those before them.
        conv.weights.rotate_right(before * channels);
        Ok(State::Conv(Box::new(PendingConv::of(layer, Kind::Conv(conv)))))
    }
}

/// A transposed convolution that repeats each voxel.
fn repeat(channels: usize, factors: [usize; 3]) -> ConvTranspose {
    let taps: usize = factors.iter().product();
    let mut weights = vec![0.0; channels * channels * taps];
    for channel in 0..channels {
        weights[(channel * channels + channel) * taps..][..taps].fill(1.0);
    }
    ConvTranspose {
        weights,
        bias: vec![0.0; channels],
        kernel: factors,
        stride: factors,
        padding: Padding::default(),
        output_padding: [0; 3],
    }
}
