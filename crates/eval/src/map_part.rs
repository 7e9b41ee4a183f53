//! The part of a relevance map that has one value.

/// The part of a relevance map that has one value: a voxel, a region, or all voxels of that value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MapPart {
    /// The value of the map.
    pub value: f64,
    /// Number of voxels.
    pub voxels: usize,
    /// Number of voxels that lie in the ground truth.
    pub inside: usize,
}
