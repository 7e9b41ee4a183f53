//! 3D convolution as a sum over kernel planes of 2D convolutions with depth folded into the batch, or as a sum over kernel
//! taps of matrix products.

use super::{dimension, gather_axis};
use crate::Conv3dParams;
use candle_core::{Result, Tensor};

/// Computes [`crate::conv3d`] as a composition of candle's operations.
///
/// # Shapes
/// As [`crate::conv3d`].
///
/// # Errors
/// Returns candle's error if an operation fails.
pub fn conv3d(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>, params: Conv3dParams) -> Result<Tensor> {
    let in_plane_is_uniform =
        params.stride[1] == params.stride[2] && params.dilation[1] == params.dilation[2];
    // candle 0.11.1's conv2d on Metal treats a kernel that is not contiguous as if it were, and the gradient of the weight
    // passes it one (candle-core/src/metal_backend/mod.rs, conv2d).
    let gradient_is_right = !(x.device().is_metal() && weight.track_op());
    if in_plane_is_uniform && gradient_is_right {
        by_planes(x, weight, bias, params)
    } else {
        conv3d_by_taps(x, weight, bias, params)
    }
}

/// Computes a convolution by kernel planes; y and x must have the same stride and dilation.
fn by_planes(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>, params: Conv3dParams) -> Result<Tensor> {
    let (batch, channels, ..) = x.dims5()?;
    let (out_channels, _, planes, kernel_y, kernel_x) = weight.dims5()?;
    let padded = pad(x, weight, params)?;
    let (_, _, _, height, width) = padded.dims5()?;
    let output = output_size(x, weight, params)?;
    let mut sum: Option<Tensor> = None;
    for plane in 0..planes {
        let start = plane * params.dilation[0];
        let slices = gather_axis(&padded, 0, (0..output[0]).map(|z| start + z * params.stride[0]))?;
        let folded =
            slices.transpose(1, 2)?.contiguous()?.reshape((batch * output[0], channels, height, width))?;
        let kernel = weight.narrow(2, plane, 1)?.contiguous()?.reshape((
            out_channels,
            channels,
            kernel_y,
            kernel_x,
        ))?;
        let part = folded.conv2d(&kernel, 0, params.stride[1], params.dilation[1], 1)?;
        sum = Some(match sum {
            None => part,
            Some(sum) => (sum + part)?,
        });
    }
    let sum = sum.ok_or_else(|| candle_core::Error::msg("conv3d: the kernel has no planes"))?;
    let y = sum.reshape((batch, output[0], out_channels, output[1], output[2]))?.transpose(1, 2)?;
    add_bias(&y.contiguous()?, bias)
}

/// Computes a convolution by kernel taps, for any stride and dilation per axis.
///
/// # Shapes
/// As [`crate::conv3d`].
///
/// # Errors
/// Returns candle's error if an operation fails.
pub fn conv3d_by_taps(
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    params: Conv3dParams,
) -> Result<Tensor> {
    let (batch, channels, ..) = x.dims5()?;
    let (out_channels, _, kd, kh, kw) = weight.dims5()?;
    let padded = pad(x, weight, params)?;
    let output = output_size(x, weight, params)?;
    let voxels = output.iter().product::<usize>();
    let along = |x: &Tensor, axis: usize, tap: usize| {
        let start = tap * params.dilation[axis];
        gather_axis(x, axis, (0..output[axis]).map(|at| start + at * params.stride[axis]))
    };
    let mut sum: Option<Tensor> = None;
    for z in 0..kd {
        let planes = along(&padded, 0, z)?;
        for y in 0..kh {
            let rows = along(&planes, 1, y)?;
            for x in 0..kw {
                let seen = along(&rows, 2, x)?.contiguous()?.reshape((batch, channels, voxels))?;
                let tap = weight.narrow(2, z, 1)?.narrow(3, y, 1)?.narrow(4, x, 1)?;
                let tap = tap.contiguous()?.reshape((1, out_channels, channels))?;
                let part = tap.broadcast_as((batch, out_channels, channels))?.contiguous()?.matmul(&seen)?;
                sum = Some(match sum {
                    None => part,
                    Some(sum) => (sum + part)?,
                });
            }
        }
    }
    let sum = sum.ok_or_else(|| candle_core::Error::msg("conv3d: the kernel has no taps"))?;
    add_bias(&sum.reshape((batch, out_channels, output[0], output[1], output[2]))?, bias)
}

/// Adds the bias of each channel.
pub(crate) fn add_bias(y: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
    match bias {
        None => Ok(y.clone()),
        Some(bias) => y.broadcast_add(&bias.reshape((1, bias.dim(0)?, 1, 1, 1))?),
    }
}

fn output_size(x: &Tensor, weight: &Tensor, params: Conv3dParams) -> Result<[usize; 3]> {
    let (_, _, d, h, w) = x.dims5()?;
    let (_, _, kd, kh, kw) = weight.dims5()?;
    params
        .output_size([d, h, w], [kd, kh, kw])
        .ok_or_else(|| candle_core::Error::msg("conv3d: the kernel does not fit the input"))
}

/// Pads with zeros and removes inputs that no output reads, for which candle's conv2d has a wrong gradient.
fn pad(x: &Tensor, weight: &Tensor, params: Conv3dParams) -> Result<Tensor> {
    let output = output_size(x, weight, params)?;
    let (_, _, kd, kh, kw) = weight.dims5()?;
    let geometry = params.geometry([kd, kh, kw]);
    let mut padded = x.clone();
    for (axis, &windows) in output.iter().enumerate() {
        let read = geometry.receptive_field_along(axis, 0..windows).len();
        let (before, size) = (params.padding[axis], x.dim(dimension(axis))?);
        let after = read.saturating_sub(before + size);
        padded = padded.pad_with_zeros(dimension(axis), before, after)?.narrow(dimension(axis), 0, read)?;
    }
    Ok(padded)
}
