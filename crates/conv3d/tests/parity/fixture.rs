//! Values of other libraries in safetensors files, and the comparison with them.

use candle_core::{Device, Tensor, Var};
use safetensors::SafeTensors;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::path::Path;

/// Tensors and metadata by name.
pub struct Fixture {
    tensors: BTreeMap<String, Tensor>,
    metadata: BTreeMap<String, String>,
}

impl Fixture {
    /// Reads a file, which must hold the version of each of the `peers`.
    pub fn read(path: &Path, peers: &[&str]) -> Self {
        let bytes = std::fs::read(path).unwrap();
        let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
        let metadata: BTreeMap<_, _> = header.metadata().clone().unwrap().into_iter().collect();
        for peer in peers {
            assert!(metadata.contains_key(*peer), "{}: expected the version of {peer}", path.display());
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

    /// Tensors whose names begin with `prefix`, by the rest of the name.
    pub fn under<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = (&'a str, &'a Tensor)> {
        self.tensors.iter().filter_map(move |(key, tensor)| Some((key.strip_prefix(prefix)?, tensor)))
    }
}

/// Asserts that no value differs from the expected one by more than `tolerance` times the largest expected one.
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
