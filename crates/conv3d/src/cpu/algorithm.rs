//! Choice between the direct and Winograd's algorithm.

use super::layer::Layer;
use super::shape::Gather;
use super::{conv, weight_gradient, winograd};
use crate::blocked::winograd::Shape;
use crate::simd::Isa;

/// Computes `output[n, o] = bias[o] + Σ weight[o, i] ⋆ input[n, i]`.
pub(super) fn forward(layer: &Layer<'_>, input: &[f32], output: &mut [f32]) {
    match winograd::shape(layer.gather) {
        Some(shape) => winograd::forward(layer, shape, input, output),
        None => conv::forward(layer, input, output),
    }
}

/// Computes the gradient of the convolution's input, which is also a transposed convolution and may then have a bias.
pub(super) fn input_gradient(layer: &Layer<'_>, output_gradient: &[f32], input_gradient: &mut [f32]) {
    let run = match winograd::shape(layer.gather) {
        Some(Shape::Plane { .. }) => winograd::input_gradient,
        _ => conv::input_gradient,
    };
    run(layer, output_gradient, input_gradient);
}

/// Computes the gradient of the weight, `[o, i, kz, ky, kx]`.
pub(super) fn weight_gradient(
    isa: Isa,
    gather: &Gather,
    input: &[f32],
    output_gradient: &[f32],
    gradient: &mut [f32],
) {
    match winograd::shape(gather) {
        Some(shape) => winograd::weight_gradient(isa, shape, gather, input, output_gradient, gradient),
        None => weight_gradient::run(isa, gather, input, output_gradient, gradient),
    }
}
