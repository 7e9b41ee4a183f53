//! Windows against whole forward passes.

mod graphs;

use super::*;
use crate::memory::{Fitting, ON_GPU};
use crate::{Error, Parameters, ResNet3d, ResNetConfig, Shortcut, UNet3d, UNetConfig};
use candle_core::{Device, Tensor};
use ndarray::Array4;
use proptest::prelude::*;
use relevox_grid::{Box3, Patch};

/// The image after a patch.
fn after(image: &[f32], [c, z, y, x]: [usize; 4], patch: &Patch) -> Vec<f32> {
    let mut image = Array4::from_shape_vec((c, z, y, x), image.to_vec()).unwrap();
    patch.apply(&mut image.view_mut()).unwrap();
    image.into_raw_vec_and_offset().0
}

/// A box as shares of the image: where it starts, and how long it is.
type Share = ([f32; 3], [f32; 3]);

fn patch(start: [usize; 3], size: [usize; 3], channels: usize, values: &[f32]) -> Patch {
    let bounds = Box3::new(start, std::array::from_fn(|axis| start[axis] + size[axis]));
    let values = values[..channels * bounds.voxels()].to_vec();
    let [z, y, x] = bounds.size();
    Patch::new(bounds, Array4::from_shape_vec((channels, z, y, x), values).unwrap()).unwrap()
}

/// Patches of an image of `shape` voxels.
fn patches<'a>(boxes: impl IntoIterator<Item = &'a Share>, shape: [usize; 4], values: &[f32]) -> Vec<Patch> {
    let size = [shape[1], shape[2], shape[3]];
    let of = |(start, part): &Share| {
        let start: [usize; 3] = std::array::from_fn(|axis| (start[axis] * (size[axis] - 1) as f32) as usize);
        let size: [usize; 3] = std::array::from_fn(|axis| {
            ((part[axis] * size[axis] as f32).ceil() as usize).clamp(1, size[axis] - start[axis])
        });
        patch(start, size, shape[0], values)
    };
    boxes.into_iter().map(of).collect()
}

/// Asks about boxes as shares of the image, both ways, and about one that is sure to move the logit.
fn agree(config: &ResNetConfig, size: [usize; 3], boxes: &[Share]) {
    let shape = [config.in_channels, size[0], size[1], size[2]];
    let parameters = Parameters::seeded(5, &Device::Cpu);
    let network = ResNet3d::new(config, parameters.builder()).unwrap();
    let count = shape.iter().product::<usize>();
    let image: Vec<f32> = (0..count).map(|i| ((i * 7919) % 97) as f32 / 97.0).collect();
    let values: Vec<f32> = (0..count).map(|i| ((i * 31) % 17) as f32 / 5.0 - 1.0).collect();
    let patches = patches(boxes.iter().chain(&[([0.25; 3], [0.5; 3])]), shape, &values);
    let windows = GraphWindows::new(network.graph().unwrap(), &Device::Cpu).unwrap();
    let cache = windows.cache(&image, shape).unwrap();
    let found = windows.patched(&cache, &patches, ON_GPU, &Fitting::default()).unwrap();
    let whole = |image: Vec<f32>| {
        let image = Tensor::from_vec(image, (1, shape[0], size[0], size[1], size[2]), &Device::Cpu).unwrap();
        network.forward_t(&image, false).unwrap().to_vec2::<f32>().unwrap().remove(0)
    };
    let image_tensor =
        Tensor::from_slice(&image, (1, shape[0], size[0], size[1], size[2]), &Device::Cpu).unwrap();
    assert_eq!(cache.outputs(), windows.forward(&image_tensor).unwrap().to_vec2::<f32>().unwrap()[0]);
    // The network's own rounding differs: norms are folded into convolutions here.
    for (found, expected) in cache.outputs().iter().zip(whole(image.clone())) {
        assert!((found - expected).abs() <= 1e-5 * expected.abs().max(1.0), "{found}, whole {expected}");
    }
    let mut moved = 0.0f32;
    for (found, patch) in found.iter().zip(&patches) {
        let whole = whole(after(&image, shape, patch));
        assert_eq!(found.len(), whole.len());
        for ((found, expected), before) in found.iter().zip(whole).zip(cache.outputs()) {
            moved = moved.max((expected - before).abs());
            assert!(
                (found - expected).abs() <= 1e-5 * expected.abs().max(1.0),
                "{:?}: {found}, whole {expected}",
                patch.bounds()
            );
        }
    }
    // Else the logit as it was would pass, too.
    assert!(moved > 1e-3, "no change moves the logit by more than {moved}");
}

/// Asks a U-Net about boxes, both ways.
fn unets_agree(levels: usize, size: [usize; 3], boxes: &[Share]) {
    let config = UNetConfig { in_channels: 2, out_channels: 3, widths: vec![3, 4, 5, 6][..levels].to_vec() };
    let shape = [2, size[0], size[1], size[2]];
    let parameters = Parameters::seeded(7, &Device::Cpu);
    let network = UNet3d::new(&config, parameters.builder()).unwrap();
    let count = shape.iter().product::<usize>();
    let image: Vec<f32> = (0..count).map(|i| ((i * 7919) % 97) as f32 / 97.0).collect();
    let values: Vec<f32> = (0..count).map(|i| ((i * 31) % 17) as f32 / 5.0 - 1.0).collect();
    let patches = patches(boxes, shape, &values);
    let graph = network.graph().unwrap();
    let windows = GraphWindows::new(graph, &Device::Cpu).unwrap().padded_to(network.multiple());
    let cache = windows.cache(&image, shape).unwrap();
    let found = windows.patched(&cache, &patches, ON_GPU, &Fitting::default()).unwrap();
    let whole = |image: Vec<f32>| {
        let image = Tensor::from_vec(image, (1, shape[0], size[0], size[1], size[2]), &Device::Cpu).unwrap();
        network.forward_t(&image, false).unwrap()
    };
    let own = |values: &Tensor, patch: &Patch| {
        let mut own = values.squeeze(0).unwrap();
        for axis in 0..3 {
            own = own.narrow(axis + 1, patch.bounds().start[axis], patch.bounds().size()[axis]).unwrap();
        }
        own.flatten_all().unwrap().to_vec1::<f32>().unwrap()
    };
    let before = whole(image.clone());
    let image_tensor = Tensor::from_slice(&image, (1, 2, size[0], size[1], size[2]), &Device::Cpu).unwrap();
    let forward = windows.forward(&image_tensor).unwrap();
    assert_eq!(forward.dims(), before.dims());
    let off = (forward - &before).unwrap().abs().unwrap().flatten_all().unwrap();
    assert!(off.max(0).unwrap().to_scalar::<f32>().unwrap() <= 1e-5);
    let mut moved = 0f32;
    for (found, patch) in found.iter().zip(&patches) {
        let expected = own(&whole(after(&image, shape, patch)), patch);
        assert_eq!(found.len(), expected.len());
        let scale = expected.iter().fold(1f32, |most, value| most.max(value.abs()));
        let off = found.iter().zip(&expected).fold(0f32, |most, (a, b)| most.max((a - b).abs()));
        assert!(off <= 1e-5 * scale, "{:?}: off by {off} of {scale}", patch.bounds());
        let before = own(&before, patch);
        moved = before.iter().zip(&expected).fold(moved, |most, (a, b)| most.max((a - b).abs() / scale));
    }
    // Else the values as they were would pass, too.
    assert!(moved > 1e-3, "no change moves a value by more than {moved}");
}

fn config(depth: usize, stem_stride: usize, shortcut: Shortcut) -> ResNetConfig {
    let stem_stride = [stem_stride; 3];
    ResNetConfig { depth, in_channels: 2, width: 2, stem_stride, shortcut, ..ResNetConfig::default() }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn windows_give_the_whole_pass_s_logits(
        size in [17usize..40, 17usize..40, 17usize..40], stem_stride in 1usize..3, padded in any::<bool>(),
        boxes in prop::collection::vec(
            ([0f32..1.0, 0f32..1.0, 0f32..1.0], [0f32..0.5, 0f32..0.5, 0f32..0.5]), 1..6,
        ),
    ) {
        let shortcut = if padded { Shortcut::A } else { Shortcut::B };
        agree(&config(10, stem_stride, shortcut), size, &boxes);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn unets_windows_give_the_whole_pass_s_values(
        size in [8usize..36, 8usize..36, 8usize..36], levels in 1usize..5,
        boxes in prop::collection::vec(
            ([0f32..1.0, 0f32..1.0, 0f32..1.0], [0f32..0.5, 0f32..0.5, 0f32..0.5]), 1..6,
        ),
    ) {
        let boxes: Vec<Share> = boxes.into_iter().chain([([0.25; 3], [0.5; 3])]).collect();
        unets_agree(levels, size, &boxes);
    }
}

#[test]
fn a_u_net_s_windows_leave_most_of_a_long_image_alone() {
    let along = |start: f32| ([0.3, 0.2, start], [0.3, 0.4, 0.05]);
    unets_agree(3, [15, 16, 118], &[0.0, 0.03, 0.31, 0.5, 0.77, 0.98].map(along));
}

#[test]
fn every_depth_has_windows() {
    let boxes = [([0.0; 3], [0.1; 3]), ([0.4, 0.9, 0.2], [0.2, 0.1, 0.6]), ([0.0; 3], [1.0; 3])];
    for depth in [18, 34, 50, 101] {
        agree(&config(depth, 2, Shortcut::B), [40, 33, 36], &boxes);
    }
}

#[test]
fn other_stems_and_several_outputs_have_windows() {
    let boxes = [([0.0; 3], [0.1; 3]), ([0.4, 0.9, 0.2], [0.2, 0.1, 0.6]), ([0.0; 3], [1.0; 3])];
    for (stem_stride, stem_kernel, max_pool) in [
        ([1, 2, 2], [7; 3], true),
        ([2; 3], [3; 3], false),
        ([1; 3], [3, 7, 4], false),
        ([2, 1, 3], [1; 3], true),
    ] {
        let config =
            ResNetConfig { stem_stride, stem_kernel, max_pool, outputs: 3, ..config(10, 1, Shortcut::A) };
        agree(&config, [18, 22, 27], &boxes);
    }
}

#[test]
fn a_box_outside_the_image_is_refused() {
    let parameters = Parameters::seeded(5, &Device::Cpu);
    let network = ResNet3d::new(&config(10, 2, Shortcut::B), parameters.builder()).unwrap();
    let windows = GraphWindows::new(network.graph().unwrap(), &Device::Cpu).unwrap();
    let cache = windows.cache(&vec![0.5; 2 * 20 * 20 * 20], [2, 20, 20, 20]).unwrap();
    let values = [0.0; 16];
    for (start, size) in [([19, 0, 0], [2, 2, 2]), ([0, 0, 20], [2, 2, 1]), ([0, 0, 0], [0, 2, 2])] {
        let patch = patch(start, size, 2, &values);
        let found = windows.patched(&cache, &[patch], ON_GPU, &Fitting::default());
        assert!(matches!(found, Err(Error::Batch { .. })));
    }
    assert!(windows.patched(&cache, &[], ON_GPU, &Fitting::default()).unwrap().is_empty());
}
