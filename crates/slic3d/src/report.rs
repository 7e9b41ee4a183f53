//! Statistics of a segmentation.

/// Statistics of a segmentation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Report {
    /// Number of regions requested.
    pub requested: usize,
    /// Number of clusters that k-means started with.
    pub seeds: usize,
    /// Number of clusters that k-means left without a voxel.
    pub empty: usize,
    /// Number of regions in the result, as [`Supervoxels::len`](crate::Supervoxels::len).
    pub regions: usize,
    /// Number of k-means iterations.
    pub iterations: usize,
    /// Whether k-means converged, so that more iterations would not change the labels.
    pub converged: bool,
    /// Number of distances that k-means computed between a voxel and a cluster, a measure of its work. With the search
    /// windows alone as bounds, a voxel needs about 64 an iteration.
    pub distances: u64,
}
