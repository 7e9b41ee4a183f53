//! Plans against the networks that they are compiled from, threads against one.

use super::Plan;
use super::compile::{Algorithms, compile};
use crate::graph::random;
use crate::graph::tensor::TensorGraph;
use crate::{Parameters, ResNet3d, ResNetConfig, Shortcut, UNet3d, UNetConfig};
use candle_core::{Device, Tensor};
use conv3d::Isa;
use proptest::prelude::*;

/// Pseudo-random values in -1..1.
pub(super) fn values(n: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    };
    (0..n).map(|_| next()).collect()
}

/// Parameters as after training: nothing at its neutral value.
pub(super) fn disturbed(parameters: &Parameters) {
    let tensors = parameters.tensors().into_iter().enumerate().map(|(seed, (name, tensor))| {
        let noise = Tensor::from_vec(values(tensor.elem_count(), seed as u64), tensor.dims(), &Device::Cpu);
        let tensor = if name.ends_with("running_var") {
            (noise.unwrap() * 0.5).unwrap() + 1.0
        } else {
            tensor + (noise.unwrap() * 0.1).unwrap()
        };
        (name, tensor.unwrap())
    });
    parameters.load(&tensors.collect()).unwrap();
}

/// Stride and kernel of the first convolution and whether a max-pooling follows: mostly the usual ones.
pub(super) fn stems() -> impl Strategy<Value = ([usize; 3], [usize; 3], bool)> {
    let usual = (1usize..3, any::<bool>()).prop_map(|(stride, pool)| ([stride; 3], [7; 3], pool));
    let each = || [1usize..4, 1usize..4, 1usize..4];
    let other =
        (each(), prop::array::uniform3(prop::sample::select(vec![1usize, 3, 4, 5, 7])), any::<bool>());
    prop_oneof![usual, other]
}

/// Both forms for every instruction set.
fn algorithms() -> impl Iterator<Item = Algorithms> {
    Isa::available().into_iter().flat_map(|isa| [false, true].map(|winograd| Algorithms { isa, winograd }))
}

/// To 1e-4 of the largest value, or of `least` where that is larger.
fn close(found: &[f32], wanted: &Tensor, least: f32) {
    close_to(found, wanted, least, 0.0);
}

/// To 1e-4 of the largest value, of `least`, or to 16 of the `digits` that the network's own rounding moves, whichever is more.
fn close_to(found: &[f32], wanted: &Tensor, least: f32, digits: f32) {
    let wanted = wanted.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    assert_eq!(found.len(), wanted.len());
    let scale = wanted.iter().fold(least, |scale, value| scale.max(value.abs()));
    for (at, (found, wanted)) in found.iter().zip(&wanted).enumerate() {
        let off = (found - wanted).abs();
        assert!(
            off <= (1e-4 * scale).max(16.0 * digits),
            "value {at}: {found} beside {wanted}, last digits {digits}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn a_compiled_classifier_is_the_network(
        depth in prop::sample::select(vec![10usize, 18, 34, 50]),
        in_channels in prop::sample::select(vec![1usize, 3, 4, 4, 15, 18]), width in 1usize..21,
        (stem_stride, stem_kernel, max_pool) in stems(), outputs in 1usize..5, a in any::<bool>(), n in 1usize..4,
        size in [5usize..27, 5usize..27, 5usize..36], seed in any::<u64>(),
    ) {
        let shortcut = if a { Shortcut::A } else { Shortcut::B };
        let config =
            ResNetConfig { depth, in_channels, width, stem_stride, shortcut, stem_kernel, max_pool, outputs };
        let parameters = Parameters::seeded(seed, &Device::Cpu);
        let network = ResNet3d::new(&config, parameters.builder()).unwrap();
        disturbed(&parameters);
        let shape = [n, in_channels, size[0], size[1], size[2]];
        let batch = values(shape.iter().product(), seed);
        let x = Tensor::from_slice(&batch, &shape, &Device::Cpu).unwrap();
        let wanted = network.forward_t(&x, false).unwrap();
        // A network of random weights may amplify rounding: what an input's last digit changes is no error of the plan. Each layer
        // rounds as well, and independent errors add up as the root of their number.
        let direct = Plan::of(compile(&network.graph().unwrap(), Algorithms { winograd: false, ..Algorithms::best() }, 1).unwrap());
        // In one direction for some and in the other for the rest: to a common factor the network is hardly sensitive.
        let next: Vec<f32> = batch
            .iter()
            .zip(values(batch.len(), seed ^ 1))
            .map(|(value, draw)| value * if draw < 0.0 { 1.0 - f32::EPSILON } else { 1.0 + f32::EPSILON })
            .collect();
        let [here, there] = [&batch, &next].map(|batch| direct.forward(batch, shape).unwrap());
        let digits = here.iter().zip(&there).fold(0.0f32, |most, (here, there)| most.max((here - there).abs()));
        let digits = digits * (depth as f32).sqrt();
        for form in algorithms() {
            let plan = Plan::of(compile(&network.graph().unwrap(), form, 1).unwrap());
            // A logit may be the small difference of large terms.
            close_to(&plan.forward(&batch, shape).unwrap(), &wanted, 1.0, digits);
        }
    }

    #[test]
    fn a_compiled_u_net_is_the_network(
        in_channels in 1usize..6, out_channels in 1usize..20, widths in prop::collection::vec(1usize..20, 1..4),
        n in 1usize..3, size in [1usize..19, 1usize..19, 1usize..30], seed in any::<u64>(),
    ) {
        let config = UNetConfig { in_channels, out_channels, widths };
        let parameters = Parameters::seeded(seed, &Device::Cpu);
        let network = UNet3d::new(&config, parameters.builder()).unwrap();
        disturbed(&parameters);
        let shape = [n, in_channels, size[0], size[1], size[2]];
        let batch = values(shape.iter().product(), seed);
        let wanted = network.forward_t(&Tensor::from_slice(&batch, &shape, &Device::Cpu).unwrap(), false).unwrap();
        for form in algorithms() {
            let plan = Plan::of(compile(&network.graph().unwrap(), form, network.multiple()).unwrap());
            let found = plan.forward(&batch, shape).unwrap();
            close(&found, &wanted, 1e-3);
            // Memory of an earlier call with other sizes changes nothing.
            let [_, c, z, y, x] = shape;
            let larger = [1, c, z + 8, y + 3, x + 5];
            plan.forward(&values(larger.iter().product(), 1), larger).unwrap();
            prop_assert_eq!(&plan.forward(&batch, shape).unwrap(), &found);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn a_compiled_graph_is_the_graph(seed in any::<u64>(), local_only in any::<bool>(), classifier in any::<bool>(), n in 1usize..3) {
        let (graph, size) = random::graph(seed, random::Options { local_only, classifier });
        let shape = [n, graph.channels(), size[0], size[1], size[2]];
        let batch = random::images(seed, n, graph.channels(), size);
        let x = Tensor::from_slice(&batch, &shape, &Device::Cpu).unwrap();
        let wanted = TensorGraph::new(graph.clone(), &Device::Cpu).unwrap().forward(&x).unwrap();
        for form in algorithms() {
            let plan = Plan::of(compile(&graph, form, 1).unwrap());
            close(&plan.forward(&batch, shape).unwrap(), &wanted, 1.0);
        }
    }
}

#[test]
fn deep_networks_are_compiled() {
    for depth in [101, 152, 200] {
        let config = ResNetConfig { depth, in_channels: 1, width: 2, outputs: 3, ..ResNetConfig::default() };
        let network = ResNet3d::new(&config, Parameters::seeded(3, &Device::Cpu).builder()).unwrap();
        let batch = values(2 * 18 * 21 * 17, 5);
        let x = Tensor::from_slice(&batch, (2, 1, 18, 21, 17), &Device::Cpu).unwrap();
        let found = Plan::resnet(&network).unwrap().forward(&batch, [2, 1, 18, 21, 17]).unwrap();
        close(&found, &network.forward_t(&x, false).unwrap(), 1.0);
    }
}

#[test]
fn threads_do_not_change_a_logit() {
    let config = ResNetConfig { depth: 10, width: 20, ..ResNetConfig::default() };
    let parameters = Parameters::seeded(3, &Device::Cpu);
    let network = ResNet3d::new(&config, parameters.builder()).unwrap();
    disturbed(&parameters);
    let plan = Plan::resnet(&network).unwrap();
    let shape = [3, 4, 33, 40, 27];
    let batch = values(shape.iter().product(), 5);
    let found = [1, 2, 5].map(|threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| plan.forward(&batch, shape).unwrap())
    });
    assert!(found[0] == found[1] && found[0] == found[2], "{found:?}");
}

#[test]
fn what_does_not_fit_is_named() {
    let config = ResNetConfig { depth: 10, width: 2, ..ResNetConfig::default() };
    let network = ResNet3d::new(&config, Parameters::seeded(3, &Device::Cpu).builder()).unwrap();
    let plan = Plan::resnet(&network).unwrap();
    let message = |values: usize, shape| plan.forward(&vec![0.0; values], shape).unwrap_err().to_string();
    assert!(message(3 * 512, [1, 3, 8, 8, 8]).contains("4 channels"));
    assert!(message(7, [1, 4, 8, 8, 8]).contains("7 values"));
    assert!(message(0, [1, 4, 0, 8, 8]).contains("[1, 4, 0, 8, 8]"));
    assert!(plan.forward(&[], [0, 4, 8, 8, 8]).unwrap().is_empty());
}
