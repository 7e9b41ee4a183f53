//! Graphs as classifiers: Grad-CAM against that of the network itself, and networks that have none.

#![cfg(feature = "candle")]
use ndarray::{Array4, Axis};
use relevox_models::candle_core::Device;
use relevox_models::graph::{Activation, Builder, Conv, Graph, Linear, Norm, Operation};
use relevox_models::{Parameters, ResNet3d, ResNetConfig};
use relevox_relevance::gradcam::{Class, LastStage};
use relevox_relevance::{Baseline, Classifier, DenseBaseline, NetworkClassifier, Patch, Target};

fn image(channels: usize) -> Array4<f32> {
    Array4::from_shape_fn((channels, 20, 18, 22), |(c, z, y, x)| {
        ((c * 31 + z * 17 + y * 11 + x * 7) % 23) as f32 / 23.0
    })
}

fn resnet() -> ResNet3d {
    // The last feature map has several voxels.
    let (stem_stride, max_pool) = ([1; 3], false);
    let config =
        ResNetConfig { depth: 10, width: 8, outputs: 3, stem_stride, max_pool, ..ResNetConfig::default() };
    ResNet3d::new(&config, Parameters::seeded(5, &Device::Cpu).builder()).unwrap()
}

/// A network with instance normalisation and two fully connected layers, as MONAI's and nnU-Net's encoders have them.
fn normalised(last: Operation) -> Graph {
    let mut builder = Builder::new(2);
    let weights = |n: usize| (0..n).map(|at| ((at * 7919 % 101) as f32 - 50.0) / 200.0).collect::<Vec<f32>>();
    let conv = Conv { padding: [1; 3].into(), ..Conv::new(weights(6 * 2 * 27), weights(6), [3; 3]) };
    let at = builder.add("conv", Operation::Conv(conv), &[builder.image()]).unwrap();
    let norm = Norm { groups: 6, epsilon: 1e-5, scale: vec![1.0; 6], shift: vec![0.1; 6] };
    let at = builder.add("norm", Operation::Norm(norm), &[at]).unwrap();
    let at = builder.add("act", Operation::Activation(Activation::LeakyRelu(0.1)), &[at]).unwrap();
    let at = builder.add("pool", last, &[at]).unwrap();
    let inputs = builder.form(at).channels();
    let hidden = Linear::new(weights(4 * inputs), weights(4));
    let at = builder.add("fc1", Operation::Linear(hidden), &[at]).unwrap();
    let at = builder.add("relu", Operation::Activation(Activation::Relu), &[at]).unwrap();
    let at = builder.add("fc2", Operation::Linear(Linear::new(weights(8), weights(2))), &[at]).unwrap();
    builder.finish(at)
}

#[test]
fn grad_cam_of_a_graph_is_that_of_its_network() {
    let (network, image) = (resnet(), image(4));
    let graph = network.graph().unwrap();
    for target in [Target::sigmoid(0), Target::softmax(2)] {
        for class in [Class::Positive, Class::Negative, Class::Predicted] {
            let own = LastStage::new(&network, image.view(), &target, class, &Device::Cpu).unwrap();
            let found = LastStage::of_graph(&graph, image.view(), &target, class, &Device::Cpu).unwrap();
            for (own, found) in [(own.grad_cam(), found.grad_cam()), (own.grad_cam_pp(), found.grad_cam_pp())]
            {
                let (own, found) = (own.unwrap(), found.unwrap());
                assert_eq!(own.flat, found.flat);
                let off = own.voxels.iter().zip(&found.voxels).map(|(a, b)| (a - b).abs());
                assert!(off.fold(0.0, f32::max) <= 0.01);
            }
        }
    }
}

#[test]
fn grad_cam_goes_through_several_layers_of_vectors() {
    let (graph, image) = (normalised(Operation::GlobalMean), image(2));
    let target = Target::softmax(1);
    let stage = LastStage::of_graph(&graph, image.view(), &target, Class::Positive, &Device::Cpu).unwrap();
    assert!(!stage.grad_cam().unwrap().flat);
}

#[test]
fn a_network_without_a_global_mean_has_no_grad_cam() {
    let mut builder = Builder::new(1);
    let linear = Linear::new(vec![0.1; 8], vec![0.0]);
    let at = builder.add("fc", Operation::Linear(linear), &[builder.image()]).unwrap();
    let graph = builder.finish(at);
    let image = Array4::zeros((1, 2, 2, 2));
    let target = Target::default();
    let error =
        LastStage::of_graph(&graph, image.view(), &target, Class::Positive, &Device::Cpu).err().unwrap();
    assert!(error.to_string().contains("global mean"), "{error}");
}

#[test]
fn a_baseline_of_a_graph_is_exact_where_a_norm_reads_the_whole_scan() {
    let (graph, image) = (normalised(Operation::GlobalMean), image(2));
    let classifier = NetworkClassifier::of_graph(graph, &Device::Cpu).unwrap();
    assert_eq!(classifier.outputs(), 2);
    let patch =
        Patch::new(relevox_relevance::Box3::new([3, 4, 5], [9, 8, 12]), Array4::zeros((2, 6, 4, 7))).unwrap();
    let baseline = classifier.baseline(image.view()).unwrap();
    let dense = DenseBaseline::new(&classifier, image.view()).unwrap();
    let patches = [patch];
    let (found, expected) = (baseline.patched(&patches).unwrap(), dense.patched(&patches).unwrap());
    let change = (&expected.row(0) - &ndarray::aview1(dense.logits())).mapv(f32::abs);
    assert!(change.iter().any(|change| *change > 1e-5), "{change}");
    assert!((&found - &expected).mapv(f32::abs).iter().all(|off| *off <= 1e-6), "{found} {expected}");
    assert_eq!(classifier.logits(image.view().insert_axis(Axis(0))).unwrap().dim(), (1, 2));
}

#[test]
fn a_network_of_maps_is_no_classifier() {
    let mut builder = Builder::new(1);
    let at =
        builder.add("conv", Operation::Conv(Conv::new(vec![1.0], vec![0.0], [1; 3])), &[builder.image()]);
    let error = NetworkClassifier::of_graph(builder.finish(at.unwrap()), &Device::Cpu).err().unwrap();
    assert!(error.to_string().contains("maps of 1 channels"), "{error}");
}

/// Interpolating one value gives slightly different ones, which must not be scaled to 0..100.
#[test]
fn a_last_feature_map_of_one_voxel_is_flat() {
    let config = ResNetConfig { depth: 10, in_channels: 1, width: 2, outputs: 2, ..ResNetConfig::default() };
    let parameters = Parameters::seeded(3, &Device::Cpu);
    let network = ResNet3d::new(&config, parameters.builder()).unwrap();
    let image = Array4::from_shape_fn((1, 20, 24, 28), |(_, z, y, x)| (z * 3 + y * 5 + x * 7) as f32 % 11.0);
    for output in 0..2 {
        let stage =
            LastStage::new(&network, image.view(), &Target::softmax(output), Class::Positive, &Device::Cpu)
                .unwrap();
        for map in [stage.grad_cam().unwrap(), stage.grad_cam_pp().unwrap()] {
            assert!(map.flat && map.voxels.iter().all(|&value| value == 0.0));
        }
    }
}
