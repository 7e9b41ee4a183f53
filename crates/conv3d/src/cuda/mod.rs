//! Convolutions on CUDA: cuDNN's N-dimensional ones (<https://docs.nvidia.com/deeplearning/cudnn/>), as candle
//! operations with gradients.
//!
//! - [`problem`]: a convolution, its gradients, a transposed convolution and its gradients are passes of one problem;
//! - [`convolution`]: the candle operations;
//! - [`context`]: state of a device: a handle and a workspace behind a mutex, and an algorithm per shape: the one that cuDNN
//!   predicts to be the fastest, and from the third use of a shape the one that was measured as the fastest;
//! - [`algorithms`], [`descriptors`]: calls of cuDNN.
//!
//! All work of a device runs on its one stream, in the order of the calls.
#![allow(unsafe_code, reason = "calls of cuDNN; each block says why it holds")]

mod algorithms;
mod context;
mod convolution;
mod descriptors;
mod problem;

use super::compose::add_bias;
use super::{Conv3dParams, ConvTranspose3dParams};
use crate::Precision;
use candle_core::{CudaDevice, DType, Error, Result, Tensor};
use context::Context;
use convolution::Convolve;
use problem::{Pass, Problem};

/// Opens cuDNN on a device, with this precision for its convolutions. A device that is not opened uses float32.
///
/// # Errors
/// Returns an error if cuDNN cannot be loaded or has no memory.
pub fn open(device: &CudaDevice, precision: Precision) -> Result<()> {
    Context::open(device, precision).map(|_| ()).map_err(Error::wrap)
}

/// Returns the number of convolutions and gradients that cuDNN has computed on the device.
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
        let problem = Problem::direct(x.dtype(), x.dims(), weight.dims(), params)?;
        Convolve { problem, pass: Pass::Output, name: "conv3d" }.record(x, weight)
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
        let problem = Problem::transposed(x.dtype(), x.dims(), weight.dims(), params)?;
        Convolve { problem, pass: Pass::Input, name: "conv_transpose3d" }.record(x, weight)
    })?;
    add_bias(&y, bias)
}

/// Computes a convolution at the device's precision; the result is float32.
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
