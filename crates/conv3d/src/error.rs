//! Errors of the arguments.

/// Why an operation cannot be computed.
///
/// The operations return [`candle_core::Error`], as candle's own do, so that they mix with candle's in one function and
/// in gradients; this type is what their arguments are checked with, and converts into it.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Two shapes that must agree do not.
    #[error("{what}: expected {expected:?}, found {found:?}")]
    ShapeMismatch {
        /// The tensor that was compared, with its operation.
        what: &'static str,
        /// The required shape.
        expected: Vec<usize>,
        /// The shape that was given.
        found: Vec<usize>,
    },
    /// A parameter of the operation is out of range.
    #[error("{setting}: expected {expected}, found {found}")]
    InvalidSetting {
        /// The parameter, with its operation.
        setting: &'static str,
        /// The valid values.
        expected: String,
        /// The given value.
        found: String,
    },
    /// A name is not in the table of its type.
    #[error("{what}: expected {expected}, found {found:?}")]
    UnknownName {
        /// The type.
        what: &'static str,
        /// The valid names.
        expected: String,
        /// The given name.
        found: String,
    },
}

impl From<Error> for candle_core::Error {
    fn from(error: Error) -> Self {
        candle_core::Error::wrap(error)
    }
}
