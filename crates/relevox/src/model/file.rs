//! Networks from files of any kind.

use std::path::Path;

use super::loaded::{Loaded, Placement};
use super::options::ModelOptions;
use super::{onnx, weights};
use crate::{ContractKeys, Error};

/// Loads a network by the kind of its file, each of which has a module of its own. `contract` tells what the file does not.
///
/// # Errors
/// As [`weights::load`] or, of a file named `.onnx`, [`onnx::load`].
pub(super) fn load(
    path: &Path,
    contract: Option<&ContractKeys>,
    options: &ModelOptions,
    placement: Placement<'_>,
) -> Result<Loaded, Error> {
    if is_onnx(path) {
        return onnx::load(path, contract, options, placement);
    }
    weights::load(path, contract, options, placement)
}

/// Reads the contract in a file itself, if it has one.
///
/// # Errors
/// As [`weights::stored_contract`] or [`onnx::stored_contract`].
pub(super) fn stored_contract(path: &Path) -> Result<Option<ContractKeys>, Error> {
    if is_onnx(path) { onnx::stored_contract(path) } else { weights::stored_contract(path) }
}

fn is_onnx(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("onnx"))
}
