//! Operators that compute with the elements of constants.

use super::super::dims::{Dim, is_stand_in};
use super::super::fault::{Fault, invalid, unsupported};
use super::super::model::Node;
use super::super::state::State;
use super::super::tensor::{Data, Kind, Tensor};
use super::index::{broadcast, broadcast_source, select};

/// `Cast`. A size that is not known becomes NaN, and NaN such a size.
pub(super) fn cast<'a>(
    state: &mut State<'a>,
    node: &Node<'a>,
    input: &Tensor<'a>,
) -> Result<Tensor<'a>, Fault> {
    let to = match Kind::of(node.int("to", 0)) {
        Ok(kind) => kind,
        Err(found) => return invalid("a type of numbers", found),
    };
    if input.kind.is_float() == to.is_float() && to != Kind::Bool {
        state.charge(input.memory())?;
        return Ok(input.clone());
    }
    state.charge(input.memory().saturating_mul(2))?;
    let data = match (&input.data, to) {
        (Data::Fill(value), Kind::Bool) => Data::Fill(f64::from(u8::from(*value != 0.0))),
        (Data::Fill(value), _) => Data::Fill(if to.is_float() { *value } else { value.trunc() }),
        (_, Kind::Bool) if input.kind.is_float() => {
            Data::Ints(input.floats()?.into_iter().map(|value| i64::from(value != 0.0)).collect())
        }
        (_, Kind::Bool) => Data::Ints(input.ints()?.into_iter().map(|value| i64::from(value != 0)).collect()),
        (_, to) if to.is_float() => {
            let number = |value: i64| if is_stand_in(value) { f32::NAN } else { value as f32 };
            Data::Floats(input.ints()?.into_iter().map(number).collect())
        }
        _ => {
            let integer = |value: f32| if value.is_nan() { Dim::Unknown.to_int() } else { value as i64 };
            Data::Ints(input.floats()?.into_iter().map(integer).collect())
        }
    };
    let kind = if to.is_float() { Kind::Float } else { Kind::Int64 };
    Ok(Tensor { kind, shape: input.shape.clone(), data })
}

/// `Range` of integers.
pub(super) fn range<'a>(
    state: &mut State<'a>,
    start: &Tensor<'a>,
    limit: &Tensor<'a>,
    step: &Tensor<'a>,
) -> Result<Tensor<'a>, Fault> {
    let mut numbers = [0; 3];
    for (number, tensor) in numbers.iter_mut().zip([start, limit, step]) {
        if tensor.kind.is_float() || tensor.count() != 1 {
            return unsupported("a range of other than integers");
        }
        *number = tensor.ints()?[0];
    }
    let [start, limit, step] = numbers;
    if numbers.iter().any(|&number| is_stand_in(number)) {
        return Err(Fault::Size);
    }
    let span = i128::from(limit) - i128::from(start);
    let count = match step {
        0 => return invalid("a step other than 0", "0"),
        _ if (span > 0) != (step > 0) => 0,
        step => span.unsigned_abs().div_ceil(u128::from(step.unsigned_abs())),
    };
    let Ok(count) = usize::try_from(count) else {
        return invalid("a range that memory can hold", "a larger one");
    };
    state.charge(count.saturating_mul(8))?;
    let values: Vec<i64> = (0..count).map(|at| start.wrapping_add((at as i64).wrapping_mul(step))).collect();
    Ok(Tensor::of_ints(vec![values.len()], values))
}

/// `Where`.
pub(super) fn choose<'a>(
    state: &mut State<'a>,
    condition: &Tensor<'a>,
    one: &Tensor<'a>,
    other: &Tensor<'a>,
) -> Result<Tensor<'a>, Fault> {
    let shape = broadcast(&broadcast(&condition.shape, &one.shape)?, &other.shape)?;
    let [condition, one, other] = [condition, one, other].map(|tensor| broadcasted(state, tensor, &shape));
    let (condition, one, other) = (condition?.ints()?, one?, other?);
    state.charge(condition.len().saturating_mul(24))?;
    if one.kind.is_float() && other.kind.is_float() {
        let (one, other) = (one.floats()?, other.floats()?);
        let values = (0..condition.len()).map(|at| if condition[at] != 0 { one[at] } else { other[at] });
        return Ok(Tensor::of_floats(shape, values.collect()));
    }
    let (one, other) = (one.ints()?, other.ints()?);
    let values = (0..condition.len()).map(|at| if condition[at] != 0 { one[at] } else { other[at] });
    Ok(Tensor::of_ints(shape, values.collect()))
}

fn broadcasted<'a>(state: &mut State<'a>, tensor: &Tensor<'a>, shape: &[usize]) -> Result<Tensor<'a>, Fault> {
    let result = select(state, tensor, shape.to_vec(), broadcast_source(&tensor.shape, shape.len()))?;
    state.charge(result.memory())?;
    Ok(result)
}

/// `ReduceProd` of all elements.
pub(super) fn product<'a>(
    state: &mut State<'a>,
    node: &Node<'a>,
    input: &Tensor<'a>,
) -> Result<Tensor<'a>, Fault> {
    if input.shape.len() > 1 {
        return unsupported("a product of a constant of several axes");
    }
    state.charge(input.memory())?;
    let values = input.ints()?;
    let sizes: Option<Vec<Dim>> = values.iter().map(|&value| Dim::from_int(value)).collect();
    let Some(sizes) = sizes else { return invalid("sizes that are not negative", "a negative one") };
    let shape = if node.int("keepdims", 1) != 0 { vec![1; input.shape.len()] } else { vec![] };
    Ok(Tensor::of_ints(shape, vec![Dim::product(&sizes).to_int()]))
}

/// A function of single elements.
pub(super) fn unary<'a>(
    state: &mut State<'a>,
    node: &Node<'a>,
    input: &Tensor<'a>,
) -> Result<Tensor<'a>, Fault> {
    state.charge(input.memory().saturating_mul(2))?;
    let shape = input.shape.clone();
    if !input.kind.is_float() {
        let compute = |value: i64| match node.operator {
            _ if is_stand_in(value) => Some(Dim::Unknown.to_int()),
            "Neg" => value.checked_neg(),
            "Abs" => value.checked_abs(),
            "Not" => Some(i64::from(value == 0)),
            _ => None,
        };
        let values: Option<Vec<i64>> = input.ints()?.into_iter().map(compute).collect();
        return match values {
            Some(values) => Ok(Tensor::of_ints(shape, values)),
            None => unsupported("the operator of integers"),
        };
    }
    let compute = |value: f32| match node.operator {
        "Neg" => -value,
        "Abs" => value.abs(),
        "Floor" => value.floor(),
        "Ceil" => value.ceil(),
        "Sqrt" => value.sqrt(),
        "Reciprocal" => 1.0 / value,
        "Exp" => value.exp(),
        "Log" => value.ln(),
        _ => f32::NAN,
    };
    if node.operator == "Not" {
        return invalid("truth values", input.kind.name());
    }
    Ok(Tensor::of_floats(shape, input.floats()?.into_iter().map(compute).collect()))
}

/// A function of pairs of elements.
pub(super) fn binary<'a>(
    state: &mut State<'a>,
    node: &Node<'a>,
    one: &Tensor<'a>,
    other: &Tensor<'a>,
) -> Result<Tensor<'a>, Fault> {
    if one.kind.is_float() != other.kind.is_float() {
        return invalid("constants of one type", format!("{} and {}", one.kind.name(), other.kind.name()));
    }
    let shape = broadcast(&one.shape, &other.shape)?;
    let (one, other) = (broadcasted(state, one, &shape)?, broadcasted(state, other, &shape)?);
    state.charge(one.memory().saturating_mul(3))?;
    if one.kind.is_float() {
        let (one, other) = (one.floats()?, other.floats()?);
        let pairs = one.iter().zip(&other).map(|(&one, &other)| (one, other));
        if let Some(compare) = comparison::<f32>(node.operator) {
            if pairs.clone().any(|(one, other)| one.is_nan() || other.is_nan()) {
                return Err(Fault::Size);
            }
            let values = pairs.map(|(one, other)| i64::from(compare(&one, &other))).collect();
            return Ok(Tensor { kind: Kind::Bool, ..Tensor::of_ints(shape, values) });
        }
        let compute: fn(f32, f32) -> f32 = match node.operator {
            "Add" => |one, other| one + other,
            "Sub" => |one, other| one - other,
            "Mul" => |one, other| one * other,
            "Div" => |one, other| one / other,
            "Pow" => f32::powf,
            "Min" => |one, other| if one.is_nan() || one < other { one } else { other },
            "Max" => |one, other| if one.is_nan() || one > other { one } else { other },
            _ => return unsupported("the operator of floating-point constants"),
        };
        return Ok(Tensor::of_floats(shape, pairs.map(|(one, other)| compute(one, other)).collect()));
    }
    let (one, other) = (one.ints()?, other.ints()?);
    let pairs = one.iter().zip(&other).map(|(&one, &other)| (one, other));
    if let Some(compare) = comparison::<i64>(node.operator) {
        if pairs.clone().any(|(one, other)| !is_comparable(node.operator, one, other)) {
            return Err(Fault::Size);
        }
        let values = pairs.map(|(one, other)| i64::from(compare(&one, &other))).collect();
        return Ok(Tensor { kind: Kind::Bool, ..Tensor::of_ints(shape, values) });
    }
    let values: Option<Vec<i64>> = pairs.map(|(one, other)| integers(node.operator, one, other)).collect();
    match values {
        Some(values) => Ok(Tensor::of_ints(shape, values)),
        None => invalid("integers of at most 64 bits and divisors other than 0", "others"),
    }
}

/// Returns whether the result of a comparison does not depend on sizes that are not known, which are positive.
fn is_comparable(operator: &str, one: i64, other: i64) -> bool {
    let is_symbol = |value| matches!(Dim::from_int(value), Some(Dim::Symbol(_)));
    match (is_stand_in(one), is_stand_in(other)) {
        (false, false) => true,
        _ if operator != "Equal" => false,
        (true, true) => one == other && is_symbol(one),
        (true, false) => other <= 0,
        (false, true) => one <= 0,
    }
}

fn comparison<T: PartialOrd>(operator: &str) -> Option<fn(&T, &T) -> bool> {
    Some(match operator {
        "Equal" => |one, other| one == other,
        "Greater" => |one, other| one > other,
        "Less" => |one, other| one < other,
        "GreaterOrEqual" => |one, other| one >= other,
        "LessOrEqual" => |one, other| one <= other,
        _ => return None,
    })
}

fn integers(operator: &str, one: i64, other: i64) -> Option<i64> {
    match (operator, is_stand_in(one), is_stand_in(other)) {
        (_, false, false) => {}
        ("Add" | "Sub", true, false) if other == 0 => return Some(one),
        ("Mul" | "Div", true, false) if other == 1 => return Some(one),
        ("Add", false, true) if one == 0 => return Some(other),
        ("Mul", false, true) if one == 1 => return Some(other),
        _ => return Some(Dim::Unknown.to_int()),
    }
    match operator {
        "Add" => one.checked_add(other),
        "Sub" => one.checked_sub(other),
        "Mul" => one.checked_mul(other),
        "Div" => one.checked_div(other),
        "Mod" => one.checked_rem_euclid(other),
        "Min" => Some(one.min(other)),
        "Max" => Some(one.max(other)),
        "And" => Some(i64::from(one != 0 && other != 0)),
        "Or" => Some(i64::from(one != 0 || other != 0)),
        "Pow" => one.checked_pow(u32::try_from(other).ok()?),
        _ => None,
    }
}
