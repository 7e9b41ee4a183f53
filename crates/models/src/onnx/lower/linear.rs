//! Fully connected layers.

use super::super::dims::{self, Dim};
use super::super::fault::{Fault, invalid, unsupported};
use super::super::model::Node;
use super::super::state::{Item, State, Tracked};
use super::pool;
use crate::graph::{Form, Linear, Operation};

/// `Gemm`, whose first input is a value.
pub(super) fn gemm<'a>(state: &mut State<'a>, node: &Node<'a>) -> Result<Item<'a>, Fault> {
    let input = state.value(node, 0)?;
    if node.int("transA", 0) != 0 {
        return unsupported("a transposed input (transA)");
    }
    let is_output_first = node.int("transB", 0) != 0;
    let alpha = node.float("alpha", 1.0);
    let mut weights = weights(state, node, is_output_first)?;
    if alpha != 1.0 {
        weights.values.iter_mut().for_each(|weight| *weight *= alpha);
    }
    let beta = node.float("beta", 1.0);
    let bias = match state.optional_constant(node, 2)? {
        None => vec![0.0; weights.outputs],
        Some(tensor) => {
            let values = state.floats(node, 2)?;
            let is_row = tensor.shape.iter().rev().skip(1).all(|&size| size == 1);
            match values[..] {
                [value] => vec![value * beta; weights.outputs],
                _ if is_row && values.len() == weights.outputs => {
                    values.iter().map(|value| value * beta).collect()
                }
                _ => {
                    let expected = format!("a bias of {} values", weights.outputs);
                    return invalid(expected, format!("one of shape {:?}", tensor.shape));
                }
            }
        }
    };
    layer(state, &input, weights, bias)
}

/// `MatMul`, whose first input is a value.
pub(super) fn matmul<'a>(state: &mut State<'a>, node: &Node<'a>) -> Result<Item<'a>, Fault> {
    let input = state.value(node, 0)?;
    let weights = weights(state, node, false)?;
    let bias = vec![0.0; weights.outputs];
    layer(state, &input, weights, bias)
}

/// Weights `[outputs, inputs]`.
struct Weights {
    values: Vec<f32>,
    outputs: usize,
    inputs: usize,
}

fn weights<'a>(state: &mut State<'a>, node: &Node<'a>, is_output_first: bool) -> Result<Weights, Fault> {
    let shape = state.constant(node, 1)?.shape.clone();
    let [first, second] = shape[..] else {
        return unsupported(format!("weights of shape {shape:?}; expected two axes"));
    };
    let values = state.floats(node, 1)?;
    if values.is_empty() {
        return invalid("weights", "none");
    }
    if is_output_first {
        return Ok(Weights { values, outputs: first, inputs: second });
    }
    state.charge(values.len().saturating_mul(4))?;
    let transposed = (0..values.len()).map(|at| values[at % first * second + at / first]).collect();
    Ok(Weights { values: transposed, outputs: second, inputs: first })
}

fn layer<'a>(
    state: &mut State<'a>,
    input: &Tracked,
    weights: Weights,
    bias: Vec<f32>,
) -> Result<Item<'a>, Fault> {
    state.charge(bias.len().saturating_mul(4))?;
    let [batch, length] = input.shape[..] else {
        return unsupported(format!(
            "an input of shape {}; expected [n, inputs]",
            dims::describe(&input.shape)
        ));
    };
    if !batch.is(Dim::Known(state.batch)) {
        return unsupported(format!(
            "an input of shape {}; expected one row per image",
            dims::describe(&input.shape)
        ));
    }
    let fits = match (length.known(), state.form(input)) {
        (Some(length), _) => length == weights.inputs,
        (None, Form::Map(channels)) => weights.inputs.is_multiple_of(channels),
        (None, Form::Vector(length)) => length == weights.inputs,
    };
    if !fits {
        let found = dims::describe(&input.shape);
        return invalid(
            format!("an input of {} values per image", weights.inputs),
            format!("one of shape {found}"),
        );
    }
    // A map of one voxel is a vector.
    let is_one_voxel = matches!(state.form(input), Form::Map(channels) if channels == weights.inputs)
        && state.voxels(input).iter().all(|size| size.is(Dim::Known(1)));
    let input = if is_one_voxel { pool::global(state, input)? } else { input.clone() };
    let operation = Operation::Linear(Linear::new(weights.values, bias));
    Ok(Item::Value(state.add(operation, &[&input], [Dim::Unknown; 3])?))
}
