//! SLIC supervoxels of 3D images, one or many channels, as scikit-image computes them.
//!
//! ```
//! use ndarray::Array3;
//! use slic3d::Slic;
//!
//! let image = Array3::from_shape_fn((12, 16, 16), |(z, y, x)| ((x / 4 + y / 4 + z / 4) % 2) as f32);
//! let supervoxels = Slic::new(20).compactness(0.1).segment_volume(image.view(), None)?;
//! assert_eq!(supervoxels.voxel_counts().iter().sum::<usize>(), image.len());
//! # Ok::<(), slic3d::Error>(())
//! ```
//!
//! # Exactness
//!
//! For `float32` images the labels are those of `skimage.segmentation.slic` 0.26 (its x86-64 wheel,
//! `convert2lab=False`), for every parameter that it has. What decides them, in order:
//!
//! 1. The image becomes `(v − min) / (max − min)` in `f32` (min and max over all channels, and over the mask where there is
//!    one), is smoothed, and is multiplied by `f32(1 / compactness)`.
//! 2. Seeds lie on a regular grid or, in a mask, at the means of a k-means in `f64` from points drawn with NumPy's
//!    `RandomState(123)`. A mask's clusters are first spread by position alone.
//! 3. A cluster competes for the voxels within two grid steps of its centre. Squared distance is
//!    `(dz² + dy² + dx²) · f32(1 / step²) + Σ t²`, added in that order without contraction; the first of equally near
//!    clusters wins, and a voxel that no window reaches keeps its label.
//! 4. Centres are `f32` sums over the cluster's voxels in row-major order, divided by their number.
//! 5. Parts are searched in row-major order: one below the minimal size joins the last labelled neighbour its
//!    breadth-first search met; one that reaches the maximal size is cut there.
//!
//! Departures, each where scikit-image has no usable result:
//!
//! - One region in a mask: the seeds' mean distance is 0, scikit-image divides by its square, every distance is infinite or
//!   NaN, and all voxels stay background. Here the step counts as 1 and the region is the mask.
//! - A maximal size below one voxel (`max_size_factor` · voxels / regions < 1) makes scikit-image write outside its
//!   array; here it counts as one voxel.
//! - More regions than voxels, values or ranges that are not finite, and parameters whose squares overflow `f32` are errors.
//! - `sigma`: the weights come from this platform's `exp`, whose last bit may differ from NumPy's.
//!   [`Slic::smoothing_kernels`] takes given weights, and is exact.
//!
//! # Where the time goes
//!
//! Written naively, 10 iterations over 128³ voxels with some 64 clusters in reach of each voxel are 1.3·10⁹ distances of
//! about 8 operations each. Here:
//!
//! - *Contenders.* A tile of 4 × 8 × 16 voxels is first held against bounds on each cluster's distance: least and greatest
//!   offset along each axis, least and greatest value in the tile. Rounding is monotone, so a cluster whose bound from below
//!   exceeds another's from above can be left out without changing a bit. At compactness 10 a few of the 64 remain; where
//!   values outweigh position (0.01) more do. The rows of the tile then go against the contenders 16 voxels at a time.
//! - *What stands still.* Tiles that no moved cluster reaches, and sums of clusters that neither won nor lost a voxel, are
//!   kept. Nothing moving at all ends the iterations.
//! - *Sums.* An `f32` sum in a fixed order is a chain of dependent additions. Chains of different clusters overlap in the
//!   processor and are shared out among threads. Positions are whole numbers, whose sums are exact below 2²⁴, so a run of
//!   voxels costs one addition; above, every addition is rounded as scikit-image rounds it.
//! - *Connectivity.* Parts are unions of runs along x, found in linear time; only parts that are merged or cut are
//!   searched voxel by voxel.
//!
//! The floor, for one channel and v voxels: an iteration reads the image and the labels twice (assignment, sums) and writes
//! labels once, 20 v bytes: 42 MB at 128³, 0.4 GB in ten iterations, 20 ms at the 20 GB/s of two cores. With four contenders
//! a voxel, distances are 0.7·10⁹ operations in ten iterations, 5 to 10 ms on two AVX2 cores. Rescaling, connectivity and
//! the bookkeeping of regions pass over the data some five times more, 5 ms. Together about 30 ms on two cores. Profiles
//! show that about 30 % of the processor's time goes to tiles' rows, mostly waiting for memory (a tile touches 32 rows, one
//! cache line of each), 15 % to the bounds, 25 % to the sums and 10 % to connectivity.
//!
//! How far it is: on a shared machine with two AVX2 cores, 128³ and 100 regions at compactness 10 took 122 ms, four times that
//! floor (docs/PERFORMANCE.md, `cargo xtask bench slic`). A mask costs twice the iterations, since its clusters are first spread
//! by position alone: 1.3 million of those voxels took 342 ms. There, 48 % of the processor's time goes to tiles' rows, 20 % to
//! the sums, and 6 % to the seeds (draws, and k-means over them), a share that grows with the regions asked for.
//!
//! # Memory
//!
//! Beyond the input, per voxel: 4 bytes a channel for the scaled image and 4 for labels while k-means runs; then 4 + 4 for old
//! and new labels, and at most 4 for runs and their parts or the queue of the search. The mask adds 1. Peak
//! 8 + 4 · (channels − 1), or 13 at the end. The strict options take more, in proportion to the parts.
mod connectivity;
mod error;
mod gaussian;
mod grid;
mod kmeans;
mod mask_seeds;
mod params;
mod random_state;
mod rescale;
mod row_runs;
mod segment;
mod supervoxels;

pub use error::Error;
pub use params::{Sigma, Slic};
pub use segment::Report;
pub use supervoxels::Supervoxels;

/// The README's example.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
