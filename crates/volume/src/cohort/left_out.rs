//! Cases that were found but cannot be used.

/// A case that was found and left out of the cohort.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOut {
    /// Identifier of the case.
    pub case: String,
    /// What the case lacks.
    pub reason: String,
}
