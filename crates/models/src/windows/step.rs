//! From layer to layer.

use super::boxes::{Bounds, Place, Reach, common, hull};
use super::cut::{Changed, Layer, cut};
use crate::layers::{BatchNorm3d, Conv3d};
use candle_core::{Result as TensorResult, Tensor, bail};
use conv3d::Conv3dParams;

/// Where windows of a layer's outputs are, and the windows of its inputs that they look at. The inputs are of one size;
/// their channels lie side by side. Of what the changes reach, `needed` says what counts, by change.
pub(super) fn next(
    reach: Reach,
    inputs: &[(&Layer, &Changed)],
    needed: Option<&[Bounds]>,
    outside: f32,
) -> TensorResult<(Tensor, Place)> {
    let Some((first, _)) = inputs.first() else { bail!("windows: a layer without inputs") };
    let size = reach.output_size(first.size)?;
    let count = inputs.iter().map(|(_, changed)| changed.place.boxes.len()).min().unwrap_or(0);
    let reached = (0..count).map(|index| {
        let all = inputs.iter().map(|(_, changed)| changed.place.boxes[index].clone());
        let all = all.reduce(|a, b| hull(&a, &b)).unwrap_or_default();
        let reached = reach.outputs(&all, size);
        match needed {
            Some(needed) => common(&reached, &needed[index]),
            None => reached,
        }
    });
    let place = Place::around(reached.collect(), size);
    // Of a kernel of 1, the inputs between are not looked at.
    let one = reach.kernel == [1; 3];
    let step = if one { reach.stride } else { [1; 3] };
    let window = if one { place.size } else { reach.inputs([0; 3], place.size).1 };
    let firsts: Vec<[isize; 3]> =
        place.starts.iter().map(|&start| reach.inputs(start, place.size).0).collect();
    let mut seen = Vec::new();
    for (from, changed) in inputs {
        seen.push(cut(from, changed, &firsts, window, step, outside)?);
    }
    let seen = if seen.len() == 1 { seen.remove(0) } else { Tensor::cat(&seen, 1)? };
    Ok((seen, place))
}

/// A convolution with its batch norm.
pub(super) fn layer(
    conv: &Conv3d,
    norm: &BatchNorm3d,
    relu: bool,
    inputs: &[(&Layer, &Changed)],
    needed: Option<&[Bounds]>,
) -> TensorResult<Changed> {
    let Conv3dParams { stride, padding, dilation } = conv.params();
    let (_, _, kz, ky, kx) = conv.weight().dims5()?;
    if dilation != [1; 3] {
        bail!("windows: a dilated convolution has none")
    }
    let reach = Reach { kernel: [kz, ky, kx], stride, padding };
    let (seen, place) = next(reach, inputs, needed, 0.0)?;
    let values = norm.forward_t(&inside(conv, &seen)?, false, relu)?;
    Ok(Changed { values, place })
}

/// A convolution of windows that hold all that it looks at.
pub(super) fn inside(conv: &Conv3d, seen: &Tensor) -> TensorResult<Tensor> {
    let one = conv.weight().dims()[2..] == [1; 3];
    let stride = if one { [1; 3] } else { conv.params().stride };
    let params = Conv3dParams { stride, padding: [0; 3], dilation: [1; 3] };
    conv3d::conv3d(seen, conv.weight(), conv.bias(), params)
}
