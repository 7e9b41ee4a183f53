//! Convolutions on CUDA: cuDNN's N-dimensional ones (<https://docs.nvidia.com/deeplearning/cudnn/>), as candle
//! operations with gradients.
//!
//! - [`geometry`]: a convolution and its gradients, and a transposed one and its, are three readings of one shape;
//! - [`convolution`]: candle's view of them;
//! - [`context`]: what is kept of a device: one handle and one workspace, which a mutex guards, and by shape an
//!   algorithm: the one that cuDNN expects to be the fastest, and when a shape is met for the third time, the one that is;
//! - [`algorithms`], [`descriptors`]: cuDNN's calls.
//!
//! Everything of a device runs on its one stream, in the order in which it is asked for.
#![allow(unsafe_code, reason = "calls of cuDNN; each block says why it holds")]

mod algorithms;
mod context;
mod convolution;
mod descriptors;
mod geometry;

use super::compose::add_bias;
use super::{Conv3dParams, ConvTranspose3dParams};
use crate::Precision;
use candle_core::{CudaDevice, DType, Error, Result, Tensor};
use context::Context;
use convolution::Convolve;
use geometry::{Geometry, Pass};

/// Makes a device ready, with this precision for its convolutions.
pub fn open(device: &CudaDevice, precision: Precision) -> Result<()> {
    Context::open(device, precision).map(|_| ()).map_err(Error::wrap)
}

/// How many convolutions and gradients of convolutions cuDNN has computed on the device.
pub(crate) fn runs(device: &CudaDevice) -> Result<u64> {
    Ok(Context::of(device).map_err(Error::wrap)?.runs())
}

/// [`crate::conv3d`] of `f32` tensors on CUDA.
pub(crate) fn conv3d(
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    params: Conv3dParams,
) -> Result<Tensor> {
    let y = at_precision(x, weight, |x, weight| {
        let geometry = Geometry::direct(x.dtype(), x.dims(), weight.dims(), params)?;
        Convolve { geometry, pass: Pass::Output, name: "conv3d" }.record(x, weight)
    })?;
    add_bias(&y, bias)
}

/// [`crate::conv_transpose3d`] of `f32` tensors on CUDA.
pub(crate) fn conv_transpose3d(
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    params: ConvTranspose3dParams,
) -> Result<Tensor> {
    let y = at_precision(x, weight, |x, weight| {
        let geometry = Geometry::transposed(x.dtype(), x.dims(), weight.dims(), params)?;
        Convolve { geometry, pass: Pass::Input, name: "conv_transpose3d" }.record(x, weight)
    })?;
    add_bias(&y, bias)
}

/// Hands a convolution its tensors at the device's precision; what it gives is float32 again.
fn at_precision(
    x: &Tensor,
    weight: &Tensor,
    convolve: impl FnOnce(&Tensor, &Tensor) -> Result<Tensor>,
) -> Result<Tensor> {
    let context = Context::of(x.device().as_cuda_device()?).map_err(Error::wrap)?;
    match context.precision() {
        Precision::F32 | Precision::Tf32 => convolve(x, weight),
        Precision::Bf16 => {
            convolve(&x.to_dtype(DType::BF16)?, &weight.to_dtype(DType::BF16)?)?.to_dtype(DType::F32)
        }
    }
}
