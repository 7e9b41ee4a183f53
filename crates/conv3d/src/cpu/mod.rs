//! Kernels for the CPU: `f32` convolutions at the rate of the chip's multiply-adds, as candle operations.
//!
//! - [`shape`]: a convolution and its gradients in one form, a gather along three axes;
//! - [`weights`], [`direct`]: the packed weights and the forward pass; the gradient of the input is the forward pass
//!   of the flipped weights, once for each phase of the stride ([`conv`]), and so is a transposed convolution;
//! - [`weight_gradient`]: sums over voxels in registers, in an order that shapes alone decide;
//! - [`winograd`]: 3³ convolutions with stride 1 and the 7³ stem with stride 2, and their gradients, with fewer
//!   multiplications; [`form`] picks;
//! - [`conv_ops`]: candle's view of them;
//! - [`pool`], [`upsample`]: pooling and resampling, which memory limits.
//!
//! Work is cut into tasks by the shape alone and runs on rayon's current pool: results are the same bytes whatever
//! its size.
//!
//! # The account
//! The floor of a direct 3³ convolution is its multiply-adds: a tile of 6 voxels × 16 channels (AVX2) takes 12 of them for
//! 2 loads and 6 broadcasts, so that multiply-adds, two a cycle, are what limits; AVX-512 has tiles of 12 × 32. A
//! Zen 4 core ran an AVX2 loop of nothing but multiply-adds at 90 GFLOP/s (wall time); by CPU time on one thread, 3³
//! convolutions with stride 1 of 16 to 64 channels on 32³ and 64³ ran at 67 to 73 forward and 55 to 81 for the input's
//! gradient. Less is reached where weights outweigh voxels (35 for 512 channels on 4³: they are packed for every call)
//! and for strided input gradients (27), each of whose phases packs the output gradient again.
//!
//! Winograd's form takes a quarter of these multiply-adds, and adds memory: a tile's 16 voxels become 36 values a channel,
//! written and read once each way. Counted as the direct form's, it reached more than twice PyTorch's rate for 64 channels
//! on 32³ and 64³ and just under twice for 32 channels on 128³, where there are half as many products for each value
//! (docs/PERFORMANCE.md). AVX-512 and NEON have not been timed.
#![allow(
    unsafe_code,
    reason = "SIMD intrinsics and disjoint writes from several tasks; each block says why it holds"
)]

mod conv;
mod conv_ops;
#[cfg(test)]
mod conv_tests;
mod direct;
mod form;
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
