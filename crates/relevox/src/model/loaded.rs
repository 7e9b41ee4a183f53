//! What loading a file of any kind results in.

use relevox_models::candle_core::Device;

use super::any::AnyClassifier;
use crate::{ContractKeys, Error};

/// A network from a file.
pub(super) struct Loaded {
    pub(super) classifier: AnyClassifier,
    /// Number of channels of the input.
    pub(super) channels: usize,
    /// Number of outputs.
    pub(super) outputs: usize,
    /// The contract in the file itself. Its errors matter only if no other contract precedes it.
    pub(super) stored: Option<Result<ContractKeys, Error>>,
}

/// Where networks run.
#[derive(Clone, Copy)]
pub(super) struct Placement<'a> {
    pub(super) device: &'a Device,
    /// Number of networks that share the memory of the options.
    pub(super) networks: usize,
}
