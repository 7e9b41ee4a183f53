//! Sums, products, differences and quotients of values and constants.

use std::rc::Rc;

use super::super::dims::{self, Dim};
use super::super::fault::{Fault, unsupported};
use super::super::model::Node;
use super::super::state::{Item, State, Tracked};
use super::super::tensor::Tensor;
use super::{affine, gate, pool};
use crate::graph::{Form, Operation};

/// `Add`, `Sub`, `Mul` and `Div`, at least one of whose inputs is a value.
pub(super) fn arithmetic<'a>(state: &mut State<'a>, node: &Node<'a>) -> Result<Item<'a>, Fault> {
    let (one, other) = (state.input(node, 0)?, state.input(node, 1)?);
    match (one, other) {
        (Item::Erf { of, factor, summand }, Item::Constant(constant)) => {
            erf_with(node, of, [factor, summand], &constant, false)
        }
        (Item::Constant(constant), Item::Erf { of, factor, summand }) => {
            erf_with(node, of, [factor, summand], &constant, true)
        }
        (Item::Erf { of, factor, summand }, value) | (value, Item::Erf { of, factor, summand }) => {
            let input = state.materialise(value)?;
            let product = match node.operator {
                "Mul" => gate::gelu(state, &input, &of, [factor, summand])?,
                _ => None,
            };
            match product {
                Some(product) => Ok(Item::Value(product)),
                None => unsupported("the function erf outside of Gelu"),
            }
        }
        (value, Item::Constant(constant)) => {
            let input = state.materialise(value)?;
            with_constant(state, node, &input, &constant, false)
        }
        (Item::Constant(constant), value) => {
            let input = state.materialise(value)?;
            with_constant(state, node, &input, &constant, true)
        }
        (one, other) if node.operator == "Mul" => product(state, one, other),
        (one, other) => {
            let (one, other) = (state.materialise(one)?, state.materialise(other)?);
            match node.operator {
                "Add" => sum(state, &one, &other),
                "Sub" => {
                    let negative = affine::uniform(state, &other, -1.0, 0.0)?;
                    sum(state, &one, &negative)
                }
                _ => unsupported("a quotient of two values"),
            }
        }
    }
}

/// `Neg`.
pub(super) fn negative<'a>(state: &mut State<'a>, node: &Node<'a>) -> Result<Item<'a>, Fault> {
    let input = state.value(node, 0)?;
    Ok(Item::Value(affine::uniform(state, &input, -1.0, 0.0)?))
}

/// `Sum` of any number of values.
pub(super) fn sum_of_all<'a>(state: &mut State<'a>, node: &Node<'a>) -> Result<Item<'a>, Fault> {
    let mut total = state.value(node, 0)?;
    for at in 1..node.inputs.len() {
        let next = state.value(node, at)?;
        let Item::Value(sum) = sum(state, &total, &next)? else {
            return unsupported("a sum of other than values");
        };
        total = sum;
    }
    Ok(Item::Value(total))
}

/// `Pow` with the exponent 1, 2 or 3.
pub(super) fn power<'a>(state: &mut State<'a>, node: &Node<'a>) -> Result<Item<'a>, Fault> {
    let input = state.value(node, 0)?;
    let exponent = state.constant(node, 1)?;
    let exponent = match (exponent.count(), exponent.kind.is_float()) {
        (1, true) => f64::from(exponent.floats()?[0]),
        (1, false) => exponent.ints()?[0] as f64,
        _ => return unsupported("several exponents"),
    };
    if ![1.0, 2.0, 3.0].contains(&exponent) {
        return unsupported(format!("the exponent {exponent}"));
    }
    let mut result = input.clone();
    for _ in 1..exponent as usize {
        let voxels = state.voxels(&input);
        let product = state.add(Operation::Multiply, &[&input, &result], voxels)?;
        result = Tracked { shape: input.shape.clone(), ..product };
    }
    Ok(Item::Value(result))
}

fn with_constant<'a>(
    state: &mut State<'a>,
    node: &Node<'a>,
    input: &Tracked,
    constant: &Rc<Tensor<'a>>,
    is_first: bool,
) -> Result<Item<'a>, Fault> {
    let values = affine::per_channel(state, input, constant)?;
    let fill = |value: f64| vec![value; values.len()];
    state.charge(values.len().saturating_mul(8))?;
    let (scale, shift) = match (node.operator, is_first) {
        ("Add", _) => (fill(1.0), values),
        ("Sub", false) => (fill(1.0), values.iter().map(|value| -value).collect()),
        ("Sub", true) => (fill(-1.0), values),
        ("Mul", _) => {
            let zeros = fill(0.0);
            (values, zeros)
        }
        ("Div", false) if !values.contains(&0.0) => {
            (values.iter().map(|value| 1.0 / value).collect(), fill(0.0))
        }
        _ => return unsupported("a quotient whose divisor depends on the image or is 0"),
    };
    Ok(Item::Value(affine::affine(state, input, &scale, &shift)?))
}

/// Returns arithmetic of a part of Gelu with one number.
fn erf_with<'a>(
    node: &Node<'a>,
    of: Tracked,
    [factor, summand]: [f64; 2],
    constant: &Tensor<'a>,
    is_first: bool,
) -> Result<Item<'a>, Fault> {
    if constant.count() != 1 {
        return unsupported("the function erf outside of Gelu");
    }
    let number = f64::from(constant.floats()?[0]);
    let (factor, summand) = match (node.operator, is_first) {
        ("Add", _) => (factor, summand + number),
        ("Mul", _) => (factor * number, summand * number),
        ("Div", false) if number != 0.0 => (factor / number, summand / number),
        _ => return unsupported("the function erf outside of Gelu"),
    };
    Ok(Item::Erf { of, factor, summand })
}

fn sum<'a>(state: &mut State<'a>, one: &Tracked, other: &Tracked) -> Result<Item<'a>, Fault> {
    if !is_alike(state, one, other) {
        return broadcast(one, other);
    }
    let voxels = state.voxels(one);
    let result = state.add(Operation::Add, &[one, other], voxels)?;
    Ok(Item::Value(Tracked { shape: one.shape.clone(), ..result }))
}

fn product<'a>(state: &mut State<'a>, one: Item<'a>, other: Item<'a>) -> Result<Item<'a>, Fault> {
    // A vector that was repeated to the shape of the map that it is multiplied with.
    if let (Item::Expanded(vector, shape), value) | (value, Item::Expanded(vector, shape)) = (&one, &other)
        && let Item::Value(map) = value
        && state.is_map(map)
        && dims::same(&map.shape, shape)
    {
        return gated(state, map, vector);
    }
    let (one, other) = (state.materialise(one)?, state.materialise(other)?);
    if let Some(product) = gate::product(state, &one, &other)? {
        return Ok(Item::Value(product));
    }
    if is_alike(state, &one, &other) {
        let voxels = state.voxels(&one);
        let result = state.add(Operation::Multiply, &[&one, &other], voxels)?;
        return Ok(Item::Value(Tracked { shape: one.shape, ..result }));
    }
    for (map, vector) in [(&one, &other), (&other, &one)] {
        if !state.is_map(map) || vector.shape.len() != 5 {
            continue;
        }
        if state.is_vector(vector) {
            return gated(state, map, vector);
        }
        // A map of one voxel, as a pool of all voxels returns it.
        if state.is_map(vector) && vector.shape[2..].iter().all(|size| size.is(Dim::Known(1))) {
            let vector = pool::global(state, vector)?;
            return gated(state, map, &vector);
        }
    }
    broadcast(&one, &other)
}

fn gated<'a>(state: &mut State<'a>, map: &Tracked, vector: &Tracked) -> Result<Item<'a>, Fault> {
    if state.form(map).channels() != state.form(vector).channels() {
        return broadcast(map, vector);
    }
    let voxels = state.voxels(map);
    Ok(Item::Value(state.add(Operation::Multiply, &[map, vector], voxels)?))
}

/// Returns whether two values have one shape and one layout. Sizes that are not known are compared when they are.
fn is_alike(state: &State<'_>, one: &Tracked, other: &Tracked) -> bool {
    let fits = |(one, other): (&Dim, &Dim)| match (one.known(), other.known()) {
        (Some(one), Some(other)) => one == other,
        _ => true,
    };
    let (own, others) = (state.form(one), state.form(other));
    let is_own_shape = |tracked| state.is_map(tracked);
    own == others
        && one.shape.len() == other.shape.len()
        && one.shape.iter().zip(&other.shape).all(fits)
        && (matches!(own, Form::Vector(_))
            || dims::same(&one.shape, &other.shape)
            || (is_own_shape(one) && is_own_shape(other)))
}

fn broadcast<'a>(one: &Tracked, other: &Tracked) -> Result<Item<'a>, Fault> {
    let (one, other) = (dims::describe(&one.shape), dims::describe(&other.shape));
    unsupported(format!(
        "values of shapes {one} and {other}; expected equal shapes, or a product of a map and a vector"
    ))
}
