//! Each operation and random networks against loops in float64.

use std::cell::LazyCell;

use super::TensorGraph;
use super::naive;
use crate::graph::random::{self, Draw, Options};
use crate::graph::{Activation, Builder, Conv, Graph, Linear, Operation, Value};
use candle_core::{Device, Tensor, Var};
use proptest::prelude::*;

/// Largest error of a network that amplifies rounding, in multiples of what one place of every result changes: an operation
/// rounds more than once.
const ROUNDINGS: f64 = 4.0;

/// Runs a graph on a batch of random images and compares each with the loops, to 2e-5 of the largest value. Networks that amplify
/// rounding, as norms of nearly equal values do, are measured by what the loops make of results that are off in the last place.
fn check(graph: Graph, size: [usize; 3], seed: u64, count: usize) {
    let channels = graph.channels();
    let images = random::images(seed, count, channels, size);
    let shape = (count, channels, size[0], size[1], size[2]);
    let batch = Tensor::from_slice(&images, shape, &Device::Cpu).unwrap();
    let network = TensorGraph::new(graph, &Device::Cpu).unwrap();
    let found = network.forward(&batch).unwrap();
    for (at, image) in images.chunks(images.len() / count).enumerate() {
        let expected = naive::run(network.graph(), image, size);
        let found = found.get(at).unwrap();
        assert_eq!(found.dims(), expected.shape);
        let found = found.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        let scale = expected.values.iter().fold(1f64, |scale, value| scale.max(value.abs()));
        let nudged = LazyCell::new(|| {
            let nudged = naive::run_nudged(network.graph(), image, size).values;
            let changes = nudged.iter().zip(&expected.values).map(|(nudged, value)| (nudged - value).abs());
            changes.fold(0.0, f64::max) / scale
        });
        for (found, expected) in found.iter().zip(&expected.values) {
            let error = (f64::from(*found) - expected).abs() / scale;
            assert!(
                error <= 2e-5 || error <= ROUNDINGS * *nudged,
                "expected {expected}, found {found}, where a nudge of every result changes {}: {:?}",
                *nudged,
                network.graph().nodes()
            );
        }
    }
}

/// Returns a network of one operation, or two for those that take a vector.
fn one_operation(kind: usize, draw: &mut Draw, size: [usize; 3]) -> Graph {
    let channels = draw.range(1, 9);
    let mut builder = Builder::new(channels);
    let image = builder.image();
    let voxels = size.iter().product::<usize>();
    let mut add = |operation, inputs: &[Value]| builder.add("node", operation, inputs).unwrap();
    let output = match kind {
        0 => add(Operation::Conv(draw.conv(channels)), &[image]),
        1 => add(Operation::ConvTranspose(draw.transposed(channels)), &[image]),
        2 => add(draw.affine(channels), &[image]),
        3 => add(Operation::Activation(draw.activation(channels)), &[image]),
        4 => add(Operation::MaxPool(draw.pool()), &[image]),
        5 => {
            let count_padding = draw.once_in(2);
            add(Operation::MeanPool { pool: draw.pool(), count_padding }, &[image])
        }
        6 => add(Operation::Add, &[image, image, image]),
        7 => add(Operation::Multiply, &[image, image]),
        8 => {
            let other = add(Operation::Activation(Activation::Tanh), &[image]);
            add(Operation::Concat, &[other, image, other])
        }
        9 => add(Operation::PadChannels { before: draw.range(0, 3), after: draw.range(0, 3) }, &[image]),
        10 => add(Operation::Norm(draw.norm(channels)), &[image]),
        11 => add(Operation::GlobalMean, &[image]),
        12 => add(Operation::Linear(draw.linear(channels * voxels, 3)), &[image]),
        13 => add(Operation::Repeat([1, 2, 3].map(|most| draw.range(1, most))), &[image]),
        14 => {
            let mean = add(Operation::GlobalMean, &[image]);
            add(Operation::Multiply, &[image, mean])
        }
        15 => {
            let mean = add(Operation::GlobalMean, &[image]);
            let parts = [
                add(draw.affine(channels), &[mean]),
                add(Operation::Activation(draw.activation(channels)), &[mean]),
            ];
            let both = add(Operation::Concat, &parts);
            let linear = add(Operation::Linear(draw.linear(2 * channels, channels)), &[both]);
            let sum = add(Operation::Add, &[mean, linear]);
            add(Operation::Multiply, &[sum, mean])
        }
        _ => panic!("no operation {kind}"),
    };
    builder.finish(output)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(768))]

    #[test]
    fn an_operation_is_its_definition(
        kind in 0usize..16, size in [1usize..9, 1usize..9, 1usize..9], count in 1usize..4, seed in any::<u64>(),
    ) {
        let graph = one_operation(kind, &mut Draw::new(seed), size);
        prop_assume!(graph.sizes(size).is_ok());
        check(graph, size, seed, count);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_network_is_its_operations(seed in any::<u64>(), local_only in any::<bool>(), classifier in any::<bool>()) {
        let (graph, size) = random::graph(seed, Options { local_only, classifier });
        check(graph, size, seed, 1);
    }
}

#[test]
fn activations_are_right_far_from_0() {
    let activations = [
        Activation::Elu(1.0),
        Activation::Sigmoid,
        Activation::HardSigmoid { alpha: 0.2, beta: 0.5 },
        Activation::Silu,
        Activation::HardSwish,
        Activation::Mish,
        Activation::Gelu,
        Activation::GeluTanh,
        Activation::Tanh,
        Activation::Softplus,
    ];
    let values: Vec<f32> = (-20..=20).map(|x| x as f32 * 0.5).chain([-90.0, -30.0, 30.0, 90.0]).collect();
    let x = Tensor::from_slice(&values, (1, 1, 1, 1, values.len()), &Device::Cpu).unwrap();
    for activation in activations {
        let mut builder = Builder::new(1);
        let at = builder.add("a", Operation::Activation(activation.clone()), &[builder.image()]).unwrap();
        let network = TensorGraph::new(builder.finish(at), &Device::Cpu).unwrap();
        let expected = naive::run(network.graph(), &values, [1, 1, values.len()]);
        let found = network.forward(&x).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
        for (at, found) in found.into_iter().enumerate() {
            let expected = expected.values[at] as f32;
            let error = (found - expected).abs();
            let x = values[at];
            assert!(
                error <= 2e-6 * expected.abs().max(1.0),
                "{activation:?} of {x}: {expected}, found {found}"
            );
            let found = activation.apply(0, x);
            let error = (found - expected).abs();
            assert!(
                error <= 2e-6 * expected.abs().max(1.0),
                "{activation:?} of {x}: {expected}, applied {found}"
            );
        }
    }
}

/// A network of a convolution, a ReLU and a head.
fn small() -> TensorGraph {
    let mut builder = Builder::new(2);
    let conv = Conv { padding: [1; 3].into(), ..Conv::new(vec![0.5; 3 * 2 * 27], vec![0.0; 3], [3; 3]) };
    let at = builder.add("conv", Operation::Conv(conv), &[builder.image()]).unwrap();
    let at = builder.add("relu", Operation::Activation(Activation::Relu), &[at]).unwrap();
    let at = builder.add("pool", Operation::GlobalMean, &[at]).unwrap();
    let at = builder.add("fc", Operation::Linear(Linear::new(vec![1.0; 3], vec![0.0])), &[at]).unwrap();
    TensorGraph::new(builder.finish(at), &Device::Cpu).unwrap()
}

#[test]
fn a_nan_is_not_hidden() {
    let images = Tensor::full(f32::NAN, (1, 2, 4, 4, 4), &Device::Cpu).unwrap();
    let found = small().forward(&images).unwrap().to_vec2::<f32>().unwrap();
    assert!(found[0][0].is_nan(), "{found:?}");
}

#[test]
fn gradients_reach_the_image() {
    let images = Var::ones((1, 2, 4, 4, 4), candle_core::DType::F32, &Device::Cpu).unwrap();
    let store = small().forward(&images).unwrap().sum_all().unwrap().backward().unwrap();
    let gradient = store.get(&images).unwrap().get(0).unwrap().get(1).unwrap().to_vec3::<f32>().unwrap();
    // An inner voxel is read by 27 outputs of 3 channels, one in a corner by 8.
    let of = |outputs: f32| outputs * 3.0 * 0.5 / 64.0;
    assert!((gradient[1][2][1] - of(27.0)).abs() < 1e-6 && (gradient[0][3][0] - of(8.0)).abs() < 1e-6);
}

#[test]
fn images_that_do_not_fit_are_named() {
    let network = small();
    let message = |shape: [usize; 5]| {
        let images = Tensor::zeros(&shape, candle_core::DType::F32, &Device::Cpu).unwrap();
        network.forward(&images).unwrap_err().to_string()
    };
    assert!(message([1, 3, 4, 4, 4]).contains("[n, 2, z, y, x]"));
    assert!(message([1, 2, 4, 0, 4]).contains("at least one voxel"));
    let none = Tensor::zeros((0, 2, 4, 4, 4), candle_core::DType::F32, &Device::Cpu).unwrap();
    assert_eq!(network.forward(&none).unwrap().dims(), [0, 1]);
    let mut builder = Builder::new(1);
    let conv = Operation::Conv(Conv::new(vec![1.0; 27], vec![0.0], [3; 3]));
    let at = builder.add("layer1.conv", conv, &[builder.image()]).unwrap();
    let network = TensorGraph::new(builder.finish(at), &Device::Cpu).unwrap();
    let images = Tensor::zeros((1, 1, 2, 4, 4), candle_core::DType::F32, &Device::Cpu).unwrap();
    let error = network.forward(&images).unwrap_err().to_string();
    assert!(error.contains("layer1.conv (convolution)"), "{error}");
}

#[test]
fn a_network_may_return_its_image() {
    let network = TensorGraph::new(Builder::new(2).finish(Value::IMAGE), &Device::Cpu).unwrap();
    let images = Tensor::arange(0f32, 16.0, &Device::Cpu).unwrap().reshape((1, 2, 2, 2, 2)).unwrap();
    let found = network.forward(&images).unwrap();
    let flat = |x: &Tensor| x.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    assert_eq!(flat(&found), flat(&images));
}
