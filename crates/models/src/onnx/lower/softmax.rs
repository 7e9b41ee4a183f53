//! The softmax over the classes, which may only be the last operation.

use super::super::fault::{Fault, unsupported};
use super::super::model::Node;
use super::super::shape::axis;
use super::super::state::{Item, State};

/// `Softmax` and `LogSoftmax`.
pub(super) fn softmax<'a>(state: &mut State<'a>, node: &Node<'a>) -> Result<Item<'a>, Fault> {
    let input = state.value(node, 0)?;
    // Before version 13 the axis was the first of those that are normalised together.
    let is_one_axis = state.opset >= 13;
    let over = axis(node.int("axis", if is_one_axis { -1 } else { 1 }), input.shape.len())?;
    let fits = over == 1 && (state.is_vector(&input) || (state.is_map(&input) && is_one_axis));
    match fits {
        true => Ok(Item::Softmax(input)),
        false => unsupported(format!("a softmax over axis {over}; expected one over the classes, axis 1")),
    }
}
