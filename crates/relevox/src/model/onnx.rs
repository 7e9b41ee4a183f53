//! Networks in ONNX files.

use std::path::Path;

use relevox_models::checkpoint;
use relevox_models::onnx::{LastActivation, Onnx};
use relevox_volume::OutputKind;
use toml::Value;

use super::graph;
use super::loaded::{Loaded, Placement};
use super::options::ModelOptions;
use crate::{ContractKeys, Error};

/// Key of the contract among the file's `metadata_props`.
const CONTRACT: &str = "relevox.input";

/// Loads a network. Sizes that the file leaves open are those of the options, or of the contract's crop.
///
/// # Errors
/// Returns [`Error::Model`] if a file cannot be read or has an operation that is not supported, and [`Error::Relevance`] if
/// the network is not a classifier.
pub(super) fn load(
    path: &Path,
    contract: Option<&ContractKeys>,
    options: &ModelOptions,
    placement: Placement<'_>,
) -> Result<Loaded, Error> {
    let size = options.image_size.or_else(|| contract.and_then(image_size));
    let onnx = checkpoint::load_onnx(path, size)?;
    let stored = stored(path, &onnx);
    let mut notes = Vec::new();
    let kind = onnx.last.map(|last| {
        let (name, kind) = match last {
            LastActivation::Softmax => ("softmax", OutputKind::Softmax),
            LastActivation::Sigmoid => ("sigmoid", OutputKind::Logit),
        };
        notes.push(format!(
            "{}: left out the {name} at the end of the network, so that the outputs are logits",
            path.display()
        ));
        kind
    });
    let loaded = graph::loaded(onnx.graph, notes, options, placement)?;
    Ok(Loaded { stored, kind, ..loaded })
}

/// Reads the contract among the metadata of a file, if there is one.
///
/// # Errors
/// As [`load`], and [`Error::Contract`] if the contract is not TOML.
pub(super) fn stored_contract(path: &Path) -> Result<Option<ContractKeys>, Error> {
    stored(path, &checkpoint::load_onnx(path, None)?).transpose()
}

fn stored(path: &Path, onnx: &Onnx) -> Option<Result<ContractKeys, Error>> {
    let text = onnx.metadata.get(CONTRACT)?;
    Some(ContractKeys::parse(format!("{} ({CONTRACT})", path.display()), text))
}

/// The size of the network's images by a contract: its crop after downsampling, in the order of its axes.
fn image_size(contract: &ContractKeys) -> Option<[usize; 3]> {
    let whole = |value: &Value| usize::try_from(value.as_integer()?).ok().filter(|&n| n > 0);
    let factor = contract.get("downsample").map_or(Some(1), whole)?;
    let crop: Vec<usize> = contract.get("crop")?.as_array()?.iter().map(whole).collect::<Option<_>>()?;
    Some(<[usize; 3]>::try_from(crop).ok()?.map(|size| size / factor))
}
