//! The last activation of a network, which a graph leaves out so that it returns logits.

use super::dims::Dim;
use super::fault::{Fault, unsupported};
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
        Item::Constant(_) => return unsupported("an output that does not depend on the image"),
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
