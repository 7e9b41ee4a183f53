//! State dicts of PyTorch give its values, whatever they are wrapped in; other files are refused by what they are.

use crate::fixture::{assert_close, image, read};
use candle_core::{DType, Device, Tensor};
use relevox_models::{
    Parameters, ResNet3d, ResNetConfig, Shortcut,
    checkpoint::{self, Activation, Metadata, Network, WeightsHints, load_resnet},
    plan::Plan,
};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

#[derive(Deserialize)]
struct Case {
    name: String,
    size: Vec<usize>,
    max_pool: bool,
    stem_stride: [usize; 3],
}

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/weights").join(name)
}

fn usual() -> WeightsHints {
    WeightsHints { stem_stride: Some([1; 3]), max_pool: Some(true), ..WeightsHints::default() }
}

fn refusal(path: &Path, hints: &WeightsHints) -> String {
    let message = load_resnet(path, hints, &Device::Cpu).unwrap_err().to_string();
    assert!(message.starts_with(&path.display().to_string()) && !message.contains('\n'), "{message}");
    message
}

#[test]
fn state_dicts_give_pytorch_s_values() {
    let expected = read("weights-expected");
    let cases: Vec<Case> = expected.metadata("cases");
    assert_eq!(cases.len(), 5);
    for Case { name, size, max_pool, stem_stride } in cases {
        let hints = WeightsHints {
            stem_stride: Some(stem_stride),
            max_pool: Some(max_pool),
            activation: Some(Activation::Relu),
            ..WeightsHints::default()
        };
        let trained = load_resnet(&path(&format!("{name}.pth")), &hints, &Device::Cpu).unwrap();
        assert!(trained.metadata.is_none());
        let x = image(&size);
        let found = trained.network.forward_t(&x, false).unwrap();
        assert_close(&name, &found, expected.get(&name), 5e-5);
        let shape: [usize; 5] = size.try_into().unwrap();
        let values = x.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        let planned = Plan::resnet(&trained.network).unwrap().forward(&values, shape).unwrap();
        let planned = Tensor::from_vec(planned, found.dims(), &Device::Cpu).unwrap();
        assert_close(&format!("{name}, compiled"), &planned, expected.get(&name), 1e-4);
    }
}

#[test]
fn the_architecture_comes_from_the_tensors() {
    let config = |name: &str| load_resnet(&path(name), &usual(), &Device::Cpu).unwrap().config;
    let small =
        ResNetConfig { depth: 10, in_channels: 1, width: 1, stem_stride: [1; 3], ..ResNetConfig::default() };
    assert_eq!(config("nested.pth"), ResNetConfig { in_channels: 2, ..small.clone() });
    assert_eq!(config("half.pth"), ResNetConfig { outputs: 2, ..small.clone() });
    let a = ResNetConfig { shortcut: Shortcut::A, outputs: 3, ..small.clone() };
    assert_eq!(config("shortcut-a.pth"), a);
    assert_eq!(config("bottleneck.pth"), ResNetConfig { depth: 50, ..small.clone() });
    assert_eq!(config("parameters.pth"), ResNetConfig { stem_kernel: [3, 5, 3], ..small });
}

#[test]
fn every_depth_is_recognised() {
    let folder = tempfile::tempdir().unwrap();
    for depth in [10, 18, 34, 50, 101, 152, 200] {
        let config = ResNetConfig { depth, width: 1, outputs: 2, ..ResNetConfig::default() };
        let tensors = tensors(&config);
        let path = folder.path().join("weights.safetensors");
        safetensors::serialize_to_file(&tensors, None, &path).unwrap();
        let hints = WeightsHints { stem_stride: Some([2; 3]), ..usual() };
        assert_eq!(load_resnet(&path, &hints, &Device::Cpu).unwrap().config, config);
    }
}

/// Seeded weights with the prefix of `DataParallel`.
fn tensors(config: &ResNetConfig) -> BTreeMap<String, Tensor> {
    let parameters = Parameters::seeded(1, &Device::Cpu);
    ResNet3d::new(config, parameters.builder()).unwrap();
    parameters.tensors().into_iter().map(|(name, tensor)| (format!("module.{name}"), tensor)).collect()
}

#[test]
fn what_tensors_do_not_tell_must_be_stated() {
    let path = path("half.pth");
    let message = refusal(&path, &WeightsHints::default());
    for part in ["stem_stride and max_pool", "conv1_t_stride=1", "no_max_pool=False"] {
        assert!(message.contains(part), "{message}");
    }
    let message = refusal(&path, &WeightsHints { stem_stride: Some([1; 3]), ..WeightsHints::default() });
    assert!(message.contains("expected max_pool to be stated"), "{message}");
    let message = refusal(&path, &WeightsHints { max_pool: Some(true), ..WeightsHints::default() });
    assert!(message.contains("expected stem_stride to be stated"), "{message}");
    let message = "leakyrelu".parse::<Activation>().unwrap_err().to_string();
    assert_eq!(message, "activation: expected one of relu, found leakyrelu");
}

#[test]
fn what_contradicts_the_file_is_named_with_both_values() {
    let contradictions = [
        (WeightsHints { depth: Some(18), ..usual() }, ["depth", "10", "18"]),
        (WeightsHints { width: Some(64), ..usual() }, ["width", "1", "64"]),
        (WeightsHints { in_channels: Some(4), ..usual() }, ["in_channels", "1", "4"]),
        (WeightsHints { outputs: Some(7), ..usual() }, ["outputs", "2", "7"]),
    ];
    for (hints, [setting, stored, stated]) in contradictions {
        let message = refusal(&path("half.pth"), &hints);
        let expected = format!("{setting}: expected {stored}, as the weights have, found {stated}");
        assert!(message.ends_with(&expected), "{message}");
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("network.safetensors");
    let config = ResNetConfig { depth: 10, width: 1, ..ResNetConfig::default() };
    let parameters = Parameters::seeded(1, &Device::Cpu);
    ResNet3d::new(&config, parameters.builder()).unwrap();
    checkpoint::save_parameters(&path, &parameters, &Metadata::new(Network::Resnet(config), Value::Null))
        .unwrap();
    load_resnet(&path, &WeightsHints::default(), &Device::Cpu).unwrap();
    let message = refusal(&path, &usual());
    assert!(
        message.ends_with("stem_stride: expected [2, 2, 2], as the weights have, found [1, 1, 1]"),
        "{message}"
    );
    let message = refusal(&path, &WeightsHints { max_pool: Some(false), ..WeightsHints::default() });
    assert!(message.ends_with("max_pool: expected true, as the weights have, found false"), "{message}");
}

#[test]
fn files_that_are_something_else_are_named() {
    for (name, parts) in [
        ("whole.pth", ["whole pickled object (torch.nn.modules.linear.Linear)", "model.state_dict()"]),
        ("whole-nested.pth", ["whole pickled object (torch.nn.modules.linear.Linear)", "model.state_dict()"]),
        ("old.pth", ["PyTorch before 1.6", "torch.save"]),
        ("script.pt", ["TorchScript archive", "model.state_dict()"]),
        ("no-tensors.pth", ["without tensors (epoch, losses", "model.state_dict()"]),
        ("two.pth", ["several state dicts (model, net", "model.state_dict()"]),
        ("linear.pth", ["residual network", "the key bias"]),
        ("densenet.pth", ["those of a DenseNet", "key features.denseblock1"]),
    ] {
        let message = refusal(&path(name), &usual());
        for part in parts {
            assert!(message.contains(part), "{message}");
        }
    }
}

#[test]
fn networks_that_are_not_quite_residual_networks_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("weights.safetensors");
    let zeros = |shape: &[usize], dtype| Tensor::zeros(shape, dtype, &Device::Cpu).unwrap();
    let config = ResNetConfig { depth: 10, width: 1, ..ResNetConfig::default() };
    let refused = |change: &dyn Fn(&mut BTreeMap<String, Tensor>), part: &str| {
        let mut tensors = tensors(&config);
        change(&mut tensors);
        safetensors::serialize_to_file(&tensors, None, &path).unwrap();
        let message = refusal(&path, &usual());
        assert!(message.contains(part), "{message}");
    };
    let f32 = DType::F32;
    refused(&|tensors| tensors.retain(|key, _| !key.contains("fc.")), "feed_forward=False");
    refused(
        &|tensors| drop(tensors.insert("module.conv1.weight".into(), zeros(&[1, 1, 7, 7], f32))),
        "[1, 1, 7, 7]",
    );
    refused(
        &|tensors| drop(tensors.insert("module.conv_seg.0.weight".into(), zeros(&[2], f32))),
        "MedicalNet",
    );
    refused(
        &|tensors| drop(tensors.insert("module.attention.weight".into(), zeros(&[2], f32))),
        "module.attention.weight",
    );
    refused(&|tensors| drop(tensors.remove("module.layer3.0.conv1.weight")), "[1, 1, 0, 1] basic blocks");
    refused(&|tensors| drop(tensors.remove("module.bn1.running_mean")), "bn1.running_mean");
    refused(
        &|tensors| drop(tensors.insert("module.fc.weight".into(), zeros(&[1, 8], DType::I64))),
        "not floating-point (fc.weight",
    );
    refused(&|tensors| drop(tensors.remove("module.layer2.0.downsample.0.weight")), "downsample.0.weight");
    refused(&|tensors| tensors.clear(), "no tensors");
}
