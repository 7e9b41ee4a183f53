//! Weights: safetensors and PyTorch's state dicts.

use std::path::Path;

use relevox_models::candle_core::{DType, Device, Tensor};
use relevox_models::checkpoint::{self, Metadata, Network};
use relevox_models::{Parameters, ResNet3d, ResNetConfig};

use super::Read;

const PTH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../crates/models/tests/fixtures/weights");

pub(super) fn safetensors_seeds() -> Vec<Vec<u8>> {
    let Ok(folder) = tempfile::tempdir() else { return Vec::new() };
    let path = folder.path().join("w.safetensors");
    let config = ResNetConfig { depth: 10, width: 2, ..ResNetConfig::default() };
    let parameters = Parameters::seeded(1, &Device::Cpu);
    if ResNet3d::new(&config, parameters.builder()).is_err() {
        return Vec::new();
    }
    let metadata = Metadata::new(Network::Resnet(config), serde_json::json!({ "crop": [8, 8, 8] }));
    let tensors = [("a.weight", DType::F32), ("b", DType::F16), ("c", DType::U8)].into_iter();
    let small = tensors
        .filter_map(|(name, dtype)| Some((name.to_owned(), Tensor::zeros((2, 3), dtype, &Device::Cpu).ok()?)))
        .collect();
    let whole = checkpoint::save_parameters(&path, &parameters, &metadata)
        .ok()
        .and_then(|()| std::fs::read(&path).ok());
    let few = checkpoint::save(&path, &small, &metadata).ok().and_then(|()| std::fs::read(&path).ok());
    whole.into_iter().chain(few).collect()
}

pub(super) fn pickle_seeds() -> Vec<Vec<u8>> {
    let Ok(entries) = std::fs::read_dir(PTH) else { return Vec::new() };
    let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    paths.iter().filter_map(|path| std::fs::read(path).ok()).collect()
}

pub(super) fn read(input: &[u8]) -> Result<Read, String> {
    match checkpoint::parse(Path::new("w"), input) {
        Ok(_) => Ok(Read { decoded_bytes: input.len(), accepted: true }),
        Err(error) if error.to_string().contains('\n') => {
            Err(format!("an error of several lines: {error:?}"))
        }
        Err(_) => Ok(Read { decoded_bytes: input.len(), accepted: false }),
    }
}
