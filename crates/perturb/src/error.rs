//! Errors of fills.

/// Result of the methods of a fill.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a region could not be replaced, or a fill not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
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
    /// Two shapes that must agree do not.
    #[error("{what}: expected {expected:?}, found {found:?}")]
    ShapeMismatch {
        /// The array or box that was compared.
        what: &'static str,
        /// The required shape.
        expected: Vec<usize>,
        /// The shape that was given.
        found: Vec<usize>,
    },
    /// A value is NaN or infinite.
    #[error("{what}: expected a finite value, found {value}")]
    NonFinite {
        /// The fill and the channel.
        what: String,
        /// The value.
        value: f32,
    },
    /// The mask has no voxel, so that its minimum, maximum and mean do not exist.
    #[error("fill {fill}: expected a mask with at least 1 voxel, found none")]
    EmptyMask {
        /// The fill's name.
        fill: String,
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
        /// The setting.
        setting: &'static str,
        /// The values it can take.
        expected: String,
        /// The value that was given.
        found: String,
    },
    /// A tensor operation failed.
    #[cfg(feature = "learned")]
    #[error("learned fill: {0}")]
    Tensor(#[from] candle_core::Error),
    /// Weights do not fit the U-Net, or a checkpoint cannot be read or written.
    #[cfg(feature = "learned")]
    #[error(transparent)]
    Network(#[from] relevox_models::Error),
    /// There is nothing to learn from.
    #[cfg(feature = "learned")]
    #[error(
        "learned fill: expected a region with a value other than 0, found none in {cases} training cases"
    )]
    NoRegions {
        /// Number of training cases.
        cases: usize,
    },
    /// The loss is NaN or infinite.
    #[cfg(feature = "learned")]
    #[error("learned fill: training diverged: the loss of pass {pass}, step {step} is {loss}")]
    Diverged {
        /// The pass, from 1.
        pass: usize,
        /// The step of that pass, from 1.
        step: usize,
        /// The loss.
        loss: f64,
    },
    /// The caller stopped the training.
    #[cfg(feature = "learned")]
    #[error("learned fill: training was interrupted in pass {pass}")]
    Interrupted {
        /// The unfinished pass, from 1.
        pass: usize,
    },
}

impl Error {
    /// The error of a value of a fill's channel.
    pub(crate) fn non_finite(fill: &str, channel: usize, value: f32) -> Self {
        Self::NonFinite { what: format!("fill {fill}, channel {channel}"), value }
    }
}

impl From<relevox_grid::Error> for Error {
    fn from(error: relevox_grid::Error) -> Self {
        match error {
            relevox_grid::Error::ShapeMismatch { what, expected, found } => {
                Self::ShapeMismatch { what, expected, found }
            }
            other => Self::InvalidSetting {
                setting: "patch",
                expected: "one that fits the image".to_owned(),
                found: other.to_string(),
            },
        }
    }
}
