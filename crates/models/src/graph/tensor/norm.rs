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

/// Computes `scale · x + shift` by channel.
pub(super) fn affine(x: &Tensor, scale: &Tensor, shift: &Tensor) -> Result<Tensor> {
    if x.rank() != 5 {
        return x.broadcast_mul(&by_channel(scale, x.rank())?)?.broadcast_add(&by_channel(shift, x.rank())?);
    }
    // One pass over memory on the CPU.
    let norm = BatchNorm { gamma: scale, beta: shift, epsilon: 0.0, relu: false };
    conv3d::batch_norm_eval(x, &scale.zeros_like()?, &scale.ones_like()?, norm)
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
    affine(&normalised.reshape(x.shape())?, scale, shift)
}
