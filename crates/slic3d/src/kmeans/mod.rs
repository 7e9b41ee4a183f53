//! Local k-means: voxels go to the nearest cluster whose window they lie in, clusters to the mean of their voxels.
//!
//! R. Achanta et al.: "SLIC superpixels compared to state-of-the-art superpixel methods", IEEE TPAMI 34 (2012),
//! DOI 10.1109/TPAMI.2012.120. Operations, their order and their precision are those of scikit-image 0.26.

mod instructions;
mod kernel;
mod means;
#[cfg(test)]
mod plain;
mod ranges;
#[cfg(test)]
mod tests;
mod tiled;
mod tiles;

/// The label of a voxel that no cluster has reached, or that is outside the mask.
pub(crate) const UNASSIGNED: u32 = u32::MAX;

/// What a run of k-means works on.
pub(crate) struct Problem<'a> {
    /// Depth, height, width.
    pub(crate) shape: [usize; 3],
    /// Scaled values, channel after channel.
    pub(crate) image: &'a [f32],
    pub(crate) channels: usize,
    pub(crate) mask: Option<&'a [bool]>,
    pub(crate) spacing: [f32; 3],
    /// Half the width of a window along each axis, in voxels.
    pub(crate) reach: [usize; 3],
    /// Distance between neighbouring seeds.
    pub(crate) step: f32,
    pub(crate) iterations: usize,
    pub(crate) slic_zero: bool,
}

impl Problem<'_> {
    pub(crate) fn voxels(&self) -> usize {
        self.shape.iter().product()
    }

    /// The factor from squared physical distance to squared steps.
    pub(crate) fn spatial_weight(&self) -> f32 {
        (1.0 / f64::from(self.step * self.step)) as f32
    }

    /// First and last-plus-one voxel along `axis` of the window around `centre`.
    pub(crate) fn window(&self, axis: usize, centre: f32) -> std::ops::Range<usize> {
        let reach = self.reach[axis] as f32;
        let low = (centre - reach).max(0.0) as usize;
        let high = (centre + reach + 1.0).min(self.shape[axis] as f32) as usize;
        low..high.max(low)
    }

    fn windows(&self, clusters: &Clusters) -> Vec<[std::ops::Range<usize>; 3]> {
        clusters
            .position
            .iter()
            .map(|&centre| [0, 1, 2].map(|axis| self.window(axis, centre[axis])))
            .collect()
    }
}

/// The clusters: where they are and what they look like.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Clusters {
    /// Position `[z, y, x]` in voxels.
    pub(crate) position: Vec<[f32; 3]>,
    /// Mean value of each channel, cluster after cluster.
    pub(crate) colour: Vec<f32>,
    /// False once a cluster has lost all its voxels: it then takes no further part.
    pub(crate) alive: Vec<bool>,
}

impl Clusters {
    pub(crate) fn at(seeds: &[[f64; 3]], channels: usize) -> Self {
        Clusters {
            position: seeds.iter().map(|seed| seed.map(|at| at as f32)).collect(),
            colour: vec![0.0; seeds.len() * channels],
            alive: vec![true; seeds.len()],
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.position.len()
    }
}

/// How a run of k-means went.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Course {
    pub(crate) iterations: usize,
    pub(crate) converged: bool,
}

/// Spreads the clusters by position alone; `clusters` are moved.
pub(crate) fn spread(problem: &Problem, clusters: &mut Clusters) {
    tiled::run(problem, clusters, true, None);
}

/// Assigns every voxel to a cluster.
pub(crate) fn assign(problem: &Problem, clusters: &mut Clusters) -> (Vec<u32>, Course) {
    tiled::run(problem, clusters, false, None)
}
