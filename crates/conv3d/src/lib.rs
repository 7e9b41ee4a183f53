#![doc = include_str!("../README.md")]

mod backend;
pub mod blocked;
pub mod compose;
mod cpu;
#[cfg(feature = "cuda")]
mod cuda;
mod error;
mod functions;
mod geometry;
mod memory;
mod norm;
mod params;
mod precision;
mod simd;

pub use backend::{Backend, convolution_backend, cudnn_runs};
/// The tensor library whose tensors the operations take.
pub use candle_core;
pub use error::Error;
pub use functions::{
    add_relu, avg_pool3d, batch_norm_eval, batch_norm_train, conv_transpose3d, conv3d, global_avg_pool3d,
    max_pool3d, relu, upsample3d,
};
pub use geometry::ConvGeometry;
pub use memory::{TOO_LARGE, is_exhausted};
pub use params::{BatchNorm, Conv3dParams, ConvTranspose3dParams, Mode, Pool3dParams};
pub use precision::Precision;
pub use simd::Isa;

#[cfg(feature = "cuda")]
pub use cuda::open as open_cuda;
