//! Requirements of cases in a list.

/// Requirements of a case besides its scans.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Needs {
    /// A class and, outside of BIDS and manifests, a segmentation: a case of an experiment.
    Class,
    /// Nothing: a case to be explained. Its label has no meaning.
    Nothing,
}
