//! Local k-means: each voxel is assigned to the nearest cluster whose search window contains it, and each cluster moves
//! to the mean of its voxels.
//!
//! Achanta, R. et al., "SLIC superpixels compared to state-of-the-art superpixel methods", IEEE TPAMI 34, 2012,
//! doi:10.1109/TPAMI.2012.120. Operations, their order and their precision are those of scikit-image 0.26.

mod candidates;
mod clusters;
mod contenders;
mod convergence;
mod following;
mod instructions;
mod kernel;
mod label_ranges;
mod lanes;
#[cfg(test)]
mod lanes_tests;
#[cfg(target_arch = "x86_64")]
mod lanes_x86;
#[cfg(test)]
mod plain;
mod positions;
mod problem;
mod ranges;
mod rows;
mod sums;
#[cfg(test)]
mod tests;
mod tiled;
mod update;

pub(crate) use clusters::Clusters;
pub(crate) use convergence::Convergence;
pub(crate) use problem::Problem;

/// Moves the clusters by k-means on positions only, without intensities.
pub(crate) fn spread(problem: &Problem, clusters: &mut Clusters) {
    tiled::run(problem, clusters, true, None);
}

/// Assigns every voxel to a cluster.
pub(crate) fn assign(problem: &Problem, clusters: &mut Clusters) -> (Vec<u32>, Convergence) {
    tiled::run(problem, clusters, false, None)
}
