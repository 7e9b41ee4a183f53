//! Resampling, one axis at a time: nearest and linear interpolation are separable.

use super::{dimension, gather_axis};
use crate::Mode;
use candle_core::{Result, Tensor, bail};

/// Computes [`crate::upsample3d`] as a composition of candle's operations.
///
/// # Shapes
/// As [`crate::upsample3d`].
///
/// # Errors
/// Returns an error if `x` is not of rank 5 or a size is 0.
pub fn upsample3d(x: &Tensor, size: [usize; 3], mode: Mode) -> Result<Tensor> {
    let (_, _, d, h, w) = x.dims5()?;
    if size.contains(&0) || [d, h, w].contains(&0) {
        bail!("upsample3d: sizes must be at least 1, found {:?} to {size:?}", x.dims())
    }
    let mut y = x.clone();
    for axis in 0..3 {
        let (from, to) = ([d, h, w][axis], size[axis]);
        y = match mode {
            Mode::Nearest => gather_axis(&y, axis, (0..to).map(|at| at * from / to))?,
            Mode::Trilinear { align_corners } => linear(&y, axis, to, align_corners)?,
        };
    }
    Ok(y)
}

fn linear(x: &Tensor, axis: usize, to: usize, align_corners: bool) -> Result<Tensor> {
    let from = x.dim(dimension(axis))?;
    if from == to {
        return Ok(x.clone());
    }
    let place = |at: usize| {
        let place = if align_corners {
            at as f64 * (from - 1) as f64 / (to.max(2) - 1) as f64
        } else {
            ((at as f64 + 0.5) * from as f64 / to as f64 - 0.5).max(0.0)
        };
        let low = (place.floor() as usize).min(from - 1);
        (low, place - low as f64)
    };
    let low = gather_axis(x, axis, (0..to).map(|at| place(at).0))?;
    let high = gather_axis(x, axis, (0..to).map(|at| (place(at).0 + 1).min(from - 1)))?;
    let share: Vec<f32> = (0..to).map(|at| place(at).1 as f32).collect();
    let mut dims = vec![1; 5];
    dims[dimension(axis)] = to;
    let share = Tensor::from_vec(share, dims, x.device())?.to_dtype(x.dtype())?;
    &low + (high - &low)?.broadcast_mul(&share)?
}
