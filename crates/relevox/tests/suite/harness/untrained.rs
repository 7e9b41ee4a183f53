//! Untrained networks, their input as a tensor, and `explain` on it.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use ndarray::Array4;
use relevox_models::candle_core::Device;
use relevox_models::checkpoint::{self, Metadata, Network};
use relevox_models::{Parameters, ResNet3d, ResNetConfig};
use relevox_volume::npy;
use serde_json::Value;

use super::{relevox, stderr, succeed};

/// Shape of the tensors, `[c, z, y, x]`.
pub const SHAPE: [usize; 4] = [2, 20, 24, 28];

/// A folder with `model.safetensors`, an untrained network of 2 channels without metadata on its input, and `x.npy`.
pub struct Untrained {
    folder: tempfile::TempDir,
}

impl Untrained {
    pub fn new(outputs: usize) -> Self {
        Self::of_network(ResNetConfig { in_channels: 2, outputs, ..ResNetConfig::default() })
    }

    /// An untrained network of another number of channels, which does not take `x.npy`.
    pub fn of_channels(in_channels: usize) -> Self {
        Self::of_network(ResNetConfig { in_channels, ..ResNetConfig::default() })
    }

    fn of_network(network: ResNetConfig) -> Self {
        let untrained = Self { folder: tempfile::tempdir().unwrap() };
        // Without strides in the stem, so that the last feature map has several voxels.
        let network = ResNetConfig { depth: 10, width: 4, stem_stride: [1; 3], max_pool: false, ..network };
        let parameters = Parameters::seeded(7, &Device::Cpu);
        ResNet3d::new(&network, parameters.builder()).unwrap();
        let metadata = Metadata::new(Network::Resnet(network), Value::Null);
        checkpoint::save_parameters(&untrained.path("model.safetensors"), &parameters, &metadata).unwrap();
        npy::write(&untrained.path("x.npy"), image().view().into_dyn()).unwrap();
        untrained
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    /// Explains a tensor with the network.
    pub fn explain(&self, tensor: &str, more: &[&str]) -> Command {
        self.explain_by(&["--model", &self.text("model.safetensors")], tensor, more)
    }

    /// Explains a tensor with the classifier of these options.
    pub fn explain_by(&self, classifier: &[&str], tensor: &str, more: &[&str]) -> Command {
        let (tensor, out) = (self.text(tensor), self.text("out"));
        let to = ["explain", "--tensor", &tensor, "--out", &out];
        relevox(&[&to[..], classifier, more].concat())
    }

    /// Returns the result and stderr.
    pub fn explained(&self, tensor: &str, more: &[&str]) -> (Value, String) {
        let output = succeed(self.explain(tensor, more));
        (serde_json::from_slice(&output.stdout).unwrap(), stderr(&output))
    }

    /// Returns a table of the latest explanation as text.
    pub fn scores(&self) -> String {
        fs::read_to_string(self.path("out/perturb.csv")).unwrap()
    }
}

/// Smooth intensities that differ by channel and axis, in air.
pub fn image() -> Array4<f32> {
    let [_, nz, ny, nx] = SHAPE;
    Array4::from_shape_fn(SHAPE, |(c, z, y, x)| {
        let [z, y, x] = [(z, nz), (y, ny), (x, nx)].map(|(i, n)| i as f32 / n as f32 - 0.48);
        let inside = z * z + y * y + x * x < 0.15;
        if inside { 0.6 + 0.3 * (9.0 * x + 5.0 * y + 3.0 * z * x + c as f32).sin() } else { 0.0 }
    })
}
