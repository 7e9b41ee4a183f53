//! Random operations and networks from a seed, for property tests.

mod draw;

pub(crate) use draw::Draw;

use crate::graph::{Activation, Builder, Conv, Graph, Operation, Padding, Pool, Value};

/// Most voxels of a map that is upsampled.
const MOST_VOXELS: usize = 3000;

/// The parts of a random network.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Options {
    /// Without gates and normalisations by the image's own statistics.
    pub(crate) local_only: bool,
    /// Ends in a global mean and linear layers.
    pub(crate) classifier: bool,
}

/// Returns a random network and a size of image that it takes.
pub(crate) fn graph(seed: u64, options: Options) -> (Graph, [usize; 3]) {
    let mut draw = Draw::new(seed);
    let size = std::array::from_fn(|_| draw.range(5, 16));
    let channels = draw.channels();
    let mut network = Network { builder: Builder::new(channels), draw, size, maps: vec![Value::IMAGE] };
    let blocks = network.draw.range(2, 10);
    let mut at = Value::IMAGE;
    for _ in 0..blocks {
        at = network.block(at, options.local_only);
        network.maps.push(at);
    }
    if options.classifier {
        at = network.head(at);
    }
    (network.builder.finish(at), size)
}

/// Returns images of a network: values of about -1 to 1.
pub(crate) fn images(seed: u64, count: usize, channels: usize, size: [usize; 3]) -> Vec<f32> {
    Draw::new(seed ^ 0x5eed).values(count * channels * size.iter().product::<usize>(), 1.0)
}

/// A network that grows by blocks.
struct Network {
    builder: Builder,
    draw: Draw,
    size: [usize; 3],
    /// Results of blocks.
    maps: Vec<Value>,
}

impl Network {
    fn channels(&self, value: Value) -> usize {
        self.builder.form(value).channels()
    }

    /// Returns the voxels of a value, or `None` if its operation does not take its input.
    fn voxels(&self, value: Value) -> Option<[usize; 3]> {
        let shapes = self.builder.clone().finish(value).sizes(self.size).ok()?;
        shapes.last()?[1..].try_into().ok()
    }

    fn add(&mut self, operation: Operation, inputs: &[Value]) -> Value {
        let name = format!("{} of {inputs:?}", operation.name());
        self.builder.add(name, operation, inputs).unwrap()
    }

    /// Adds an operation, or nothing if the size of the input does not fit.
    fn try_add(&mut self, operation: Operation, input: Value) -> Value {
        let before = self.builder.clone();
        let value = self.add(operation, &[input]);
        match self.voxels(value) {
            Some(voxels) if voxels.iter().product::<usize>() <= 2 * MOST_VOXELS => value,
            _ => {
                self.builder = before;
                input
            }
        }
    }

    fn activation(&mut self, input: Value) -> Value {
        let activation = self.draw.activation(self.channels(input));
        self.add(Operation::Activation(activation), &[input])
    }

    fn affine(&mut self, input: Value) -> Value {
        let affine = self.draw.affine(self.channels(input));
        self.add(affine, &[input])
    }

    /// Adds a convolution that keeps the size, often with norm and activation behind it, or before it.
    fn conv_unit(&mut self, input: Value, outputs: usize) -> Value {
        let before = self.draw.once_in(3);
        let mut at = input;
        if before {
            at = self.affine(at);
            at = self.activation(at);
        }
        let kernel = if self.draw.once_in(3) { [1; 3] } else { self.draw.kernel() };
        let conv = self.draw.same_conv(self.channels(input), outputs, kernel);
        at = self.add(Operation::Conv(conv), &[at]);
        if !before && self.draw.once_in(2) {
            at = self.affine(at);
        }
        if !before && !self.draw.once_in(3) {
            at = self.activation(at);
        }
        at
    }

    fn block(&mut self, input: Value, local_only: bool) -> Value {
        let channels = self.channels(input);
        match self.draw.range(0, if local_only { 13 } else { 16 }) {
            0 | 1 => {
                let conv = self.draw.conv(channels);
                let at = self.try_add(Operation::Conv(conv), input);
                self.activation(at)
            }
            2 => {
                let outputs = self.draw.channels();
                self.conv_unit(input, outputs)
            }
            3 => {
                let at = self.affine(input);
                self.activation(at)
            }
            4 => {
                let pool = self.draw.pool();
                self.try_add(Operation::MaxPool(pool), input)
            }
            5 => {
                let (pool, count_padding) = (self.draw.pool(), self.draw.once_in(2));
                self.try_add(Operation::MeanPool { pool, count_padding }, input)
            }
            6 | 7 => self.residual(input),
            8 => self.dense_block(input),
            9 => self.branches(input),
            10 => {
                let conv = self.draw.transposed(channels);
                self.upsample(Operation::ConvTranspose(conv), input)
            }
            11 => {
                let factors = self.draw.each(|draw| draw.range(1, 2));
                self.upsample(Operation::Repeat(factors), input)
            }
            12 => self.skip(input),
            13 => {
                let factor = self.conv_unit(input, channels);
                let factor = self.add(Operation::Activation(Activation::Sigmoid), &[factor]);
                self.add(Operation::Multiply, &[input, factor])
            }
            14 => {
                let norm = self.draw.norm(channels);
                let at = self.add(Operation::Norm(norm), &[input]);
                self.activation(at)
            }
            _ => self.gate(input),
        }
    }

    fn upsample(&mut self, operation: Operation, input: Value) -> Value {
        let voxels = self.voxels(input).unwrap_or_default().iter().product::<usize>();
        if voxels * 8 > MOST_VOXELS { self.activation(input) } else { self.try_add(operation, input) }
    }

    /// A sum of convolutions and their input, of its shape or with a shortcut.
    fn residual(&mut self, input: Value) -> Value {
        let channels = self.channels(input);
        let hidden = self.draw.channels();
        let mut at = self.conv_unit(input, hidden);
        let mut summands = Vec::new();
        if self.draw.once_in(3) {
            // Shortcut A: a strided path, and every so many voxels of the input with more channels of zeros.
            let (stride, more) = ([2; 3], self.draw.range(0, 5));
            let conv = self.draw.plain_conv(hidden, channels + more, 1, [3; 3]);
            at = self.add(Operation::Conv(Conv { stride, padding: [1; 3].into(), ..conv }), &[at]);
            let pool = Pool { kernel: [1; 3], stride, padding: Padding::default() };
            let kept = self.add(Operation::MeanPool { pool, count_padding: true }, &[input]);
            let before = self.draw.range(0, more);
            summands.push(self.add(Operation::PadChannels { before, after: more - before }, &[kept]));
        } else {
            at = self.conv_unit(at, channels);
            summands.push(match self.draw.range(0, 3) {
                0 => self.affine(input),
                1 => {
                    let conv = self.draw.same_conv(channels, channels, [1; 3]);
                    self.add(Operation::Conv(conv), &[input])
                }
                _ => input,
            });
            if self.draw.once_in(5) {
                let third = self.conv_unit(input, channels);
                summands.push(third);
            }
        }
        summands.insert(self.draw.range(0, summands.len()), at);
        let sum = self.add(Operation::Add, &summands);
        if self.draw.once_in(4) { sum } else { self.activation(sum) }
    }

    /// Concatenations of concatenations.
    fn dense_block(&mut self, input: Value) -> Value {
        let mut at = input;
        let growth = self.draw.range(1, 9);
        for _ in 0..self.draw.range(2, 4) {
            let mut new = self.affine(at);
            new = self.activation(new);
            for (outputs, kernel) in [(2 * growth, [1; 3]), (growth, [3; 3])] {
                let conv = self.draw.same_conv(self.channels(new), outputs, kernel);
                new = self.add(Operation::Conv(conv), &[new]);
            }
            at = self.add(Operation::Concat, &[at, new]);
        }
        let outputs = self.draw.channels();
        let conv = self.draw.same_conv(self.channels(at), outputs, [1; 3]);
        self.add(Operation::Conv(conv), &[at])
    }

    /// A concatenation of several paths from one input.
    fn branches(&mut self, input: Value) -> Value {
        let mut parts = Vec::new();
        for _ in 0..self.draw.range(2, 4) {
            let outputs = self.draw.range(1, 12);
            let at = if self.draw.once_in(4) {
                let pool = Pool { kernel: [3; 3], stride: [1; 3], padding: [1; 3].into() };
                self.add(Operation::MaxPool(pool), &[input])
            } else {
                input
            };
            parts.push(if self.draw.once_in(6) { at } else { self.conv_unit(at, outputs) });
        }
        self.add(Operation::Concat, &parts)
    }

    /// A concatenation with, or a sum with a convolution of, an earlier map of this size.
    fn skip(&mut self, input: Value) -> Value {
        let voxels = self.voxels(input);
        let earlier: Vec<Value> =
            self.maps.clone().into_iter().filter(|&map| self.voxels(map) == voxels).collect();
        let other = if earlier.is_empty() { input } else { self.draw.pick(&earlier) };
        if self.channels(other) + self.channels(input) <= Draw::MOST_CHANNELS && !self.draw.once_in(3) {
            return self.add(Operation::Concat, &[other, input]);
        }
        let other = self.conv_unit(other, self.channels(input));
        self.add(Operation::Add, &[other, input])
    }

    /// A product with a vector that the map's means give, as of an SENet.
    fn gate(&mut self, input: Value) -> Value {
        let channels = self.channels(input);
        let hidden = self.draw.range(1, 6);
        let mut at = self.add(Operation::GlobalMean, &[input]);
        for outputs in [hidden, channels] {
            let linear = self.draw.linear(self.channels(at), outputs);
            at = self.add(Operation::Linear(linear), &[at]);
            at = self.activation(at);
        }
        self.add(Operation::Multiply, &[input, at])
    }

    /// The end of a classifier.
    fn head(&mut self, input: Value) -> Value {
        let mut at = if self.draw.once_in(2) { self.affine(input) } else { input };
        if self.draw.once_in(2) {
            at = self.activation(at);
        }
        at = self.add(Operation::GlobalMean, &[at]);
        if self.draw.once_in(3) {
            let outputs = self.draw.channels();
            let linear = self.draw.linear(self.channels(at), outputs);
            at = self.add(Operation::Linear(linear), &[at]);
            at = self.activation(at);
        }
        let outputs = self.draw.range(1, 5);
        let linear = self.draw.linear(self.channels(at), outputs);
        self.add(Operation::Linear(linear), &[at])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::Form;
    use std::collections::BTreeMap;

    #[test]
    fn networks_are_valid_repeatable_and_of_every_operation() {
        let mut counts = BTreeMap::new();
        for seed in 0..300 {
            let options = Options { local_only: seed % 2 == 0, classifier: seed % 3 > 0 };
            let (network, size) = graph(seed, options);
            network.sizes(size).unwrap();
            assert_eq!(network.is_classifier(), options.classifier);
            let vectors = network.nodes().iter().filter(|node| matches!(node.form, Form::Vector(_)));
            assert!(options.classifier || !options.local_only || vectors.count() == 0);
            let (again, same_size) = graph(seed, options);
            assert_eq!((format!("{network:?}"), size), (format!("{again:?}"), same_size));
            for node in network.nodes() {
                *counts.entry(node.operation.name()).or_insert(0) += 1;
            }
        }
        assert_eq!(counts.len(), 14, "{counts:?}");
        assert!(counts.values().all(|&count| count >= 20), "{counts:?}");
    }
}
