//! Evaluation of operators whose inputs are constants, and of those that read a shape.
//!
//! Exporters leave the arithmetic by which a network computes shapes, and transpositions of weights.

mod index;
mod number;

use super::dims::Dim;
use super::fault::{Fault, invalid, unsupported};
use super::model::Node;
use super::state::{Item, State};
use super::tensor::{Data, Kind, Tensor};

/// Evaluates a node, or returns `None` if it depends on the image other than through a shape.
pub(super) fn evaluate<'a>(state: &mut State<'a>, node: &Node<'a>) -> Result<Option<Tensor<'a>>, Fault> {
    match node.operator {
        "Constant" => return constant(node).map(Some),
        "Shape" => {
            let item = state.input(node, 0)?;
            return shape(state, node, &item).map(Some);
        }
        _ => {}
    }
    let mut inputs = Vec::with_capacity(node.inputs.len());
    for at in 0..node.inputs.len() {
        match state.optional(node, at)? {
            Some(Item::Constant(tensor)) => inputs.push(Some(tensor)),
            Some(_) => return Ok(None),
            None => inputs.push(None),
        }
    }
    let inputs: Vec<Option<&Tensor<'a>>> = inputs.iter().map(|input| input.as_deref()).collect();
    if inputs.iter().all(Option::is_none) {
        return Ok(None);
    }
    let first = || match inputs.first() {
        Some(Some(tensor)) => Ok(*tensor),
        _ => invalid("an input 0", "none"),
    };
    let result = match node.operator {
        "ConstantOfShape" => constant_of_shape(state, node, first()?)?,
        "Reshape" | "Flatten" | "Squeeze" | "Unsqueeze" => index::reshape(state, node, first()?)?,
        "Transpose" => index::transpose(state, node, first()?)?,
        "Expand" => index::expand(state, first()?, required(&inputs, 1)?)?,
        "Slice" => index::slice(state, node, first()?, &inputs)?,
        "Gather" => index::gather(state, node, first()?, required(&inputs, 1)?)?,
        "Concat" => index::concat(state, node, &inputs)?,
        "Cast" => number::cast(state, node, first()?)?,
        "Range" => number::range(state, first()?, required(&inputs, 1)?, required(&inputs, 2)?)?,
        "Where" => number::choose(state, first()?, required(&inputs, 1)?, required(&inputs, 2)?)?,
        "ReduceProd" => number::product(state, node, first()?)?,
        "Neg" | "Abs" | "Not" | "Floor" | "Ceil" | "Sqrt" | "Reciprocal" | "Exp" | "Log" => {
            number::unary(state, node, first()?)?
        }
        "Add" | "Sub" | "Mul" | "Div" | "Mod" | "Pow" | "Min" | "Max" | "Equal" | "Greater" | "Less"
        | "GreaterOrEqual" | "LessOrEqual" | "And" | "Or" => {
            if inputs.len() != 2 {
                return unsupported(format!("{} constants; expected two", inputs.len()));
            }
            number::binary(state, node, first()?, required(&inputs, 1)?)?
        }
        _ => return unsupported("the operator, applied to constants, is not evaluated"),
    };
    Ok(Some(result))
}

fn required<'i, 'a>(inputs: &[Option<&'i Tensor<'a>>], at: usize) -> Result<&'i Tensor<'a>, Fault> {
    match inputs.get(at) {
        Some(Some(tensor)) => Ok(tensor),
        _ => invalid(format!("an input {at}"), "none"),
    }
}

/// `Constant`.
fn constant<'a>(node: &Node<'a>) -> Result<Tensor<'a>, Fault> {
    if let Some(tensor) = node.tensor("value") {
        return Ok(tensor.clone());
    }
    if node.has("value_int") {
        return Ok(Tensor::of_ints(vec![], vec![node.int("value_int", 0)]));
    }
    if node.has("value_float") {
        return Ok(Tensor::of_floats(vec![], vec![node.float("value_float", 0.0)]));
    }
    if let Some(values) = node.ints("value_ints") {
        return Ok(Tensor::of_ints(vec![values.len()], values.to_vec()));
    }
    match node.floats("value_floats") {
        Some(values) => Ok(Tensor::of_floats(vec![values.len()], values.to_vec())),
        None => unsupported("a constant other than a tensor or numbers"),
    }
}

/// `Shape`.
fn shape<'a>(state: &State<'a>, node: &Node<'a>, item: &Item<'a>) -> Result<Tensor<'a>, Fault> {
    let shape: Vec<Dim> = match item {
        Item::Constant(tensor) => tensor.shape.iter().map(|&size| Dim::Known(size)).collect(),
        Item::Value(tracked) => tracked.shape.clone(),
        Item::Expanded(_, shape) => shape.clone(),
        Item::Erf { of: tracked, .. } | Item::Above { of: tracked, .. } | Item::Softmax(tracked) => {
            tracked.shape.clone()
        }
        Item::Secondary => return unsupported("it reads an output other than a node's first"),
        Item::Padded(tracked, padding) => {
            let mut shape = tracked.shape.clone();
            shape.truncate(2);
            shape.extend(super::state::padded(state.voxels(tracked), *padding));
            shape
        }
    };
    let rank = shape.len() as i64;
    let limit = |at: i64| if at < 0 { (at.saturating_add(rank)).clamp(0, rank) } else { at.min(rank) };
    let (start, end) = (limit(node.int("start", 0)), limit(node.int("end", rank)));
    let sizes: Vec<i64> = (start..end).map(|at| shape[at as usize].to_int()).collect();
    Ok(Tensor::of_ints(vec![sizes.len()], sizes))
}

/// `ConstantOfShape`. The elements are not stored.
fn constant_of_shape<'a>(
    state: &mut State<'a>,
    node: &Node<'a>,
    shape: &Tensor<'a>,
) -> Result<Tensor<'a>, Fault> {
    state.charge(shape.memory())?;
    let shape = index::sizes(&shape.ints()?)?;
    let (kind, value) = match node.tensor("value") {
        None => (Kind::Float, 0.0),
        Some(value) if value.count() != 1 => return invalid("one value", value.count().to_string()),
        Some(value) if value.kind.is_float() => (value.kind, f64::from(value.floats()?[0])),
        Some(value) => (value.kind, value.ints()?[0] as f64),
    };
    Ok(Tensor { kind, shape, data: Data::Fill(value) })
}
