//! Factors and summands by channel: batch normalisations, and constants as they broadcast.

use super::super::dims::Dim;
use super::super::fault::{Fault, invalid, unsupported};
use super::super::model::Node;
use super::super::state::{Item, State, Tracked};
use super::super::tensor::Tensor;
use crate::graph::Operation;

/// Adds `scale · x + shift` by channel.
pub(super) fn affine(
    state: &mut State<'_>,
    input: &Tracked,
    scale: &[f64],
    shift: &[f64],
) -> Result<Tracked, Fault> {
    state.charge(scale.len().saturating_mul(8))?;
    let single = |values: &[f64]| values.iter().map(|&value| value as f32).collect();
    let operation = Operation::Affine { scale: single(scale), shift: single(shift) };
    state.add_elementwise(operation, input)
}

/// Adds `factor · x + summand`, or nothing if that is `x`.
pub(super) fn uniform(
    state: &mut State<'_>,
    input: &Tracked,
    factor: f64,
    summand: f64,
) -> Result<Tracked, Fault> {
    if factor == 1.0 && summand == 0.0 {
        return Ok(input.clone());
    }
    let channels = state.form(input).channels();
    state.charge(channels.saturating_mul(16))?;
    affine(state, input, &vec![factor; channels], &vec![summand; channels])
}

/// Returns the values by channel of a constant that is broadcast to a value.
pub(super) fn per_channel(
    state: &mut State<'_>,
    input: &Tracked,
    constant: &Tensor<'_>,
) -> Result<Vec<f64>, Fault> {
    let channels = state.form(input).channels();
    let rank = input.shape.len();
    let refuse = |why: &str| unsupported(format!("{why}: a constant of shape {:?}", constant.shape));
    if constant.shape.len() > rank {
        return refuse("it adds axes to its input");
    }
    state.charge(channels.saturating_mul(8))?;
    let is_broadcast = |axis: usize, size: usize| size == 1 || axis == 1;
    let lead = rank - constant.shape.len();
    if !constant.shape.iter().enumerate().all(|(axis, &size)| is_broadcast(axis + lead, size)) {
        return refuse("its values differ by voxel");
    }
    state.charge(constant.memory())?;
    let values = constant.floats()?;
    match values[..] {
        [value] => Ok(vec![f64::from(value); channels]),
        [] => invalid("a constant with elements", "none"),
        _ => {
            let leads = input.shape[0].is(Dim::Known(state.batch));
            let parts = values.len();
            if !leads || !input.shape[1].is(Dim::Known(parts)) || !channels.is_multiple_of(parts) {
                return refuse("its values are not one per channel");
            }
            let of_part = channels / parts;
            Ok(values.iter().flat_map(|&value| std::iter::repeat_n(f64::from(value), of_part)).collect())
        }
    }
}

/// `BatchNormalization` with the statistics of the training.
pub(super) fn batch_norm<'a>(state: &mut State<'a>, node: &Node<'a>) -> Result<Item<'a>, Fault> {
    if node.int("training_mode", 0) != 0 {
        return invalid("a network in evaluation mode", "a batch normalisation in training mode");
    }
    let input = state.value(node, 0)?;
    let channels = state.form(&input).channels();
    if !(state.is_map(&input) || state.is_vector(&input)) {
        return unsupported("a batch normalisation over other axes than the channels");
    }
    let mut parameters: [Vec<f32>; 4] = Default::default();
    for (at, parameter) in parameters.iter_mut().enumerate() {
        *parameter = state.floats(node, at + 1)?;
        if parameter.len() != channels {
            return invalid(
                format!("{channels} values in its input {}", at + 1),
                parameter.len().to_string(),
            );
        }
    }
    let [weight, bias, mean, variance] = parameters;
    let epsilon = f64::from(node.float("epsilon", 1e-5));
    let mut scale = Vec::with_capacity(channels);
    let mut shift = Vec::with_capacity(channels);
    for channel in 0..channels {
        let factor = f64::from(weight[channel]) / (f64::from(variance[channel]) + epsilon).sqrt();
        scale.push(factor);
        shift.push(f64::from(bias[channel]) - f64::from(mean[channel]) * factor);
    }
    if !scale.iter().chain(&shift).all(|value| value.is_finite()) {
        return invalid("variances that are not negative, and finite values", "others");
    }
    Ok(Item::Value(affine(state, &input, &scale, &shift)?))
}
