//! What loading a file of any kind results in.

use relevox_models::candle_core::Device;
use relevox_models::engine::{Engine, Network};
use relevox_volume::OutputKind;

use super::any::AnyClassifier;
use super::options::ModelOptions;
use crate::{ContractKeys, Error};

/// The runtime of networks that this workspace computes.
pub(super) const RELEVOX: &str = "relevox";

/// A network from a file.
pub(super) struct Loaded {
    pub(super) classifier: AnyClassifier,
    /// Number of channels of the input.
    pub(super) channels: usize,
    /// Number of outputs.
    pub(super) outputs: usize,
    /// The contract in the file itself. Its errors matter only if no other contract precedes it.
    pub(super) stored: Option<Result<ContractKeys, Error>>,
    /// Meaning of the outputs that the file itself states.
    pub(super) kind: Option<OutputKind>,
    /// What computes the network, with its version unless it is [`RELEVOX`].
    pub(super) runtime: String,
    /// What was assumed or changed, one line each.
    pub(super) notes: Vec<String>,
}

/// Where networks run.
#[derive(Clone, Copy)]
pub(super) struct Placement<'a> {
    pub(super) device: &'a Device,
    /// Number of networks that share the memory of the options.
    pub(super) networks: usize,
}

impl Placement<'_> {
    /// Creates the engine of a network with the options.
    ///
    /// # Errors
    /// Returns [`Error::Model`] if the network cannot be compiled.
    pub(super) fn engine<N: Network>(self, network: N, options: &ModelOptions) -> Result<Engine<N>, Error> {
        let mut engine = Engine::new(network, self.device.clone())?.dense(options.dense);
        if let Some(bytes) = options.memory_bytes {
            // Each network caches the scan's activations until all are done.
            engine = engine.memory(bytes / self.networks.max(1));
        }
        if let Some(notice) = options.on_smaller_batches.clone() {
            engine = engine.on_smaller_batches(Box::new(move |most| notice(most)));
        }
        Ok(engine)
    }
}
