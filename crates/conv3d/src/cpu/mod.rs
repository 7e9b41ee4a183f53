//! Kernels for dense float32 tensors on the CPU, as candle operations.
//!
//! - [`shape`]: a convolution and its gradients as a gather along three axes;
//! - [`layer`]: the weights of a convolution with its gather;
//! - [`weights`], [`direct`]: packed weights and the forward pass. The gradient of the input is the forward pass of the
//!   flipped weights, once per phase of the stride ([`conv`]); so is a transposed convolution;
//! - [`weight_gradient`]: sums over voxels in registers, in an order that depends on the shapes only;
//! - [`few_outputs`]: of at most eight output channels, both have the voxels of a row in the lanes, where channels would leave half of
//!   them empty;
//! - [`winograd`]: 3³ convolutions with stride 1 and 7³ ones with stride 2, and their gradients, with fewer
//!   multiplications; [`algorithm`] chooses;
//! - [`conv_ops`]: the candle operations;
//! - [`pool`], [`upsample`]: pooling and resampling, limited by memory bandwidth.
//!
//! The division into tasks depends on the shapes only and tasks run on rayon's current pool: results have the same bytes
//! for any number of threads.
//!
//! # Performance
//! A direct 3³ convolution is bound by its multiply-adds: a tile of 6 voxels × 16 channels (AVX2) has 12 of them per 2 loads
//! and 6 broadcasts, and the CPU issues two per cycle; AVX-512 has tiles of 12 × 32. A Zen 4 core ran an AVX2 loop of only
//! multiply-adds at 90 GFLOP/s (wall time); by CPU time on one thread, 3³ convolutions with stride 1 of 16 to 64 channels on
//! 32³ and 64³ ran at 67 to 73 GFLOP/s forward and 55 to 81 for the input's gradient. Convolutions with more weights than
//! voxels are slower (35 for 512 channels on 4³: weights are packed in every call), and so are strided input gradients
//! (27), each of whose phases packs the output gradient again.
//!
//! Winograd's algorithm takes a quarter of these multiply-adds but more memory traffic: a tile's 16 voxels become 36 values
//! per channel, written and read once each way. Counted with the operations of the direct algorithm, it was more than twice
//! as fast as PyTorch for 64 channels on 32³ and 64³ and nearly twice for 32 channels on 128³, which have half as many
//! products per value. AVX-512 and NEON have not been timed.
#![allow(
    unsafe_code,
    reason = "SIMD intrinsics and disjoint writes from several tasks; each block says why it holds"
)]

mod algorithm;
mod conv;
mod conv_ops;
#[cfg(test)]
mod conv_tests;
mod direct;
mod few_outputs;
mod layer;
#[cfg(test)]
mod naive;
#[cfg(test)]
mod op_tests;
mod pool;
#[cfg(test)]
mod pool_tests;
mod shape;
mod upsample;
mod weight_gradient;
mod weights;
mod winograd;
#[cfg(test)]
mod winograd_tests;

pub(crate) use conv_ops::{conv_transpose3d, conv3d};
pub(crate) use pool::{avg_pool3d, global_avg_pool3d, max_pool3d};
pub(crate) use upsample::upsample3d;
