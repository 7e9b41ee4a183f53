//! Pooling, one axis at a time: both the maximum and the mean of a box are those of its lines.

use super::{dimension, gather_axis};
use crate::ops::Pool3dParams;
use candle_core::{D, Result, Tensor};

/// [`crate::ops::max_pool3d`] of candle's own operations.
///
/// Axes are reduced from x to z, each keeping its first maximum, which leaves the first in row-major order.
///
/// # Shapes
/// As [`crate::ops::max_pool3d`].
///
/// # Errors
/// If candle refuses.
pub fn max_pool3d(x: &Tensor, params: Pool3dParams) -> Result<Tensor> {
    let mut y = x.clone();
    for axis in [2, 1, 0] {
        let windows = windows(&y, axis, params, f64::NEG_INFINITY)?;
        let window = dimension(axis) + 1;
        let largest = windows.detach().argmax_keepdim(window)?;
        y = windows.gather(&largest.contiguous()?, window)?.squeeze(window)?;
    }
    Ok(y)
}

/// [`crate::ops::avg_pool3d`] of candle's own operations.
///
/// # Shapes
/// As [`crate::ops::avg_pool3d`].
///
/// # Errors
/// If candle refuses.
pub fn avg_pool3d(x: &Tensor, params: Pool3dParams) -> Result<Tensor> {
    let mut y = x.clone();
    for axis in [2, 1, 0] {
        y = windows(&y, axis, params, 0.0)?.mean(dimension(axis) + 1)?;
    }
    Ok(y)
}

/// [`crate::ops::global_avg_pool3d`] of candle's own operations.
///
/// # Shapes
/// As [`crate::ops::global_avg_pool3d`].
///
/// # Errors
/// If candle refuses.
pub fn global_avg_pool3d(x: &Tensor) -> Result<Tensor> {
    x.dims5()?;
    x.flatten_from(2)?.mean(D::Minus1)
}

/// The windows along one axis, as one more dimension after it.
fn windows(x: &Tensor, axis: usize, params: Pool3dParams, fill: f64) -> Result<Tensor> {
    let (kernel, stride, padding) = (params.kernel[axis], params.stride[axis], params.padding[axis]);
    let dim = dimension(axis);
    let padded = pad_with(x, dim, padding, fill)?;
    let count = (padded.dim(dim)? - kernel) / stride + 1;
    let at = (0..count).flat_map(|window| (0..kernel).map(move |tap| window * stride + tap));
    let gathered = gather_axis(&padded, axis, at)?;
    let mut dims = gathered.dims().to_vec();
    dims[dim] = count;
    dims.insert(dim + 1, kernel);
    gathered.contiguous()?.reshape(dims)
}

fn pad_with(x: &Tensor, dim: usize, padding: usize, fill: f64) -> Result<Tensor> {
    if padding == 0 {
        return x.contiguous();
    }
    let mut dims = x.dims().to_vec();
    dims[dim] = padding;
    let edge = Tensor::full(fill as f32, dims, x.device())?.to_dtype(x.dtype())?;
    Tensor::cat(&[&edge, x, &edge], dim)
}
