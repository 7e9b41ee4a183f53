//! Networks from files of any kind.

use std::path::Path;

use super::loaded::{Loaded, Placement};
use super::options::ModelOptions;
use super::{onnx, weights};
use crate::{ContractKeys, Error, Runtime};

/// Loads a network by the kind of its file, each of which has a module of its own. `contract` tells what the file does not.
///
/// # Errors
/// As [`weights::load`] or, of a file named `.onnx`, [`onnx::load`]; [`Error::InvalidSetting`] if the options ask for ONNX
/// Runtime for any other file.
pub(super) fn load(
    path: &Path,
    contract: Option<&ContractKeys>,
    options: &ModelOptions,
    placement: Placement<'_>,
) -> Result<Loaded, Error> {
    if is_onnx(path) {
        refuse_properties(path, options)?;
        return onnx::load(path, contract, options, placement);
    }
    if options.runtime == Runtime::OnnxRuntime {
        let expected = format!("{} or {}, of a file that is not ONNX", Runtime::Auto, Runtime::Relevox);
        return Err(Error::setting(
            "runtime",
            expected,
            format!("{}, with {}", options.runtime, path.display()),
        ));
    }
    weights::load(path, contract, options, placement)
}

/// Refuses options about a network that its ONNX file states itself.
///
/// # Errors
/// Returns [`Error::InvalidSetting`] for the first of them.
fn refuse_properties(path: &Path, options: &ModelOptions) -> Result<(), Error> {
    let ModelOptions { depth, width, stem_stride, max_pool, .. } = options;
    let number = |value: &Option<usize>| value.map(|value| value.to_string());
    let given = [
        ("depth", number(depth)),
        ("width", number(width)),
        ("stem-stride", number(stem_stride)),
        ("max-pool", max_pool.map(|value| value.to_string())),
    ];
    match given.into_iter().find_map(|(option, value)| Some((option, value?))) {
        Some((option, found)) => {
            let expected = format!("none, since {} states its network itself", path.display());
            Err(Error::setting(option, expected, found))
        }
        None => Ok(()),
    }
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
