//! The plain meaning of a graph: each operation as its definition says, in double precision.

use relevox_models::graph::{Graph, Norm, Operation, Padding};

/// A value: its sizes `[c, z, y, x]` (`[c, 1, 1, 1]` for vectors) and elements.
#[derive(Clone)]
struct Array {
    sizes: [usize; 4],
    values: Vec<f64>,
}

impl Array {
    fn build(sizes: [usize; 4], value: impl Fn([usize; 4]) -> f64) -> Self {
        let [channels, depth, height, width] = sizes;
        let mut values = Vec::with_capacity(sizes.iter().product());
        for c in 0..channels {
            for z in 0..depth {
                for y in 0..height {
                    for x in 0..width {
                        values.push(value([c, z, y, x]));
                    }
                }
            }
        }
        Self { sizes, values }
    }

    fn at(&self, [c, z, y, x]: [usize; 4]) -> f64 {
        let [_, depth, height, width] = self.sizes;
        self.values[((c * depth + z) * height + y) * width + x]
    }

    fn voxels(&self) -> [usize; 3] {
        [self.sizes[1], self.sizes[2], self.sizes[3]]
    }

    fn of(&self, channel: usize) -> &[f64] {
        let count = self.voxels().iter().product::<usize>();
        &self.values[channel * count..][..count]
    }
}

/// Returns what a network returns for an image of `size` voxels.
pub fn run(graph: &Graph, image: &[f32], size: [usize; 3]) -> Vec<f64> {
    let sizes = [graph.channels(), size[0], size[1], size[2]];
    let mut values = vec![Array { sizes, values: image.iter().map(|&value| value.into()).collect() }];
    let shapes = graph.sizes(size).unwrap();
    for (node, shape) in graph.nodes().iter().zip(&shapes[1..]) {
        let inputs: Vec<&Array> = node.inputs.iter().map(|input| &values[input.index()]).collect();
        let mut sizes = [1; 4];
        sizes[..shape.len()].copy_from_slice(shape);
        let result = compute(&node.operation, &inputs, sizes);
        assert_eq!(result.values.len(), sizes.iter().product::<usize>(), "{}", node.name);
        values.push(result);
    }
    values.swap_remove(graph.output().index()).values
}

/// Calls `visit` with the taps that lie inside the input, and their positions in it.
fn window(
    at: [usize; 4],
    kernel: [usize; 3],
    [stride, dilation]: [[usize; 3]; 2],
    padding: Padding,
    size: [usize; 3],
    mut visit: impl FnMut([usize; 3], [usize; 3]),
) {
    let inside = |axis: usize, tap: usize| {
        let position = at[axis + 1] * stride[axis] + tap * dilation[axis];
        position.checked_sub(padding.before[axis]).filter(|&position| position < size[axis])
    };
    for kz in 0..kernel[0] {
        for ky in 0..kernel[1] {
            for kx in 0..kernel[2] {
                if let (Some(z), Some(y), Some(x)) = (inside(0, kz), inside(1, ky), inside(2, kx)) {
                    visit([kz, ky, kx], [z, y, x]);
                }
            }
        }
    }
}

fn compute(operation: &Operation, inputs: &[&Array], sizes: [usize; 4]) -> Array {
    let first = inputs[0];
    let single =
        |function: &dyn Fn(usize, f64) -> f64| Array::build(sizes, |at| function(at[0], first.at(at)));
    match operation {
        Operation::Conv(conv) => {
            let of_group = first.sizes[0] / conv.groups;
            let outputs = sizes[0] / conv.groups;
            let taps = conv.kernel;
            Array::build(sizes, |at| {
                let mut sum = f64::from(conv.bias[at[0]]);
                window(
                    at,
                    taps,
                    [conv.stride, conv.dilation],
                    conv.padding,
                    first.voxels(),
                    |tap, [z, y, x]| {
                        for channel in 0..of_group {
                            let weight = (at[0] * of_group + channel) * taps[0] + tap[0];
                            let weight = conv.weights[(weight * taps[1] + tap[1]) * taps[2] + tap[2]];
                            let input = first.at([at[0] / outputs * of_group + channel, z, y, x]);
                            sum += f64::from(weight) * input;
                        }
                    },
                );
                sum
            })
        }
        Operation::ConvTranspose(conv) => {
            let mut result = Array::build(sizes, |at| f64::from(conv.bias[at[0]]));
            let [_, depth, height, width] = sizes;
            let [kz, ky, kx] = conv.kernel;
            for i in 0..first.sizes[0] {
                for (at, &value) in first.of(i).iter().enumerate() {
                    let [_, h, w] = first.voxels();
                    let from = [at / (h * w), at / w % h, at % w];
                    for o in 0..sizes[0] {
                        for tap in 0..kz * ky * kx {
                            let taps = [tap / (ky * kx), tap / kx % ky, tap % kx];
                            let to: Vec<Option<usize>> = (0..3)
                                .map(|axis| {
                                    (from[axis] * conv.stride[axis] + taps[axis])
                                        .checked_sub(conv.padding.before[axis])
                                })
                                .collect();
                            if let [Some(z), Some(y), Some(x)] = to[..]
                                && z < depth
                                && y < height
                                && x < width
                            {
                                let weight = conv.weights[(i * sizes[0] + o) * kz * ky * kx + tap];
                                result.values[((o * depth + z) * height + y) * width + x] +=
                                    f64::from(weight) * value;
                            }
                        }
                    }
                }
            }
            result
        }
        Operation::Affine { scale, shift } => {
            single(&|channel, x| f64::from(scale[channel]) * x + f64::from(shift[channel]))
        }
        Operation::Activation(activation) => {
            single(&|channel, x| f64::from(activation.apply(channel, x as f32)))
        }
        Operation::MaxPool(pool) => Array::build(sizes, |at| {
            let mut largest = f64::NEG_INFINITY;
            window(at, pool.kernel, [pool.stride, [1; 3]], pool.padding, first.voxels(), |_, [z, y, x]| {
                largest = largest.max(first.at([at[0], z, y, x]));
            });
            largest
        }),
        Operation::MeanPool { pool, count_padding } => Array::build(sizes, |at| {
            let (mut sum, mut count) = (0.0, 0.0);
            window(at, pool.kernel, [pool.stride, [1; 3]], pool.padding, first.voxels(), |_, [z, y, x]| {
                sum += first.at([at[0], z, y, x]);
                count += 1.0;
            });
            if *count_padding { sum / pool.kernel.iter().product::<usize>() as f64 } else { sum / count }
        }),
        Operation::Add => Array::build(sizes, |at| inputs.iter().map(|input| input.at(at)).sum()),
        Operation::Multiply => {
            let gate = inputs[1];
            let is_vector = gate.voxels() == [1; 3];
            Array::build(sizes, |at| first.at(at) * gate.at(if is_vector { [at[0], 0, 0, 0] } else { at }))
        }
        Operation::Concat => {
            let values = inputs.iter().flat_map(|input| input.values.iter().copied()).collect();
            Array { sizes, values }
        }
        Operation::PadChannels { before, .. } => Array::build(sizes, |[c, z, y, x]| {
            let channel = c.checked_sub(*before).filter(|&channel| channel < first.sizes[0]);
            channel.map_or(0.0, |channel| first.at([channel, z, y, x]))
        }),
        Operation::Norm(Norm { groups, epsilon, scale, shift }) => {
            let of_group = sizes[0] / groups;
            let statistics: Vec<(f64, f64)> = (0..*groups)
                .map(|group| {
                    let values: Vec<f64> = (0..of_group)
                        .flat_map(|channel| first.of(group * of_group + channel).iter().copied())
                        .collect();
                    let count = values.len() as f64;
                    let mean = values.iter().sum::<f64>() / count;
                    let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / count;
                    (mean, (variance + epsilon).sqrt())
                })
                .collect();
            single(&|channel, x| {
                let (mean, deviation) = statistics[channel / of_group];
                (x - mean) / deviation * f64::from(scale[channel]) + f64::from(shift[channel])
            })
        }
        Operation::GlobalMean => Array::build(sizes, |[channel, ..]| {
            let values = first.of(channel);
            values.iter().sum::<f64>() / values.len() as f64
        }),
        Operation::Linear(linear) => Array::build(sizes, |[output, ..]| {
            let row = &linear.weights[output * first.values.len()..][..first.values.len()];
            let sum: f64 =
                row.iter().zip(&first.values).map(|(&weight, input)| f64::from(weight) * input).sum();
            sum + f64::from(linear.bias[output])
        }),
        Operation::Repeat(factors) => {
            Array::build(sizes, |[c, z, y, x]| first.at([c, z / factors[0], y / factors[1], x / factors[2]]))
        }
    }
}
