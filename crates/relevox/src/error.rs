//! Errors of the facade.

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
    /// Supervoxels.
    #[error(transparent)]
    Supervoxels(#[from] slic3d::Error),
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
}

impl Error {
    pub(crate) fn setting(setting: &'static str, expected: impl Into<String>, found: impl ToString) -> Self {
        Self::InvalidSetting { setting, expected: expected.into(), found: found.to_string() }
    }
}
