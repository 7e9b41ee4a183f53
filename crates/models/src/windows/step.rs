//! Computes a layer for windows.

use super::boxes::{Place, common, reached};
use super::cut::{Changed, Layer, cut};
use crate::layers::{BatchNorm3d, Conv3d};
use candle_core::{Result as TensorResult, Tensor, bail};
use conv3d::{Conv3dParams, ConvGeometry};
use relevox_grid::Box3;

/// Returns the positions of windows of a layer's outputs and the inputs that they read. The inputs have the same size and
/// are concatenated along channels. `needed` limits the reached outputs of each patch.
pub(super) fn next(
    geometry: ConvGeometry,
    inputs: &[(&Layer, &Changed)],
    needed: Option<&[Box3]>,
    outside: f32,
) -> TensorResult<(Tensor, Place)> {
    let Some((first, _)) = inputs.first() else { bail!("windows: a layer without inputs") };
    let Some(size) = geometry.output_size(first.size) else {
        bail!("windows: a layer of {:?} voxels is too small for {geometry:?}", first.size)
    };
    let count = inputs.iter().map(|(_, changed)| changed.place.boxes.len()).min().unwrap_or(0);
    let boxes = (0..count).map(|index| {
        let all = inputs.iter().map(|(_, changed)| changed.place.boxes[index]);
        let all = all.reduce(|a, b| a.hull(&b)).unwrap_or_default();
        let reached = reached(geometry, all, size);
        match needed {
            Some(needed) => common(reached, needed[index]),
            None => reached,
        }
    });
    let place = Place::around(boxes.collect(), size);
    // A kernel of 1 does not read the inputs between strides.
    let one = geometry.kernel == [1; 3];
    let step = if one { geometry.stride } else { [1; 3] };
    let window = if one { place.size } else { geometry.receptive_field(Box3::whole(place.size)).size() };
    let firsts = place.first_inputs(geometry);
    let mut seen = Vec::new();
    for (from, changed) in inputs {
        seen.push(cut(from, changed, &firsts, window, step, outside)?);
    }
    let seen = if seen.len() == 1 { seen.remove(0) } else { Tensor::cat(&seen, 1)? };
    Ok((seen, place))
}

/// Computes a convolution with its batch norm.
pub(super) fn layer(
    conv: &Conv3d,
    norm: &BatchNorm3d,
    relu: bool,
    inputs: &[(&Layer, &Changed)],
    needed: Option<&[Box3]>,
) -> TensorResult<Changed> {
    let (_, _, kz, ky, kx) = conv.weight().dims5()?;
    if conv.params().dilation != [1; 3] {
        bail!("windows: expected an undilated convolution, found {:?}", conv.params())
    }
    let (seen, place) = next(conv.params().geometry([kz, ky, kx]), inputs, needed, 0.0)?;
    let values = norm.forward_t(&inside(conv, &seen)?, false, relu)?;
    Ok(Changed { values, place })
}

/// Computes a convolution for windows that contain its receptive field.
pub(super) fn inside(conv: &Conv3d, seen: &Tensor) -> TensorResult<Tensor> {
    let one = conv.weight().dims()[2..] == [1; 3];
    let stride = if one { [1; 3] } else { conv.params().stride };
    let params = Conv3dParams { stride, padding: [0; 3], dilation: [1; 3] };
    conv3d::conv3d(seen, conv.weight(), conv.bias(), params)
}
