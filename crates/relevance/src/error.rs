//! Errors between a scan and its relevance map.

/// Why a scan could not be explained or a map not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The fill failed.
    #[error(transparent)]
    Fill(#[from] relevox_perturb::Error),
    /// A black box failed.
    #[error("the classifier failed: {0}")]
    BlackBox(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Two shapes that must agree do not.
    #[error("{what}: expected {expected:?}, found {found:?}")]
    ShapeMismatch {
        /// The compared arrays.
        what: &'static str,
        /// The required shape.
        expected: Vec<usize>,
        /// The shape that was given.
        found: Vec<usize>,
    },
    /// A logit or a map's value is NaN or infinite.
    #[error("{what}: expected a finite value, found {value}")]
    NonFinite {
        /// The input that the logit belongs to, or the voxel.
        what: String,
        /// The value.
        value: f32,
    },
    /// An index is too large.
    #[error("{what} {found} is out of range: expected an index below {len}, counted from 0")]
    OutOfRange {
        /// The indexed thing.
        what: &'static str,
        /// Number of things.
        len: usize,
        /// The index that was given.
        found: usize,
    },
    /// The region ids of scores and partition differ.
    #[error("row {row} of the scores: expected region id {expected}, found {found}")]
    OtherPartition {
        /// The row, counted from 0.
        row: usize,
        /// The partition's id there.
        expected: u32,
        /// The row's id.
        found: u32,
    },
    /// A name is not in the table of its kind.
    #[error("{what}: expected {expected}, found `{found}`")]
    UnknownName {
        /// The kind of thing that was named.
        what: &'static str,
        /// The known names.
        expected: String,
        /// The name that was given.
        found: String,
    },
    /// A setting is out of range.
    #[error("{setting}: expected {expected}, found {found}")]
    InvalidSetting {
        /// The explainer and its setting.
        setting: &'static str,
        /// The values it can take.
        expected: String,
        /// The value that was given.
        found: String,
    },
    /// The caller stopped the work.
    #[error("cancelled")]
    Cancelled,
    /// A tensor operation failed.
    #[cfg(feature = "candle")]
    #[error("network: {0}")]
    Tensor(#[from] candle_core::Error),
    /// A network cannot be compiled, or does not take the image.
    #[cfg(feature = "candle")]
    #[error(transparent)]
    Network(#[from] relevox_models::Error),
}

impl Error {
    /// Wraps the error of a black box.
    pub fn black_box(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::BlackBox(error.into())
    }

    /// The error of a setting.
    pub(crate) fn setting(
        setting: &'static str,
        expected: impl Into<String>,
        found: impl std::fmt::Display,
    ) -> Self {
        Self::InvalidSetting { setting, expected: expected.into(), found: found.to_string() }
    }
}
