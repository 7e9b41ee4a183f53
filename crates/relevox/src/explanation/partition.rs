//! Relevance on each of several partitions.

use relevox_relevance::Attribution;
use slic3d::Supervoxels;

/// A partition of the network's grid, with the diffused relevance of its regions.
#[derive(Clone, Debug)]
pub struct PartitionRelevance {
    /// The partition.
    pub regions: Supervoxels,
    /// Diffused changes of the output by region.
    pub attribution: Attribution,
}
