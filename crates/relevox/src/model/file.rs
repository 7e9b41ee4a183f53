//! Networks from files of any kind.

use std::path::Path;

use super::loaded::{Loaded, Placement};
use super::options::ModelOptions;
use super::weights;
use crate::{ContractKeys, Error};

/// Loads a network by the kind of its file, each of which has a module of its own. `contract` tells what the file does not.
///
/// # Errors
/// As [`weights::load`].
pub(super) fn load(
    path: &Path,
    contract: Option<&ContractKeys>,
    options: &ModelOptions,
    placement: Placement<'_>,
) -> Result<Loaded, Error> {
    weights::load(path, contract, options, placement)
}

/// Reads the contract in a file itself, if it has one.
///
/// # Errors
/// As [`weights::stored_contract`].
pub(super) fn stored_contract(path: &Path) -> Result<Option<ContractKeys>, Error> {
    weights::stored_contract(path)
}
