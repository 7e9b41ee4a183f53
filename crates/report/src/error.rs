//! Errors of this crate.

/// Why a table, a figure or the page could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A name that no entry of the table has, such as that of a method in a file of another version.
    #[error("{what}: expected {expected}, found {found}")]
    UnknownName {
        /// What was named: `method`, `threshold` or `measure`.
        what: &'static str,
        /// The known names.
        expected: String,
        /// The name that was found.
        found: String,
    },
}
