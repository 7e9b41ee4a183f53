//! Patches against whole passes over patched images.

use super::super::compile::{Algorithms, compile};
use super::super::tests::{disturbed, stems, values};
use super::*;
use crate::graph::random;
use crate::{Parameters, ResNet3d, ResNetConfig, Shortcut, UNet3d, UNetConfig};
use candle_core::Device;
use ndarray::Array4;
use proptest::prelude::*;

/// Patches of every size, at the borders too.
fn patches(size: [usize; 3], channels: usize, corners: [f64; 6], count: usize, seed: u64) -> Vec<Patch> {
    (0..count)
        .map(|at| {
            let of = |axis: usize| {
                let n = size[axis] as f64;
                let first = (corners[axis] * n + at as f64) as usize % size[axis];
                let len = 1 + (corners[axis + 3] * (size[axis] - first) as f64 / (1 + at) as f64) as usize;
                (first, len.min(size[axis] - first))
            };
            let (start, size) = ([0, 1, 2].map(|axis| of(axis).0), [0, 1, 2].map(|axis| of(axis).1));
            let values = values(channels * size.iter().product::<usize>(), seed ^ at as u64);
            patch(start, size, &values)
        })
        .collect()
}

fn patch(start: [usize; 3], size: [usize; 3], values: &[f32]) -> Patch {
    let bounds = Box3::new(start, std::array::from_fn(|axis| start[axis] + size[axis]));
    let [z, y, x] = size;
    let channels = values.len() / bounds.voxels().max(1);
    Patch::new(bounds, Array4::from_shape_vec((channels, z, y, x), values.to_vec()).unwrap()).unwrap()
}

/// Index of each value of a box in an image of `size`.
fn places(bounds: Box3, size: [usize; 3], channels: usize) -> Vec<usize> {
    let [dz, dy, dx] = bounds.size();
    (0..channels * dz * dy * dx)
        .map(|at| {
            let [c, z, y, x] = [at / (dz * dy * dx), at / (dy * dx) % dz, at / dx % dy, at % dx];
            let [z, y, x] = [z + bounds.start[0], y + bounds.start[1], x + bounds.start[2]];
            ((c * size[0] + z) * size[1] + y) * size[2] + x
        })
        .collect()
}

fn applied(patch: &Patch, image: &[f32], size: [usize; 3]) -> Vec<f32> {
    let mut changed = image.to_vec();
    let channels = image.len() / size.iter().product::<usize>();
    for (at, &value) in places(patch.bounds(), size, channels).into_iter().zip(patch.as_slice()) {
        changed[at] = value;
    }
    changed
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

/// Fills the reused memory with NaN, so that stale reads show.
fn poison(cache: &Cache) {
    let mut spare = cache.spare.lock().unwrap();
    spare.iter_mut().flatten().for_each(|buffer| buffer.fill(f32::NAN));
}

/// Returns whether values equal the dense ones: to the bit, or to 1e-5 of the largest with Winograd's algorithm.
fn same(found: &[f32], dense: &[f32], winograd: bool) -> bool {
    let scale = dense.iter().fold(1.0f32, |scale, value| scale.max(value.abs()));
    let near = |(found, dense): (&f32, &f32)| {
        if winograd { (found - dense).abs() <= 1e-5 * scale } else { found.to_bits() == dense.to_bits() }
    };
    found.len() == dense.len() && found.iter().zip(dense).all(near)
}

/// Returns the largest difference.
fn furthest(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).fold(0.0, |most: f32, (a, b)| most.max((a - b).abs()))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_changed_box_gives_the_dense_outputs(
        depth in prop::sample::select(vec![10usize, 18, 50]),
        channels in prop::sample::select(vec![1usize, 3, 4, 4, 16, 17]), width in 1usize..18,
        (stem_stride, stem_kernel, max_pool) in stems(), outputs in 1usize..4, a in any::<bool>(),
        size in [7usize..30, 7usize..30, 7usize..34],
        corners in prop::array::uniform6(0.0f64..1.0), count in 1usize..5, memory in 0.0f64..1.2,
        winograd in any::<bool>(), seed in any::<u64>(),
    ) {
        let shortcut = if a { Shortcut::A } else { Shortcut::B };
        let config = ResNetConfig {
            depth, in_channels: channels, width, stem_stride, shortcut, stem_kernel, max_pool, outputs,
        };
        let parameters = Parameters::seeded(seed, &Device::Cpu);
        let network = ResNet3d::new(&config, parameters.builder()).unwrap();
        disturbed(&parameters);
        let plan = Plan::of(compile(&network.graph().unwrap(), Algorithms { winograd, ..Algorithms::best() }, 1).unwrap());
        let direct = Plan::of(compile(&network.graph().unwrap(), Algorithms { winograd: false, ..Algorithms::best() }, 1).unwrap());
        let [z, y, x] = size;
        let image = values(channels * z * y * x, seed);
        let all = plan.cache(&image, [channels, z, y, x], usize::MAX).unwrap().bytes();
        let cache = plan.cache(&image, [channels, z, y, x], (memory * 1.25 * all as f64) as usize).unwrap();
        prop_assert_eq!(cache.outputs().unwrap(), plan.forward(&image, [1, channels, z, y, x]).unwrap());

        let patches = patches(size, channels, corners, count, seed);
        let mut first = None;
        // Twice: no stale memory is read.
        for _ in 0..2 {
            let found = plan.patched_outputs(&cache, &patches).unwrap();
            poison(&cache);
            prop_assert_eq!(bits(&first.get_or_insert(found.clone()).concat()), bits(&found.concat()));
            for (patch, found) in patches.iter().zip(found) {
                let image = applied(patch, &image, size);
                let logits = |plan: &Plan, image: &[f32]| plan.forward(image, [1, channels, z, y, x]).unwrap();
                let dense = logits(&plan, &image);
                prop_assert_eq!(dense.len(), outputs);
                // A random network may amplify rounding: the direct algorithm's logits, and those of an image with
                // other last digits, measure by how much.
                let next: Vec<f32> = image.iter().map(|value| value * (1.0 + f32::EPSILON)).collect();
                let digits = furthest(&logits(&direct, &image), &dense).max(furthest(&logits(&plan, &next), &dense));
                prop_assert!(
                    same(&found, &dense, winograd) || (winograd && furthest(&found, &dense) <= 16.0 * digits),
                    "{found:?}, {dense:?}, last digits {digits}: {:?}",
                    patch.bounds()
                );
            }
        }
    }

    #[test]
    fn a_changed_box_gives_the_dense_values(
        channels in 1usize..6, out in 1usize..20, widths in prop::collection::vec(1usize..20, 1..5),
        size in [1usize..26, 1usize..26, 1usize..30], corners in prop::array::uniform6(0.0f64..1.0),
        count in 1usize..5, memory in 0.0f64..1.2, empty in any::<bool>(),
        winograd in any::<bool>(), seed in any::<u64>(),
    ) {
        let config = UNetConfig { in_channels: channels, out_channels: out, widths };
        let parameters = Parameters::seeded(seed, &Device::Cpu);
        let network = UNet3d::new(&config, parameters.builder()).unwrap();
        disturbed(&parameters);
        let plan = Plan::of(compile(&network.graph().unwrap(), Algorithms { winograd, ..Algorithms::best() }, network.multiple()).unwrap());
        let direct = Plan::of(compile(&network.graph().unwrap(), Algorithms { winograd: false, ..Algorithms::best() }, network.multiple()).unwrap());
        let [z, y, x] = size;
        let image = if empty { vec![0.0; channels * z * y * x] } else { values(channels * z * y * x, seed) };
        let all = plan.cache(&image, [channels, z, y, x], usize::MAX).unwrap().bytes();
        let cache = plan.cache(&image, [channels, z, y, x], (memory * 1.25 * all as f64) as usize).unwrap();
        prop_assert!(cache.outputs().is_none());

        let mut patches = patches(size, channels, corners, count, seed);
        // A patch that changes nothing, in a requested box.
        let bounds = patches[0].bounds();
        let own: Vec<f32> = places(bounds, size, channels).into_iter().map(|at| image[at]).collect();
        patches[0] = patch(bounds.start, bounds.size(), &own);
        let mut first = None;
        for _ in 0..2 {
            let found = plan.patched_values(&cache, &patches).unwrap();
            poison(&cache);
            prop_assert_eq!(bits(&first.get_or_insert(found.clone()).concat()), bits(&found.concat()));
            for (patch, found) in patches.iter().zip(found) {
                let image = applied(patch, &image, size);
                let values = |plan: &Plan, image: &[f32]| -> Vec<f32> {
                    let all = plan.forward(image, [1, channels, z, y, x]).unwrap();
                    places(patch.bounds(), size, out).into_iter().map(|at| all[at]).collect()
                };
                let dense = values(&plan, &image);
                // As for the logit: a random network may amplify rounding.
                let next: Vec<f32> = image.iter().map(|value| value * (1.0 + f32::EPSILON)).collect();
                let digits = furthest(&values(&direct, &image), &dense).max(furthest(&values(&plan, &next), &dense));
                let off = furthest(&found, &dense);
                prop_assert!(
                    same(&found, &dense, winograd) || (winograd && off <= 16.0 * digits),
                    "off by {off}, last digits {digits}: {:?}",
                    patch.bounds()
                );
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn a_patch_of_any_graph_gives_the_dense_outputs(
        seed in any::<u64>(), local_only in any::<bool>(), corners in prop::array::uniform6(0.0f64..1.0),
        count in 1usize..4, memory in 0.0f64..1.2, winograd in any::<bool>(),
    ) {
        let (graph, size) = random::graph(seed, random::Options { local_only, classifier: true });
        let channels = graph.channels();
        let compiled = |winograd: bool| {
            Plan::of(compile(&graph, Algorithms { winograd, ..Algorithms::best() }, 1).unwrap())
        };
        let (plan, direct) = (compiled(winograd), compiled(false));
        let [z, y, x] = size;
        let image = random::images(seed, 1, channels, size);
        let all = plan.cache(&image, [channels, z, y, x], usize::MAX).unwrap().bytes();
        let cache = plan.cache(&image, [channels, z, y, x], (memory * 1.25 * all as f64) as usize).unwrap();
        let logits = |plan: &Plan, image: &[f32]| plan.forward(image, [1, channels, z, y, x]).unwrap();
        prop_assert_eq!(cache.outputs().unwrap(), logits(&plan, &image));
        let patches = patches(size, channels, corners, count, seed);
        let mut first = None;
        for _ in 0..2 {
            let found = plan.patched_outputs(&cache, &patches).unwrap();
            poison(&cache);
            prop_assert_eq!(bits(&first.get_or_insert(found.clone()).concat()), bits(&found.concat()));
            for (patch, found) in patches.iter().zip(found) {
                let image = applied(patch, &image, size);
                let dense = logits(&plan, &image);
                let next: Vec<f32> = image.iter().map(|value| value * (1.0 + f32::EPSILON)).collect();
                let digits = furthest(&logits(&direct, &image), &dense).max(furthest(&logits(&plan, &next), &dense));
                prop_assert!(
                    same(&found, &dense, winograd) || (winograd && furthest(&found, &dense) <= 16.0 * digits),
                    "{found:?}, {dense:?}, last digits {digits}: {:?}",
                    patch.bounds()
                );
            }
        }
    }
}

fn plan() -> Plan {
    let config = ResNetConfig { depth: 10, width: 4, ..ResNetConfig::default() };
    Plan::resnet(&ResNet3d::new(&config, Parameters::seeded(1, &Device::Cpu).builder()).unwrap()).unwrap()
}

#[test]
fn nothing_changed_is_the_logit_itself() {
    let (plan, image) = (plan(), values(4 * 12 * 12 * 12, 3));
    let cache = plan.cache(&image, [4, 12, 12, 12], MEMORY).unwrap();
    let same = [patch([0; 3], [12; 3], &image)];
    assert_eq!(plan.patched_outputs(&cache, &same).unwrap(), [cache.outputs().unwrap()]);
    assert_eq!(plan.patched_operations(&cache, &same).unwrap(), 0);
    assert!(plan.patched_outputs(&cache, &[]).unwrap().is_empty());
    let none = Patch::new(Box3::new([3; 3], [5, 3, 5]), Array4::zeros((4, 2, 0, 2))).unwrap();
    assert_eq!(plan.patched_outputs(&cache, &[none]).unwrap(), [cache.outputs().unwrap()]);
}

#[test]
fn the_memory_limit_holds() {
    let (plan, image) = (plan(), values(4 * 40 * 40 * 40, 3));
    let shape = [4, 40, 40, 40];
    let all = plan.cache(&image, shape, usize::MAX).unwrap().bytes();
    let zeros = vec![0.0; 4 * 6 * 6 * 6];
    let patches = [patch([17; 3], [6; 3], &zeros)];
    let mut operations = 0;
    for share in [1.0, 0.8, 0.65] {
        let memory = (1.25 * share * all as f64) as usize;
        let cache = plan.cache(&image, shape, memory).unwrap();
        assert!(cache.bytes() <= memory - memory / 5, "{} of {memory}", cache.bytes());
        let now = plan.patched_operations(&cache, &patches).unwrap();
        assert!(now >= operations, "less memory can't need less work");
        operations = now;
    }
    assert!(operations < plan.operations([40; 3]).unwrap());
}

#[test]
fn costs_are_those_of_the_changes() {
    let (plan, image) = (plan(), values(4 * 24 * 24 * 24, 3));
    let cache = plan.cache(&image, [4, 24, 24, 24], MEMORY).unwrap();
    let zeros = vec![0.0; 4 * 5 * 6 * 7];
    let patches = [[0; 3], [9, 11, 2], [19, 18, 17]].map(|start| patch(start, [5, 6, 7], &zeros));
    plan.patched_outputs(&cache, &patches).unwrap();
    let Costs { patches: count, layers, .. } = plan.costs(&cache);
    assert_eq!(count, 3);
    let sum = |of: fn(&LayerCost) -> u64| layers.iter().map(of).sum::<u64>();
    assert_eq!(sum(|layer| layer.operations), plan.patched_operations(&cache, &patches).unwrap());
    assert_eq!(sum(|layer| layer.whole_operations), plan.operations([24; 3]).unwrap());
    assert_eq!(layers[0].layer, "convolution (Winograd) 4→4, 7³, stride 2");
    assert_eq!(layers[0].size, [12; 3]);
    assert!(layers[0].voxels < 3 * 12 * 12 * 12 && layers.iter().all(|layer| layer.voxels > 0), "{layers:?}");
}

#[test]
fn costs_tell_products_and_data_of_each_layer() {
    let config = ResNetConfig { depth: 10, width: 16, in_channels: 4, ..ResNetConfig::default() };
    let network = ResNet3d::new(&config, Parameters::seeded(1, &Device::Cpu).builder()).unwrap();
    let plan = Plan::resnet(&network).unwrap();
    let cache = plan.cache(&values(4 * 32 * 32 * 32, 3), [4, 32, 32, 32], MEMORY).unwrap();
    plan.patched_outputs(&cache, &[patch([9, 11, 2], [5, 6, 7], &vec![0.0; 4 * 5 * 6 * 7])]).unwrap();
    let layers = plan.costs(&cache).layers;
    let (winograd, direct): (Vec<_>, Vec<_>) = layers
        .iter()
        .filter(|layer| layer.layer.contains("convolution"))
        .partition(|layer| layer.layer.contains("Winograd"));
    // A quarter, or an eighth, of the direct algorithm; with stride 2, 125 of 216.
    for layer in winograd {
        let most = if layer.layer.contains("3³, stride 2") { 216.0 / 125.0 } else { 4.0 };
        assert!(layer.products as f64 * most <= layer.operations as f64 * 1.001, "{layer:?}");
    }
    assert!(direct.iter().all(|layer| layer.products == layer.operations), "{direct:?}");
    let shortcut = direct.iter().find(|layer| layer.layer == "convolution 16→32, 1³, stride 2").unwrap();
    assert_eq!((shortcut.values, shortcut.weights), (shortcut.voxels * (16 * 8 + 32), 16 * 32));
    assert!(layers.iter().any(|layer| layer.layer.starts_with("pool") && layer.values == 0));
}

#[test]
fn what_does_not_fit_is_refused() {
    let (plan, image) = (plan(), values(4 * 12 * 12 * 12, 3));
    let cache = plan.cache(&image, [4, 12, 12, 12], MEMORY).unwrap();
    let refused = |start, size, values: &[f32], word: &str| {
        let error = plan.patched_outputs(&cache, &[patch(start, size, values)]).unwrap_err().to_string();
        assert!(error.contains(word), "{error}");
    };
    refused([11, 0, 0], [2, 1, 1], &[0.0; 8], "within [12, 12, 12] voxels");
    refused([0; 3], [2, 1, 1], &[0.0; 6], "4 channels");
    assert!(plan.cache(&image[1..], [4, 12, 12, 12], MEMORY).is_err());
    assert!(plan.patched_values(&cache, &[]).unwrap_err().to_string().contains("image of values"));
    let config = UNetConfig { in_channels: 4, out_channels: 4, widths: vec![2, 4] };
    let unet = UNet3d::new(&config, Parameters::seeded(1, &Device::Cpu).builder()).unwrap();
    let unet = Plan::unet(&unet).unwrap();
    let cache = unet.cache(&image, [4, 12, 12, 12], MEMORY).unwrap();
    let error = unet.patched_outputs(&cache, &[]).unwrap_err();
    assert!(error.to_string().contains("classifier"), "{error}");
}
