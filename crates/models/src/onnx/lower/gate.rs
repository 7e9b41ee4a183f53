//! Activations that exporters write as a product of a value and a function of it: SiLU, hard Swish, Mish and Gelu.

use super::super::dims;
use super::super::fault::Fault;
use super::super::state::{State, Tracked};
use super::affine;
use crate::graph::{Activation, Node, Operation, Value};

/// Largest relative difference of a factor from the one that a definition has, which is rounded to single precision.
const TOLERANCE: f64 = 1e-5;
/// Factor of the cube in Gelu's approximation.
const CUBE: f64 = 0.044_715;

/// Returns whether two factors are equal but for rounding.
pub(super) fn is_close(one: f64, other: f64) -> bool {
    (one - other).abs() <= TOLERANCE * other.abs()
}

/// Returns the product of two values if it is an activation of one of them.
pub(super) fn product(
    state: &mut State<'_>,
    one: &Tracked,
    other: &Tracked,
) -> Result<Option<Tracked>, Fault> {
    if !dims::same(&one.shape, &other.shape) {
        return Ok(None);
    }
    for (input, gate) in [(one, other), (other, one)] {
        if let Some((value, activation, factor)) = matched(state, input.value, gate.value) {
            let input = Tracked { value, shape: input.shape.clone() };
            let result = state.add_elementwise(Operation::Activation(activation), &input)?;
            return Ok(Some(affine::uniform(state, &result, factor, 0.0)?));
        }
    }
    Ok(None)
}

/// Returns the product of a value and `factor · erf(x / √2) + summand` if it is Gelu.
pub(super) fn gelu(
    state: &mut State<'_>,
    input: &Tracked,
    of: &Tracked,
    [factor, summand]: [f64; 2],
) -> Result<Option<Tracked>, Fault> {
    let scale = scale_from(state, of.value, input.value);
    let (Some(scale), true) = (scale, dims::same(&input.shape, &of.shape) && is_close(factor, summand))
    else {
        return Ok(None);
    };
    let value = of.value;
    let input = Tracked { value, shape: input.shape.clone() };
    let result = state.add_elementwise(Operation::Activation(Activation::Gelu), &input)?;
    Ok(Some(affine::uniform(state, &result, rounded(2.0 * factor * scale), 0.0)?))
}

/// Returns the value, and the factor by which it is multiplied, of a product with one number.
pub(super) fn scaled(state: &State<'_>, value: Value) -> (Value, f64) {
    match linear(state, value) {
        Some((input, factor, 0.0)) => (input, factor),
        _ => (value, 1.0),
    }
}

/// Returns `(x, activation, factor)` of `input · gate = factor · activation(x)`.
fn matched(state: &State<'_>, input: Value, gate: Value) -> Option<(Value, Activation, f64)> {
    if let Some((Activation::Sigmoid, of)) = activation(state, gate) {
        return (of == input).then_some((input, Activation::Silu, 1.0));
    }
    if let Some((Activation::Tanh, of)) = activation(state, gate)
        && let Some((Activation::Softplus, of)) = activation(state, of)
    {
        return (of == input).then_some((input, Activation::Mish, 1.0));
    }
    if let Some((of, factor)) = hard_sigmoid(state, gate) {
        return (of == input).then_some((input, Activation::HardSwish, rounded(factor)));
    }
    let (of, factor) = gelu_tanh(state, gate)?;
    let scale = scale_from(state, of, input)?;
    Some((of, Activation::GeluTanh, rounded(2.0 * scale * factor)))
}

/// Returns whether a value is `softplus(x) / b` of `x = b · same`.
pub(super) fn is_softplus(state: &State<'_>, value: Value, x: Value, same: Value) -> bool {
    let (value, factor) = scaled(state, value);
    let is_of_x = matches!(activation(state, value), Some((Activation::Softplus, of)) if of == x);
    is_of_x && scale_from(state, same, x).is_some_and(|scale| is_close(scale * factor, 1.0))
}

/// Returns the factor by which `x` is multiplied to become a value.
fn scale_from(state: &State<'_>, x: Value, value: Value) -> Option<f64> {
    let (of, factor) = scaled(state, value);
    match (value == x, of == x) {
        (true, _) => Some(1.0),
        (_, true) => Some(factor),
        _ => None,
    }
}

/// Returns 1 for a factor that differs from it by rounding.
fn rounded(factor: f64) -> f64 {
    if is_close(factor, 1.0) { 1.0 } else { factor }
}

/// Returns `(x, factor)` of `factor · hardsigmoid(x)` with slope 1/6 and value 1/2 at 0.
fn hard_sigmoid(state: &State<'_>, value: Value) -> Option<(Value, f64)> {
    let (value, factor) = scaled(state, value);
    match activation(state, value)? {
        (Activation::HardSigmoid { alpha, beta }, of)
            if is_close(f64::from(*alpha), 1.0 / 6.0) && *beta == 0.5 =>
        {
            Some((of, factor))
        }
        (Activation::Clip { low: 0.0, high: 6.0 }, of) => match linear(state, of)? {
            (of, 1.0, 3.0) => Some((of, 6.0 * factor)),
            _ => None,
        },
        _ => None,
    }
}

/// Returns `(x, factor)` of `factor · (1 + tanh(√(2/π) · (x + 0.044715 · x³)))`.
fn gelu_tanh(state: &State<'_>, value: Value) -> Option<(Value, f64)> {
    let (value, factor, summand) = linear(state, value)?;
    let (Activation::Tanh, of) = activation(state, value)? else { return None };
    let (sum, scale) = scaled(state, of);
    if !is_close(factor, summand) || !is_close(scale, (2.0 / std::f64::consts::PI).sqrt()) {
        return None;
    }
    let (one, other) = pair(state, sum, &Operation::Add)?;
    [(one, other), (other, one)].into_iter().find_map(|(x, cube)| {
        let (cube, scale) = scaled(state, cube);
        (is_close(scale, CUBE) && is_cube(state, cube, x)).then_some((x, factor))
    })
}

fn is_cube(state: &State<'_>, value: Value, x: Value) -> bool {
    let is_square = |value| pair(state, value, &Operation::Multiply) == Some((x, x));
    match pair(state, value, &Operation::Multiply) {
        Some((one, other)) => (one == x && is_square(other)) || (other == x && is_square(one)),
        None => false,
    }
}

/// Returns the inputs of an operation of two values.
fn pair(state: &State<'_>, value: Value, operation: &Operation) -> Option<(Value, Value)> {
    let node = state.builder.node(value)?;
    match (node.operation == *operation, &node.inputs[..]) {
        (true, &[one, other]) => Some((one, other)),
        _ => None,
    }
}

fn activation<'s>(state: &'s State<'_>, value: Value) -> Option<(&'s Activation, Value)> {
    match state.builder.node(value)? {
        Node { operation: Operation::Activation(activation), inputs, .. } => {
            Some((activation, *inputs.first()?))
        }
        _ => None,
    }
}

/// Returns `(x, factor, summand)` of an affine function that is the same for all channels.
fn linear(state: &State<'_>, value: Value) -> Option<(Value, f64, f64)> {
    let Node { operation: Operation::Affine { scale, shift }, inputs, .. } = state.builder.node(value)?
    else {
        return None;
    };
    let (&factor, &summand) = (scale.first()?, shift.first()?);
    let is_uniform =
        scale.iter().all(|&other| other == factor) && shift.iter().all(|&other| other == summand);
    is_uniform.then_some((*inputs.first()?, f64::from(factor), f64::from(summand)))
}
