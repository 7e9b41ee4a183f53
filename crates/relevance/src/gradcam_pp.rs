//! Grad-CAM++: Grad-CAM with each position of a channel weighted by its own contribution.
//!
//! A. Chattopadhay, A. Sarkar, P. Howlader and V. N. Balasubramanian, "Grad-CAM++: Generalized Gradient-Based Visual
//! Explanations for Deep Convolutional Networks", WACV 2018, <https://doi.org/10.1109/WACV.2018.00097>. With the
//! exponential of the logit as the score, its second and third derivatives are powers of the first, and the weight of a
//! position is `g² / (2g² + ΣA·g³)`; the exponential itself scales the whole map and cancels.
//!
//! The head of these networks is a mean over positions and a linear layer, so that a channel's gradient is the same
//! everywhere: Grad-CAM++ then only reweights the channels, and drops those that are evidence against the class.

use candle_core::Tensor;

use crate::gradcam::LastStage;
use crate::{Error, RelevanceMap};

impl LastStage {
    /// Computes Grad-CAM++. Without evidence the map is flat.
    ///
    /// # Shapes
    /// The map is `[z, y, x]`, as the image.
    ///
    /// # Errors
    /// As [`LastStage::grad_cam`].
    pub fn grad_cam_pp(&self) -> Result<RelevanceMap, Error> {
        let weights = weights(&self.features, &self.gradient)?;
        self.resized(self.features.broadcast_mul(&weights)?.sum_keepdim(1)?)
    }
}

/// Computes the weight of each channel, `[1, c, 1, 1, 1]`.
fn weights(features: &Tensor, gradient: &Tensor) -> Result<Tensor, Error> {
    let (n, c, ..) = features.dims5()?;
    let over_positions = |values: &Tensor| -> Result<Tensor, Error> {
        Ok(values.flatten_from(2)?.sum(candle_core::D::Minus1)?.reshape((n, c, 1, 1, 1))?)
    };
    let squares = gradient.sqr()?;
    // Where the denominator is 0 so is the numerator, or the position has no finite weight: it counts for nothing.
    let below =
        (squares.clone() * 2.0)?.broadcast_add(&over_positions(&(features * squares.mul(gradient)?)?)?)?;
    let none = below.eq(0.0)?;
    let shares = squares.div(&none.where_cond(&below.ones_like()?, &below)?)?;
    let shares = none.where_cond(&shares.zeros_like()?, &shares)?;
    over_positions(&(shares * gradient.relu()?)?)
}
