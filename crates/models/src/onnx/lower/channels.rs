//! Concatenation along the channels, and padding.

use super::super::dims::{self, Dim};
use super::super::fault::{Fault, invalid, unsupported};
use super::super::model::{LARGEST_SETTING, Node};
use super::super::shape::axis;
use super::super::state::{Item, State, Tracked};
use crate::graph::{Form, Operation, Padding};

/// `Concat` along the channels. Constants of zeros are channel padding.
pub(super) fn concat<'a>(state: &mut State<'a>, node: &Node<'a>) -> Result<Item<'a>, Fault> {
    let mut parts: Vec<Tracked> = Vec::new();
    let mut zeros: Vec<(Vec<usize>, usize)> = Vec::new();
    for at in 0..node.inputs.len() {
        match state.input(node, at)? {
            Item::Constant(tensor) if tensor.is_zero() => zeros.push((tensor.shape.clone(), parts.len())),
            Item::Constant(_) => return unsupported("a concatenation with a constant that is not zeros"),
            item => parts.push(state.materialise(item)?),
        }
    }
    let Some(first) = parts.first().cloned() else { return invalid("inputs", "none") };
    let rank = first.shape.len();
    if axis(node.int("axis", 1), rank)? != 1 {
        return unsupported("a concatenation along other axes than the channels");
    }
    let is_fit = |part: &Tracked| match state.form(&first) {
        Form::Map(_) => state.is_map(part),
        Form::Vector(_) => state.is_vector(part) && part.shape.len() == rank,
    };
    if !parts.iter().all(is_fit) || (!zeros.is_empty() && rank != 5) {
        return unsupported("a concatenation of other values than maps only or vectors only");
    }
    for (shape, at) in zeros {
        let expected = &first.shape;
        let fits = shape.len() == rank
            && (0..rank).all(|axis| axis == 1 || expected[axis].is(Dim::Known(shape[axis])));
        if !fits || matches!(state.form(&first), Form::Vector(_)) {
            let unknown = expected.iter().any(|size| size.known().is_none());
            return if unknown {
                Err(Fault::Size)
            } else {
                invalid(format!("zeros of shape {}", dims::describe(expected)), format!("{shape:?}"))
            };
        }
        let (to, before, after) = if at == 0 { (0, shape[1], 0) } else { (at - 1, 0, shape[1]) };
        let voxels = state.voxels(&parts[to]);
        parts[to] = state.add(Operation::PadChannels { before, after }, &[&parts[to].clone()], voxels)?;
    }
    if let [only] = &parts[..] {
        return Ok(Item::Value(only.clone()));
    }
    let voxels = state.voxels(&first);
    let inputs: Vec<&Tracked> = parts.iter().collect();
    let mut result = state.add(Operation::Concat, &inputs, voxels)?;
    result.shape.resize(rank, Dim::Known(1));
    Ok(Item::Value(result))
}

/// `Pad` with zeros, of voxels or channels.
pub(super) fn pad<'a>(state: &mut State<'a>, node: &Node<'a>) -> Result<Item<'a>, Fault> {
    let (input, zeros) = match state.input(node, 0)? {
        Item::Padded(tracked, padding) => (tracked, padding),
        item => (state.materialise(item)?, Padding::default()),
    };
    let pads = match state.optional_ints(node, 1)? {
        Some(pads) => pads,
        None => node.ints("pads").unwrap_or(&[]).to_vec(),
    };
    let rank = input.shape.len();
    let (mut before, mut after) = (vec![0; rank], vec![0; rank]);
    let axes: Vec<i64> = match state.optional_ints(node, 3)? {
        Some(axes) => axes,
        None => (0..rank as i64).collect(),
    };
    if pads.len() != 2 * axes.len() {
        return invalid(format!("{} sizes of padding", 2 * axes.len()), pads.len().to_string());
    }
    for (at, &padded) in axes.iter().enumerate() {
        let padded = axis(padded, rank)?;
        (before[padded], after[padded]) = (size(pads[at])?, size(pads[at + axes.len()])?);
    }
    if before.iter().chain(&after).all(|&size| size == 0) {
        return Ok(Item::Value(input)).map(|item| restore(item, zeros));
    }
    let mode = node.text("mode", "constant");
    if mode != "constant" {
        return unsupported("padding other than zeros");
    }
    let value = match state.optional_constant(node, 2)? {
        Some(value) if value.count() == 1 => value.floats()?[0],
        Some(_) => return invalid("one value of padding", "several"),
        None => node.float("value", 0.0),
    };
    if value != 0.0 {
        return unsupported(format!("padding with {value}; expected zeros"));
    }
    if !state.is_map(&input) || before[0] != 0 || after[0] != 0 {
        return unsupported("padding of other values than feature maps [n, c, z, y, x]");
    }
    let mut padding = zeros;
    for axis in 0..3 {
        padding.before[axis] += before[axis + 2];
        padding.after[axis] += after[axis + 2];
    }
    if padding.before.iter().chain(&padding.after).any(|&size| size > LARGEST_SETTING) {
        return invalid(format!("padding of at most {LARGEST_SETTING} voxels"), format!("{padding:?}"));
    }
    let mut result = input;
    if before[1] > 0 || after[1] > 0 {
        let voxels = state.voxels(&result);
        let operation = Operation::PadChannels { before: before[1], after: after[1] };
        result = state.add(operation, &[&result], voxels)?;
    }
    Ok(restore(Item::Value(result), padding))
}

fn restore(item: Item<'_>, padding: Padding) -> Item<'_> {
    match item {
        Item::Value(tracked) if padding != Padding::default() => Item::Padded(tracked, padding),
        item => item,
    }
}

fn size(value: i64) -> Result<usize, Fault> {
    match usize::try_from(value) {
        Ok(size) if size <= LARGEST_SETTING => Ok(size),
        _ if value < 0 && !dims::is_stand_in(value) => unsupported("negative padding, which crops"),
        _ if value < 0 => Err(Fault::Size),
        _ => invalid(format!("padding of at most {LARGEST_SETTING}"), value.to_string()),
    }
}
