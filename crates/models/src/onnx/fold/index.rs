//! Operators that select, repeat or rearrange the elements of constants.

use super::super::dims::Dim;
use super::super::fault::{Fault, invalid};
use super::super::model::Node;
use super::super::shape::{axis, target};
use super::super::state::State;
use super::super::tensor::{Data, Kind, Tensor, count};

/// Returns a tensor of another shape, whose element at each position is the one of `input` at `source` of it.
pub(super) fn select<'a>(
    state: &mut State<'a>,
    input: &Tensor<'a>,
    shape: Vec<usize>,
    source: impl Fn(&[usize]) -> usize,
) -> Result<Tensor<'a>, Fault> {
    let Some(total) = count(&shape) else {
        return invalid("a shape that memory can hold", format!("{shape:?}"));
    };
    if let Data::Fill(value) = input.data {
        return Ok(Tensor { kind: input.kind, shape, data: Data::Fill(value) });
    }
    state.charge(input.memory())?;
    state.charge(total.saturating_mul(16))?;
    let mut position = vec![0; shape.len()];
    let sources: Vec<usize> = (0..total)
        .map(|_| {
            let at = source(&position);
            for axis in (0..shape.len()).rev() {
                position[axis] += 1;
                if position[axis] < shape[axis] {
                    break;
                }
                position[axis] = 0;
            }
            at
        })
        .collect();
    let data = if input.kind.is_float() {
        let values = input.floats()?;
        Data::Floats(sources.into_iter().filter_map(|at| values.get(at).copied()).collect())
    } else {
        let values = input.ints()?;
        Data::Ints(sources.into_iter().filter_map(|at| values.get(at).copied()).collect())
    };
    let found = match &data {
        Data::Floats(values) => values.len(),
        Data::Ints(values) => values.len(),
        _ => 0,
    };
    if found != total {
        return invalid(format!("{total} elements"), found.to_string());
    }
    let kind = if input.kind.is_float() { Kind::Float } else { Kind::Int64 };
    Ok(Tensor { kind, shape, data })
}

/// Returns the distance between neighbours along each axis.
fn strides(shape: &[usize]) -> Vec<usize> {
    let mut strides = vec![1_usize; shape.len()];
    for axis in (1..shape.len()).rev() {
        strides[axis - 1] = strides[axis].saturating_mul(shape[axis]);
    }
    strides
}

/// `Reshape`, `Flatten`, `Squeeze` and `Unsqueeze`.
pub(super) fn reshape<'a>(
    state: &mut State<'a>,
    node: &Node<'a>,
    input: &Tensor<'a>,
) -> Result<Tensor<'a>, Fault> {
    let shape: Vec<Dim> = input.shape.iter().map(|&size| Dim::Known(size)).collect();
    let new: Option<Vec<usize>> = target(state, node, &shape)?.iter().map(|size| size.known()).collect();
    let shape = new.ok_or(Fault::Size)?;
    if count(&shape) != Some(input.count()) {
        return invalid(format!("a shape of {} elements", input.count()), format!("{shape:?}"));
    }
    if matches!(input.data, Data::Ints(_) | Data::Floats(_)) {
        state.charge(input.memory())?;
    }
    Ok(Tensor { shape, ..input.clone() })
}

/// `Transpose`.
pub(super) fn transpose<'a>(
    state: &mut State<'a>,
    node: &Node<'a>,
    input: &Tensor<'a>,
) -> Result<Tensor<'a>, Fault> {
    let rank = input.shape.len();
    let reversed: Vec<i64> = (0..rank as i64).rev().collect();
    let order: Result<Vec<usize>, Fault> =
        node.ints("perm").unwrap_or(&reversed).iter().map(|&at| axis(at, rank)).collect();
    let order = order?;
    let mut sorted = order.clone();
    sorted.sort_unstable();
    if !sorted.into_iter().eq(0..rank) {
        return invalid(format!("a permutation of {rank} axes"), format!("one of {}", order.len()));
    }
    let old = strides(&input.shape);
    let shape = order.iter().map(|&at| input.shape[at]).collect();
    select(state, input, shape, |position| {
        position.iter().zip(&order).map(|(&at, &axis)| at * old[axis]).sum()
    })
}

/// `Expand`.
pub(super) fn expand<'a>(
    state: &mut State<'a>,
    input: &Tensor<'a>,
    target: &Tensor<'a>,
) -> Result<Tensor<'a>, Fault> {
    state.charge(target.memory())?;
    let target = sizes(&target.ints()?)?;
    let shape = broadcast(&input.shape, &target)?;
    let source = broadcast_source(&input.shape, shape.len());
    select(state, input, shape, source)
}

/// Returns the shape that two shapes are broadcast to.
pub(super) fn broadcast(one: &[usize], other: &[usize]) -> Result<Vec<usize>, Fault> {
    let rank = one.len().max(other.len());
    let size = |shape: &[usize], axis: usize| {
        (axis + shape.len()).checked_sub(rank).and_then(|axis| shape.get(axis)).copied().unwrap_or(1)
    };
    (0..rank)
        .map(|axis| match (size(one, axis), size(other, axis)) {
            (one, other) if one == other => Ok(one),
            (1, size) | (size, 1) => Ok(size),
            _ => invalid("shapes that broadcast", format!("{one:?} and {other:?}")),
        })
        .collect()
}

/// Returns where the element for a position of a broadcast shape of `rank` axes is.
pub(super) fn broadcast_source(shape: &[usize], rank: usize) -> impl Fn(&[usize]) -> usize + use<> {
    let lead = rank.saturating_sub(shape.len());
    let steps: Vec<usize> =
        shape.iter().zip(strides(shape)).map(|(&size, stride)| if size == 1 { 0 } else { stride }).collect();
    move |position| position.iter().skip(lead).zip(&steps).map(|(&at, &step)| at * step).sum()
}

/// `Slice`.
pub(super) fn slice<'a>(
    state: &mut State<'a>,
    node: &Node<'a>,
    input: &Tensor<'a>,
    inputs: &[Option<&Tensor<'a>>],
) -> Result<Tensor<'a>, Fault> {
    let rank = input.shape.len();
    let mut list = |at: usize, name: &str| -> Result<Option<Vec<i64>>, Fault> {
        match inputs.get(at) {
            Some(Some(tensor)) => {
                state.charge(tensor.memory())?;
                Ok(Some(tensor.ints()?))
            }
            _ => Ok(node.ints(name).map(<[i64]>::to_vec)),
        }
    };
    let (Some(starts), Some(ends)) = (list(1, "starts")?, list(2, "ends")?) else {
        return invalid("starts and ends", "none");
    };
    let axes = list(3, "axes")?.unwrap_or_else(|| (0..starts.len() as i64).collect());
    let steps = list(4, "steps")?.unwrap_or_else(|| vec![1; starts.len()]);
    if starts.len() != ends.len() || starts.len() != axes.len() || starts.len() != steps.len() {
        return invalid("as many starts as ends, axes and steps", "different numbers");
    }
    if starts.iter().chain(&ends).any(|&at| super::super::dims::is_stand_in(at)) {
        return Err(Fault::Size);
    }
    let (mut first, mut by, mut shape) = (vec![0_i64; rank], vec![1_i64; rank], input.shape.clone());
    for (at, &sliced) in axes.iter().enumerate() {
        let sliced = axis(sliced, rank)?;
        let (size, step) = (input.shape[sliced] as i64, steps[at]);
        if step == 0 || step == i64::MIN {
            return invalid("steps other than 0", step.to_string());
        }
        let from_start = |at: i64| if at < 0 { at.saturating_add(size) } else { at };
        let (low, high) = if step > 0 { (0, size) } else { (-1, size - 1) };
        let (start, end) =
            (from_start(starts[at]).clamp(low.max(0), high.max(0)), from_start(ends[at]).clamp(low, high));
        let length = if step > 0 { end - start } else { start - end };
        let length = if size == 0 { 0 } else { length.max(0) as u64 };
        (first[sliced], by[sliced]) = (start, step);
        shape[sliced] = usize::try_from(length.div_ceil(step.unsigned_abs())).unwrap_or(0);
    }
    let old = strides(&input.shape);
    select(state, input, shape, |position| {
        (0..rank).map(|axis| (first[axis] + position[axis] as i64 * by[axis]) as usize * old[axis]).sum()
    })
}

/// `Gather`.
pub(super) fn gather<'a>(
    state: &mut State<'a>,
    node: &Node<'a>,
    input: &Tensor<'a>,
    indices: &Tensor<'a>,
) -> Result<Tensor<'a>, Fault> {
    let rank = input.shape.len();
    let along = axis(node.int("axis", 0), rank)?;
    state.charge(indices.memory())?;
    let size = input.shape[along];
    let at: Result<Vec<usize>, Fault> = indices.ints()?.into_iter().map(|at| axis(at, size)).collect();
    let at = at?;
    let shape = [&input.shape[..along], &indices.shape, &input.shape[along + 1..]].concat();
    let (old, inner) = (strides(&input.shape), strides(&indices.shape));
    let width = indices.shape.len();
    select(state, input, shape, |position| {
        let index: usize =
            position[along..along + width].iter().zip(&inner).map(|(&at, &step)| at * step).sum();
        let before: usize = (0..along).map(|axis| position[axis] * old[axis]).sum();
        let after: usize = (along + 1..rank).map(|axis| position[axis + width - 1] * old[axis]).sum();
        before + at.get(index).map_or(usize::MAX / 4, |&at| at * old[along]) + after
    })
}

/// `Concat`.
pub(super) fn concat<'a>(
    state: &mut State<'a>,
    node: &Node<'a>,
    inputs: &[Option<&Tensor<'a>>],
) -> Result<Tensor<'a>, Fault> {
    let parts: Option<Vec<&Tensor<'a>>> = inputs.iter().copied().collect();
    let Some((first, parts)) = parts.as_ref().and_then(|parts| Some((*parts.first()?, parts))) else {
        return invalid("inputs", "none");
    };
    let along = axis(node.int("axis", 0), first.shape.len())?;
    let mut shape = first.shape.clone();
    shape[along] = 0;
    for part in parts {
        let fits = part.shape.len() == shape.len()
            && (0..shape.len()).all(|axis| axis == along || part.shape[axis] == shape[axis])
            && part.kind.is_float() == first.kind.is_float();
        if !fits {
            return invalid(format!("parts like {:?}", first.shape), format!("{:?}", part.shape));
        }
        shape[along] = shape[along].saturating_add(part.shape[along]);
    }
    let Some(total) = count(&shape) else {
        return invalid("a shape that memory can hold", format!("{shape:?}"));
    };
    state.charge(total.saturating_mul(16))?;
    let outer: usize = shape[..along].iter().product();
    if first.kind.is_float() {
        let lists: Result<Vec<Vec<f32>>, Fault> = parts.iter().map(|part| part.floats()).collect();
        Ok(Tensor::of_floats(shape, interleave(&lists?, outer)))
    } else {
        let lists: Result<Vec<Vec<i64>>, Fault> = parts.iter().map(|part| part.ints()).collect();
        Ok(Tensor::of_ints(shape, interleave(&lists?, outer)))
    }
}

fn interleave<T: Copy>(lists: &[Vec<T>], outer: usize) -> Vec<T> {
    let outer = outer.max(1);
    let rows = |row: usize| {
        lists.iter().flat_map(move |list| {
            let width = list.len() / outer;
            list[row * width..(row + 1) * width].iter().copied()
        })
    };
    (0..outer).flat_map(rows).collect()
}

/// Returns the sizes that the integers of a constant stand for.
pub(super) fn sizes(values: &[i64]) -> Result<Vec<usize>, Fault> {
    let mut shape = Vec::with_capacity(values.len().min(16));
    for &value in values {
        match Dim::from_int(value) {
            Some(Dim::Known(size)) if shape.len() < 16 => shape.push(size),
            Some(Dim::Symbol(_) | Dim::Unknown) => return Err(Fault::Size),
            _ => return invalid("at most 16 sizes that are not negative", value.to_string()),
        }
    }
    match count(&shape) {
        Some(_) => Ok(shape),
        None => invalid("a shape that memory can hold", format!("{shape:?}")),
    }
}
