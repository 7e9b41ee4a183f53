//! MONAI's residual networks: its state dicts load as they are and give its values.

use crate::fixture::{assert_close, image, path, read};
use candle_core::{Device, Tensor, Var};
use relevox_models::{
    Error, Parameters, ResNet3d, ResNetConfig,
    checkpoint::{self, WeightsHints, load_resnet},
    frozen,
    graph::tensor::TensorGraph,
};
use std::collections::BTreeMap;

const TOLERANCE: f32 = 5e-5;
/// Batch norm takes means away on the way back, and what is left keeps fewer digits.
const GRADIENT_TOLERANCE: f32 = 1e-4;

fn check(depth: usize) {
    let expected = read(&format!("resnet{depth}-expected"));
    let config: ResNetConfig = expected.metadata("config");
    let hints = WeightsHints {
        stem_stride: Some(config.stem_stride),
        max_pool: Some(true),
        ..WeightsHints::default()
    };
    let trained = load_resnet(&path(&format!("resnet{depth}")), &hints, &Device::Cpu).unwrap();
    assert_eq!(trained.config, config);
    assert!(trained.metadata.is_none());
    let x = image(&expected.metadata::<Vec<usize>>("size"));
    let features = trained.network.features_t(&x, false).unwrap();
    assert_close("features", &features, expected.get("features"), TOLERANCE);
    let logits = trained.network.head(&features).unwrap();
    assert_close("logits", &logits.squeeze(1).unwrap(), expected.get("logits"), TOLERANCE);
    let whole = trained.network.forward_t(&x, false).unwrap();
    assert_close("forward", &whole, &logits, 0.0);
    let graph = TensorGraph::new(trained.network.graph().unwrap(), &Device::Cpu).unwrap();
    assert_close("graph", &graph.forward(&x).unwrap(), &logits, 1e-5);
}

each_resnet!(check);

#[test]
fn training_mode() {
    let expected = read("resnet10-expected");
    let config: ResNetConfig = expected.metadata("config");
    let parameters = Parameters::seeded(0, &Device::Cpu);
    let network = ResNet3d::new(&config, parameters.builder()).unwrap();
    parameters.load(&checkpoint::load(&path("resnet10")).unwrap().0).unwrap();
    let x = Var::from_tensor(&image(&expected.metadata::<Vec<usize>>("size"))).unwrap();
    let logits = network.forward_t(x.as_tensor(), true).unwrap().squeeze(1).unwrap();
    assert_close("logits", &logits, expected.get("train.y"), TOLERANCE);
    let store = (&logits * image(logits.dims())).unwrap().sum_all().unwrap().backward().unwrap();
    let of_x = store.get(x.as_tensor()).unwrap().flatten_all().unwrap().narrow(0, 0, 500).unwrap();
    assert_close("gradient of x", &of_x, expected.get("train.grad.x.first"), GRADIENT_TOLERANCE);
    let trainable = parameters.trainable();
    // The mean that follows takes a bias before batch norm away again: its gradient is rounding.
    let gradients: Vec<(String, &Tensor)> =
        trainable.iter().map(|(key, var)| (key.clone(), store.get(var.as_tensor()).unwrap())).collect();
    for (key, gradient) in &gradients {
        let peer = expected.get(&format!("train.grad.{key}"));
        if key.ends_with("downsample.0.bias") {
            let largest = gradient.abs().unwrap().max_all().unwrap().to_scalar::<f32>().unwrap();
            assert!(largest < 1e-5, "{key}: {largest}");
        } else {
            assert_close(&format!("gradient of {key}"), gradient, peer, GRADIENT_TOLERANCE);
        }
    }
    let peers = expected.under("train.grad.").filter(|(key, _)| !key.starts_with("x.")).count();
    assert_eq!(gradients.len(), peers);
    let after = parameters.tensors();
    for (key, peer) in expected.under("train.after.") {
        assert_close(key, &after[key], peer, TOLERANCE);
    }
}

#[test]
fn weights_that_do_not_fit_are_named() {
    let config: ResNetConfig = read("resnet10-expected").metadata("config");
    let (tensors, _) = checkpoint::load(&path("resnet10")).unwrap();
    let build = |config: &ResNetConfig, tensors: &BTreeMap<String, Tensor>| {
        frozen(tensors.clone(), &Device::Cpu, |vb| ResNet3d::new(config, vb)).unwrap_err()
    };
    let message = build(&ResNetConfig { width: 3, ..config.clone() }, &tensors).to_string();
    assert!(message.contains("conv1.weight") && message.contains("[3, 3, 7, 7, 7]"), "{message}");
    assert!(message.contains("[2, 3, 7, 7, 7]"), "{message}");
    let message = build(&ResNetConfig { depth: 18, ..config.clone() }, &tensors).to_string();
    assert!(message.contains("layer1.1.conv1.weight") && message.contains("no such parameter"), "{message}");

    let more = Tensor::zeros(3, candle_core::DType::F32, &Device::Cpu).unwrap();
    let tensors = tensors.into_iter().chain([("layer5.weight".to_owned(), more)]).collect();
    assert!(matches!(build(&config, &tensors), Error::UnexpectedKey { key, .. } if key == "layer5.weight"));
}

#[test]
fn frozen_weights_refuse_training() {
    let config: ResNetConfig = read("resnet10-expected").metadata("config");
    let trained = load_resnet(&path("resnet10"), &WeightsHints::from(&config), &Device::Cpu).unwrap();
    let message = trained.network.forward_t(&image(&[1, 3, 16, 16, 16]), true).unwrap_err().to_string();
    assert!(message.contains("frozen"), "{message}");
}
