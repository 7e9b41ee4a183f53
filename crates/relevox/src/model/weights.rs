//! Weights of residual networks and DenseNets: safetensors, and state dicts of PyTorch.

use std::fmt::Debug;
use std::path::Path;

use relevox_models::checkpoint::{self, Activation, WeightsHints};
use relevox_models::{Error as ModelError, ResNetConfig};
use relevox_relevance::NetworkClassifier;
use relevox_volume::Preprocess;

use super::any::AnyClassifier;
use super::graph;
use super::keys;
use super::loaded::{Loaded, Placement, RELEVOX};
use super::options::ModelOptions;
use crate::contract::{NetworkKeys, StemStride};
use crate::{ContractKeys, Error};

/// Loads weights. `contract` and the options tell what weights do not.
///
/// # Errors
/// Returns [`Error::Model`] if the file cannot be read or its weights do not fit a network, [`Error::Contract`] if nothing
/// states what weights do not tell, and [`Error::InvalidSetting`] if a statement contradicts the file.
pub(super) fn load(
    path: &Path,
    contract: Option<&ContractKeys>,
    options: &ModelOptions,
    placement: Placement<'_>,
) -> Result<Loaded, Error> {
    let hints = hints(contract, options)?;
    let trained = match checkpoint::load_resnet(path, &hints, placement.device) {
        Err(ModelError::Unstated { .. }) if contract.is_none() => {
            // The channels and outputs of the example, whatever the stem.
            let hints = WeightsHints { stem_stride: Some([1; 3]), max_pool: Some(true), ..hints };
            let config = checkpoint::load_resnet(path, &hints, placement.device)?.config;
            return Err(keys::missing(path, config.in_channels, config.outputs, true));
        }
        Err(error @ ModelError::Unstated { .. }) => {
            let name = contract.map_or("the contract", ContractKeys::name);
            let where_to = "state it in the contract's table [network], or by --stem-stride and --max-pool";
            return Err(Error::contract(name, format!("{error}; {where_to}")));
        }
        Err(error @ ModelError::Io { .. }) => return Err(error.into()),
        // Another architecture, or the reason why it is none.
        Err(_) => {
            let loaded = checkpoint::load_graph(path, &hints).map_err(contradiction)?;
            let note = format!("{}: {}", path.display(), loaded.architecture);
            return graph::loaded(loaded.graph, vec![note], options, placement);
        }
        Ok(trained) => trained,
    };
    let stored = trained.metadata.map(|metadata| metadata.preprocess).filter(|stored| !stored.is_null());
    let ResNetConfig { in_channels, outputs, .. } = trained.config;
    let engine = placement.engine(trained.network, options)?;
    let classifier = AnyClassifier::new(NetworkClassifier::from(engine));
    let stored = stored.map(|stored| contract_of_metadata(path, &stored));
    let runtime = RELEVOX.to_owned();
    Ok(Loaded { classifier, channels: in_channels, outputs, stored, kind: None, runtime, notes: Vec::new() })
}

/// Reads the contract in a checkpoint's metadata.
///
/// # Errors
/// Returns [`Error::Model`] if the file cannot be read, and [`Error::InvalidSetting`] if its metadata are of another kind.
pub(super) fn stored_contract(path: &Path) -> Result<Option<ContractKeys>, Error> {
    let (_, metadata) = checkpoint::load(path)?;
    let stored = metadata.map(|metadata| metadata.preprocess).filter(|stored| !stored.is_null());
    stored.map(|stored| contract_of_metadata(path, &stored)).transpose()
}

/// What the contract and the options tell about the network.
fn hints(contract: Option<&ContractKeys>, options: &ModelOptions) -> Result<WeightsHints, Error> {
    let keys = contract.map(ContractKeys::network).transpose()?.unwrap_or_default();
    let source = contract.map_or("the contract", ContractKeys::name);
    let NetworkKeys { stem_stride, max_pool, activation } = keys;
    let stem_stride = stem_stride.map(StemStride::each);
    let of_options = options.stem_stride.map(|stride| [stride; 3]);
    Ok(WeightsHints {
        depth: options.depth,
        width: options.width,
        stem_stride: agreed("stem-stride", of_options, stem_stride, source)?,
        max_pool: agreed("max-pool", options.max_pool, max_pool, source)?,
        activation: activation
            .map(|name| {
                name.parse::<Activation>().map_err(|error| Error::contract(source, error.to_string()))
            })
            .transpose()?,
        ..WeightsHints::default()
    })
}

/// Returns what an option or a contract states.
///
/// # Errors
/// Returns [`Error::InvalidSetting`] if they contradict each other.
fn agreed<T: PartialEq + Debug>(
    option: &'static str,
    of_option: Option<T>,
    of_contract: Option<T>,
    source: &str,
) -> Result<Option<T>, Error> {
    match (of_option, of_contract) {
        (Some(found), Some(stated)) if found != stated => {
            Err(Error::setting(option, format!("{stated:?}, as {source} states"), format!("{found:?}")))
        }
        (found, stated) => Ok(found.or(stated)),
    }
}

fn contract_of_metadata(path: &Path, stored: &serde_json::Value) -> Result<ContractKeys, Error> {
    let preprocess: Preprocess = serde_json::from_value(stored.clone()).map_err(|error| {
        let expected = format!("preprocessing settings in {}", path.display());
        Error::setting("model", expected, error)
    })?;
    ContractKeys::of_preprocess(path.display().to_string(), preprocess)
}

/// Names the option or key that contradicts the weights.
fn contradiction(error: ModelError) -> Error {
    match error {
        ModelError::InFile { path, source } => match *source {
            ModelError::InvalidSetting { setting, expected, found } => {
                let setting = match setting {
                    "stem_stride" => "stem-stride",
                    "max_pool" => "max-pool",
                    other => other,
                };
                Error::setting(setting, format!("{expected} ({})", path.display()), found)
            }
            source => ModelError::InFile { path, source: Box::new(source) }.into(),
        },
        other => other.into(),
    }
}
