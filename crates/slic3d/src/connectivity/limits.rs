//! Size limits of connected components.

/// Size limits of a connected component, in voxels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct SizeLimits {
    /// Smaller components are merged into a neighbour.
    pub(crate) min: usize,
    /// Components are cut at this size.
    pub(crate) max: usize,
}
