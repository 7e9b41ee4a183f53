//! CPU kernels on blocked activations, for inference engines. Low-level and less stable than the rest of the crate.
//!
//! Activations are stored in blocks of 16 channels ([`window`]); weights are packed once ([`conv::Convolution`],
//! [`winograd::Winograd`]). A call computes any box of the output, of any number of images, with bias, residual and ReLU
//! fused. Callers allocate the buffers and guarantee by panicking checks, not by types, that windows hold what a box
//! reads.
//!
//! - [`window`], [`lanes`]: the memory layout; [`image`]: conversion from and to dense images; [`job`]: a box of one image;
//! - [`conv`]: direct convolution; [`winograd`]: convolution with fewer multiplications; [`depthwise`]; [`pool`];
//! - [`elementwise`]: sums, gates and activations ([`function`]); [`reduce`]: what reads a whole layer.
//!
//! # Two direct kernels
//! [`conv`] and the dense kernel behind [`conv3d`](crate::conv3d) are both direct convolutions, for different inputs. This
//! one reads blocked activations that stay blocked from layer to layer, so it never repacks them, and it has packed
//! weights. The dense one reads and writes candle's `[n, c, d, h, w]`, packs only the rows that a task reads, and supports
//! dilation and the strided writes of input gradients and transposed convolutions.
//!
//! `cargo bench -p conv3d -- direct`, medians on two threads of a Xeon with AVX-512, 3³ kernels of stride 2, for which there
//! is no Winograd algorithm:
//!
//! | channels, voxels | dense | blocked | blocked, weights and activations repacked |
//! |---|---|---|---|
//! | 64, 32³ | 12.5 ms | 7.8 ms | 9.5 ms |
//! | 128, 16³ | 5.6 ms | 3.7 ms | 7.7 ms |
//!
//! On activations that stay blocked the blocked kernel takes two thirds of the dense kernel's time. Used for single
//! operations on candle's layout it would have to repack, and take more than the dense kernel where channels are many
//! and volumes small.
#![allow(
    unsafe_code,
    reason = "SIMD kernels and disjoint writes from several tasks; each block says why it holds"
)]

pub mod conv;
pub mod depthwise;
pub mod elementwise;
pub mod function;
pub mod image;
pub mod job;
pub mod lanes;
pub mod pool;
pub mod rectifier;
pub mod reduce;
#[cfg(test)]
pub(crate) mod tests;
mod tile;
pub mod window;
pub mod winograd;

pub use crate::simd::scratch::Lines;
