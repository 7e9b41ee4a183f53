//! Transposed 3D convolution as a convolution of the input with zeros between its voxels.

use super::conv::{add_bias, conv3d};
use super::{dimension, gather_axis};
use crate::{Conv3dParams, ConvTranspose3dParams};
use candle_core::{Result, Tensor};

/// Computes [`crate::conv_transpose3d`] as a composition of candle's operations.
///
/// # Shapes
/// As [`crate::conv_transpose3d`].
///
/// # Errors
/// Returns candle's error if an operation fails.
pub fn conv_transpose3d(
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    params: ConvTranspose3dParams,
) -> Result<Tensor> {
    let (_, _, kd, kh, kw) = weight.dims5()?;
    let kernel = [kd, kh, kw];
    let tiles = params.stride == kernel
        && params.padding == [0; 3]
        && params.output_padding == [0; 3]
        && params.dilation == [1; 3];
    if tiles {
        return by_tiles(x, weight, bias, kernel);
    }
    let mut spread = x.clone();
    for (axis, &taps) in kernel.iter().enumerate() {
        spread = put_zeros_between(&spread, axis, params.stride[axis])?;
        // A full correlation with the flipped kernel needs its span on both sides, minus the padding.
        let reach = params.dilation[axis] * (taps - 1);
        spread = widen(&spread, axis, reach as isize - params.padding[axis] as isize, false)?;
        let far = reach as isize - params.padding[axis] as isize + params.output_padding[axis] as isize;
        spread = widen(&spread, axis, far, true)?;
    }
    let mut flipped = weight.transpose(0, 1)?.contiguous()?;
    for (axis, &size) in kernel.iter().enumerate() {
        flipped = gather_axis(&flipped, axis, (0..size).rev())?;
    }
    conv3d(&spread, &flipped, bias, Conv3dParams { dilation: params.dilation, ..Conv3dParams::default() })
}

/// Computes a transposed convolution with stride = kernel: every input voxel has its own block of outputs.
fn by_tiles(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>, kernel: [usize; 3]) -> Result<Tensor> {
    let (batch, channels, d, h, w) = x.dims5()?;
    let out_channels = weight.dim(1)?;
    let taps = kernel.iter().product::<usize>();
    let flat = x.contiguous()?.reshape((batch, channels, d * h * w))?;
    let matrix = weight.contiguous()?.reshape((channels, out_channels * taps))?.t()?;
    let matrix = matrix.unsqueeze(0)?.broadcast_as((batch, out_channels * taps, channels))?.contiguous()?;
    let blocks = matrix.matmul(&flat)?;
    let blocks = blocks.reshape(vec![batch, out_channels, kernel[0], kernel[1], kernel[2], d, h, w])?;
    let y = blocks.permute(vec![0, 1, 5, 2, 6, 3, 7, 4])?.contiguous()?;
    add_bias(&y.reshape((batch, out_channels, d * kernel[0], h * kernel[1], w * kernel[2]))?, bias)
}

fn put_zeros_between(x: &Tensor, axis: usize, stride: usize) -> Result<Tensor> {
    if stride == 1 {
        return Ok(x.clone());
    }
    let dim = dimension(axis);
    let size = x.dim(dim)?;
    let spread = x.unsqueeze(dim + 1)?.pad_with_zeros(dim + 1, 0, stride - 1)?;
    let mut dims = x.dims().to_vec();
    dims[dim] = size * stride;
    spread.reshape(dims)?.narrow(dim, 0, (size - 1) * stride + 1)
}

/// Adds `by` zeros at one end of an axis, or removes voxels if `by` is negative.
fn widen(x: &Tensor, axis: usize, by: isize, far: bool) -> Result<Tensor> {
    let dim = dimension(axis);
    let amount = by.unsigned_abs();
    match (by >= 0, far) {
        (true, true) => x.pad_with_zeros(dim, 0, amount),
        (true, false) => x.pad_with_zeros(dim, amount, 0),
        (false, true) => x.narrow(dim, 0, x.dim(dim)? - amount),
        (false, false) => x.narrow(dim, amount, x.dim(dim)? - amount),
    }
}
