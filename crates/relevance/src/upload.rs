//! Images on a device.

use candle_core::{Device, Tensor};
use relevox_perturb::ImageView;

use crate::Error;

/// Copies an image to the device, as a batch of one.
pub(crate) fn upload_one(image: ImageView<'_>, device: &Device) -> Result<Tensor, Error> {
    let (c, z, y, x) = image.dim();
    Ok(Tensor::from_vec(image.iter().copied().collect::<Vec<f32>>(), (1, c, z, y, x), device)?)
}
