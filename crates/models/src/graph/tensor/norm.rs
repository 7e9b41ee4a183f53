//! Values by channel, and normalisation by the statistics of the image itself.

use crate::graph::Norm;
use candle_core::{Result, Tensor};
use conv3d::BatchNorm;

/// Returns a vector of one value by channel with the rank of a batch, to broadcast it.
pub(super) fn by_channel(vector: &Tensor, rank: usize) -> Result<Tensor> {
    let mut shape = vec![1; rank];
    shape[1] = vector.elem_count();
    vector.reshape(shape)
}

/// Computes `scale · x + shift` by channel, then a ReLU if `relu`.
pub(super) fn affine(x: &Tensor, scale: &Tensor, shift: &Tensor, relu: bool) -> Result<Tensor> {
    if x.rank() == 5 && x.device().is_cpu() {
        // One pass over memory.
        let norm = BatchNorm { gamma: scale, beta: shift, epsilon: 0.0, relu };
        return conv3d::batch_norm_eval(x, &scale.zeros_like()?, &scale.ones_like()?, norm);
    }
    let [scale, shift] = [by_channel(scale, x.rank())?, by_channel(shift, x.rank())?];
    let y = x.broadcast_mul(&scale)?.broadcast_add(&shift)?;
    if relu { conv3d::relu(&y) } else { Ok(y) }
}

/// Normalises groups of channels by their own mean and variance.
pub(super) fn normalise(x: &Tensor, norm: &Norm, scale: &Tensor, shift: &Tensor) -> Result<Tensor> {
    let (n, channels, z, y, x_size) = x.dims5()?;
    // Each group of each image is a channel of one batch, whose statistics batch normalisation computes.
    let groups = n * norm.groups;
    let grouped = x.reshape((1, groups, channels / norm.groups * z, y, x_size))?;
    let (gamma, beta) =
        (Tensor::ones(groups, x.dtype(), x.device())?, Tensor::zeros(groups, x.dtype(), x.device())?);
    let plain = BatchNorm { gamma: &gamma, beta: &beta, epsilon: norm.epsilon, relu: false };
    let (normalised, _, _) = conv3d::batch_norm_train(&grouped, plain)?;
    affine(&normalised.reshape(x.shape())?, scale, shift, false)
}
