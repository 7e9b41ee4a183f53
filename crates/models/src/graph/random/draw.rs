//! Random choices, and operations with random parameters.

use crate::graph::{Activation, Conv, ConvTranspose, Linear, Norm, Operation, Padding, Pool};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Random choices.
pub(crate) struct Draw(ChaCha8Rng);

impl Draw {
    /// Most channels of a map to which an operation adds more.
    pub(super) const MOST_CHANNELS: usize = 40;

    pub(crate) fn new(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    /// Returns a number of `low..=high`.
    pub(crate) fn range(&mut self, low: usize, high: usize) -> usize {
        self.0.random_range(low..=high)
    }

    /// Returns `true` once in so many times.
    pub(crate) fn once_in(&mut self, times: usize) -> bool {
        self.range(1, times) == 1
    }

    pub(super) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.range(0, from.len() - 1)]
    }

    pub(crate) fn values(&mut self, count: usize, scale: f32) -> Vec<f32> {
        (0..count).map(|_| self.0.random_range(-scale..=scale)).collect()
    }

    /// Returns weights of a sum of so many values of about 1 that is about 1.
    pub(super) fn weights(&mut self, count: usize, summands: usize) -> Vec<f32> {
        self.values(count, (3.0 / summands.max(1) as f32).sqrt())
    }

    pub(crate) fn channels(&mut self) -> usize {
        match self.range(0, 3) {
            0 => self.pick(&[16, 17, 32, 33]),
            _ => self.range(1, 20),
        }
    }

    pub(super) fn each(&mut self, mut of: impl FnMut(&mut Self) -> usize) -> [usize; 3] {
        if self.once_in(2) { [of(self); 3] } else { std::array::from_fn(|_| of(self)) }
    }

    pub(super) fn kernel(&mut self) -> [usize; 3] {
        self.each(|draw| if draw.once_in(8) { 5 } else { draw.range(1, 3) })
    }

    fn stride(&mut self) -> [usize; 3] {
        self.each(|draw| if draw.once_in(2) { 1 } else { draw.range(1, 3) })
    }

    /// Returns a padding of less than `most` at each end.
    fn padding(&mut self, most: [usize; 3]) -> Padding {
        let ends = |draw: &mut Self| std::array::from_fn(|axis| draw.range(0, most[axis] - 1));
        let before = ends(self);
        if self.once_in(2) { before.into() } else { Padding { before, after: ends(self) } }
    }

    /// Returns a divisor of both numbers.
    fn groups(&mut self, a: usize, b: usize) -> usize {
        let divisors: Vec<usize> =
            (1..=a.min(b)).filter(|&n| a.is_multiple_of(n) && b.is_multiple_of(n)).collect();
        self.pick(&divisors)
    }

    /// Returns any convolution.
    pub(crate) fn conv(&mut self, inputs: usize) -> Conv {
        let kernel = self.kernel();
        let (outputs, groups) = match self.range(0, 3) {
            0 if inputs <= Self::MOST_CHANNELS => (inputs * self.range(1, 2), inputs),
            1 => {
                let outputs = self.channels();
                (outputs, self.groups(inputs, outputs))
            }
            _ => (self.channels(), 1),
        };
        let dilation = if self.once_in(4) { self.each(|draw| draw.range(1, 2)) } else { [1; 3] };
        let stride = self.stride();
        let mut conv = Conv { stride, dilation, groups, ..self.plain_conv(inputs, outputs, groups, kernel) };
        conv.padding = self.padding(conv.geometry().kernel);
        conv
    }

    /// Returns a convolution of stride 1 whose output has its input's size.
    pub(super) fn same_conv(&mut self, inputs: usize, outputs: usize, kernel: [usize; 3]) -> Conv {
        let groups = if self.once_in(4) { self.groups(inputs, outputs) } else { 1 };
        let mut conv = self.plain_conv(inputs, outputs, groups, kernel);
        let span = conv.geometry().kernel;
        conv.padding = Padding { before: span.map(|n| (n - 1) / 2), after: span.map(|n| n / 2) };
        conv
    }

    pub(super) fn plain_conv(
        &mut self,
        inputs: usize,
        outputs: usize,
        groups: usize,
        kernel: [usize; 3],
    ) -> Conv {
        let summands = inputs / groups * kernel.iter().product::<usize>();
        let weights = self.weights(outputs * summands, summands);
        Conv { groups, ..Conv::new(weights, self.values(outputs, 0.3), kernel) }
    }

    /// Returns a transposed convolution: mostly one that doubles the size.
    pub(crate) fn transposed(&mut self, inputs: usize) -> ConvTranspose {
        let (kernel, stride, padding, output_padding) = match self.range(0, 3) {
            0 => ([3; 3], [2; 3], Padding::from([1; 3]), [1; 3]),
            1 => {
                let (kernel, stride) =
                    (self.each(|draw| draw.range(1, 4)), self.each(|draw| draw.range(1, 3)));
                // An input of one voxel has an output larger than its padding.
                let padding = self.padding(kernel.map(|size| size.div_ceil(2)));
                (kernel, stride, padding, self.each(|draw| draw.range(0, 2)))
            }
            _ => ([2; 3], [2; 3], Padding::default(), [0; 3]),
        };
        let outputs = self.channels();
        let taps = kernel.iter().product::<usize>();
        let reached = inputs * taps.div_ceil(stride.iter().product());
        let (weights, bias) = (self.weights(inputs * outputs * taps, reached), self.values(outputs, 0.3));
        ConvTranspose { weights, bias, kernel, stride, padding, output_padding }
    }

    pub(crate) fn pool(&mut self) -> Pool {
        let kernel = self.each(|draw| draw.range(1, 3));
        Pool { kernel, stride: self.stride(), padding: self.padding(kernel) }
    }

    /// Returns a batch normalisation in evaluation mode.
    pub(crate) fn affine(&mut self, channels: usize) -> Operation {
        let scale = self.values(channels, 0.5).into_iter().map(|value| value + 1.0).collect();
        Operation::Affine { scale, shift: self.values(channels, 0.3) }
    }

    pub(crate) fn norm(&mut self, channels: usize) -> Norm {
        let groups = self.groups(channels, channels);
        Norm { groups, epsilon: 1e-5, scale: self.values(channels, 1.0), shift: self.values(channels, 0.3) }
    }

    pub(crate) fn linear(&mut self, inputs: usize, outputs: usize) -> Linear {
        Linear::new(self.weights(inputs * outputs, inputs), self.values(outputs, 0.3))
    }

    pub(crate) fn activation(&mut self, channels: usize) -> Activation {
        match self.range(0, 19) {
            0 => Activation::LeakyRelu(self.pick(&[0.01, 0.1, -0.5, 1.5])),
            1 => Activation::PRelu(self.values(channels, 0.5)),
            2 => Activation::Elu(self.pick(&[1.0, 0.3])),
            3 => Activation::Sigmoid,
            4 => Activation::HardSigmoid { alpha: 1.0 / 6.0, beta: 0.5 },
            5 => Activation::HardSigmoid { alpha: 0.2, beta: 0.5 },
            6 => Activation::Silu,
            7 => Activation::HardSwish,
            8 => Activation::Mish,
            9 => Activation::Gelu,
            10 => Activation::GeluTanh,
            11 => Activation::Tanh,
            12 => Activation::Softplus,
            13 => Activation::Clip { low: 0.0, high: 6.0 },
            14 => Activation::Clip { low: -0.3, high: 0.7 },
            _ => Activation::Relu,
        }
    }
}
