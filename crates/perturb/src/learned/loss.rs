//! The losses that a U-Net is trained to minimise.
//!
//! Rajapaksa and Khalvati (2022), section B: "perturbation loss defined as Σ 1/abs(nonperturbed − perturbed) ... the
//! training is optimized to increase the difference between classification confidence of perturbed and non-perturbed input
//! images". Without a lower bound it is infinite where a fill changes nothing; ε bounds it by 1/ε.

use candle_core::Tensor;

use super::network::sigmoid;
use crate::Error;

/// Computes Σ 1 / (|p − p′| + ε) over a batch, differentiable in the perturbed logits.
///
/// The probabilities are the paper's, so that the gradient vanishes where p′ is 0 or 1, or equals p.
///
/// # Shapes
/// `original` (p, constants) and `perturbed` (logits) are `[n]`; the loss is a scalar.
///
/// # Errors
/// Returns [`Error::Tensor`] if a tensor operation fails.
pub fn perturbation_loss(original: &Tensor, perturbed: &Tensor, epsilon: f64) -> Result<Tensor, Error> {
    let distance = (sigmoid(perturbed)? - original)?.abs()?;
    Ok((distance + epsilon)?.recip()?.sum_all()?)
}

/// Computes Σ 1 / (softplus(s (l − l′)) + ε) over a batch, differentiable in the perturbed logits l′; s is 1 where the scan's
/// own logit l predicts the target (l ≥ 0) and −1 elsewhere.
///
/// Only what takes the predicted class away is rewarded. Clamping it, max(s (p − p′), 0), would leave a region whose fill
/// strengthens the class without any gradient, which is where one is needed most, and so does a probability close to 0 or
/// one. The softplus of the logits' difference is close to the difference where the class is weakened and close to 0 where it is
/// strengthened, and its gradient, σ(s (l − l′)), vanishes nowhere.
///
/// # Shapes
/// `original` (constants) and `perturbed` are logits `[n]`; the loss is a scalar.
///
/// # Errors
/// Returns [`Error::Tensor`] if a tensor operation fails.
pub fn signed_loss(original: &Tensor, perturbed: &Tensor, epsilon: f64) -> Result<Tensor, Error> {
    let sign = original.ge(0.0)?.to_dtype(original.dtype())?.affine(2.0, -1.0)?;
    let weakened = ((original - perturbed)? * sign)?;
    Ok((softplus(&weakened)? + epsilon)?.recip()?.sum_all()?)
}

/// Computes ln(1 + eˣ) without overflow. Its gradient is the logistic function, also at 0.
fn softplus(x: &Tensor) -> Result<Tensor, Error> {
    let largest = x.relu()?.detach();
    Ok((((x - &largest)?.exp()? + largest.neg()?.exp()?)?.log()? + largest)?)
}
