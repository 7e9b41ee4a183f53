//! Fixtures, and how near is near enough.

use candle_core::{Device, Tensor, Var};
use safetensors::SafeTensors;
use serde::de::DeserializeOwned;
use std::{collections::BTreeMap, path::PathBuf};

pub struct Fixture {
    tensors: BTreeMap<String, Tensor>,
    metadata: BTreeMap<String, String>,
}

pub fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("tests/fixtures/{name}.safetensors"))
}

impl Fixture {
    pub fn read(name: &str) -> Self {
        let bytes = std::fs::read(path(name)).unwrap();
        let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
        let metadata: BTreeMap<_, _> = header.metadata().clone().unwrap().into_iter().collect();
        for peer in ["torch", "monai"] {
            assert!(metadata.contains_key(peer), "{name} does not say which {peer} made it");
        }
        let tensors = candle_core::safetensors::load_buffer(&bytes, &Device::Cpu).unwrap();
        Self { tensors: tensors.into_iter().collect(), metadata }
    }

    pub fn metadata<T: DeserializeOwned>(&self, key: &str) -> T {
        serde_json::from_str(&self.metadata[key]).unwrap()
    }

    pub fn get(&self, key: &str) -> &Tensor {
        self.tensors.get(key).unwrap_or_else(|| panic!("the fixture has no {key}"))
    }

    pub fn var(&self, key: &str) -> Var {
        Var::from_tensor(self.get(key)).unwrap()
    }

    /// Keys under `prefix`, with what follows it.
    pub fn under<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = (&'a str, &'a Tensor)> {
        self.tensors.iter().filter_map(move |(key, tensor)| Some((key.strip_prefix(prefix)?, tensor)))
    }
}

/// The hash that `make.py` makes images with.
pub fn image(shape: &[usize]) -> Tensor {
    let values: Vec<f32> = (0..shape.iter().product::<usize>() as u64)
        .map(|index| ((index * 1_103_515_245 + 12_345) >> 8 & 0xFFFF) as f32 / 65536.0 - 0.5)
        .collect();
    Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
}

/// Asserts that no value is further from its peer's than `tolerance` times the peer's largest.
#[track_caller]
pub fn assert_close(what: &str, found: &Tensor, expected: &Tensor, tolerance: f32) {
    assert_eq!(found.dims(), expected.dims(), "{what}: shapes");
    let list = |tensor: &Tensor| tensor.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    let (found, expected) = (list(found), list(expected));
    let scale = expected.iter().fold(0f32, |scale, value| scale.max(value.abs())).max(1e-6);
    for (index, (&found, &expected)) in found.iter().zip(&expected).enumerate() {
        let error = (found - expected).abs() / scale;
        assert!(error <= tolerance, "{what}, value {index}: {found} beside {expected}, off by {error:e}");
    }
}
