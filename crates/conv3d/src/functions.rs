//! The operations: each validates its arguments, then calls the backend of its tensors.

use candle_core::{DType, Result, Tensor, bail};

use crate::backend::{self, Backend};
#[cfg(feature = "cuda")]
use crate::cuda;
use crate::params::{BatchNorm, Conv3dParams, ConvTranspose3dParams, Mode, Pool3dParams, check_channels};
use crate::{Error, compose, cpu, norm};

/// Computes a 3D cross-correlation, as PyTorch's `conv3d` with one group.
///
/// # Shapes
/// `x [n, i, d, h, w]`, `weight [o, i, kd, kh, kw]`, `bias [o]` to `[n, o, d', h', w']` with
/// `d' = (d + 2·padding − dilation·(kd − 1) − 1) / stride + 1`.
///
/// # Errors
/// Returns an error if ranks, channels, types or devices disagree, if the kernel does not fit into the padded input, or
/// if the tensors are on CUDA and not float32.
pub fn conv3d(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>, params: Conv3dParams) -> Result<Tensor> {
    params.check(x, weight, bias)?;
    match backend::of("conv3d", &[x, weight, bias.unwrap_or(x)])? {
        Backend::Cpu => cpu::conv3d(x, weight, bias, params),
        #[cfg(feature = "cuda")]
        Backend::Cudnn => cuda::conv3d(x, weight, bias, params),
        #[cfg(not(feature = "cuda"))]
        Backend::Cudnn => bail!("conv3d: this build has no CUDA"),
        Backend::Composed => compose::conv3d(x, weight, bias, params),
    }
}

/// Computes the transpose of [`conv3d`] with respect to its input, as PyTorch's `conv_transpose3d` with one group.
///
/// # Shapes
/// `x [n, i, d, h, w]`, `weight [i, o, kd, kh, kw]`, `bias [o]` to `[n, o, d', h', w']` with
/// `d' = (d − 1)·stride − 2·padding + dilation·(kd − 1) + output_padding + 1`.
///
/// # Errors
/// Returns an error if ranks, channels, types or devices disagree, if the output would be empty, or if the tensors are
/// on CUDA and not float32.
pub fn conv_transpose3d(
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    params: ConvTranspose3dParams,
) -> Result<Tensor> {
    params.check(x, weight, bias)?;
    match backend::of("conv_transpose3d", &[x, weight, bias.unwrap_or(x)])? {
        Backend::Cpu => cpu::conv_transpose3d(x, weight, bias, params),
        #[cfg(feature = "cuda")]
        Backend::Cudnn => cuda::conv_transpose3d(x, weight, bias, params),
        #[cfg(not(feature = "cuda"))]
        Backend::Cudnn => bail!("conv_transpose3d: this build has no CUDA"),
        Backend::Composed => compose::conv_transpose3d(x, weight, bias, params),
    }
}

/// Computes the maximum of each window, padding excluded. The gradient goes to the first maximum in row-major order.
///
/// # Shapes
/// `[n, c, d, h, w]` to `[n, c, d', h', w']` with `d' = (d + 2·padding − kernel) / stride + 1`.
///
/// # Errors
/// Returns an error if a window does not fit into the padded input or the padding is more than half the window.
pub fn max_pool3d(x: &Tensor, params: Pool3dParams) -> Result<Tensor> {
    params.check(x)?;
    if on_host(&[x]) {
        return cpu::max_pool3d(x, params);
    }
    compose::max_pool3d(x, params)
}

/// Computes the mean of each window; padding counts as zeros (PyTorch's `count_include_pad`).
///
/// # Shapes
/// As [`max_pool3d`].
///
/// # Errors
/// As [`max_pool3d`].
pub fn avg_pool3d(x: &Tensor, params: Pool3dParams) -> Result<Tensor> {
    params.check(x)?;
    if on_host(&[x]) {
        return cpu::avg_pool3d(x, params);
    }
    compose::avg_pool3d(x, params)
}

/// Computes the mean over all voxels.
///
/// # Shapes
/// `[n, c, d, h, w]` to `[n, c]`.
///
/// # Errors
/// Returns an error if `x` is not of rank 5.
pub fn global_avg_pool3d(x: &Tensor) -> Result<Tensor> {
    if on_host(&[x]) {
        return cpu::global_avg_pool3d(x);
    }
    compose::global_avg_pool3d(x)
}

/// Resamples to `size` voxels per axis, as PyTorch's `interpolate(size=…)`.
///
/// # Shapes
/// `[n, c, d, h, w]` to `[n, c, size…]`.
///
/// # Errors
/// Returns an error if `x` is not of rank 5 or a size is 0.
pub fn upsample3d(x: &Tensor, size: [usize; 3], mode: Mode) -> Result<Tensor> {
    if on_host(&[x]) {
        return cpu::upsample3d(x, size, mode);
    }
    compose::upsample3d(x, size, mode)
}

/// Normalises by the statistics of the batch.
///
/// # Shapes
/// `x [n, c, d, h, w]` to `(y [n, c, d, h, w], mean [c], variance [c])`; the variance is the biased one, and no gradient
/// flows through mean and variance as they are returned.
///
/// # Errors
/// Returns an error if shapes disagree.
pub fn batch_norm_train(x: &Tensor, norm: BatchNorm<'_>) -> Result<(Tensor, Tensor, Tensor)> {
    check_channels("batch norm, one value per channel", x, &[norm.gamma, norm.beta])?;
    if on_host(&[x, norm.gamma, norm.beta]) {
        return norm::batch_norm_train(x, norm);
    }
    compose::batch_norm_train(x, norm)
}

/// Normalises by given statistics, which get no gradient.
///
/// # Shapes
/// `x [n, c, d, h, w]`, `mean [c]`, `variance [c]`; returns `[n, c, d, h, w]`.
///
/// # Errors
/// Returns an error if shapes disagree.
pub fn batch_norm_eval(x: &Tensor, mean: &Tensor, variance: &Tensor, norm: BatchNorm<'_>) -> Result<Tensor> {
    check_channels("batch norm, one value per channel", x, &[norm.gamma, norm.beta, mean, variance])?;
    let (mean, variance) = (&mean.detach(), &variance.detach());
    if on_host(&[x, norm.gamma, norm.beta, mean, variance]) {
        return norm::batch_norm_eval(x, mean, variance, norm);
    }
    compose::batch_norm_eval(x, mean, variance, norm)
}

/// Computes `max(a + b, 0)`, the sum and ReLU that end a residual block.
///
/// # Shapes
/// `a`, `b` and the result have the same shape.
///
/// # Errors
/// Returns an error if shapes disagree.
pub fn add_relu(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    if a.shape() != b.shape() {
        return Err(Error::ShapeMismatch {
            what: "add_relu",
            expected: a.dims().to_vec(),
            found: b.dims().to_vec(),
        }
        .into());
    }
    if on_host(&[a, b]) {
        return norm::add_relu(a, b);
    }
    compose::add_relu(a, b)
}

/// Computes `max(x, 0)`. A NaN stays a NaN, and the gradient at 0 is 0, as PyTorch's.
///
/// # Shapes
/// `x` may have any shape; the result has the same.
///
/// # Errors
/// Returns an error if a tensor operation fails.
pub fn relu(x: &Tensor) -> Result<Tensor> {
    if on_host(&[x]) {
        return norm::relu(x);
    }
    compose::relu(x)
}

/// Returns whether the CPU kernels support these tensors.
fn on_host(tensors: &[&Tensor]) -> bool {
    tensors.iter().all(|tensor| tensor.device().is_cpu() && tensor.dtype() == DType::F32)
}
