//! Shapes after `Reshape`, `Flatten`, `Squeeze` and `Unsqueeze`, of values and constants.

use super::dims::{Dim, describe};
use super::fault::{Fault, invalid, unsupported};
use super::model::Node;
use super::state::State;

/// Most axes of a shape.
const MOST_AXES: usize = 16;

/// Returns the shape that an input of this shape becomes.
pub(super) fn target<'a>(state: &mut State<'a>, node: &Node<'a>, shape: &[Dim]) -> Result<Vec<Dim>, Fault> {
    let rank = shape.len();
    let mut axes = || match state.optional_ints(node, 1)? {
        Some(axes) => Ok::<_, Fault>(axes),
        None => Ok(node.ints("axes").unwrap_or(&[]).to_vec()),
    };
    Ok(match node.operator {
        "Reshape" => match state.optional_ints(node, 1)? {
            Some(target) => reshaped(shape, &target, node.int("allowzero", 0) != 0)?,
            None => return invalid("an input 1", "none"),
        },
        "Flatten" => {
            let at = match node.int("axis", 1) {
                at if at == rank as i64 => rank,
                at => axis(at, rank)?,
            };
            vec![Dim::product(&shape[..at]), Dim::product(&shape[at..])]
        }
        "Squeeze" => {
            let axes = axes()?;
            let mut squeezed = vec![false; rank];
            for at in &axes {
                let at = axis(*at, rank)?;
                if !shape[at].is(Dim::Known(1)) {
                    return match shape[at].known() {
                        Some(_) => invalid("axes of size 1", describe(shape)),
                        None => Err(Fault::Size),
                    };
                }
                squeezed[at] = true;
            }
            if axes.is_empty() {
                if shape.iter().any(|size| size.known().is_none()) {
                    return Err(Fault::Size);
                }
                squeezed = shape.iter().map(|size| size.is(Dim::Known(1))).collect();
            }
            (0..rank).filter(|&at| !squeezed[at]).map(|at| shape[at]).collect()
        }
        "Unsqueeze" => {
            let axes = axes()?;
            let total = rank + axes.len();
            if total > MOST_AXES {
                return invalid(format!("at most {MOST_AXES} axes"), total.to_string());
            }
            let mut is_new = vec![false; total];
            for at in axes {
                is_new[axis(at, total)?] = true;
            }
            if is_new.iter().filter(|&&is_new| is_new).count() + rank != total {
                return invalid("different axes", "the same axis twice");
            }
            let mut old = shape.iter().copied();
            is_new
                .iter()
                .map(|&is_new| if is_new { Dim::Known(1) } else { old.next().unwrap_or(Dim::Unknown) })
                .collect()
        }
        other => return unsupported(format!("a change of shape {other}")),
    })
}

/// Returns the position of an axis, which counts from the end if it is negative.
pub(super) fn axis(axis: i64, rank: usize) -> Result<usize, Fault> {
    let from_start = if axis < 0 { axis.checked_add(rank as i64) } else { Some(axis) };
    match from_start.and_then(|axis| usize::try_from(axis).ok()) {
        Some(axis) if axis < rank => Ok(axis),
        _ => invalid(format!("an axis of {rank}"), axis.to_string()),
    }
}

fn reshaped(shape: &[Dim], target: &[i64], is_zero_allowed: bool) -> Result<Vec<Dim>, Fault> {
    if target.len() > MOST_AXES {
        return invalid(format!("at most {MOST_AXES} axes"), target.len().to_string());
    }
    let mut new = Vec::with_capacity(target.len());
    let mut inferred = None;
    for (at, &size) in target.iter().enumerate() {
        new.push(match (size, shape.get(at)) {
            (-1, _) if inferred.is_none() => {
                inferred = Some(at);
                Dim::Known(1)
            }
            (0, Some(&size)) if !is_zero_allowed => size,
            _ => match Dim::from_int(size) {
                Some(Dim::Known(0)) | None => {
                    return invalid("sizes of at least 1 and one -1", format!("{target:?}"));
                }
                Some(size) => size,
            },
        });
    }
    // What is the same size in both shapes says nothing about the others.
    let mut old: Vec<Dim> = shape.to_vec();
    let mut left: Vec<Dim> = Vec::new();
    for &size in &new {
        match old.iter().position(|&other| other.is(size)) {
            Some(at) => {
                old.swap_remove(at);
            }
            None => left.push(size),
        }
    }
    let (old, left) = (Dim::product(&old), Dim::product(&left));
    match (old, left, inferred) {
        (Dim::Known(old), Dim::Known(left), Some(at)) if left > 0 && old.is_multiple_of(left) => {
            new[at] = Dim::Known(old / left);
        }
        (old, Dim::Known(1), Some(at)) => new[at] = old,
        (Dim::Known(old), Dim::Known(left), None) if old == left => {}
        (Dim::Known(_), Dim::Known(_), _) => {
            return invalid(format!("a shape of as many elements as {}", describe(shape)), describe(&new));
        }
        _ => return Err(Fault::Size),
    }
    Ok(new)
}
