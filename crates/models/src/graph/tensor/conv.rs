//! Convolutions in groups and with any padding, and transposed convolutions.

use super::norm::by_channel;
use super::padding::pad;
use crate::graph::{Conv, ConvTranspose, Padding};
use candle_core::{Result, Tensor};
use conv3d::{Conv3dParams, ConvTranspose3dParams};

/// Computes a convolution.
///
/// # Shapes
/// `x [n, i, z, y, x]`, `weight [o, i / groups, kz, ky, kx]`, `bias [o]`.
pub(super) fn conv(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>, conv: &Conv) -> Result<Tensor> {
    let Conv { stride, dilation, padding, groups, .. } = *conv;
    if groups > 1 && weight.dim(1)? == 1 {
        return depthwise(&pad(x, padding, 0.0)?, weight, bias, conv);
    }
    let is_even = padding.before == padding.after;
    let x = if is_even { x.clone() } else { pad(x, padding, 0.0)? };
    let padding = if is_even { padding.before } else { [0; 3] };
    let params = Conv3dParams { stride, padding, dilation };
    if groups == 1 {
        return conv3d::conv3d(&x, weight, bias, params);
    }
    let (inputs, outputs) = (weight.dim(1)?, weight.dim(0)? / groups);
    let group = |group: usize| {
        let x = x.narrow(1, group * inputs, inputs)?.contiguous()?;
        let weight = weight.narrow(0, group * outputs, outputs)?.contiguous()?;
        let bias = bias.map(|bias| bias.narrow(0, group * outputs, outputs)?.contiguous()).transpose()?;
        conv3d::conv3d(&x, &weight, bias.as_ref(), params)
    };
    Tensor::cat(&(0..groups).map(group).collect::<Result<Vec<_>>>()?, 1)
}

/// Computes a convolution of groups of one input each, of a padded input: a sum over taps of products by channel.
fn depthwise(padded: &Tensor, weight: &Tensor, bias: Option<&Tensor>, conv: &Conv) -> Result<Tensor> {
    let (_, channels, z, y, x) = padded.dims5()?;
    let outputs = weight.dim(0)?;
    let repeated = match outputs / channels {
        1 => padded.clone(),
        // Output o reads input o / multiple.
        multiple => {
            let sources = (0..outputs as u32).map(|output| output / multiple as u32).collect();
            padded.index_select(&Tensor::from_vec::<_, u32>(sources, outputs, padded.device())?, 1)?
        }
    };
    let spans = conv.geometry().kernel;
    let windows: Vec<usize> = [z, y, x]
        .iter()
        .zip(spans)
        .zip(conv.stride)
        .map(|((n, span), stride)| (n - span) / stride + 1)
        .collect();
    let along = |x: &Tensor, axis: usize, tap: usize| {
        let (start, stride) = (tap * conv.dilation[axis], conv.stride[axis]);
        if stride == 1 {
            return x.narrow(axis + 2, start, windows[axis]);
        }
        let places = (0..windows[axis]).map(|at| (start + at * stride) as u32).collect();
        x.contiguous()?
            .index_select(&Tensor::from_vec::<_, u32>(places, windows[axis], x.device())?, axis + 2)
    };
    let shape = [padded.dim(0)?, outputs, windows[0], windows[1], windows[2]];
    let mut sum = match bias {
        Some(bias) => by_channel(bias, 5)?.broadcast_as(&shape)?.contiguous()?,
        None => Tensor::zeros(&shape, padded.dtype(), padded.device())?,
    };
    for z in 0..conv.kernel[0] {
        let planes = along(&repeated, 0, z)?;
        for y in 0..conv.kernel[1] {
            let rows = along(&planes, 1, y)?;
            for x in 0..conv.kernel[2] {
                let tap = weight.narrow(2, z, 1)?.narrow(3, y, 1)?.narrow(4, x, 1)?;
                let tap = by_channel(&tap.contiguous()?, 5)?;
                sum = (sum + along(&rows, 2, x)?.broadcast_mul(&tap)?)?;
            }
        }
    }
    Ok(sum)
}

/// Computes a transposed convolution.
///
/// # Shapes
/// `x [n, i, z, y, x]`, `weight [i, o, kz, ky, kx]`, `bias [o]`.
pub(super) fn transposed(x: &Tensor, weight: &Tensor, bias: &Tensor, conv: &ConvTranspose) -> Result<Tensor> {
    let ConvTranspose { stride, padding, output_padding, .. } = *conv;
    let is_supported =
        padding.before == padding.after && (0..3).all(|axis| output_padding[axis] < stride[axis]);
    if is_supported {
        let params =
            ConvTranspose3dParams { stride, padding: padding.before, output_padding, dilation: [1; 3] };
        return conv3d::conv_transpose3d(x, weight, Some(bias), params);
    }
    // All outputs, with those of the output padding, which no input reaches; then the padding is removed.
    let params = ConvTranspose3dParams { stride, ..ConvTranspose3dParams::default() };
    let all = conv3d::conv_transpose3d(x, weight, None, params)?;
    let mut y = pad(&all, Padding { before: [0; 3], after: output_padding }, 0.0)?;
    for axis in 0..3 {
        let (before, after) = (padding.before[axis], padding.after[axis]);
        let length = y.dim(axis + 2)?.saturating_sub(before + after);
        y = y.narrow(axis + 2, before, length)?;
    }
    y.broadcast_add(&by_channel(bias, 5)?)
}
