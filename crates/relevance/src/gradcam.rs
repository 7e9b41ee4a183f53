//! Grad-CAM: the last residual stage's channels, weighted by how much each speaks for a class.
//!
//! Selvaraju et al., "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based Localization"
//! (ICCV 2017), <https://doi.org/10.1109/ICCV.2017.74>. A channel's weight is the spatial mean of the logit's
//! gradient; the weighted sum goes through a ReLU, is brought to the input's size trilinearly (corners not
//! aligned) and min-max scaled to 0..100.

use candle_core::{D, Device, Tensor, Var};
use ndarray::{Array3, ArrayView4};
use relevox_models::ResNet3d;
use relevox_models::conv3d::{Mode, upsample3d};

use crate::network::upload_one;
use crate::{Error, RelevanceMap};

/// The class whose evidence is mapped.
///
/// A network with one logit `l` has `l` for its positive class and `−l` for the other, so their maps are the
/// two halves that the ReLU cuts apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Target {
    /// The class the network predicts (positive where `l ≥ 0`): Grad-CAM's own choice.
    #[default]
    Predicted,
    /// The positive class, whatever is predicted.
    Positive,
    /// The negative class, whatever is predicted.
    Negative,
}

impl Target {
    /// What the logit is multiplied by.
    fn sign(self, logit: f64) -> f64 {
        match self {
            Self::Predicted if logit >= 0.0 => 1.0,
            Self::Predicted | Self::Negative => -1.0,
            Self::Positive => 1.0,
        }
    }
}

/// Grad-CAM for the predicted class.
///
/// # Shapes
/// `image` is `[c, z, y, x]`; the map `[z, y, x]`.
///
/// # Errors
/// As [`grad_cam_for`].
pub fn grad_cam(
    network: &ResNet3d,
    image: ArrayView4<'_, f32>,
    device: &Device,
) -> Result<RelevanceMap, Error> {
    grad_cam_for(network, image, Target::default(), device)
}

/// Grad-CAM for a class of choice. A map that the ReLU empties is flat, and says so.
///
/// # Shapes
/// `image` is `[c, z, y, x]`; the map `[z, y, x]`.
///
/// # Errors
/// Whatever the network meets; activations or gradients that are not finite.
pub fn grad_cam_for(
    network: &ResNet3d,
    image: ArrayView4<'_, f32>,
    target: Target,
    device: &Device,
) -> Result<RelevanceMap, Error> {
    let (features, gradient) = last_stage(network, image, target, device)?;
    brought_to_size(weighted_sum(&features, &gradient)?, image)
}

/// The last residual stage's channels `[1, c, d, h, w]`, and the gradient of a class's logit by them.
pub(crate) fn last_stage(
    network: &ResNet3d,
    image: ArrayView4<'_, f32>,
    target: Target,
    device: &Device,
) -> Result<(Tensor, Tensor), Error> {
    // Cut from what made them: only the head is differentiated.
    let features = network.features_t(&upload_one(image, device)?, false)?.detach();
    let features = Var::from_tensor(&features)?;
    let logit = network.head(features.as_tensor())?.sum_all()?;
    let sign = target.sign(f64::from(logit.to_scalar::<f32>()?));
    let gradients = (logit * sign)?.backward()?;
    let gradient = match gradients.get(features.as_tensor()) {
        Some(gradient) => gradient.detach(),
        None => features.zeros_like()?,
    };
    Ok((features.detach(), gradient))
}

/// What is above 0 of evidence `[1, 1, d, h, w]`, on the input's grid.
pub(crate) fn brought_to_size(evidence: Tensor, image: ArrayView4<'_, f32>) -> Result<RelevanceMap, Error> {
    let (_, z, y, x) = image.dim();
    let map = upsample3d(&evidence.relu()?, [z, y, x], Mode::Trilinear { align_corners: false })?;
    let map =
        Array3::from_shape_vec((z, y, x), map.detach().flatten_all()?.to_vec1::<f32>()?).map_err(|_| {
            Error::ShapeMismatch {
                what: "the voxels of the upsampled map",
                expected: vec![z, y, x],
                found: map.dims().to_vec(),
            }
        })?;
    RelevanceMap::from_values(map)
}

/// Channels `[1, c, d, h, w]` weighted by their mean gradient and summed: `[1, 1, d, h, w]`.
fn weighted_sum(features: &Tensor, gradient: &Tensor) -> Result<Tensor, Error> {
    let (n, c, ..) = features.dims5()?;
    let weights = gradient.flatten_from(2)?.mean(D::Minus1)?.reshape((n, c, 1, 1, 1))?;
    Ok(features.broadcast_mul(&weights)?.sum_keepdim(1)?)
}
