//! Input of k-means.

use std::ops::Range;

use super::clusters::Clusters;

/// A box of voxels, `[z, y, x]`.
pub(crate) type Window = [Range<usize>; 3];

/// Input of k-means.
pub(crate) struct Problem<'a> {
    /// Depth, height, width.
    pub(crate) shape: [usize; 3],
    /// Scaled intensities, channel by channel.
    pub(crate) image: &'a [f32],
    pub(crate) channels: usize,
    pub(crate) mask: Option<&'a [bool]>,
    pub(crate) spacing: [f32; 3],
    /// Half the width of a search window along each axis, in voxels.
    pub(crate) reach: [usize; 3],
    /// Distance between adjacent seeds.
    pub(crate) step: f32,
    pub(crate) iterations: usize,
    pub(crate) slic_zero: bool,
}

impl Problem<'_> {
    pub(crate) fn voxels(&self) -> usize {
        self.shape.iter().product()
    }

    /// Returns the factor from squared physical distance to squared steps.
    pub(crate) fn spatial_weight(&self) -> f32 {
        (1.0 / f64::from(self.step * self.step)) as f32
    }

    /// Returns the range along `axis` of the search window around `centre`.
    pub(crate) fn window(&self, axis: usize, centre: f32) -> Range<usize> {
        let reach = self.reach[axis] as f32;
        let low = (centre - reach).max(0.0) as usize;
        let high = (centre + reach + 1.0).min(self.shape[axis] as f32) as usize;
        low..high.max(low)
    }

    pub(super) fn windows(&self, clusters: &Clusters) -> Vec<Window> {
        clusters
            .position
            .iter()
            .map(|&centre| [0, 1, 2].map(|axis| self.window(axis, centre[axis])))
            .collect()
    }
}
