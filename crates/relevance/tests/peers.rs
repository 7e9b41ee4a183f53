//! Grad-CAM and blank scores of a network agree with MONAI's and Captum's of the same network (`fixtures/make.py`).
#![cfg(feature = "candle")]
#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use candle_core::{DType, Device, Tensor};
use ndarray::{Array3, Array4, Axis};
use relevox_models::{Parameters, ResNet3d, ResNetConfig, Shortcut, frozen};
use relevox_perturb::{ConstantFill, ImageView};
use relevox_relevance::gradcam::{Class, LastStage};
use relevox_relevance::{Classifier, Error, NetworkClassifier, RelevanceMap, Target, score, silent};
use slic3d::Supervoxels;

const CONFIG: ResNetConfig = ResNetConfig {
    depth: 10,
    in_channels: 2,
    width: 4,
    stem_stride: [1; 3],
    shortcut: Shortcut::B,
    stem_kernel: [7; 3],
    max_pool: true,
    outputs: 1,
};

struct Fixture(HashMap<String, Tensor>);

impl Fixture {
    fn load() -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/network.safetensors");
        Self(candle_core::safetensors::load(path, &Device::Cpu).unwrap())
    }

    fn values(&self, name: &str) -> Vec<f32> {
        self.0[name].to_dtype(DType::F32).unwrap().flatten_all().unwrap().to_vec1().unwrap()
    }

    fn image(&self) -> Array4<f32> {
        let shape = self.0["image"].dims4().unwrap();
        Array4::from_shape_vec(shape, self.values("image")).unwrap() / 255.0
    }

    fn regions(&self) -> Supervoxels {
        let labels = self.values("labels").iter().map(|&id| id as u32).collect();
        let shape = self.0["labels"].dims3().unwrap();
        Supervoxels::from_labels(Array3::from_shape_vec(shape, labels).unwrap(), None).unwrap()
    }

    fn weights(&self) -> BTreeMap<String, Tensor> {
        let own = |(key, value): (&String, &Tensor)| {
            Some((key.strip_prefix("network.")?.to_owned(), value.clone()))
        };
        self.0.iter().filter_map(own).collect()
    }

    fn network(&self) -> ResNet3d {
        frozen(self.weights(), &Device::Cpu, |vb| ResNet3d::new(&CONFIG, vb)).unwrap()
    }
}

fn assert_close(found: impl IntoIterator<Item = f32>, expected: &[f32], tolerance: f32) {
    let found: Vec<f32> = found.into_iter().collect();
    assert_eq!(found.len(), expected.len());
    let worst = found.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(worst <= tolerance, "largest difference {worst}, allowed {tolerance}");
}

#[test]
fn logits_agree_with_monai() {
    let fixture = Fixture::load();
    let classifier = NetworkClassifier::new(fixture.network(), Device::Cpu).unwrap();
    let image = fixture.image();
    let logits = classifier.logits(image.view().insert_axis(Axis(0))).unwrap();
    assert_close(logits.iter().copied(), &fixture.values("logit"), 1e-5);
}

#[test]
fn blank_scores_agree_with_captum() {
    let fixture = Fixture::load();
    let classifier = NetworkClassifier::new(fixture.network(), Device::Cpu).unwrap();
    let (image, regions) = (fixture.image(), fixture.regions());
    let blank = ConstantFill::from_values("blank", vec![0.0; 2]).unwrap();
    let baseline = classifier.baseline(image.view()).unwrap();
    let scores = score(&*baseline, &regions, &blank, &Target::default(), &silent).unwrap();
    let expected = fixture.values("delta_logit");
    let largest = expected.iter().copied().map(f32::abs).fold(0.0, f32::max);
    assert_close(scores.rows.iter().map(|row| row.delta_logit as f32), &expected, 1e-4 * largest);
    for (row, expected) in scores.rows.iter().zip(&expected) {
        if *expected == 0.0 {
            assert_eq!((row.delta_logit, row.delta_p), (0.0, 0.0), "region {} is air", row.id);
        }
    }
}

fn cam(network: &ResNet3d, image: ImageView<'_>, class: Class) -> Result<RelevanceMap, Error> {
    LastStage::new(network, image, &Target::default(), class, &Device::Cpu)?.grad_cam()
}

fn third(map: &Array3<f32>) -> Vec<f32> {
    map.slice(ndarray::s![..;3, ..;3, ..;3]).iter().copied().collect()
}

#[test]
fn grad_cam_agrees_with_monai_for_either_class() {
    let fixture = Fixture::load();
    let (network, image) = (fixture.network(), fixture.image());
    for (class, name) in [(Class::Positive, "gradcam_positive"), (Class::Negative, "gradcam_negative")] {
        let map = cam(&network, image.view(), class).unwrap();
        assert!(!map.flat);
        assert_close(third(&map.voxels), &fixture.values(name), 0.01);
    }
}

/// The fixture's network with a second output: a head of ones.
fn with_two_outputs(fixture: &Fixture, swapped: bool) -> ResNet3d {
    let mut weights = fixture.weights();
    for key in ["fc.weight", "fc.bias"] {
        let own = weights[key].clone();
        let ones = own.ones_like().unwrap();
        let both = if swapped { [&ones, &own] } else { [&own, &ones] };
        weights.insert(key.to_owned(), Tensor::cat(&both, 0).unwrap());
    }
    let config = ResNetConfig { outputs: 2, ..CONFIG };
    frozen(weights, &Device::Cpu, |vb| ResNet3d::new(&config, vb)).unwrap()
}

#[test]
fn grad_cam_differentiates_the_target_among_several_outputs() {
    let fixture = Fixture::load();
    let image = fixture.image();
    let map = |network: &ResNet3d, target: Target| {
        let stage = LastStage::new(network, image.view(), &target, Class::Positive, &Device::Cpu).unwrap();
        third(&stage.grad_cam().unwrap().voxels)
    };
    let own = map(&fixture.network(), Target::sigmoid(0));
    assert!(own.iter().any(|&value| value > 0.0));
    for (swapped, output) in [(false, 0), (true, 1)] {
        let network = with_two_outputs(&fixture, swapped);
        assert_close(map(&network, Target::sigmoid(output)), &own, 1e-3);
        assert_close(map(&network, Target::value(output)), &own, 1e-3);
        // The softmax of two classes is the sigmoid of the difference.
        let mut weights = fixture.weights();
        for key in ["fc.weight", "fc.bias"] {
            let difference = (&weights[key] - weights[key].ones_like().unwrap()).unwrap();
            weights.insert(key.to_owned(), difference);
        }
        let difference = frozen(weights, &Device::Cpu, |vb| ResNet3d::new(&CONFIG, vb)).unwrap();
        let expected = map(&difference, Target::sigmoid(0));
        assert_close(map(&network, Target::softmax(output)), &expected, 1e-3);
        let other =
            LastStage::new(&network, image.view(), &Target::sigmoid(2), Class::Positive, &Device::Cpu);
        assert!(matches!(other, Err(Error::OutOfRange { .. })));
    }
}

/// The gradient of `z_t − log Σ exp z_o` weighs the other outputs' heads by their softmax among themselves.
#[test]
fn grad_cam_of_a_class_among_three_is_that_of_its_logit() {
    let fixture = Fixture::load();
    let image = fixture.image();
    let size = fixture.weights()["fc.weight"].abs().unwrap().mean_all().unwrap().to_scalar::<f32>().unwrap();
    let heads = |factors: &[[f64; 2]]| {
        let mut weights = fixture.weights();
        for key in ["fc.weight", "fc.bias"] {
            let own = weights[key].clone();
            let head = |[scale, shift]: &[f64; 2]| own.affine(*scale, shift * f64::from(size)).unwrap();
            weights.insert(
                key.to_owned(),
                Tensor::cat(&factors.iter().map(head).collect::<Vec<_>>(), 0).unwrap(),
            );
        }
        let config = ResNetConfig { outputs: factors.len(), ..CONFIG };
        frozen(weights, &Device::Cpu, |vb| ResNet3d::new(&config, vb)).unwrap()
    };
    // Multiples of the fixture's head, moved by parts of its size.
    let factors = [[1.0, 0.0], [-0.5, 0.3], [0.75, -0.2]];
    let mut mapped = [0; 2];
    let network = NetworkClassifier::new(heads(&factors), Device::Cpu).unwrap();
    let logits = network.logits(image.view().insert_axis(Axis(0))).unwrap().row(0).mapv(f64::from);
    for class in 0..factors.len() {
        let others = || (0..factors.len()).filter(|other| *other != class);
        let sum: f64 = others().map(|other| logits[other].exp()).sum();
        let mut alone = factors[class];
        for other in others() {
            for (alone, factor) in alone.iter_mut().zip(factors[other]) {
                *alone -= logits[other].exp() / sum * factor;
            }
        }
        let (alone, all) = (heads(&[alone]), heads(&factors));
        let stage = |network: &ResNet3d, target: Target| {
            LastStage::new(network, image.view(), &target, Class::Positive, &Device::Cpu).unwrap()
        };
        let (found, expected) = (stage(&all, Target::softmax(class)), stage(&alone, Target::sigmoid(0)));
        let maps = [found.grad_cam(), expected.grad_cam(), found.grad_cam_pp(), expected.grad_cam_pp()];
        let [cam, expected_cam, pp, expected_pp] = maps.map(|map| third(&map.unwrap().voxels));
        for (map, mapped) in [&cam, &pp].into_iter().zip(&mut mapped) {
            *mapped += usize::from(map.iter().any(|&value| value > 0.0));
        }
        assert_close(cam, &expected_cam, 1e-2);
        assert_close(pp, &expected_pp, 1e-2);
    }
    assert!(mapped.iter().all(|&classes| classes >= 2), "maps with evidence: {mapped:?}");
}

#[test]
fn the_predicted_class_is_explained_unless_asked_otherwise() {
    let fixture = Fixture::load();
    let (network, image) = (fixture.network(), fixture.image());
    let class = if fixture.values("logit")[0] >= 0.0 { Class::Positive } else { Class::Negative };
    let expected = cam(&network, image.view(), class).unwrap();
    assert_eq!(cam(&network, image.view(), Class::Predicted).unwrap(), expected);

    // Negated, the network predicts the other class on the same evidence.
    let negated =
        |key: &str, value: &Tensor| if key.starts_with("fc.") { value.neg().unwrap() } else { value.clone() };
    let weights =
        fixture.weights().into_iter().map(|(key, value)| (key.clone(), negated(&key, &value))).collect();
    let network = frozen(weights, &Device::Cpu, |vb| ResNet3d::new(&CONFIG, vb)).unwrap();
    assert_eq!(cam(&network, image.view(), Class::Predicted).unwrap(), expected);
}

#[test]
fn a_network_that_ignores_its_features_has_a_flat_map() {
    let fixture = Fixture::load();
    let still = |key: &str, value: &Tensor| {
        if key == "fc.weight" { value.zeros_like().unwrap() } else { value.clone() }
    };
    let weights =
        fixture.weights().into_iter().map(|(key, value)| (key.clone(), still(&key, &value))).collect();
    let network = frozen(weights, &Device::Cpu, |vb| ResNet3d::new(&CONFIG, vb)).unwrap();
    let map = cam(&network, fixture.image().view(), Class::Predicted).unwrap();
    assert!(map.flat && map.voxels.iter().all(|v| *v == 0.0));
}

#[test]
fn a_network_in_training_is_explained_as_a_frozen_one() {
    let fixture = Fixture::load();
    let parameters = Parameters::seeded(0, &Device::Cpu);
    let network = ResNet3d::new(&CONFIG, parameters.builder()).unwrap();
    let own = parameters.tensors();
    parameters
        .load(&fixture.weights().into_iter().filter(|(key, _)| own.contains_key(key)).collect())
        .unwrap();
    let image = fixture.image();
    let map = |network: &ResNet3d, image: ImageView<'_>| cam(network, image, Class::Predicted).unwrap();
    assert_eq!(map(&network, image.view()), map(&fixture.network(), image.view()));
}

#[test]
fn an_image_with_other_sequences_is_refused() {
    let network = Fixture::load().network();
    let image = Array4::zeros((3, 16, 16, 16));
    let found = cam(&network, image.view(), Class::Predicted).unwrap_err().to_string();
    assert!(found.contains('3') && found.contains('2'), "{found}");
    let image = Array4::zeros((2, 16, 16, 16));
    for target in [Target::sigmoid(1), Target::softmax(0)] {
        assert!(LastStage::new(&network, image.view(), &target, Class::Positive, &Device::Cpu).is_err());
    }
}

#[test]
fn grad_cam_pp_agrees_with_monai_for_either_class() {
    let fixture = Fixture::load();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/gradcam_pp.safetensors");
    let peer = Fixture(candle_core::safetensors::load(path, &Device::Cpu).unwrap());
    let mut weights = fixture.weights();
    for key in ["fc.weight", "fc.bias"] {
        weights.insert(key.to_owned(), peer.0[key].clone());
    }
    let network = frozen(weights, &Device::Cpu, |vb| ResNet3d::new(&CONFIG, vb)).unwrap();
    for (class, name) in [(Class::Positive, "positive"), (Class::Negative, "negative")] {
        let (image, target) = (fixture.image(), Target::default());
        let stage = LastStage::new(&network, image.view(), &target, class, &Device::Cpu).unwrap();
        let map = stage.grad_cam_pp().unwrap();
        assert!(!map.flat);
        assert_close(third(&map.voxels), &peer.values(name), 0.01);
        // It differs from Grad-CAM's map.
        let plain = stage.grad_cam().unwrap();
        let apart = (&map.voxels - &plain.voxels).mapv(f32::abs).fold(0.0, |a: f32, &b| a.max(b));
        assert!(apart > 1.0, "{apart}");
    }
}
