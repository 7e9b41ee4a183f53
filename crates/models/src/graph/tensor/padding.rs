//! Padding of maps by any amount at each end.

use crate::graph::Padding;
use candle_core::{Result, Tensor};

/// Pads the voxels of a batch.
///
/// # Shapes
/// `[n, c, z, y, x]` to the same with `before + after` more voxels along each axis.
pub(super) fn pad(x: &Tensor, padding: Padding, fill: f32) -> Result<Tensor> {
    let mut padded = x.clone();
    for axis in 0..3 {
        let edge = |length: usize| {
            let mut shape = padded.dims().to_vec();
            shape[axis + 2] = length;
            Tensor::full(fill, shape, x.device())
        };
        let ends = [padding.before[axis], padding.after[axis]];
        padded = match ends {
            [0, 0] => continue,
            [before, 0] => Tensor::cat(&[&edge(before)?, &padded], axis + 2)?,
            [0, after] => Tensor::cat(&[&padded, &edge(after)?], axis + 2)?,
            [before, after] => Tensor::cat(&[&edge(before)?, &padded, &edge(after)?], axis + 2)?,
        };
    }
    Ok(padded)
}
