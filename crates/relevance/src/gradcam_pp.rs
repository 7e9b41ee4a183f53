//! Grad-CAM++: Grad-CAM with each place of a channel weighted by what it alone contributes.
//!
//! A. Chattopadhay, A. Sarkar, P. Howlader and V. N. Balasubramanian, "Grad-CAM++: Generalized Gradient-Based Visual
//! Explanations for Deep Convolutional Networks", WACV 2018, <https://doi.org/10.1109/WACV.2018.00097>. With the
//! exponential of the logit as the score, its second and third derivatives are powers of the first, and the weight of
//! a place is `g² / (2g² + ΣA·g³)`; the exponential itself scales the whole map and falls out of it.
//!
//! The head of our networks is a mean over places and a linear layer, so that a channel's gradient is the same
//! everywhere: Grad-CAM++ then only weighs channels anew, and drops those that speak against the class.

use candle_core::{Device, Tensor};
use ndarray::ArrayView4;
use relevox_models::ResNet3d;

use crate::gradcam::{Target, brought_to_size, last_stage};
use crate::{Error, RelevanceMap};

/// Grad-CAM++ for a class. A map without evidence is flat, and says so.
///
/// # Shapes
/// `image` is `[c, z, y, x]`; the map `[z, y, x]`.
///
/// # Errors
/// Whatever the network meets; activations or gradients that are not finite.
pub fn grad_cam_pp(
    network: &ResNet3d,
    image: ArrayView4<'_, f32>,
    target: Target,
    device: &Device,
) -> Result<RelevanceMap, Error> {
    let (features, gradient) = last_stage(network, image, target, device)?;
    let weights = weights(&features, &gradient)?;
    brought_to_size(features.broadcast_mul(&weights)?.sum_keepdim(1)?, image)
}

/// The weight of each channel, `[1, c, 1, 1, 1]`.
fn weights(features: &Tensor, gradient: &Tensor) -> Result<Tensor, Error> {
    let (n, c, ..) = features.dims5()?;
    let over_places = |values: &Tensor| -> Result<Tensor, Error> {
        Ok(values.flatten_from(2)?.sum(candle_core::D::Minus1)?.reshape((n, c, 1, 1, 1))?)
    };
    let squares = gradient.sqr()?;
    // Where the denominator is 0 so is the numerator, or the place has no finite weight: it counts for nothing.
    let below =
        (squares.clone() * 2.0)?.broadcast_add(&over_places(&(features * squares.mul(gradient)?)?)?)?;
    let none = below.eq(0.0)?;
    let shares = squares.div(&none.where_cond(&below.ones_like()?, &below)?)?;
    let shares = none.where_cond(&shares.zeros_like()?, &shares)?;
    over_places(&(shares * gradient.relu()?)?)
}
