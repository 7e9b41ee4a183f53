//! Activations as compositions of candle's operations. A NaN stays a NaN.

use super::norm::by_channel;
use crate::graph::Activation;
use candle_core::{Result, Tensor};

/// Computes an activation; `slopes` are those of [`Activation::PRelu`].
///
/// # Shapes
/// `[n, c, …]` to the same.
pub(super) fn apply(x: &Tensor, activation: &Activation, slopes: Option<&Tensor>) -> Result<Tensor> {
    match *activation {
        Activation::Relu => conv3d::relu(x),
        Activation::LeakyRelu(slope) => positive_or(x, &x.affine(f64::from(slope), 0.0)?),
        Activation::PRelu(_) => match slopes {
            Some(slopes) => positive_or(x, &x.broadcast_mul(&by_channel(slopes, x.rank())?)?),
            None => candle_core::bail!("activation: the slopes are missing"),
        },
        Activation::Elu(alpha) => x.elu(f64::from(alpha)),
        Activation::Sigmoid => sigmoid(x),
        Activation::HardSigmoid { alpha, beta } => limited(&x.affine(alpha.into(), beta.into())?, 0.0, 1.0),
        Activation::Silu => x * sigmoid(x)?,
        Activation::HardSwish => x * limited(&x.affine(1.0 / 6.0, 0.5)?, 0.0, 1.0)?,
        Activation::Mish => x * softplus(x)?.tanh()?,
        Activation::Gelu => x.gelu_erf(),
        Activation::GeluTanh => x.gelu(),
        Activation::Tanh => x.tanh(),
        Activation::Softplus => softplus(x),
        Activation::Clip { low, high } => limited(x, low, high),
    }
}

/// Returns a value with the shape of `x`, without its memory.
fn everywhere(value: f32, x: &Tensor) -> Result<Tensor> {
    Tensor::new(value, x.device())?.broadcast_as(x.shape())
}

/// Returns `x` where it is positive, `other` elsewhere.
fn positive_or(x: &Tensor, other: &Tensor) -> Result<Tensor> {
    x.detach().gt(&everywhere(0.0, x)?)?.where_cond(x, other)
}

fn at_least(x: &Tensor, low: f32) -> Result<Tensor> {
    let low = everywhere(low, x)?;
    // At the limit the gradient is 0, as PyTorch's of a ReLU.
    x.detach().le(&low)?.where_cond(&low, x)
}

fn limited(x: &Tensor, low: f32, high: f32) -> Result<Tensor> {
    let (x, high) = (at_least(x, low)?, everywhere(high, x)?);
    x.detach().ge(&high)?.where_cond(&high, &x)
}

fn sigmoid(x: &Tensor) -> Result<Tensor> {
    (x.neg()?.exp()? + 1.0)?.recip()
}

/// `log(1 + exp x)`, computed without overflow.
fn softplus(x: &Tensor) -> Result<Tensor> {
    let near_0 = (x.abs()?.neg()?.exp()? + 1.0)?.log()?;
    at_least(x, 0.0)? + near_0
}
