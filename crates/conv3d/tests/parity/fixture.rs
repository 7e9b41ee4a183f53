//! PyTorch's values, and the comparison with them.

use candle_core::{Device, Tensor, Var};
use safetensors::SafeTensors;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;

/// Tensors by name, and the parameters of the cases.
pub struct Fixture {
    tensors: BTreeMap<String, Tensor>,
    cases: String,
}

impl Fixture {
    pub fn read() -> Self {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/operations.safetensors");
        let bytes = std::fs::read(path).unwrap();
        let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
        let metadata = header.metadata().clone().unwrap();
        assert!(metadata.contains_key("torch"), "the version of PyTorch");
        let tensors = candle_core::safetensors::load_buffer(&bytes, &Device::Cpu).unwrap();
        Self { tensors: tensors.into_iter().collect(), cases: metadata["cases"].clone() }
    }

    pub fn cases<T: DeserializeOwned>(&self) -> Vec<T> {
        serde_json::from_str(&self.cases).unwrap()
    }

    pub fn get(&self, key: &str) -> &Tensor {
        self.tensors.get(key).unwrap_or_else(|| panic!("the fixture has no {key}"))
    }

    pub fn var(&self, key: &str) -> Var {
        Var::from_tensor(self.get(key)).unwrap()
    }

    /// Tensors whose names begin with `prefix`, by the rest of the name.
    pub fn under<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = (&'a str, &'a Tensor)> {
        self.tensors.iter().filter_map(move |(key, tensor)| Some((key.strip_prefix(prefix)?, tensor)))
    }
}

/// Asserts that no value differs from PyTorch's by more than `tolerance` times PyTorch's largest.
#[track_caller]
pub fn assert_close(what: &str, found: &Tensor, expected: &Tensor, tolerance: f32) {
    assert_eq!(found.dims(), expected.dims(), "{what}: shapes");
    let list = |tensor: &Tensor| tensor.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    let (found, expected) = (list(found), list(expected));
    let scale = expected.iter().fold(0f32, |scale, value| scale.max(value.abs())).max(1e-6);
    for (index, (&found, &expected)) in found.iter().zip(&expected).enumerate() {
        let error = (found - expected).abs() / scale;
        assert!(error <= tolerance, "{what}, value {index}: expected {expected}, found {found}");
    }
}
