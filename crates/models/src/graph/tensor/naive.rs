//! Operations as loops in float64, by their definitions.

use crate::graph::{Activation, Conv, ConvTranspose, Graph, Norm, Operation, Padding, Pool};

/// A value of one image.
#[derive(Clone, Debug)]
pub(super) struct Array {
    pub(super) shape: Vec<usize>,
    pub(super) values: Vec<f64>,
}

impl Array {
    fn map(channels: usize, size: [usize; 3], of: impl Fn(usize, [usize; 3]) -> f64) -> Self {
        let mut values = Vec::new();
        for c in 0..channels {
            for z in 0..size[0] {
                for y in 0..size[1] {
                    values.extend((0..size[2]).map(|x| of(c, [z, y, x])));
                }
            }
        }
        Self { shape: [&[channels][..], &size].concat(), values }
    }

    fn size(&self) -> [usize; 3] {
        self.shape[1..].try_into().unwrap()
    }

    fn channel(&self, c: usize) -> &[f64] {
        let length = self.values.len() / self.shape[0];
        &self.values[c * length..(c + 1) * length]
    }

    /// Returns a voxel, or `None` outside.
    fn at(&self, c: usize, place: [isize; 3]) -> Option<f64> {
        let size = self.size();
        let inside = (0..3).all(|axis| (0..size[axis] as isize).contains(&place[axis]));
        let [z, y, x] = place.map(|at| at as usize);
        inside.then(|| self.channel(c)[(z * size[1] + y) * size[2] + x])
    }

    fn by_channel(&self, of: impl Fn(usize, f64) -> f64) -> Self {
        let length = self.values.len() / self.shape[0];
        let values = self.values.iter().enumerate().map(|(at, &value)| of(at / length, value)).collect();
        Self { shape: self.shape.clone(), values }
    }
}

/// Computes the output for one image.
pub(super) fn run(graph: &Graph, image: &[f32], size: [usize; 3]) -> Array {
    run_with(graph, image, size, |_, value| value)
}

/// Computes the output for one image where the results of every operation are off in the last place of single precision,
/// alternately up and down: what rounding makes of this network.
pub(super) fn run_nudged(graph: &Graph, image: &[f32], size: [usize; 3]) -> Array {
    let by = f64::from(f32::EPSILON);
    run_with(graph, image, size, |at, value| value * (1.0 + [by, -by][at % 2]))
}

fn run_with(graph: &Graph, image: &[f32], size: [usize; 3], nudge: impl Fn(usize, f64) -> f64) -> Array {
    let values = image.iter().map(|&value| value.into()).collect();
    let mut found = vec![Array { shape: [&[graph.channels()][..], &size].concat(), values }];
    for node in graph.nodes() {
        let inputs: Vec<&Array> = node.inputs.iter().map(|input| &found[input.index()]).collect();
        let mut output = operation(&node.operation, &inputs);
        output.values.iter_mut().enumerate().for_each(|(at, value)| *value = nudge(at, *value));
        found.push(output);
    }
    found.swap_remove(graph.output().index())
}

fn operation(operation: &Operation, inputs: &[&Array]) -> Array {
    let x = inputs[0];
    let channels = x.shape[0];
    match operation {
        Operation::Conv(conv) => convolved(x, conv),
        Operation::ConvTranspose(conv) => transposed(x, conv),
        Operation::Affine { scale, shift } => {
            x.by_channel(|c, value| f64::from(scale[c]) * value + f64::from(shift[c]))
        }
        Operation::Activation(activation) => x.by_channel(|c, value| activated(activation, c, value)),
        Operation::MaxPool(pool) => {
            pooled(x, *pool, |window| window.iter().flatten().fold(f64::NEG_INFINITY, |a, &b| a.max(b)))
        }
        Operation::MeanPool { pool, count_padding } => pooled(x, *pool, |window| {
            let inside: Vec<f64> = window.iter().flatten().copied().collect();
            let count = if *count_padding { window.len() } else { inside.len() };
            inside.iter().sum::<f64>() / count as f64
        }),
        Operation::Add => {
            let sum = |at: usize| inputs.iter().map(|input| input.values[at]).sum();
            Array { shape: x.shape.clone(), values: (0..x.values.len()).map(sum).collect() }
        }
        Operation::Multiply => {
            let (y, length) = (inputs[1], x.values.len() / inputs[1].values.len());
            let values = x.values.iter().enumerate().map(|(at, value)| value * y.values[at / length]);
            Array { shape: x.shape.clone(), values: values.collect() }
        }
        Operation::Concat => {
            let channels = inputs.iter().map(|input| input.shape[0]).sum::<usize>();
            let shape = [&[channels][..], &x.shape[1..]].concat();
            Array { shape, values: inputs.iter().flat_map(|input| input.values.clone()).collect() }
        }
        Operation::PadChannels { before, after } => {
            Array::map(before + channels + after, x.size(), |c, place| match c.checked_sub(*before) {
                Some(c) if c < channels => x.at(c, place.map(|at| at as isize)).unwrap(),
                _ => 0.0,
            })
        }
        Operation::Norm(norm) => normalised(x, norm),
        Operation::GlobalMean => {
            let mean = |c| x.channel(c).iter().sum::<f64>() / x.channel(c).len() as f64;
            Array { shape: vec![channels], values: (0..channels).map(mean).collect() }
        }
        Operation::Linear(linear) => {
            let row = |o: usize| &linear.weights[o * x.values.len()..(o + 1) * x.values.len()];
            let sum = |o: usize| row(o).iter().zip(&x.values).map(|(&w, v)| f64::from(w) * v).sum::<f64>();
            let outputs = linear.bias.len();
            let values = (0..outputs).map(|o| sum(o) + f64::from(linear.bias[o])).collect();
            Array { shape: vec![outputs], values }
        }
        Operation::Repeat(factors) => {
            let size = std::array::from_fn(|axis| x.size()[axis] * factors[axis]);
            let source =
                |place: [usize; 3]| std::array::from_fn(|axis| (place[axis] / factors[axis]) as isize);
            Array::map(channels, size, |c, place| x.at(c, source(place)).unwrap())
        }
    }
}

/// All taps of a kernel.
fn taps([z, y, x]: [usize; 3]) -> impl Iterator<Item = [usize; 3]> {
    (0..z).flat_map(move |z| (0..y).flat_map(move |y| (0..x).map(move |x| [z, y, x])))
}

fn windows(x: &Array, span: [usize; 3], stride: [usize; 3], padding: Padding) -> [usize; 3] {
    std::array::from_fn(|axis| {
        (x.size()[axis] + padding.before[axis] + padding.after[axis] - span[axis]) / stride[axis] + 1
    })
}

fn convolved(x: &Array, conv: &Conv) -> Array {
    let outputs = conv.bias.len();
    let inputs = x.shape[0] / conv.groups;
    let count = conv.kernel.iter().product::<usize>();
    let span = std::array::from_fn(|axis| conv.dilation[axis] * (conv.kernel[axis] - 1) + 1);
    Array::map(outputs, windows(x, span, conv.stride, conv.padding), |o, place| {
        let mut sum = f64::from(conv.bias[o]);
        for i in 0..inputs {
            let c = o / (outputs / conv.groups) * inputs + i;
            for (tap, at) in taps(conv.kernel).enumerate() {
                let source = std::array::from_fn(|axis| {
                    (place[axis] * conv.stride[axis] + at[axis] * conv.dilation[axis]) as isize
                        - conv.padding.before[axis] as isize
                });
                let weight = f64::from(conv.weights[(o * inputs + i) * count + tap]);
                sum += weight * x.at(c, source).unwrap_or(0.0);
            }
        }
        sum
    })
}

/// Adds what each input gives to the outputs, as a transposed convolution is defined.
fn transposed(x: &Array, conv: &ConvTranspose) -> Array {
    let (inputs, outputs) = (x.shape[0], conv.bias.len());
    let size: [usize; 3] = std::array::from_fn(|axis| {
        (x.size()[axis] - 1) * conv.stride[axis] + conv.kernel[axis] + conv.output_padding[axis]
            - conv.padding.before[axis]
            - conv.padding.after[axis]
    });
    let count = conv.kernel.iter().product::<usize>();
    let mut y = Array::map(outputs, size, |o, _| conv.bias[o].into());
    for i in 0..inputs {
        for place in taps(x.size()) {
            let value = x.at(i, place.map(|at| at as isize)).unwrap();
            for (tap, at) in taps(conv.kernel).enumerate() {
                let to: [isize; 3] = std::array::from_fn(|axis| {
                    (place[axis] * conv.stride[axis] + at[axis]) as isize - conv.padding.before[axis] as isize
                });
                if (0..3).any(|axis| !(0..size[axis] as isize).contains(&to[axis])) {
                    continue;
                }
                let [z, row, column] = to.map(|at| at as usize);
                for o in 0..outputs {
                    y.values[((o * size[0] + z) * size[1] + row) * size[2] + column] +=
                        value * f64::from(conv.weights[(i * outputs + o) * count + tap]);
                }
            }
        }
    }
    y
}

fn pooled(x: &Array, pool: Pool, reduce: impl Fn(&[Option<f64>]) -> f64) -> Array {
    Array::map(x.shape[0], windows(x, pool.kernel, pool.stride, pool.padding), |c, place| {
        let source = |at: [usize; 3]| {
            std::array::from_fn(|axis| {
                (place[axis] * pool.stride[axis] + at[axis]) as isize - pool.padding.before[axis] as isize
            })
        };
        let window: Vec<Option<f64>> = taps(pool.kernel).map(|at| x.at(c, source(at))).collect();
        reduce(&window)
    })
}

fn normalised(x: &Array, norm: &Norm) -> Array {
    let length = x.values.len() / norm.groups;
    let statistics: Vec<(f64, f64)> = x
        .values
        .chunks(length)
        .map(|group| {
            let mean = group.iter().sum::<f64>() / length as f64;
            (mean, group.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / length as f64)
        })
        .collect();
    x.by_channel(|c, value| {
        let (mean, variance) = statistics[c / (x.shape[0] / norm.groups)];
        let scale = f64::from(norm.scale[c]) / (variance + norm.epsilon).sqrt();
        (value - mean) * scale + f64::from(norm.shift[c])
    })
}

fn activated(activation: &Activation, c: usize, x: f64) -> f64 {
    let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
    let softplus = |x: f64| (1.0 + x.exp()).ln();
    let leaky = |slope: f32| if x > 0.0 { x } else { f64::from(slope) * x };
    match activation {
        Activation::Relu => x.max(0.0),
        Activation::LeakyRelu(slope) => leaky(*slope),
        Activation::PRelu(slopes) => leaky(slopes[c]),
        Activation::Elu(alpha) => {
            if x > 0.0 {
                x
            } else {
                f64::from(*alpha) * (x.exp() - 1.0)
            }
        }
        Activation::Sigmoid => sigmoid(x),
        Activation::HardSigmoid { alpha, beta } => (f64::from(*alpha) * x + f64::from(*beta)).clamp(0.0, 1.0),
        Activation::Silu => x * sigmoid(x),
        Activation::HardSwish => x * (x + 3.0).clamp(0.0, 6.0) / 6.0,
        Activation::Mish => x * softplus(x).tanh(),
        Activation::Gelu => {
            x / 2.0 * (1.0 + candle_core::cpu::erf::erf_f64(x * std::f64::consts::FRAC_1_SQRT_2))
        }
        Activation::GeluTanh => {
            let inner = (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044715 * x.powi(3));
            x / 2.0 * (1.0 + inner.tanh())
        }
        Activation::Tanh => x.tanh(),
        Activation::Softplus => softplus(x),
        Activation::Clip { low, high } => x.clamp(f64::from(*low), f64::from(*high)),
    }
}
