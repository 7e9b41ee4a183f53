//! Pooling with any padding.

use super::padding::pad;
use crate::graph::{Padding, Pool};
use candle_core::{Result, Tensor};
use conv3d::Pool3dParams;

/// Computes the maximum of each window, padding excluded.
pub(super) fn max(x: &Tensor, pool: Pool) -> Result<Tensor> {
    let (x, params) = prepared(x, pool, f32::NEG_INFINITY)?;
    conv3d::max_pool3d(&x, params)
}

/// Computes the mean of each window; padding counts as zeros if `count_padding`, and is excluded otherwise.
pub(super) fn mean(x: &Tensor, pool: Pool, count_padding: bool) -> Result<Tensor> {
    let (padded, params) = prepared(x, pool, 0.0)?;
    let mean = conv3d::avg_pool3d(&padded, params)?;
    if count_padding || pool.padding == Padding::default() {
        return Ok(mean);
    }
    // The number of voxels that a window reads is a product over axes.
    let mut corrected = mean;
    for axis in 0..3 {
        let (input, windows) = (x.dim(axis + 2)?, corrected.dim(axis + 2)?);
        let factor = |window: usize| {
            let read = pool.geometry().reads_along(axis, window..window + 1, input).len();
            pool.kernel[axis] as f32 / read as f32
        };
        let mut shape = [1; 5];
        shape[axis + 2] = windows;
        let factors: Vec<f32> = (0..windows).map(factor).collect();
        corrected = corrected.broadcast_mul(&Tensor::from_vec(factors, &shape, x.device())?)?;
    }
    Ok(corrected)
}

/// Pads the input where the operation itself cannot.
fn prepared(x: &Tensor, pool: Pool, fill: f32) -> Result<(Tensor, Pool3dParams)> {
    let Pool { kernel, stride, padding } = pool;
    let is_supported = (0..3).all(|axis| 2 * padding.before[axis] <= kernel[axis]);
    if padding.before == padding.after && is_supported {
        return Ok((x.clone(), Pool3dParams { kernel, stride, padding: padding.before }));
    }
    Ok((pad(x, padding, fill)?, Pool3dParams { kernel, stride, padding: [0; 3] }))
}
