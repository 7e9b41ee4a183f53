//! The last activation of a network, which a graph leaves out so that it returns logits.

use std::collections::HashMap;

use super::dims::Dim;
use super::fault::{Fault, invalid, unsupported};
use super::model::{Node, Port, is_standard};
use super::state::{Item, State};
use crate::graph::{Activation, Form, Operation, Value};

/// The activation by which logits become probabilities.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LastActivation {
    /// `exp zᵢ / Σⱼ exp zⱼ` over the classes. Its logarithm is counted as the same.
    Softmax,
    /// `1 / (1 + exp −z)` of each output.
    Sigmoid,
}

/// Returns the value of an output before the last activation, and that activation.
pub(super) fn logits<'a>(
    state: &mut State<'a>,
    item: Item<'a>,
) -> Result<(Value, Option<LastActivation>), Fault> {
    let (tracked, mut last) = match item {
        Item::Softmax(tracked) => (tracked, Some(LastActivation::Softmax)),
        Item::Constant(_) => return invalid("an output that depends on the image", "a constant"),
        item => (state.materialise(item)?, None),
    };
    let is_output = match state.form(&tracked) {
        Form::Vector(_) => true,
        Form::Map(_) => state.is_map(&tracked),
    };
    let mut value = tracked.value;
    if !is_output {
        if !state.voxels(&tracked).iter().all(|size| size.is(Dim::Known(1))) {
            return unsupported(
                "an output that is neither a vector [n, k] nor a feature map [n, c, z, y, x]",
            );
        }
        value = state.add(Operation::GlobalMean, &[&tracked], [Dim::Unknown; 3])?.value;
    }
    if last.is_none()
        && let Some(node) = state.builder.node(value)
        && let (Operation::Activation(Activation::Sigmoid), Some(&input)) =
            (&node.operation, node.inputs.first())
    {
        value = input;
        last = Some(LastActivation::Sigmoid);
    }
    Ok((value, last))
}

/// Returns the name of the value before the last activation of an output, and that activation, as [`logits`] finds it in
/// networks that graphs describe. `nodes` are those that the output depends on.
pub(super) fn before_last<'a>(
    nodes: &[&Node<'a>],
    output: &Port<'a>,
    opset: i64,
) -> (&'a str, Option<LastActivation>) {
    let made: HashMap<&str, &Node<'a>> =
        nodes.iter().filter_map(|node| Some((*node.outputs.first()?, *node))).collect();
    let mut name = output.name;
    let mut rank = output.shape.as_ref().map(Vec::len);
    while let Some((node, input)) = made.get(name).and_then(|node| Some((node, node.input(0)?))) {
        if !is_standard(node.domain) {
            break;
        }
        match node.operator {
            "Identity" | "Dropout" => {}
            // The axes that they change are not counted here.
            "Flatten" | "Reshape" | "Squeeze" | "Unsqueeze" => rank = None,
            "Sigmoid" => return (input, Some(LastActivation::Sigmoid)),
            "Softmax" | "LogSoftmax" => {
                let axis = node.int("axis", if opset >= 13 { -1 } else { 1 });
                let is_classes = axis == 1 || rank.is_some_and(|rank| axis + rank as i64 == 1);
                if is_classes {
                    return (input, Some(LastActivation::Softmax));
                }
                break;
            }
            _ => break,
        }
        name = input;
    }
    (output.name, None)
}
