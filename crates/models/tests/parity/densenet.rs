//! MONAI's DenseNets: their state dicts load as graphs and give MONAI's values; other networks are refused.

use crate::fixture::{assert_close, image, path, read};
use candle_core::{DType, Device, Tensor};
use relevox_models::{
    DenseNetConfig, Parameters, ResNet3d, ResNetConfig,
    checkpoint::{self, LoadedGraph, Metadata, Network, WeightsHints, load_graph, load_resnet},
    graph::tensor::TensorGraph,
};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

const TOLERANCE: f32 = 5e-5;

#[derive(Deserialize)]
struct Case {
    name: String,
    size: Vec<usize>,
    in_channels: usize,
    out_channels: usize,
    block_config: Vec<usize>,
}

fn weights(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/weights").join(name)
}

fn logits(loaded: &LoadedGraph, x: &Tensor) -> Tensor {
    TensorGraph::new(loaded.graph.clone(), &Device::Cpu).unwrap().forward(x).unwrap()
}

fn refusal(path: &Path, hints: &WeightsHints) -> String {
    let message = load_graph(path, hints).unwrap_err().to_string();
    assert!(message.starts_with(&path.display().to_string()) && !message.contains('\n'), "{message}");
    message
}

#[test]
fn state_dicts_give_monai_s_values() {
    let expected = read("densenet-expected");
    let cases: Vec<Case> = expected.metadata("cases");
    assert_eq!(cases.len(), 3);
    for Case { name, size, in_channels, out_channels, block_config } in cases {
        let loaded = load_graph(&weights(&format!("{name}.pth")), &WeightsHints::default()).unwrap();
        assert_eq!((loaded.channels, loaded.outputs), (in_channels, out_channels));
        assert_eq!(loaded.architecture, format!("DenseNet with blocks of {block_config:?} layers"));
        assert!(loaded.metadata.is_none());
        assert_close(&name, &logits(&loaded, &image(&size)), expected.get(&name), TOLERANCE);
    }
}

#[test]
fn half_precision_and_few_layers_are_no_reason_to_refuse() {
    let loaded = load_graph(&weights("densenet.pth"), &WeightsHints::default()).unwrap();
    assert_eq!((loaded.channels, loaded.outputs), (1, 2));
}

/// Seeded weights of a DenseNet.
fn tensors(config: &DenseNetConfig) -> BTreeMap<String, Tensor> {
    let parameters = Parameters::seeded(1, &Device::Cpu);
    config.graph(parameters.builder()).unwrap();
    parameters.tensors()
}

fn store(path: &Path, tensors: &BTreeMap<String, Tensor>) {
    safetensors::serialize_to_file(tensors, None, path).unwrap();
}

#[test]
fn every_depth_is_recognised() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("weights.safetensors");
    for (name, block_config) in [
        ("DenseNet121", vec![6, 12, 24, 16]),
        ("DenseNet169", vec![6, 12, 32, 32]),
        ("DenseNet201", vec![6, 12, 48, 32]),
        ("DenseNet264", vec![6, 12, 64, 48]),
    ] {
        let small =
            DenseNetConfig { init_features: 4, growth_rate: 2, bn_size: 1, ..DenseNetConfig::default() };
        store(&path, &tensors(&DenseNetConfig { block_config, in_channels: 3, ..small }));
        let loaded = load_graph(&path, &WeightsHints::default()).unwrap();
        assert_eq!((loaded.architecture.as_str(), loaded.channels, loaded.outputs), (name, 3, 2));
        let depth = Some(name[8..].parse().unwrap());
        load_graph(&path, &WeightsHints { depth, stem_stride: Some([2; 3]), ..WeightsHints::default() })
            .unwrap();
    }
}

#[test]
fn prefixes_of_wrappers_are_removed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("weights.safetensors");
    let (plain, _) = checkpoint::load(&weights("densenet-plain.pth")).unwrap();
    let x = image(&[1, 1, 34, 33, 35]);
    let expected = logits(&load_graph(&weights("densenet-plain.pth"), &WeightsHints::default()).unwrap(), &x);
    for prefix in ["module.", "model.", "_orig_mod.", "net.", "module._orig_mod.model.net."] {
        let wrapped = plain.iter().map(|(key, tensor)| (format!("{prefix}{key}"), tensor.clone())).collect();
        store(&path, &wrapped);
        let loaded = load_graph(&path, &WeightsHints::default()).unwrap();
        assert_close(prefix, &logits(&loaded, &x), &expected, 0.0);
    }
}

#[test]
fn what_does_not_fit_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("weights.safetensors");
    let (plain, _) = checkpoint::load(&weights("densenet-plain.pth")).unwrap();
    let zeros = |shape: &[usize]| Tensor::zeros(shape, DType::F32, &Device::Cpu).unwrap();
    let refused = |change: &dyn Fn(&mut BTreeMap<String, Tensor>), parts: &[&str]| {
        let mut tensors = plain.clone();
        change(&mut tensors);
        store(&path, &tensors);
        let message = refusal(&path, &WeightsHints::default());
        for part in parts {
            assert!(message.contains(part), "expected {part:?}: {message}");
        }
    };
    let transition = "features.transition1.conv.weight";
    refused(&|tensors| drop(tensors.remove(transition)), &[transition, "no such parameter"]);
    refused(
        &|tensors| drop(tensors.insert(transition.into(), zeros(&[3, 16, 1, 1, 1]))),
        &[transition, "expected shape [8, 16, 1, 1, 1], found [3, 16, 1, 1, 1]"],
    );
    refused(
        &|tensors| drop(tensors.insert("features.attention.weight".into(), zeros(&[2]))),
        &["no parameter features.attention.weight", "[2]"],
    );
    let layer = "features.denseblock2.denselayer2.layers.";
    refused(
        &|tensors| drop(tensors.remove(&format!("{layer}conv1.weight"))),
        &["features.denseblock2.denselayer2.layers.conv1.weight", "no such parameter"],
    );
    refused(
        &|tensors| tensors.retain(|key, _| !key.starts_with(layer)),
        &["features.denseblock2.denselayer2.layers.norm1.weight", "no such parameter"],
    );
    let onnx = "torch.onnx.export";
    refused(
        &|tensors| drop(tensors.insert("features.conv0.weight".into(), zeros(&[8, 1, 7, 7]))),
        &["3D convolution", "features.conv0.weight of shape [8, 1, 7, 7]", onnx],
    );
    refused(
        &|tensors| drop(tensors.insert("features.relu0.weight".into(), zeros(&[1]))),
        &["learned activation (features.relu0.weight)", onnx],
    );
    refused(
        &|tensors| tensors.retain(|key, _| !key.contains("running")),
        &["features.norm0.running_mean", onnx],
    );
    refused(&|tensors| tensors.retain(|key, _| !key.contains("class_layers")), &["class_layers.out.weight"]);
    refused(
        &|tensors| {
            *tensors = tensors.iter().map(|(k, t)| (k.replace(".layers.", "."), t.clone())).collect();
        },
        &["as MONAI's have (features.denseblock1.denselayer1.layers.conv1.weight)"],
    );
    refused(
        &|tensors| {
            let counts = Tensor::zeros(2, DType::I64, &Device::Cpu).unwrap();
            tensors.insert("class_layers.out.bias".into(), counts);
        },
        &["not floating-point (class_layers.out.bias"],
    );
    refused(&|tensors| tensors.clear(), &["no tensors"]);
}

#[test]
fn a_statement_that_contradicts_the_weights_is_named() {
    let usual = WeightsHints::default;
    for (hints, part) in [
        (WeightsHints { outputs: Some(3), ..usual() }, "outputs: expected 2, as the weights have, found 3"),
        (WeightsHints { in_channels: Some(4), ..usual() }, "in_channels: expected 1"),
        (WeightsHints { width: Some(64), ..usual() }, "width: expected 8"),
        (WeightsHints { depth: Some(121), ..usual() }, "blocks of [2, 3], found 121"),
        (WeightsHints { stem_stride: Some([1; 3]), ..usual() }, "stem_stride: expected [2, 2, 2]"),
        (WeightsHints { max_pool: Some(false), ..usual() }, "max_pool: expected true"),
    ] {
        let message = refusal(&weights("densenet-plain.pth"), &hints);
        assert!(message.contains(part), "{message}");
    }
}

#[test]
fn residual_networks_are_graphs_too() {
    let config: ResNetConfig = read("resnet10-expected").metadata("config");
    let trained = load_resnet(&path("resnet10"), &WeightsHints::from(&config), &Device::Cpu).unwrap();
    let loaded = load_graph(&path("resnet10"), &WeightsHints::from(&config)).unwrap();
    assert_eq!((loaded.architecture.as_str(), loaded.channels, loaded.outputs), ("ResNet10", 3, 1));
    let x = image(&[1, 3, 20, 21, 22]);
    assert_close("graph", &logits(&loaded, &x), &trained.network.forward_t(&x, false).unwrap(), 1e-5);
    assert!(refusal(&path("resnet10"), &WeightsHints::default()).contains("stem_stride and max_pool"));

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("network.safetensors");
    let config = ResNetConfig { depth: 10, width: 1, ..ResNetConfig::default() };
    let parameters = Parameters::seeded(1, &Device::Cpu);
    ResNet3d::new(&config, parameters.builder()).unwrap();
    checkpoint::save_parameters(&path, &parameters, &Metadata::new(Network::Resnet(config), Value::Null))
        .unwrap();
    assert!(load_graph(&path, &WeightsHints::default()).unwrap().metadata.is_some());
}

#[test]
fn other_networks_are_referred_to_onnx() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("weights.safetensors");
    let zeros = Tensor::zeros(2, DType::F32, &Device::Cpu).unwrap();
    for (key, part) in [
        ("layer1.0.se_layer.fc.0.weight", "those of an SENet"),
        ("_conv_stem.weight", "those of an EfficientNet"),
        ("patch_embed.proj.weight", "those of a vision transformer"),
        ("something.weight", "those of another network (it has the key something.weight)"),
    ] {
        store(&path, &BTreeMap::from([(key.to_owned(), zeros.clone())]));
        let message = refusal(&path, &WeightsHints::default());
        assert!(message.contains(part) && message.contains("torch.onnx.export"), "{message}");
    }
    let message = refusal(&weights("whole.pth"), &WeightsHints::default());
    assert!(message.contains("whole pickled object") && !message.contains("onnx"), "{message}");
}
