//! The operations as compositions of candle's: for any device, with gradients, and the oracle of the kernels.
//!
//! candle's pooling and upsampling have no gradient if windows overlap or factors are not integers, and the gradient of its
//! strided conv2d is wrong if the last inputs are never read. These compositions avoid both, mostly by gathering along one
//! axis at a time (`index_select`, whose gradient is `index_add`).

mod conv;
mod conv_transpose;
mod norm;
mod pool;
mod upsample;

use candle_core::{Device, Result, Tensor};

#[cfg(feature = "cuda")]
pub(super) use conv::add_bias;
pub use conv::{conv3d, conv3d_by_taps};
pub use conv_transpose::conv_transpose3d;
pub use norm::{add_relu, batch_norm_eval, batch_norm_train, relu};
pub use pool::{avg_pool3d, global_avg_pool3d, max_pool3d};
pub use upsample::upsample3d;

/// Returns the dimension of a batch that holds spatial axis 0 (z), 1 (y) or 2 (x).
const fn dimension(axis: usize) -> usize {
    axis + 2
}

/// Returns indices as a tensor.
fn indices(values: impl Iterator<Item = usize>, device: &Device) -> Result<Tensor> {
    let values: Vec<u32> = values.map(|value| value as u32).collect();
    let count = values.len();
    Tensor::from_vec(values, count, device)
}

/// Gathers `x` along `axis`; consecutive indices need no copy.
fn gather_axis(x: &Tensor, axis: usize, values: impl Iterator<Item = usize>) -> Result<Tensor> {
    let values: Vec<usize> = values.collect();
    let size = x.dim(dimension(axis))?;
    if values.len() == size && values.iter().enumerate().all(|(at, &value)| at == value) {
        return Ok(x.clone());
    }
    let first = values.first().copied().unwrap_or(0);
    if values.iter().enumerate().all(|(at, &value)| first + at == value) {
        return x.narrow(dimension(axis), first, values.len());
    }
    x.contiguous()?.index_select(&indices(values.into_iter(), x.device())?, dimension(axis))
}
