//! The ways through a network agree, and the latest baseline is cached.

use ndarray::{Array4, ArrayView4, Axis};
use relevox_grid::Box3;

use super::*;
use crate::graph::Value;
use crate::graph::tensor::TensorGraph;
use crate::{DenseNetConfig, Parameters, ResNet3d, ResNetConfig, UNet3d, UNetConfig};

fn resnet() -> Engine<ResNet3d> {
    let config = ResNetConfig { depth: 10, width: 4, outputs: 3, ..ResNetConfig::default() };
    let network = ResNet3d::new(&config, Parameters::seeded(3, &Device::Cpu).builder()).unwrap();
    Engine::new(network, Device::Cpu).unwrap()
}

fn unet() -> Engine<UNet3d> {
    let config = UNetConfig { in_channels: 4, out_channels: 2, widths: vec![4, 8] };
    let network = UNet3d::new(&config, Parameters::seeded(3, &Device::Cpu).builder()).unwrap();
    Engine::new(network, Device::Cpu).unwrap()
}

fn image() -> Array4<f32> {
    Array4::from_shape_fn((4, 18, 21, 19), |(c, z, y, x)| {
        ((7 * c + 31 * z + 17 * y + 13 * x) % 29) as f32 / 29.0
    })
}

fn patches() -> Vec<Patch> {
    let boxes = [([0; 3], [4, 5, 6]), ([7, 3, 9], [9, 12, 10]), ([14, 17, 15], [18, 21, 19])];
    boxes.map(|(start, end)| Box3::new(start, end)).into_iter().map(patch).collect()
}

fn patch(bounds: Box3) -> Patch {
    let [z, y, x] = bounds.size();
    let values =
        Array4::from_shape_fn((4, z, y, x), |(c, z, y, x)| ((c + z + 2 * y + 3 * x) % 7) as f32 / 3.0);
    Patch::new(bounds, values).unwrap()
}

fn patched<N: Network>(engine: &Engine<N>, image: ArrayView4<'_, f32>) -> Vec<Vec<f32>> {
    engine.patched(&engine.baseline(image).unwrap(), &patches()).unwrap()
}

#[track_caller]
fn close(found: &[f32], expected: &[f32]) {
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        assert!((found - expected).abs() <= 1e-5 * expected.abs().max(1.0), "{found}, expected {expected}");
    }
}

#[test]
fn a_classifier_s_ways_agree() {
    let image = image();
    let whole = patched(&resnet().dense(true), image.view());
    for engine in [resnet(), resnet().memory(1), resnet().compiled(false).unwrap()] {
        close(&patched(&engine, image.view()).concat(), &whole.concat());
    }
    let own = resnet().forward(image.view().insert_axis(Axis(0))).unwrap();
    for engine in [resnet(), resnet().dense(true)] {
        assert_eq!(engine.baseline(image.view()).unwrap().outputs(), own);
    }
    let windows = resnet().compiled(false).unwrap();
    let own_in_windows = windows.forward(image.view().insert_axis(Axis(0))).unwrap();
    assert_eq!(windows.baseline(image.view()).unwrap().outputs(), own_in_windows);
    for outputs in &whole {
        assert_eq!(outputs.len(), 3);
        let moved = |(output, own): (&f32, &f32)| (output - own).abs() > 1e-5;
        assert!(outputs.iter().zip(&own).all(moved), "{whole:?}, {own:?}");
    }
}

#[test]
fn a_u_net_s_ways_agree_and_give_the_boxes_values() {
    let image = image();
    let whole = patched(&unet().dense(true), image.view());
    for (values, patch) in whole.iter().zip(patches()) {
        assert_eq!(values.len(), 2 * patch.bounds().voxels());
    }
    for engine in [unet(), unet().memory(1), unet().compiled(false).unwrap()] {
        for (found, expected) in patched(&engine, image.view()).iter().zip(&whole) {
            close(found, expected);
        }
        assert!(engine.baseline(image.view()).unwrap().outputs().is_empty());
    }
}

/// A small network of dense blocks, or of the maps of its first block.
fn dense_network(classifier: bool) -> Engine<TensorGraph> {
    let config = DenseNetConfig {
        in_channels: 4,
        init_features: 6,
        growth_rate: 3,
        block_config: vec![2, 3],
        outputs: 3,
        ..DenseNetConfig::default()
    };
    let graph = config.graph(Parameters::seeded(3, &Device::Cpu).builder()).unwrap();
    let graph = if classifier { graph } else { graph.until(Value::of_node(0)) };
    Engine::new(TensorGraph::new(graph, &Device::Cpu).unwrap(), Device::Cpu).unwrap()
}

#[test]
fn a_graph_s_ways_agree() {
    let image = image();
    let whole = patched(&dense_network(true).dense(true), image.view());
    let windows = || dense_network(true).compiled(false).unwrap();
    for engine in [dense_network(true), windows(), windows().memory(1)] {
        close(&patched(&engine, image.view()).concat(), &whole.concat());
    }
    let own = |engine: Engine<TensorGraph>| engine.forward(image.view().insert_axis(Axis(0))).unwrap();
    assert_eq!(windows().baseline(image.view()).unwrap().outputs(), own(windows()));
    close(&own(windows()), &own(dense_network(true)));
}

#[test]
fn a_map_of_another_size_is_refused() {
    // The first convolution halves the size.
    for engine in [dense_network(false), dense_network(false).compiled(false).unwrap()] {
        assert!(matches!(engine.baseline(image().view()), Err(Error::Batch { .. })));
        assert!(matches!(engine.dense(true).baseline(image().view()), Err(Error::Batch { .. })));
    }
}

#[test]
fn the_latest_baseline_is_cached() {
    fn check<N: Network>(engine: Engine<N>) {
        let (one, other) = (image(), image().mapv(|value| 1.0 - value));
        let first = engine.baseline(one.view()).unwrap();
        assert!(Arc::ptr_eq(&first, &engine.baseline(one.view()).unwrap()));
        assert!(!Arc::ptr_eq(&first, &engine.baseline(other.view()).unwrap()));
        let shape = one.dim().into();
        let zeros = engine.baseline_of_zeros(shape).unwrap();
        assert!(Arc::ptr_eq(&zeros, &engine.baseline_of_zeros(shape).unwrap()));
        let smaller = engine.baseline_of_zeros([4, 17, 21, 19]).unwrap();
        assert_eq!(smaller.shape(), [4, 17, 21, 19]);
        assert!(!Arc::ptr_eq(&zeros, &engine.baseline_of_zeros(shape).unwrap()));
    }
    check(resnet());
    check(resnet().dense(true));
    check(unet().compiled(false).unwrap());
    check(dense_network(true).compiled(false).unwrap());
}

#[test]
fn a_patch_that_does_not_fit_is_refused() {
    let image = image();
    for engine in [resnet(), resnet().dense(true), resnet().compiled(false).unwrap()] {
        let baseline = engine.baseline(image.view()).unwrap();
        let outside = patch(Box3::new([17, 0, 0], [19, 2, 2]));
        let found = engine.patched(&baseline, &[outside]);
        assert!(matches!(found, Err(Error::Batch { .. })));
        assert!(engine.patched(&baseline, &[]).unwrap().is_empty());
    }
    let other = Array4::zeros((3, 18, 21, 19));
    assert!(resnet().baseline(other.view()).is_err());
}
