//! Instance and group normalisations.

use super::super::dims::Dim;
use super::super::fault::{Fault, invalid, unsupported};
use super::super::model::Node;
use super::super::state::{Item, State, Tracked};
use super::conv::positive;
use crate::graph::{Form, Norm, Operation};

/// `InstanceNormalization`. Of a map that was reshaped to `[n, groups, …]`, it normalises groups of channels.
pub(super) fn instance<'a>(state: &mut State<'a>, node: &Node<'a>) -> Result<Item<'a>, Fault> {
    let input = state.value(node, 0)?;
    let groups = input.shape.get(1).and_then(|size| size.known()).unwrap_or(0);
    norm(state, node, &input, groups)
}

/// `GroupNormalization`.
pub(super) fn group<'a>(state: &mut State<'a>, node: &Node<'a>) -> Result<Item<'a>, Fault> {
    let input = state.value(node, 0)?;
    if !state.is_map(&input) {
        return unsupported("its input is not a feature map [n, c, z, y, x]");
    }
    let groups = positive("num_groups", node.int("num_groups", 0))?;
    norm(state, node, &input, groups)
}

fn norm<'a>(
    state: &mut State<'a>,
    node: &Node<'a>,
    input: &Tracked,
    groups: usize,
) -> Result<Item<'a>, Fault> {
    let Form::Map(channels) = state.form(input) else {
        return unsupported("a normalisation of a vector by its own statistics");
    };
    let leads = input.shape.len() > 2 && input.shape[0].is(Dim::Known(state.batch));
    if groups == 0 || !channels.is_multiple_of(groups) || !leads {
        return unsupported(format!("a normalisation of other parts than groups of {channels} channels"));
    }
    state.charge(channels.saturating_mul(8))?;
    let mut parameters: [Vec<f32>; 2] = Default::default();
    for (at, parameter) in parameters.iter_mut().enumerate() {
        let values = state.floats(node, at + 1)?;
        *parameter = match values.len() {
            length if length == channels => values,
            length if length == groups => {
                values.iter().flat_map(|&value| std::iter::repeat_n(value, channels / groups)).collect()
            }
            length => {
                return invalid(
                    format!("{channels} or {groups} values in its input {}", at + 1),
                    length.to_string(),
                );
            }
        };
    }
    let [scale, shift] = parameters;
    let epsilon = f64::from(node.float("epsilon", 1e-5));
    if !(epsilon.is_finite() && epsilon >= 0.0) {
        return invalid("an epsilon of at least 0", epsilon.to_string());
    }
    let operation = Operation::Norm(Norm { groups, epsilon, scale, shift });
    Ok(Item::Value(state.add_elementwise(operation, input)?))
}
