//! What a value is before it is computed.

use crate::graph::{Activation, Conv, ConvTranspose, Norm};
use conv3d::blocked::elementwise::Combine;
use conv3d::blocked::rectifier::Rectifier;

/// A value of the graph during compilation.
#[derive(Clone, Debug)]
pub(super) enum State {
    /// It is computed by a step.
    Layer(usize),
    /// A convolution that is not yet a step.
    Conv(Box<PendingConv>),
    /// A function of single voxels that is not yet a step.
    Map(PendingMap),
    /// A normalisation that is not yet a step.
    Norm { layer: usize, norm: Norm, rectifier: Rectifier },
    /// Every `stride`-th voxel of a layer, with `missing` channels of zeros after its own.
    Strided { layer: usize, stride: usize, missing: usize },
    /// The mean over the voxels of a layer.
    Mean(usize),
    /// The network's last layer: weighted sums of a layer's means.
    Head { layer: usize, weights: Vec<f32>, bias: Vec<f32> },
}

/// A convolution with what was made part of it.
#[derive(Clone, Debug)]
pub(super) struct PendingConv {
    pub(super) input: usize,
    /// Applied to the inputs.
    pub(super) before: Option<Before>,
    pub(super) kind: Kind,
    /// A layer to add, every so many voxels.
    pub(super) residual: Option<(usize, usize)>,
    pub(super) rectifier: Rectifier,
}

/// A convolution or its transpose.
#[derive(Clone, Debug)]
pub(super) enum Kind {
    Conv(Conv),
    Transposed(ConvTranspose),
}

impl Kind {
    /// Applies `scale · y + shift` to the outputs.
    pub(super) fn fold(&mut self, scale: &[f32], shift: &[f32]) {
        let (weights, bias, of_output): (_, _, Box<dyn Fn(usize) -> usize>) = match self {
            Self::Conv(conv) => {
                let by_output = conv.weights.len() / conv.bias.len();
                (&mut conv.weights, &mut conv.bias, Box::new(move |at| at / by_output))
            }
            Self::Transposed(conv) => {
                let (taps, outputs) = (conv.kernel.iter().product::<usize>(), conv.bias.len());
                (&mut conv.weights, &mut conv.bias, Box::new(move |at| at / taps % outputs))
            }
        };
        for (at, weight) in weights.iter_mut().enumerate() {
            *weight = (f64::from(*weight) * f64::from(scale[of_output(at)])) as f32;
        }
        for (bias, (&scale, &shift)) in bias.iter_mut().zip(scale.iter().zip(shift)) {
            *bias = (f64::from(*bias) * f64::from(scale) + f64::from(shift)) as f32;
        }
    }
}

/// `rectifier(scale · x + shift)` by channel.
#[derive(Clone, Debug)]
pub(super) struct Before {
    pub(super) scale: Vec<f32>,
    pub(super) shift: Vec<f32>,
    pub(super) rectifier: Rectifier,
}

/// `activation(scale · (x ∘ y) + shift)` of layers.
#[derive(Clone, Debug)]
pub(super) struct PendingMap {
    pub(super) input: usize,
    pub(super) other: Option<(usize, Combine)>,
    /// Factor and summand of each channel.
    pub(super) affine: Option<(Vec<f32>, Vec<f32>)>,
    pub(super) activation: Option<Activation>,
}

impl PendingMap {
    /// The identity.
    pub(super) fn of(input: usize) -> Self {
        Self { input, other: None, affine: None, activation: None }
    }

    /// Returns the function as one that another step can apply to what it reads.
    pub(super) fn as_before(&self, channels: usize) -> Option<Before> {
        let rectifier = match &self.activation {
            None => Rectifier::None,
            Some(activation) => rectifier(activation)?,
        };
        if self.other.is_some() {
            return None;
        }
        let (scale, shift) =
            self.affine.clone().unwrap_or_else(|| (vec![1.0; channels], vec![0.0; channels]));
        Some(Before { scale, shift, rectifier })
    }
}

/// Returns an activation of two linear pieces as a rectifier.
pub(super) fn rectifier(activation: &Activation) -> Option<Rectifier> {
    match activation {
        Activation::Relu => Some(Rectifier::Relu),
        Activation::LeakyRelu(slope) => Some(Rectifier::Leaky(*slope)),
        Activation::PRelu(slopes) => {
            let first = *slopes.first()?;
            slopes.iter().all(|&slope| slope == first).then_some(Rectifier::Leaky(first))
        }
        _ => None,
    }
}
