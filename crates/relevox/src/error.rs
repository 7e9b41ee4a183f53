//! Errors of the facade.

use crate::command::CommandError;
use crate::runtime::RuntimeError;

/// Why a case could not be explained.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Scans, labels or preprocessing.
    #[error(transparent)]
    Volume(#[from] relevox_volume::Error),
    /// Weights, a network or a device.
    #[error(transparent)]
    Model(#[from] relevox_models::Error),
    /// A fill.
    #[error(transparent)]
    Fill(#[from] relevox_perturb::Error),
    /// A classifier, an explainer or a map.
    #[error(transparent)]
    Relevance(#[from] relevox_relevance::Error),
    /// A threshold or a measure of a map.
    #[error(transparent)]
    Eval(#[from] relevox_eval::Error),
    /// Supervoxels.
    #[error(transparent)]
    Supervoxels(#[from] slic3d::Error),
    /// An external program that classifies.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// ONNX Runtime, which the options ask for.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    /// A network has an operator that Relevox does not have, and ONNX Runtime cannot compute it.
    #[error("{operator}; {runtime}")]
    Unsupported {
        /// The operator and its node.
        operator: Box<relevox_models::Error>,
        /// Why ONNX Runtime cannot compute the network.
        runtime: Box<RuntimeError>,
    },
    /// A name that is not in its table.
    #[error("{what}: expected {expected}, found {found}")]
    UnknownName {
        /// What was to be chosen.
        what: &'static str,
        /// The names there are.
        expected: String,
        /// The given name.
        found: String,
    },
    /// A setting is out of range, or contradicts the weights.
    #[error("{setting}: expected {expected}, found {found}")]
    InvalidSetting {
        /// The setting.
        setting: &'static str,
        /// The values it can take.
        expected: String,
        /// The value that was given.
        found: String,
    },
    /// The contract of a network's input is missing, or one of its keys is wrong.
    #[error("{name}: {reason}")]
    Contract {
        /// The contract's file, or the weights without one.
        name: String,
        /// What is wrong, and what was expected.
        reason: String,
        /// A contract to fill in, in TOML.
        example: Option<String>,
    },
}

impl Error {
    pub(crate) fn contract(name: &str, reason: String) -> Self {
        Self::Contract { name: name.to_owned(), reason, example: None }
    }

    pub(crate) fn setting(setting: &'static str, expected: impl Into<String>, found: impl ToString) -> Self {
        Self::InvalidSetting { setting, expected: expected.into(), found: found.to_string() }
    }
}
