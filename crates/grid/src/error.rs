//! Errors of patches.

/// Why a patch could not be made or applied.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
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
}
