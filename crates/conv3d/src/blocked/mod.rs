//! Kernels on blocked activations: what the inference plan is made of, and what training's convolutions are computed with.
//!
//! - `window`: the layout, and boxes of it; `image`: dense images into it and back;
//! - `tile`: the register kernel; `conv`: a box of a convolution's output; `winograd`: the same with fewer
//!   multiplications, and the gradient of its weights; `pool`: a box of a maximum's.
#![allow(
    unsafe_code,
    reason = "SIMD kernels and disjoint writes from several tasks; each block says why it holds"
)]

pub mod conv;
pub mod image;
pub mod pool;
#[cfg(test)]
pub(crate) mod tests;
mod tile;
pub mod window;
pub mod winograd;
