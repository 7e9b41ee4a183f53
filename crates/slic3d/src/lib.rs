#![doc = include_str!("../README.md")]
//!
//! # Exactness
//!
//! For `float32` images, labels equal those of `skimage.segmentation.slic` 0.26 (the x86-64 wheel, with
//! `convert2lab=False`) for all of its parameters. These steps determine them:
//!
//! 1. The image is rescaled to `(v − min) / (max − min)` in `f32`, with the minimum and maximum over all channels (and over
//!    the mask, if there is one), then smoothed, then multiplied by `f32(1 / compactness)`.
//! 2. Seeds lie on a regular grid. In a mask they are the means of a k-means in `f64` whose initial points are drawn with
//!    NumPy's `RandomState(123)`; the clusters are then moved by k-means on positions only.
//! 3. A cluster competes for the voxels within two grid steps of its centre. The squared distance is
//!    `(dz² + dy² + dx²) · f32(1 / step²) + Σ t²`, added in this order without contraction, where `t` are differences of
//!    intensity. The first of equally near clusters wins; a voxel in no search window keeps its label.
//! 4. Centres are `f32` sums over the voxels of a cluster in row-major order, divided by their number.
//! 5. Connected components are visited in row-major order. A component below the minimum size joins the last labelled
//!    neighbour that its breadth-first search encountered; a component that reaches the maximum size is cut there.
//!
//! Results differ only where scikit-image has no usable one:
//!
//! - One region in a mask: the mean distance between seeds is 0, scikit-image divides by its square, and all voxels remain
//!   background. Here the step is 1 and the region is the mask.
//! - A maximum size below one voxel (`max_size_factor` · voxels / regions < 1): scikit-image writes outside its array. Here
//!   the maximum size is one voxel.
//! - More regions than voxels, values or ranges that are not finite, and settings whose squares overflow `f32` are errors.
//! - With `sigma`, kernels are computed with the platform's `exp`, whose last bit may differ from NumPy's.
//!   [`Slic::smoothing_kernels`] accepts NumPy's weights, and labels are then exact.
//!
//! # Performance
//!
//! On two AVX2 cores of a shared machine, 128³ voxels and 100 regions at compactness 10 took 122 ms. A mask doubles the
//! number of iterations: 1.3 million voxels in a mask of that volume took 342 ms. `cargo bench` measures sizes, numbers
//! of regions, compactness, threads, masks and channels.
//!
//! Computed directly, 10 iterations over 128³ voxels, each in reach of about 64 clusters, take 1.3·10⁹ distances of about 8
//! operations. The implementation avoids most of them:
//!
//! - *Candidates.* For each tile of 8 × 8 × 16 voxels, bounds of each cluster's distance follow from the smallest and largest
//!   offset along each axis and the smallest and largest intensity in the tile. Rounding is monotone, so that a cluster whose
//!   lower bound exceeds the upper bound of another can be excluded without changing a bit. At compactness 10 a few of the 64
//!   remain; at 0.01, where intensity outweighs position, more do. Each row of the tile is then compared with the remaining
//!   candidates, 16 voxels at a time.
//! - *Incremental updates.* Tiles that no moved cluster reaches are not assigned again, and clusters that neither gained nor
//!   lost a voxel are not summed again. Iterations end when no cluster moves.
//! - *Sums.* An `f32` sum in a fixed order is a chain of dependent additions. Chains of different clusters overlap in the
//!   processor and are distributed over threads. Positions are integers, whose sums are exact below 2²⁴, so that a run of
//!   voxels takes one addition; above, every addition is rounded as in scikit-image.
//! - *Connectivity.* Components are unions of runs along x, found in linear time; only those that are merged or cut are
//!   searched voxel by voxel.
//!
//! A lower limit for one channel and v voxels: an iteration reads the image and the labels twice and writes the labels once,
//! 20 v bytes, which is 0.4 GB in ten iterations at 128³, or 20 ms at the 20 GB/s of two cores. With four candidates per
//! voxel, distances add 5 to 10 ms, and rescaling, connectivity and region statistics another 5 ms: about 30 ms, a quarter of
//! the measured time. Without a mask, about 30 % of processor time is spent on the rows of tiles, mostly waiting for memory,
//! 15 % on bounds, 25 % on sums and 10 % on connectivity. With a mask, rows take 48 %, sums 20 % and seeds 6 %, a share that
//! grows with the number of regions.
//!
//! # Memory
//!
//! Per voxel and beyond the input: during k-means, 4 bytes per channel for the scaled image and 4 for the labels; during the
//! connectivity pass, 8 for the old and new labels and at most 4 for runs or the search queue. A mask adds 1. The peak is
//! thus 8 + 4 · (channels − 1) bytes, or 13 at the end. `strict_connectivity` and `exact_count` need more, in
//! proportion to the number of components.

mod connectivity;
mod error;
mod gaussian;
mod grid;
mod kmeans;
mod labels;
mod mask_seeds;
mod pipeline;
mod random_state;
mod report;
mod rescale;
mod segment;
mod settings;
mod supervoxels;
#[cfg(test)]
mod synthetic;
mod valid;

pub use error::Error;
pub use report::Report;
pub use settings::{Sigma, Slic};
pub use supervoxels::Supervoxels;
pub use valid::ValidSlic;
