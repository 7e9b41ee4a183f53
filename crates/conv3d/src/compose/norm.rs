//! Batch normalisation and ReLU of candle's own operations.

use candle_core::{Result, Tensor};

use crate::BatchNorm;

/// Normalises by the batch's mean and (biased) variance: `(x − mean) / sqrt(var + epsilon) · γ + β`.
///
/// # Shapes
/// `x [n, c, d, h, w]` to `(y [n, c, d, h, w], mean [c], variance [c])`, the
/// statistics detached.
///
/// # Errors
/// Returns candle's error if an operation fails.
pub fn batch_norm_train(x: &Tensor, norm: BatchNorm<'_>) -> Result<(Tensor, Tensor, Tensor)> {
    let BatchNorm { gamma, beta, epsilon, relu } = norm;
    let (_, channels, ..) = x.dims5()?;
    let over_voxels = |x: &Tensor| x.transpose(0, 1)?.contiguous()?.flatten_from(1)?.mean(1);
    let by_channel = |x: &Tensor| x.reshape((1, channels, 1, 1, 1));
    let mean = over_voxels(x)?;
    let centred = x.broadcast_sub(&by_channel(&mean)?)?;
    let variance = over_voxels(&centred.sqr()?)?;
    let deviation = (&variance + epsilon)?.sqrt()?;
    let y = centred.broadcast_div(&by_channel(&deviation)?)?;
    let y = y.broadcast_mul(&by_channel(gamma)?)?.broadcast_add(&by_channel(beta)?)?;
    Ok((rectified(y, relu)?, mean.detach(), variance.detach()))
}

/// Normalises by the given statistics.
///
/// # Shapes
/// `x [n, c, d, h, w]`, `mean [c]`, `variance [c]`; returns `[n, c, d, h, w]`.
///
/// # Errors
/// Returns candle's error if an operation fails.
pub fn batch_norm_eval(x: &Tensor, mean: &Tensor, variance: &Tensor, norm: BatchNorm<'_>) -> Result<Tensor> {
    let BatchNorm { gamma, beta, epsilon, relu } = norm;
    let (_, channels, ..) = x.dims5()?;
    let by_channel = |x: &Tensor| x.reshape((1, channels, 1, 1, 1));
    let scale = gamma.div(&(variance + epsilon)?.sqrt()?)?;
    let shift = (beta - (mean * &scale)?)?;
    let y = x.broadcast_mul(&by_channel(&scale)?)?.broadcast_add(&by_channel(&shift)?)?;
    rectified(y, relu)
}

/// `max(a + b, 0)`.
///
/// # Shapes
/// `a`, `b` and the result have the same shape.
///
/// # Errors
/// Returns candle's error if an operation fails.
pub fn add_relu(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    rectified((a + b)?, true)
}

/// `max(x, 0)`. A NaN stays a NaN.
///
/// # Shapes
/// The result has the shape of `x`.
///
/// # Errors
/// Returns candle's error if an operation fails.
pub fn relu(x: &Tensor) -> Result<Tensor> {
    rectified(x.clone(), true)
}

/// Applies a ReLU whose gradient at 0 is 0, as PyTorch's; candle's own has gradient 1 there.
fn rectified(y: Tensor, relu: bool) -> Result<Tensor> {
    if !relu {
        return Ok(y);
    }
    let zeros = y.zeros_like()?;
    y.detach().le(&zeros)?.where_cond(&zeros, &y)
}
