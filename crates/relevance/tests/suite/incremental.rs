//! Incremental baselines of networks give the logits of whole forward passes.
#![cfg(feature = "candle")]
use candle_core::Device;
use ndarray::{Array3, Array4};
use relevox_models::{Parameters, ResNet3d, ResNetConfig};
use relevox_perturb::{ConstantFill, Fill, FillKind};
use relevox_relevance::{
    Baseline, Classifier, DenseBaseline, Error, NetworkClassifier, RegionLogits, region_logits, silent,
};
use slic3d::{Slic, Supervoxels};

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
    let config = ResNetConfig {
        depth,
        width: 6,
        stem_stride: [stem_stride; 3],
        outputs: 2,
        ..ResNetConfig::default()
    };
    let parameters = Parameters::seeded(3, &Device::Cpu);
    let network = ResNet3d::new(&config, parameters.builder()).unwrap();
    NetworkClassifier::new(network, Device::Cpu).unwrap()
}

fn quick(
    network: &NetworkClassifier,
    image: &Array4<f32>,
    regions: &Supervoxels,
    fill: &dyn Fill,
) -> Result<RegionLogits, Error> {
    region_logits(&*network.baseline(image.view())?, regions, fill, &silent)
}

/// By the network's own dense baseline.
fn network_dense(
    depth: usize,
    stem_stride: usize,
    image: &Array4<f32>,
    regions: &Supervoxels,
    fill: &dyn Fill,
) -> RegionLogits {
    let engine = classifier(depth, stem_stride).into_engine().dense(true);
    quick(&NetworkClassifier::from(engine), image, regions, fill).unwrap()
}

/// By whole forward passes.
fn whole(
    network: &NetworkClassifier,
    image: &Array4<f32>,
    regions: &Supervoxels,
    fill: &dyn Fill,
) -> RegionLogits {
    let dense = DenseBaseline::new(network, image.view()).unwrap();
    assert_eq!([dense.logits().len(), network.outputs()], [2, 2]);
    region_logits(&dense, regions, fill, &silent).unwrap()
}

#[test]
fn every_fill_gives_the_dense_logits() {
    let image = scan();
    let brain: Array3<bool> = image.index_axis(ndarray::Axis(0), 0).mapv(|v| v > 0.0);
    let regions = Slic::new(40).compactness(0.1).segment(image.view(), None).unwrap();
    for (depth, stem_stride) in [(10, 2), (18, 2), (10, 1)] {
        let network = classifier(depth, stem_stride);
        for kind in [FillKind::Blank, FillKind::Min, FillKind::Max] {
            let fill = ConstantFill::new(kind, image.view(), brain.view()).unwrap();
            let quick = quick(&network, &image, &regions, &fill).unwrap();
            let whole = whole(&network, &image, &regions, &fill);
            assert_eq!((&quick.original, quick.perturbed.dim()), (&whole.original, whole.perturbed.dim()));
            assert_eq!(quick.changed, whole.changed);
            let dense = network_dense(depth, stem_stride, &image, &regions, &fill);
            assert_eq!(dense, whole);
            for (&quick, &whole) in quick.perturbed.iter().zip(&whole.perturbed) {
                let near = (quick - whole).abs() <= 1e-5 * whole.abs().max(1.0);
                assert!(near, "{quick}, {whole}: depth {depth}, stride {stem_stride}, {}", fill.name());
            }
            assert!(quick.perturbed.iter().any(|&logit| logit != quick.original[0]));
        }
    }
}

/// As on a GPU, but on the CPU.
#[test]
fn windows_give_the_whole_passes_logits_to_rounding() {
    let image = scan();
    let regions = Slic::new(40).compactness(0.1).segment(image.view(), None).unwrap();
    let fill = ConstantFill::from_values("bright", vec![0.9; 4]).unwrap();
    for (depth, stem_stride) in [(10, 2), (18, 1)] {
        let engine = classifier(depth, stem_stride).into_engine().compiled(false).unwrap();
        let network = NetworkClassifier::from(engine);
        let whole = whole(&network, &image, &regions, &fill);
        // Otherwise the scan's own logit would pass, too.
        for (column, original) in whole.perturbed.columns().into_iter().zip(&whole.original) {
            assert!(column.iter().any(|logit| (logit - original).abs() > 1e-3));
        }
        // The second time the scan's activations are cached.
        for _ in 0..2 {
            let quick = quick(&network, &image, &regions, &fill).unwrap();
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
    let error = quick(&classifier(10, 2), &image, &small, &fill).unwrap_err();
    assert!(matches!(error, Error::ShapeMismatch { .. }), "{error}");
}
