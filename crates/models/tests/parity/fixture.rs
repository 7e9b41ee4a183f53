//! The fixtures of this crate, and the images that `make.py` made them of.

use candle_core::{Device, Tensor};
use std::path::PathBuf;

pub use crate::peers::{Fixture, assert_close};

/// Path of a fixture.
pub fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("tests/fixtures/{name}.safetensors"))
}

/// Reads a fixture.
pub fn read(name: &str) -> Fixture {
    Fixture::read(&path(name), &["torch", "monai"])
}

/// The hash that `make.py` makes images with.
pub fn image(shape: &[usize]) -> Tensor {
    let values: Vec<f32> = (0..shape.iter().product::<usize>() as u64)
        .map(|index| ((index * 1_103_515_245 + 12_345) >> 8 & 0xFFFF) as f32 / 65536.0 - 0.5)
        .collect();
    Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
}
