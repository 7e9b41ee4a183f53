//! How k-means ended.

/// How k-means ended.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Convergence {
    pub(crate) iterations: usize,
    pub(crate) converged: bool,
    /// Number of distances computed between a voxel and a cluster.
    pub(crate) distances: u64,
}
