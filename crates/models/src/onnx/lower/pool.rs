//! Pools, and means over all voxels.

use super::super::dims::{self, Dim};
use super::super::fault::{Fault, invalid, unsupported};
use super::super::model::Node;
use super::super::state::{Item, State, Tracked, padded};
use super::window;
use crate::graph::{Activation, Form, Operation, Padding, Pool, Value};

/// `MaxPool`.
pub(super) fn max<'a>(state: &mut State<'a>, node: &Node<'a>) -> Result<Item<'a>, Fault> {
    if node.sizes("dilations", 1)? != [1; 3] {
        return unsupported("a dilated pool");
    }
    let item = state.input(node, 0)?;
    // Zeros do not change the maximum of a window of values that are not negative.
    if let Item::Padded(tracked, zeros) = &item {
        let (pool, more) = read(node, padded(state.voxels(tracked), *zeros))?;
        let padding = sum(sum(pool.padding, *zeros), more);
        if pool.padding == Padding::default()
            && is_small(padding, pool.kernel)
            && is_not_negative(state, tracked.value)
        {
            let pool = Pool { padding, ..pool };
            let voxels = window::output(state.voxels(tracked), padding, pool.kernel, pool.stride)?;
            return Ok(Item::Value(state.add(Operation::MaxPool(pool), &[tracked], voxels)?));
        }
    }
    let input = map(state, item)?;
    let (pool, more) = read(node, state.voxels(&input))?;
    let pool = Pool { padding: sum(pool.padding, more), ..pool };
    let voxels = window::output(state.voxels(&input), pool.padding, pool.kernel, pool.stride)?;
    Ok(Item::Value(state.add(Operation::MaxPool(pool), &[&input], voxels)?))
}

/// `AveragePool`.
pub(super) fn mean<'a>(state: &mut State<'a>, node: &Node<'a>) -> Result<Item<'a>, Fault> {
    if node.sizes("dilations", 1)? != [1; 3] {
        return unsupported("a dilated pool");
    }
    let mut item = state.input(node, 0)?;
    let mut count_padding = node.int("count_include_pad", 0) != 0;
    let mut zeros = Padding::default();
    if let Item::Padded(tracked, around) = &item {
        let (pool, _) = read(node, padded(state.voxels(tracked), *around))?;
        if (count_padding || pool.padding == Padding::default())
            && is_small(sum(pool.padding, *around), pool.kernel)
        {
            zeros = *around;
            count_padding = true;
            item = Item::Value(tracked.clone());
        }
    }
    let input = map(state, item)?;
    let voxels = state.voxels(&input);
    let (pool, more) = read(node, padded(voxels, zeros))?;
    let mut pool = Pool { padding: sum(pool.padding, zeros), ..pool };
    if pool.padding == Padding::default() {
        count_padding = false;
    }
    if more != Padding::default() {
        if count_padding {
            return unsupported("ceil_mode with padding that counts");
        }
        pool.padding = sum(pool.padding, more);
    }
    let output = window::output(voxels, pool.padding, pool.kernel, pool.stride)?;
    Ok(Item::Value(state.add(Operation::MeanPool { pool, count_padding }, &[&input], output)?))
}

/// `GlobalAveragePool`.
pub(super) fn global_mean<'a>(state: &mut State<'a>, node: &Node<'a>) -> Result<Item<'a>, Fault> {
    let input = state.value(node, 0)?;
    if input.shape.len() != 5 || !(state.is_map(&input) || state.is_vector(&input)) {
        return unsupported("its input is not a feature map [n, c, z, y, x]");
    }
    let mut result = global(state, &input)?;
    result.shape.truncate(2);
    result.shape.extend([Dim::Known(1); 3]);
    Ok(Item::Value(result))
}

/// `GlobalMaxPool`: a pool of all voxels.
pub(super) fn global_max<'a>(state: &mut State<'a>, node: &Node<'a>) -> Result<Item<'a>, Fault> {
    let input = state.value(node, 0)?;
    if !state.is_map(&input) {
        return unsupported("its input is not a feature map [n, c, z, y, x]");
    }
    let mut result = largest(state, &input)?;
    result.shape.extend([Dim::Known(1); 3]);
    Ok(Item::Value(result))
}

/// `ReduceMean`, and `ReduceMax` over all voxels.
pub(super) fn reduce<'a>(state: &mut State<'a>, node: &Node<'a>) -> Result<Item<'a>, Fault> {
    let input = state.value(node, 0)?;
    let rank = input.shape.len();
    let axes = match state.optional_ints(node, 1)? {
        Some(axes) => axes,
        None => node.ints("axes").unwrap_or(&[]).to_vec(),
    };
    if axes.is_empty() {
        return unsupported("it reduces all axes");
    }
    let mut reduced = vec![false; rank];
    for axis in axes {
        reduced[super::super::shape::axis(axis, rank)?] = true;
    }
    let keep = node.int("keepdims", 1) != 0;
    let shape: Vec<Dim> = (0..rank)
        .filter(|&axis| keep || !reduced[axis])
        .map(|axis| if reduced[axis] { Dim::Known(1) } else { input.shape[axis] })
        .collect();
    let is_one = |axis: usize| input.shape[axis].is(Dim::Known(1));
    let is_max = node.operator == "ReduceMax";
    let channels = Dim::Known(state.form(&input).channels());
    let leads = rank > 2 && input.shape[0].is(Dim::Known(state.batch)) && input.shape[1].is(channels);
    let is_map = matches!(state.form(&input), Form::Map(_)) && leads && !reduced[0] && !reduced[1];
    if !is_map {
        return match (0..rank).all(|axis| !reduced[axis] || is_one(axis)) {
            true => Ok(Item::Value(Tracked { shape, ..input })),
            false => unsupported("it reduces axes other than those of the voxels"),
        };
    }
    if (2..rank).all(|axis| reduced[axis] || is_one(axis)) {
        let result = if is_max { largest(state, &input)? } else { global(state, &input)? };
        return Ok(Item::Value(Tracked { shape, ..result }));
    }
    if !state.is_map(&input) {
        return unsupported("it reduces a part of the axes of the voxels");
    }
    let voxels = state.voxels(&input);
    let (mut kernel, mut output) = ([1; 3], voxels);
    for axis in (0..3).filter(|&axis| reduced[axis + 2]) {
        kernel[axis] = voxels[axis].known().ok_or(Fault::Size)?;
        output[axis] = Dim::Known(1);
    }
    let pool = Pool { kernel, stride: [1; 3], padding: Padding::default() };
    let operation =
        if is_max { Operation::MaxPool(pool) } else { Operation::MeanPool { pool, count_padding: false } };
    let result = state.add(operation, &[&input], output)?;
    Ok(Item::Value(Tracked { shape, ..result }))
}

/// Returns the mean over the voxels of a map. A vector is its own mean, and that of a pool of all voxels is the mean over
/// them.
pub(super) fn global(state: &mut State<'_>, input: &Tracked) -> Result<Tracked, Fault> {
    let Form::Map(_) = state.form(input) else { return Ok(input.clone()) };
    let pooled = state.builder.node(input.value).and_then(|node| match &node.operation {
        Operation::MeanPool { pool, .. } if pool.padding == Padding::default() => {
            Some((state.tracked(*node.inputs.first()?), pool.kernel))
        }
        _ => None,
    });
    let source = match pooled {
        Some((source, kernel)) if state.voxels(&source).map(|size| size.known()) == kernel.map(Some) => {
            source
        }
        _ => input.clone(),
    };
    state.add(Operation::GlobalMean, &[&source], [Dim::Unknown; 3])
}

/// Returns the maximum over the voxels of a map.
fn largest(state: &mut State<'_>, input: &Tracked) -> Result<Tracked, Fault> {
    let mut kernel = [1; 3];
    for (kernel, size) in kernel.iter_mut().zip(state.voxels(input)) {
        *kernel = size.known().ok_or(Fault::Size)?;
    }
    let pool = Pool { kernel, stride: [1; 3], padding: Padding::default() };
    let pooled = state.add(Operation::MaxPool(pool), &[input], [Dim::Known(1); 3])?;
    global(state, &pooled)
}

/// Returns the window that a node states, and the voxels after the input that windows which `ceil_mode` adds reach
/// beyond it.
fn read(node: &Node<'_>, voxels: [Dim; 3]) -> Result<(Pool, Padding), Fault> {
    if node.ints("kernel_shape").is_none_or(|kernel| kernel.len() != 3) {
        return unsupported("a pool without three spatial axes");
    }
    let kernel: [usize; 3] = node.sizes("kernel_shape", 1)?;
    let stride: [usize; 3] = node.sizes("strides", 1)?;
    if kernel.contains(&0) || stride.contains(&0) {
        return invalid("a kernel and strides of at least 1", format!("{kernel:?} and {stride:?}"));
    }
    let padding = window::padding(node, voxels, kernel, stride)?;
    let mut more = Padding::default();
    if node.int("ceil_mode", 0) != 0 {
        for axis in (0..3).filter(|&axis| stride[axis] > 1) {
            let size = voxels[axis].known().ok_or(Fault::Size)?;
            let room = (size + padding.before[axis] + padding.after[axis]).checked_sub(kernel[axis]);
            let Some(room) = room else {
                return invalid(
                    format!("an input that the kernel {kernel:?} fits in"),
                    dims::describe(&voxels),
                );
            };
            // A window that would begin after the input is left out.
            let last = room.div_ceil(stride[axis]) * stride[axis];
            if last > room && last < size + padding.before[axis] {
                more.after[axis] = last - room;
            }
        }
    }
    Ok((Pool { kernel, stride, padding }, more))
}

fn map<'a>(state: &mut State<'a>, item: Item<'a>) -> Result<Tracked, Fault> {
    let input = state.materialise(item)?;
    match state.is_map(&input) {
        true => Ok(input),
        false => unsupported("its input is not a feature map [n, c, z, y, x]"),
    }
}

fn sum(one: Padding, other: Padding) -> Padding {
    Padding {
        before: std::array::from_fn(|axis| one.before[axis] + other.before[axis]),
        after: std::array::from_fn(|axis| one.after[axis] + other.after[axis]),
    }
}

/// Returns whether each window covers a voxel of the input.
fn is_small(padding: Padding, kernel: [usize; 3]) -> bool {
    (0..3).all(|axis| padding.before[axis].max(padding.after[axis]) < kernel[axis])
}

/// Returns whether a value is certainly not negative.
fn is_not_negative(state: &State<'_>, value: Value) -> bool {
    let is_own = |operation: &Operation| match operation {
        Operation::Activation(activation) => match activation {
            Activation::Relu
            | Activation::Sigmoid
            | Activation::HardSigmoid { .. }
            | Activation::Softplus => true,
            Activation::Clip { low, .. } => *low >= 0.0,
            _ => false,
        },
        _ => false,
    };
    let passes = |operation: &Operation| {
        matches!(
            operation,
            Operation::MaxPool(_) | Operation::MeanPool { .. } | Operation::Concat | Operation::Repeat(_)
        )
    };
    let mut open = vec![value];
    let mut left = 64_usize;
    while let Some(value) = open.pop() {
        match state.builder.node(value) {
            Some(node) if is_own(&node.operation) => {}
            Some(node) if passes(&node.operation) && node.inputs.len() <= left => open.extend(&node.inputs),
            _ => return false,
        }
        left = left.saturating_sub(1);
    }
    true
}
