//! Weights in files: our checkpoints, and the weights of networks that PyTorch trained.
//!
//! Checkpoints are safetensors files (<https://github.com/huggingface/safetensors>) with metadata, JSON with sorted keys
//! under the key `relevox`: equal content has equal bytes. Weights of other programs are safetensors files without it, or
//! state dicts of PyTorch's `torch.save` (`.pth`, `.pt`), recognised by their content. Of a state dict no code is run. It
//! may be nested in a dictionary, its names may have the prefixes of wrappers, and its values may be of half or double
//! precision.
//!
//! - `format`, `zip`, `pickle`, `pytorch`, `names`: from bytes to tensors by name;
//! - `architecture`: from these to the configuration of a residual network or DenseNet, with [`WeightsHints`] for what they
//!   do not tell;
//! - `classifier`: from both to a [`Graph`](crate::graph::Graph) of either.

mod architecture;
mod checksum;
mod classifier;
mod format;
mod names;
mod onnx;
mod pickle;
mod pytorch;
#[cfg(test)]
mod tests;
mod zip;

pub use architecture::{Activation, WeightsHints};
pub use classifier::{LoadedGraph, load_graph};
pub use onnx::{OnnxFiles, load_onnx, read_onnx, read_onnx_header};

use crate::{Error, Parameters, ResNet3d, ResNetConfig, UNet3d, UNetConfig, frozen};
use architecture::Problem;
use candle_core::{Device, Tensor};
use format::Format;
use safetensors::SafeTensors;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::Write;
use std::path::Path;

/// Key of the metadata.
const KEY: &str = "relevox";
/// Expected formats, in messages.
const WEIGHTS: &str = "weights (a safetensors file, or a state dict of torch.save)";
const RESNET: &str = "the weights of a residual network (with the keys of MONAI's or torchvision's resnet)";

/// Network of a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Network {
    /// A classifier.
    Resnet(ResNetConfig),
    /// A network from volumes to volumes.
    Unet(UNetConfig),
}

/// Metadata of a checkpoint.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Metadata {
    /// The network.
    pub network: Network,
    /// Preprocessing of the input, in the caller's format.
    #[serde(default)]
    pub preprocess: Value,
    /// Number of epochs that the weights were trained for.
    #[serde(default)]
    pub epoch: usize,
    /// Smallest probability of a positive prediction.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision_threshold: Option<f64>,
    /// The task that the network was trained for, in the caller's format.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub task: Value,
    /// State of the training, to resume from.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub state: Value,
}

impl Metadata {
    /// Creates the metadata of untrained weights.
    pub fn new(network: Network, preprocess: Value) -> Self {
        Self {
            network,
            preprocess,
            epoch: 0,
            decision_threshold: None,
            task: Value::Null,
            state: Value::Null,
        }
    }
}

/// Writes a checkpoint atomically: to a file next to `path`, which is flushed and renamed. That of a training's state has a
/// checksum, which [`load`] compares.
///
/// # Errors
/// Returns [`Error::Io`] if the file cannot be written.
pub fn save(path: &Path, tensors: &BTreeMap<String, Tensor>, metadata: &Metadata) -> Result<(), Error> {
    let json = serde_json::to_value(metadata)
        .and_then(|mut value| {
            checksum::add(tensors, &mut value);
            serde_json::to_string(&sorted(value))
        })
        .map_err(|error| format_error(path, "metadata that JSON can hold", error.to_string()))?;
    let metadata = HashMap::from([(KEY.to_owned(), json)]);
    let bytes = safetensors::serialize(tensors, Some(metadata))
        .map_err(|error| format_error(path, "tensors that safetensors can hold", error.to_string()))?;
    write(path, &bytes)
}

/// Tensors by name, and the metadata of a checkpoint.
pub type Stored = (BTreeMap<String, Tensor>, Option<Metadata>);

/// Reads a checkpoint or other weights to the CPU; the latter have no metadata. Names and precision are those of the file.
///
/// # Errors
/// Returns [`Error::Io`] if the file cannot be read, and the errors of [`parse`].
pub fn load(path: &Path) -> Result<Stored, Error> {
    let bytes =
        fs::read(path).map_err(|source| Error::Io { path: path.to_owned(), action: "read", source })?;
    parse(path, &bytes)
}

/// Reads the content of a file of weights; `path` names it in messages.
///
/// # Errors
/// Returns [`Error::Format`], with what the file is instead, if it is neither a safetensors file nor a state dict of
/// PyTorch, if its metadata are invalid, or if it is a training's state that was changed since it was written.
pub fn parse(path: &Path, bytes: &[u8]) -> Result<Stored, Error> {
    let refuse = |found: String| format_error(path, WEIGHTS, one_line(&found));
    if format::recognise(bytes).map_err(refuse)? == Format::Zip {
        return Ok((pytorch::state_dict(bytes).map_err(refuse)?, None));
    }
    let refuse = |found: String| refuse(format!("an invalid safetensors file ({found})"));
    let (_, header) = SafeTensors::read_metadata(bytes).map_err(|error| refuse(error.to_string()))?;
    let metadata = match header.metadata().as_ref().and_then(|metadata| metadata.get(KEY)) {
        None => None,
        Some(json) => {
            let refuse = |error: serde_json::Error| {
                format_error(path, "metadata of a network of this version", error.to_string())
            };
            let mut metadata: Value = serde_json::from_str(json).map_err(refuse)?;
            checksum::verify(bytes, &mut metadata)
                .map_err(|found| format_error(path, "a training state as it was written", found))?;
            Some(serde_json::from_value(metadata).map_err(refuse)?)
        }
    };
    let tensors = candle_core::safetensors::load_buffer(bytes, &Device::Cpu)
        .map_err(|error| refuse(error.to_string()))?;
    Ok((tensors.into_iter().collect(), metadata))
}

/// Replaces control characters and shortens a text, which may be part of a hostile file.
fn one_line(text: &str) -> String {
    let mut line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(400).collect();
    if line.len() < text.len() {
        line.push('…');
    }
    line
}

/// A network read from a file, its parameters frozen.
#[derive(Debug, Clone)]
pub struct Trained<N, C> {
    /// The network, without a record of gradients for its parameters.
    pub network: N,
    /// Its configuration.
    pub config: C,
    /// Metadata of the file, if it has any.
    pub metadata: Option<Metadata>,
}

/// Loads a classifier: its architecture comes from the metadata, or from the tensors and `hints`.
///
/// # Errors
/// Returns [`Error::Io`] if the file cannot be read; [`Error::Format`] if it holds something else; [`Error::Unstated`] if
/// it has no metadata and `hints` lacks what tensors do not tell; and [`Error::InFile`] if `hints` contradicts it, or with
/// the first key if its weights do not fit.
pub fn load_resnet(
    path: &Path,
    hints: &WeightsHints,
    device: &Device,
) -> Result<Trained<ResNet3d, ResNetConfig>, Error> {
    let (tensors, metadata) = load(path)?;
    let (tensors, config) = match metadata.as_ref().map(|metadata| &metadata.network) {
        Some(Network::Resnet(config)) => {
            hints.check(config).map_err(in_file(path))?;
            (weights(tensors), config.clone())
        }
        Some(other) => return Err(wrong_network(path, "the weights of a residual network", Some(other))),
        None => {
            let (tensors, prefix) = names::stripped(weights(tensors));
            let config = architecture::resnet(&tensors, &prefix, hints).map_err(|problem| match problem {
                Problem::Network(found) | Problem::Other(found) => {
                    format_error(path, RESNET, one_line(&found))
                }
                Problem::Unstated(missing) => Error::Unstated { path: path.to_owned(), missing },
                Problem::Contradiction(error) => in_file(path)(error),
            })?;
            (tensors, config)
        }
    };
    let network = frozen(tensors, device, |vb| ResNet3d::new(&config, vb)).map_err(in_file(path))?;
    Ok(Trained { network, config, metadata })
}

/// Loads a U-Net. `fallback` is the configuration of weights without metadata.
///
/// # Errors
/// Returns [`Error::Io`] if the file cannot be read, [`Error::Format`] if it is of another network or has no metadata and
/// there is no `fallback`, and [`Error::InFile`] with the first key if its weights do not fit.
pub fn load_unet(
    path: &Path,
    fallback: Option<&UNetConfig>,
    device: &Device,
) -> Result<Trained<UNet3d, UNetConfig>, Error> {
    let (tensors, metadata) = load(path)?;
    let network = metadata.as_ref().map(|metadata| &metadata.network);
    let config = match network {
        Some(Network::Unet(config)) => Some(config.clone()),
        Some(_) => None,
        None => fallback.cloned(),
    };
    let config = config.ok_or_else(|| wrong_network(path, "the weights of a U-Net", network))?;
    let network = frozen(weights(tensors), device, |vb| UNet3d::new(&config, vb)).map_err(in_file(path))?;
    Ok(Trained { network, config, metadata })
}

/// Writes all parameters of a network.
///
/// # Errors
/// Returns [`Error::Io`] if the file cannot be written.
pub fn save_parameters(path: &Path, parameters: &Parameters, metadata: &Metadata) -> Result<(), Error> {
    save(path, &parameters.tensors(), metadata)
}

/// Returns the tensors without those of an optimiser, which a training state also holds.
pub fn weights(mut tensors: BTreeMap<String, Tensor>) -> BTreeMap<String, Tensor> {
    tensors.retain(|name, _| !name.starts_with("adam."));
    tensors
}

/// Adds the file to an error.
pub(crate) fn in_file(path: &Path) -> impl FnOnce(Error) -> Error {
    let path = path.to_owned();
    move |source| Error::InFile { path, source: Box::new(source) }
}

pub(crate) fn format_error(path: &Path, expected: &'static str, found: String) -> Error {
    Error::Format { path: path.to_owned(), expected, found }
}

fn wrong_network(path: &Path, expected: &'static str, found: Option<&Network>) -> Error {
    let found = match found {
        None => "weights without metadata: say what network they are of",
        Some(Network::Resnet(_)) => "a residual network",
        Some(Network::Unet(_)) => "a U-Net",
    };
    format_error(path, expected, found.to_owned())
}

/// Sorts the keys of every object, for any map type of serde_json.
fn sorted(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            let map: BTreeMap<String, Value> = map.into_iter().collect();
            Value::Object(map.into_iter().map(|(key, value)| (key, sorted(value))).collect())
        }
        Value::Array(values) => Value::Array(values.into_iter().map(sorted).collect()),
        other => other,
    }
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    // Several processes, also of several hosts, may write to the folder; the hasher's keys are random.
    let random = RandomState::new().build_hasher().finish();
    let mut beside = path.as_os_str().to_owned();
    beside.push(format!(".{}-{random:016x}.part", std::process::id()));
    let beside = Path::new(&beside);
    let written = File::create(beside)
        .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
        .and_then(|()| fs::rename(beside, path));
    written.map_err(|source| {
        // Report the first failure.
        let _ = fs::remove_file(beside);
        Error::Io { path: path.to_owned(), action: "write", source }
    })
}
