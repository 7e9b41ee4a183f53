//! Networks of ours are scored incrementally: the same logits as whole forward passes give.
#![cfg(feature = "candle")]
#![allow(clippy::unwrap_used, reason = "a test that can't go on has failed")]

use candle_core::Device;
use ndarray::{Array3, Array4};
use relevox_models::{Parameters, ResNet3d, ResNetConfig};
use relevox_perturb::{Constant, ConstantFill, Fill};
use relevox_relevance::{Classifier, Error, NetworkClassifier, dense, silent};
use slic3d::Slic;

/// A head of varied tissue in air, `[c, z, y, x]`.
fn scan() -> Array4<f32> {
    Array4::from_shape_fn((4, 21, 26, 23), |(c, z, y, x)| {
        let out = |at: usize, n: f32| ((at as f32 - n / 2.0) / (n / 2.0)).powi(2);
        let inside = out(z, 20.0) + out(y, 25.0) + out(x, 22.0) < 0.9;
        let tissue = (c * 7 + z * 31 + y * 17 + x * 13) % 29;
        if inside { 0.2 + tissue as f32 / 40.0 } else { 0.0 }
    })
}

fn classifier(depth: usize, stem_stride: usize) -> NetworkClassifier {
    let config = ResNetConfig { depth, width: 6, stem_stride, ..ResNetConfig::default() };
    let parameters = Parameters::seeded(3, &Device::Cpu);
    let network = ResNet3d::new(&config, parameters.builder()).unwrap();
    NetworkClassifier::new(network, Device::Cpu).unwrap()
}

#[test]
fn every_fill_gives_the_dense_logits() {
    let image = scan();
    let brain: Array3<bool> = image.index_axis(ndarray::Axis(0), 0).mapv(|v| v > 0.0);
    let regions = Slic::new(40).compactness(0.1).segment(image.view(), None).unwrap();
    for (depth, stem_stride) in [(10, 2), (18, 2), (10, 1)] {
        let network = classifier(depth, stem_stride);
        for constant in [Constant::Blank, Constant::Min, Constant::Max] {
            let fill = ConstantFill::new(constant, image.view(), brain.view()).unwrap();
            let quick = network.score_regions(image.view(), &regions, &fill, &silent).unwrap();
            let whole = dense(&network, image.view(), &regions, &fill, &silent).unwrap();
            assert_eq!((quick.original, quick.perturbed.len()), (whole.original, whole.perturbed.len()));
            for (&quick, &whole) in quick.perturbed.iter().zip(&whole.perturbed) {
                let near = (quick - whole).abs() <= 1e-5 * whole.abs().max(1.0);
                assert!(near, "{quick}, {whole}: depth {depth}, stride {stem_stride}, {}", fill.name());
            }
            assert!(quick.perturbed.iter().any(|&logit| logit != quick.original));
        }
    }
}

/// The way of a GPU, on the CPU.
#[test]
fn windows_give_the_whole_passes_logits_to_rounding() {
    let image = scan();
    let regions = Slic::new(40).compactness(0.1).segment(image.view(), None).unwrap();
    let fill = ConstantFill::from_values("bright", vec![0.9; 4]).unwrap();
    for (depth, stem_stride) in [(10, 2), (18, 1)] {
        let network = classifier(depth, stem_stride).compiled(false).unwrap();
        let whole = dense(&network, image.view(), &regions, &fill, &silent).unwrap();
        // Else the logit as it was would pass, too.
        assert!(whole.perturbed.iter().any(|logit| (logit - whole.original).abs() > 1e-3));
        // The second time the scan's layers are there.
        for _ in 0..2 {
            let quick = network.score_regions(image.view(), &regions, &fill, &silent).unwrap();
            assert_eq!(quick.original, whole.original);
            assert_eq!(quick.changed, whole.changed);
            for (quick, whole) in quick.perturbed.iter().zip(&whole.perturbed) {
                assert!((quick - whole).abs() <= 1e-5 * whole.abs().max(1.0), "{quick} and {whole}");
            }
        }
    }
}

#[test]
fn a_partition_on_another_grid_is_refused() {
    let image = scan();
    let small =
        Slic::new(4).compactness(0.1).segment(image.slice(ndarray::s![.., 1.., .., ..]), None).unwrap();
    let fill = ConstantFill::from_values("blank", vec![0.0; 4]).unwrap();
    let error = classifier(10, 2).score_regions(image.view(), &small, &fill, &silent).unwrap_err();
    assert!(matches!(error, Error::ShapeMismatch { .. }), "{error}");
}
