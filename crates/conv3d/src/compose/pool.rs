//! Pooling, one axis at a time: the maximum and the mean are separable.

use super::{dimension, gather_axis};
use crate::Pool3dParams;
use candle_core::{D, Result, Tensor};

/// Computes [`crate::max_pool3d`] as a composition of candle's operations.
///
/// Axes are reduced from x to z, each keeping its first maximum, which leaves the first in row-major order. The taps of a
/// window are compared one by one, because only on the CPU does candle's `argmax` return the first of equal values.
///
/// # Shapes
/// As [`crate::max_pool3d`].
///
/// # Errors
/// Returns candle's error if an operation fails.
pub fn max_pool3d(x: &Tensor, params: Pool3dParams) -> Result<Tensor> {
    fold(x, params, f64::NEG_INFINITY, |largest, tap| {
        // A NaN compares false and is propagated.
        tap.detach().le(&largest.detach())?.where_cond(largest, tap)
    })
}

/// Computes [`crate::avg_pool3d`] as a composition of candle's operations.
///
/// # Shapes
/// As [`crate::avg_pool3d`].
///
/// # Errors
/// Returns candle's error if an operation fails.
pub fn avg_pool3d(x: &Tensor, params: Pool3dParams) -> Result<Tensor> {
    let taps = params.kernel.iter().product::<usize>();
    fold(x, params, 0.0, |sum, tap| sum + tap)?.affine(1.0 / taps as f64, 0.0)
}

/// Computes [`crate::global_avg_pool3d`] as a composition of candle's operations.
///
/// # Shapes
/// As [`crate::global_avg_pool3d`].
///
/// # Errors
/// Returns candle's error if an operation fails.
pub fn global_avg_pool3d(x: &Tensor) -> Result<Tensor> {
    x.dims5()?;
    x.flatten_from(2)?.mean(D::Minus1)
}

/// Reduces each window, first along x, then along y, then along z.
fn fold(
    x: &Tensor,
    params: Pool3dParams,
    fill: f64,
    together: impl Fn(&Tensor, &Tensor) -> Result<Tensor>,
) -> Result<Tensor> {
    let mut y = x.clone();
    for axis in [2, 1, 0] {
        let (kernel, stride) = (params.kernel[axis], params.stride[axis]);
        let padded = pad_with(&y, dimension(axis), params.padding[axis], fill)?;
        let count = (padded.dim(dimension(axis))? - kernel) / stride + 1;
        let tap = |tap: usize| {
            gather_axis(&padded, axis, (0..count).map(|window| window * stride + tap))?.contiguous()
        };
        y = (1..kernel).try_fold(tap(0)?, |before, next| together(&before, &tap(next)?))?;
    }
    Ok(y)
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
