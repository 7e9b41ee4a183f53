//! Any graph in windows against whole passes.

use super::super::boxes::Place;
use super::super::prepare::Program;
use super::*;
use crate::graph::random::{self, Options};
use crate::graph::tensor::TensorGraph;
use crate::graph::{
    Activation, Builder, Conv, ConvTranspose, Form, Graph, Linear, Norm, Operation, Padding, Pool, Value,
};
use crate::{DenseNetConfig, VarBuilder};

/// Returns the last map of a network that has the size of its image.
fn map_of_the_image_s_size(graph: &Graph, size: [usize; 3]) -> Value {
    let shapes = graph.sizes(size).unwrap();
    let is_it = |&value: &usize| shapes[value].len() == 4 && shapes[value][1..] == size;
    let value = (0..shapes.len()).rev().find(is_it).unwrap_or_default();
    value.checked_sub(1).map_or(Value::IMAGE, Value::of_node)
}

/// The result of a whole pass, for the patch's box if it is a map.
fn whole(network: &TensorGraph, image: &[f32], shape: [usize; 4], bounds: Box3) -> Vec<f32> {
    let [c, z, y, x] = shape;
    let image = Tensor::from_slice(image, (1, c, z, y, x), &Device::Cpu).unwrap();
    let mut values = network.forward(&image).unwrap().squeeze(0).unwrap();
    if !network.graph().is_classifier() {
        for axis in 0..3 {
            values = values.narrow(axis + 1, bounds.start[axis], bounds.size()[axis]).unwrap();
        }
    }
    values.flatten_all().unwrap().to_vec1().unwrap()
}

fn furthest(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    // `max` would ignore NaN.
    a.iter().zip(b).fold(0.0, |most, (a, b)| if (a - b).abs() <= most { most } else { (a - b).abs() })
}

/// Compares patches with whole passes, and returns the largest change of a result by a patch, relative to its size.
fn compare(graph: &Graph, size: [usize; 3], boxes: &[Share], memory: usize, seed: u64) -> f32 {
    let shape = [graph.channels(), size[0], size[1], size[2]];
    let image = random::images(seed, 1, shape[0], size);
    let values = random::images(seed + 1, 1, shape[0], size);
    let patches = patches(boxes, shape, &values);
    let network = TensorGraph::new(graph.clone(), &Device::Cpu).unwrap();
    let windows = GraphWindows::new(graph.clone(), &Device::Cpu).unwrap();
    let cache = windows.cache(&image, shape).unwrap();
    assert!(cache.is_of(&image, shape));
    if graph.is_classifier() {
        let expected = whole(&network, &image, shape, Box3::whole(size));
        let scale = expected.iter().fold(1f32, |most, value| most.max(value.abs()));
        assert!(furthest(cache.outputs(), &expected) <= 1e-5 * scale, "{:?}, {expected:?}", cache.outputs());
    }
    let found = windows.patched(&cache, &patches, memory, &Fitting::default()).unwrap();
    assert_eq!(found.len(), patches.len());
    let mut moved = 0f32;
    for (found, patch) in found.iter().zip(&patches) {
        let bounds = patch.bounds();
        let expected = whole(&network, &after(&image, shape, patch), shape, bounds);
        let scale = expected.iter().fold(1f32, |most, value| most.max(value.abs()));
        let off = furthest(found, &expected);
        assert!(off <= 1e-5 * scale, "{bounds:?}: off by {off} of {scale}");
        moved = moved.max(furthest(&whole(&network, &image, shape, bounds), &expected) / scale);
    }
    moved
}

fn shares() -> impl Strategy<Value = Vec<Share>> {
    prop::collection::vec(([0f32..1.0, 0f32..1.0, 0f32..1.0], [0f32..0.5, 0f32..0.5, 0f32..0.5]), 1..6)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn windows_of_random_classifiers_are_whole_passes(
        seed in any::<u32>(), local_only in any::<bool>(), boxes in shares(), memory in 0usize..1 << 22,
    ) {
        let (graph, size) = random::graph(seed.into(), Options { local_only, classifier: true });
        compare(&graph, size, &boxes, memory, seed.into());
    }

    #[test]
    fn windows_of_random_maps_are_whole_passes(
        seed in any::<u32>(), local_only in any::<bool>(), boxes in shares(), memory in 0usize..1 << 22,
    ) {
        let (graph, size) = random::graph(seed.into(), Options { local_only, classifier: false });
        let graph = graph.until(map_of_the_image_s_size(&graph, size));
        compare(&graph, size, &boxes, memory, seed.into());
    }
}

/// A network that grows node by node.
struct Network(Builder);

impl Network {
    fn add(&mut self, operation: Operation, inputs: &[Value]) -> Value {
        self.0.add(operation.name(), operation, inputs).unwrap()
    }

    fn relu(&mut self, input: Value) -> Value {
        self.add(Operation::Activation(Activation::Relu), &[input])
    }

    fn conv(&mut self, input: Value, outputs: usize, kernel: usize, change: impl Fn(Conv) -> Conv) -> Value {
        let conv = Conv { padding: [kernel / 2; 3].into(), ..Conv::new(vec![], vec![], [kernel; 3]) };
        let mut conv = change(conv);
        let read = self.0.form(input).channels() / conv.groups * kernel.pow(3);
        let scale = (2.0 / read as f32).sqrt();
        let weights = (0..outputs * read).map(|i| (((i * 7919) % 31) as f32 / 31.0 - 0.45) * scale);
        conv.weights = weights.collect();
        conv.bias = (0..outputs).map(|i| i as f32 * 0.02 - 0.03).collect();
        self.add(Operation::Conv(conv), &[input])
    }

    fn doubled(&mut self, input: Value, kernel: usize) -> Value {
        let channels = self.0.form(input).channels();
        let count = channels * channels * kernel.pow(3);
        // Twice the size: (n − 1)·2 + kernel + output padding − padding.
        let before = (kernel - 1) / 2;
        let conv = ConvTranspose {
            weights: (0..count).map(|i| ((i * 31) % 17) as f32 / 17.0 - 0.4).collect(),
            bias: vec![0.1; channels],
            kernel: [kernel; 3],
            stride: [2; 3],
            padding: Padding { before: [before; 3], after: [kernel.saturating_sub(2) - before; 3] },
            output_padding: [2usize.saturating_sub(kernel); 3],
        };
        self.add(Operation::ConvTranspose(conv), &[input])
    }

    fn norm(&mut self, input: Value, groups: usize) -> Value {
        let channels = self.0.form(input).channels();
        let norm = Norm { groups, epsilon: 1e-5, scale: vec![1.1; channels], shift: vec![0.2; channels] };
        self.add(Operation::Norm(norm), &[input])
    }

    fn linear(&mut self, input: Value, outputs: usize) -> Value {
        let inputs = self.0.form(input).channels();
        let weights = (0..outputs * inputs).map(|i| ((i * 13) % 11) as f32 / 5.0 - 1.0).collect();
        self.add(Operation::Linear(Linear::new(weights, vec![0.1; outputs])), &[input])
    }

    fn head(mut self, input: Value) -> Graph {
        let mean = self.add(Operation::GlobalMean, &[input]);
        let output = self.linear(mean, 3);
        self.0.finish(output)
    }
}

const BOXES: [Share; 5] = [
    ([0.0; 3], [0.1; 3]),
    ([0.4, 0.9, 0.2], [0.2, 0.1, 0.4]),
    ([0.97; 3], [0.1; 3]),
    ([0.3, 0.1, 0.5], [0.05; 3]),
    ([0.0; 3], [1.0; 3]),
];

/// Compares patches, some of which change the result.
fn agrees(graph: &Graph, size: [usize; 3]) {
    for memory in [1, ON_GPU] {
        let moved = compare(graph, size, &BOXES, memory, 5);
        assert!(moved > 1e-3, "no patch moves a value by more than {moved}");
    }
}

#[test]
fn dense_networks_have_windows() {
    let parameters = Parameters::seeded(4, &Device::Cpu);
    let config = DenseNetConfig {
        init_features: 8,
        growth_rate: 4,
        block_config: vec![3, 4, 2],
        ..DenseNetConfig::default()
    };
    let graph = config.graph(parameters.builder()).unwrap();
    agrees(&graph, [40, 33, 37]);
}

#[test]
fn gates_end_what_is_local() {
    let mut network = Network(Builder::new(2));
    let first = network.conv(Value::IMAGE, 6, 3, |conv| Conv { stride: [2; 3], ..conv });
    let first = network.relu(first);
    let mean = network.add(Operation::GlobalMean, &[first]);
    let hidden = network.linear(mean, 3);
    let hidden = network.relu(hidden);
    let gate = network.linear(hidden, 6);
    let gate = network.add(Operation::Activation(Activation::Sigmoid), &[gate]);
    let gated = network.add(Operation::Multiply, &[first, gate]);
    // The shortcut around the gate is local, and cut as a whole.
    let sum = network.add(Operation::Add, &[gated, first]);
    let last = network.conv(sum, 5, 3, |conv| Conv { stride: [1, 2, 1], ..conv });
    let last = network.relu(last);
    agrees(&network.head(last), [22, 19, 25]);
}

#[test]
fn norms_of_the_image_end_what_is_local() {
    for groups in [1, 3, 6] {
        let mut network = Network(Builder::new(2));
        let at = network.conv(Value::IMAGE, 6, 3, |conv| conv);
        let at = network.relu(at);
        let at = network.conv(at, 6, 3, |conv| Conv { groups: 3, stride: [2; 3], ..conv });
        let at = network.norm(at, groups);
        let at = network.relu(at);
        let at = network.conv(at, 4, 3, |conv| conv);
        agrees(&network.head(at), [18, 17, 21]);
    }
}

#[test]
fn maps_after_a_norm_are_computed_in_the_patch_s_box() {
    let mut network = Network(Builder::new(2));
    let fine = network.conv(Value::IMAGE, 4, 3, |conv| conv);
    let fine = network.norm(fine, 4);
    let fine = network.relu(fine);
    let pool = Pool { kernel: [2; 3], stride: [2; 3], padding: Padding::default() };
    let coarse = network.add(Operation::MaxPool(pool), &[fine]);
    let coarse = network.conv(coarse, 4, 3, |conv| conv);
    let coarse = network.norm(coarse, 2);
    let up = network.doubled(coarse, 3);
    let both = network.add(Operation::Concat, &[fine, up]);
    let at = network.conv(both, 4, 3, |conv| conv);
    let last = network.conv(at, 2, 1, |conv| conv);
    agrees(&network.0.finish(last), [16, 12, 18]);
}

#[test]
fn every_way_up_has_windows() {
    for kernel in 1..5 {
        for repeat in [false, true] {
            let mut network = Network(Builder::new(2));
            let fine = network.conv(Value::IMAGE, 3, 3, |conv| conv);
            let pool =
                Pool { kernel: [3; 3], stride: [2; 3], padding: Padding { before: [1; 3], after: [0; 3] } };
            let pool = Operation::MeanPool { pool, count_padding: repeat };
            let coarse = network.add(pool, &[fine]);
            let coarse =
                network.conv(coarse, 3, 3, |conv| Conv { dilation: [2; 3], padding: [2; 3].into(), ..conv });
            let up = match repeat {
                true => network.add(Operation::Repeat([2; 3]), &[coarse]),
                false => network.doubled(coarse, kernel),
            };
            // Once in a sum, whose windows it is cut to, and once in a concatenation that windows are cut from.
            let sum = network.add(Operation::Add, &[up, fine]);
            let both = network.add(Operation::Concat, &[sum, up]);
            let last = network.conv(both, 2, 3, |conv| conv);
            let graph = network.0.finish(last);
            assert!(matches!(graph.form(graph.output()), Form::Map(2)));
            agrees(&graph, [14, 18, 12]);
        }
    }
}

#[test]
fn a_map_that_a_patch_does_not_reach_is_as_it_was() {
    // Each output reads the voxel three before it.
    let mut network = Network(Builder::new(1));
    let shift = Padding { before: [3; 3], after: [0; 3] };
    let conv = Conv { padding: shift, ..Conv::new(vec![1.0], vec![0.5], [1; 3]) };
    let cut = Conv {
        padding: Padding::default(),
        ..Conv::new([[1.0].as_slice(), &[0.0; 63]].concat(), vec![0.0], [4; 3])
    };
    let at = network.add(Operation::Conv(conv), &[Value::IMAGE]);
    let at = network.add(Operation::Conv(cut), &[at]);
    let graph = network.0.finish(at);
    assert_eq!(compare(&graph, [9, 8, 7], &[([0.3; 3], [0.1; 3])], ON_GPU, 3), 0.0);
}

#[test]
fn a_map_of_another_size_is_refused() {
    let mut network = Network(Builder::new(1));
    let at = network.conv(Value::IMAGE, 1, 3, |conv| Conv { padding: Padding::default(), ..conv });
    let windows = GraphWindows::new(network.0.finish(at), &Device::Cpu).unwrap();
    assert!(matches!(windows.cache(&[0.0; 64], [1, 4, 4, 4]), Err(Error::Batch { .. })));
    assert!(matches!(windows.cache(&[0.0; 128], [2, 4, 4, 4]), Err(Error::Batch { .. })));
    assert!(matches!(windows.cache(&[0.0; 8], [1, 2, 2, 2]), Err(Error::Graph { .. })));
}

#[test]
fn a_small_patch_takes_a_small_part_of_a_large_image() {
    let config = ResNetConfig { in_channels: 1, ..ResNetConfig::default() };
    let config = ResNetConfig { width: 1, depth: 18, ..config };
    let zeros = VarBuilder::zeros(candle_core::DType::F32, &Device::Cpu);
    let graph = ResNet3d::new(&config, zeros).unwrap().graph().unwrap().fold_into_convolutions();
    let program = Program::new(&graph, &Device::Cpu).unwrap();
    let shapes = graph.sizes([256; 3]).unwrap();
    let sizes: Vec<[usize; 3]> =
        shapes.iter().map(|shape| shape[1..].try_into().unwrap_or_default()).collect();
    let targets = program.targets(&sizes, &[Box3::new([120; 3], [136; 3])]);
    let mut parts = Vec::new();
    for step in program.steps.iter().filter(|step| !step.is_vector) {
        let place = Place::around(&targets[step.output], sizes[step.output]);
        parts.push(place.size[0] as f32 / sizes[step.output][0] as f32);
    }
    // After the stem, the pooling, and the last convolutions of the stages.
    assert_eq!(parts[..2], [12.0 / 128.0, 8.0 / 64.0]);
    assert_eq!(parts[5], 16.0 / 64.0);
    assert_eq!(parts[parts.len() - 1], 1.0);
    // Twenty convolutions, the pooling; sums and ReLUs are a part of the convolutions and sums.
    assert_eq!(program.steps.len(), 20 + 1 + 8 + 2);
    // All but the second convolutions and the shortcuts, which are computed in the windows of the sum.
    let cached = program.traits.iter().filter(|traits| traits.is_cached).count();
    assert_eq!(cached, 1 + 2 + 8 + 8);
}

#[test]
fn memory_counts_what_a_patch_reaches() {
    let bytes = |has_norm: bool, size: usize| {
        let mut network = Network(Builder::new(1));
        let mut at = network.conv(Value::IMAGE, 4, 3, |conv| conv);
        if has_norm {
            at = network.norm(at, 4);
        }
        let graph = network.head(at).fold_into_convolutions();
        let program = Program::new(&graph, &Device::Cpu).unwrap();
        let sizes = [vec![[32; 3]; if has_norm { 3 } else { 2 }], vec![[0; 3]; 2]].concat();
        program.bytes(&sizes, Box3::new([4; 3], [4 + size; 3]))
    };
    // The mean reads the whole layer of four channels; a norm returns one, too.
    let layer = 4 * 32 * 32 * 32 * size_of::<f32>();
    assert!(bytes(false, 2) > 2 * layer && bytes(false, 2) < bytes(false, 20));
    assert!(bytes(true, 2) > 4 * layer);
    // A full batch of patches of 24³ fits the default memory.
    let zeros = VarBuilder::zeros(candle_core::DType::F32, &Device::Cpu);
    let graph = ResNet3d::new(&ResNetConfig::default(), zeros).unwrap().graph().unwrap();
    let graph = graph.fold_into_convolutions();
    let program = Program::new(&graph, &Device::Cpu).unwrap();
    let shapes = graph.sizes([128; 3]).unwrap();
    let sizes: Vec<[usize; 3]> =
        shapes.iter().map(|shape| shape[1..].try_into().unwrap_or_default()).collect();
    let bytes = program.bytes(&sizes, Box3::new([52; 3], [76; 3]));
    assert!((1 << 22..ON_GPU / TOGETHER).contains(&bytes), "{bytes}");
}
