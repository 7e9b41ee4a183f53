//! The loss that the U-Net is trained to minimise.
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
