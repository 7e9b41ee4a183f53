//! Changes of shape that leave the order of elements as it is.

use super::super::dims::{self, Dim, describe};
use super::super::fault::{Fault, invalid, unsupported};
use super::super::model::Node;
use super::super::shape::{axis, target};
use super::super::state::{Item, State, Tracked};
use crate::graph::Form;

/// `Reshape`, `Flatten`, `Squeeze`, `Unsqueeze` and `Transpose` of a value.
pub(super) fn reshape<'a>(state: &mut State<'a>, node: &Node<'a>) -> Result<Item<'a>, Fault> {
    let input = state.value(node, 0)?;
    let shape = match node.operator {
        "Transpose" => {
            let reversed: Vec<i64> = (0..input.shape.len() as i64).rev().collect();
            transposed(&input.shape, node.ints("perm").unwrap_or(&reversed))?
        }
        _ => target(state, node, &input.shape)?,
    };
    Ok(Item::Value(Tracked { shape, ..input }))
}

/// Returns the shape after a permutation of axes that leaves the order of the elements as it is.
fn transposed(shape: &[Dim], order: &[i64]) -> Result<Vec<Dim>, Fault> {
    let order: Result<Vec<usize>, Fault> = order.iter().map(|&at| axis(at, shape.len())).collect();
    let order = order?;
    let mut sorted = order.clone();
    sorted.sort_unstable();
    if !sorted.iter().copied().eq(0..shape.len()) {
        return invalid(format!("a permutation of {} axes", shape.len()), format!("one of {}", order.len()));
    }
    let moved: Vec<usize> = order.iter().copied().filter(|&at| !shape[at].is(Dim::Known(1))).collect();
    match moved.is_sorted() {
        true => Ok(order.iter().map(|&at| shape[at]).collect()),
        false => unsupported(format!("a permutation {order:?} of the axes of {}", dims::describe(shape))),
    }
}

/// `Expand` of a vector to the shape of a map.
pub(super) fn expand<'a>(state: &mut State<'a>, node: &Node<'a>) -> Result<Item<'a>, Fault> {
    let input = state.value(node, 0)?;
    let Some(target) = state.optional_ints(node, 1)? else { return invalid("an input 1", "none") };
    let target: Option<Vec<Dim>> = target.iter().map(|&size| Dim::from_int(size)).collect();
    let Some(target) = target.filter(|target| target.len() == input.shape.len()) else {
        return unsupported("it adds axes to its input");
    };
    let shape: Vec<Dim> = input
        .shape
        .iter()
        .zip(&target)
        .map(|(&size, &target)| if target.is(Dim::Known(1)) { size } else { target })
        .collect();
    if dims::same(&shape, &input.shape) {
        return Ok(Item::Value(input));
    }
    let is_kept = shape.len() == 5 && dims::same(&shape[..2], &input.shape[..2]);
    match is_kept && state.is_vector(&input) && matches!(state.form(&input), Form::Vector(_)) {
        true => Ok(Item::Expanded(input, shape)),
        false => unsupported(format!("it repeats {} to {}", describe(&input.shape), describe(&shape))),
    }
}
