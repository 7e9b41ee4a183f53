//! Validated settings, in the precision of the algorithm.

/// Settings that were validated by [`Slic::check`](crate::Slic::check).
#[derive(Debug, Clone, PartialEq)]
pub struct ValidSlic {
    pub(crate) regions: usize,
    /// Weight of intensities: 1 / compactness.
    pub(crate) ratio: f32,
    pub(crate) iterations: usize,
    /// Smoothing kernels along `[z, y, x]`; an empty one skips its axis.
    pub(crate) kernels: [Vec<f64>; 3],
    pub(crate) spacing: [f32; 3],
    pub(crate) enforce_connectivity: bool,
    pub(crate) min_size_factor: f64,
    pub(crate) max_size_factor: f64,
    pub(crate) slic_zero: bool,
    pub(crate) start_label: Option<u32>,
    pub(crate) strict_connectivity: bool,
    pub(crate) exact_count: bool,
    /// Spacing of the voxels if seeds and windows are laid out in physical space.
    pub(crate) physical: Option<[f64; 3]>,
}
