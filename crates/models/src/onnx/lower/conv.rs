//! Convolutions and transposed convolutions.

use super::super::dims::Dim;
use super::super::fault::{Fault, invalid, unsupported};
use super::super::model::Node;
use super::super::state::{Item, State, Tracked, padded};
use super::window::{self, AutoPad};
use crate::graph::{Conv, ConvTranspose, Linear, Operation, Padding};

/// A stored kernel.
struct Kernel {
    weights: Vec<f32>,
    bias: Vec<f32>,
    /// The first two sizes of its shape.
    channels: [usize; 2],
    taps: [usize; 3],
}

impl Kernel {
    /// Reads the inputs 1 and 2 of a node; `outputs` returns the number of output channels.
    fn read<'a>(
        state: &mut State<'a>,
        node: &Node<'a>,
        outputs: impl Fn([usize; 2]) -> usize,
    ) -> Result<Self, Fault> {
        let shape = state.constant(node, 1)?.shape.clone();
        let [first, second, taps @ ..] = &shape[..] else {
            return invalid("weights of 5 axes", format!("{shape:?}"));
        };
        let Ok(taps): Result<[usize; 3], _> = taps.try_into() else {
            return unsupported(format!("weights of shape {shape:?}; expected three spatial axes"));
        };
        if node.ints("kernel_shape").is_some_and(|stated| !stated.is_empty())
            && node.sizes::<3>("kernel_shape", 0)? != taps
        {
            return invalid(
                format!("kernel_shape {taps:?}, as its weights have"),
                format!("{:?}", node.ints("kernel_shape")),
            );
        }
        if taps.iter().any(|&taps| taps == 0 || taps > super::super::model::LARGEST_SETTING) {
            return invalid("a kernel of at least one tap an axis", format!("{taps:?}"));
        }
        let channels = [*first, *second];
        let weights = state.floats(node, 1)?;
        let bias = match state.optional_constant(node, 2)? {
            Some(_) => state.floats(node, 2)?,
            None => {
                let outputs = outputs(channels);
                state.charge(outputs.saturating_mul(4))?;
                vec![0.0; outputs]
            }
        };
        if bias.len() != outputs(channels) {
            return invalid(format!("a bias of {} values", outputs(channels)), bias.len().to_string());
        }
        Ok(Self { weights, bias, channels, taps })
    }
}

/// `Conv`.
pub(super) fn conv<'a>(state: &mut State<'a>, node: &Node<'a>) -> Result<Item<'a>, Fault> {
    let (input, zeros) = match state.input(node, 0)? {
        Item::Padded(tracked, padding) => (tracked, padding),
        item => (state.materialise(item)?, Padding::default()),
    };
    let groups = positive("group", node.int("group", 1))?;
    let kernel = Kernel::read(state, node, |[outputs, _]| outputs)?;
    let (stride, dilation) = (node.sizes("strides", 1)?, node.sizes("dilations", 1)?);
    if state.is_vector(&input) {
        return vector(state, &input, kernel, groups, stride, window::stated_padding(node)?);
    }
    if !state.is_map(&input) {
        return unsupported("its input is not a feature map [n, c, z, y, x]");
    }
    let channels = kernel.channels[1].saturating_mul(groups);
    if channels != state.form(&input).channels() {
        let found = state.form(&input).channels();
        return invalid(format!("an input of {channels} channels"), found.to_string());
    }
    let mut conv = Conv {
        weights: kernel.weights,
        bias: kernel.bias,
        kernel: kernel.taps,
        stride,
        dilation,
        padding: Padding::default(),
        groups,
    };
    let voxels = padded(state.voxels(&input), zeros);
    let own = window::padding(node, voxels, conv.geometry().kernel, stride)?;
    for axis in 0..3 {
        conv.padding.before[axis] = zeros.before[axis] + own.before[axis];
        conv.padding.after[axis] = zeros.after[axis] + own.after[axis];
    }
    let voxels = window::output(state.voxels(&input), conv.padding, conv.geometry().kernel, stride)?;
    Ok(Item::Value(state.add(Operation::Conv(conv), &[&input], voxels)?))
}

/// A convolution of one voxel, as squeeze-and-excitation blocks have: a fully connected layer.
fn vector<'a>(
    state: &mut State<'a>,
    input: &Tracked,
    kernel: Kernel,
    groups: usize,
    stride: [usize; 3],
    padding: Padding,
) -> Result<Item<'a>, Fault> {
    let [outputs, of_group] = kernel.channels;
    let channels = state.form(input).channels();
    if input.shape.len() != 5 || kernel.taps != [1; 3] || padding != Padding::default() || stride.contains(&0)
    {
        return unsupported("a convolution of a vector with a kernel of several voxels");
    }
    let fits =
        of_group.checked_mul(groups) == Some(channels) && outputs.is_multiple_of(groups) && outputs > 0;
    if !fits {
        let expected = format!("an input of {of_group} channels for each of {groups} groups");
        return invalid(expected, format!("{channels} channels"));
    }
    let weights = if groups == 1 {
        kernel.weights
    } else {
        state.charge(outputs.saturating_mul(channels).saturating_mul(4))?;
        let mut weights = vec![0.0; outputs * channels];
        for (output, row) in kernel.weights.chunks(of_group).enumerate() {
            let first = output / (outputs / groups) * of_group;
            weights[output * channels + first..][..of_group].copy_from_slice(row);
        }
        weights
    };
    let layer = Operation::Linear(Linear::new(weights, kernel.bias));
    let mut result = state.add(layer, &[input], [Dim::Unknown; 3])?;
    result.shape.extend([Dim::Known(1); 3]);
    Ok(Item::Value(result))
}

/// `ConvTranspose`.
pub(super) fn transpose<'a>(state: &mut State<'a>, node: &Node<'a>) -> Result<Item<'a>, Fault> {
    let input = state.value(node, 0)?;
    if node.int("group", 1) != 1 || node.sizes("dilations", 1)? != [1; 3] {
        return unsupported("a transposed convolution with groups or dilation");
    }
    if !state.is_map(&input) {
        return unsupported("its input is not a feature map [n, c, z, y, x]");
    }
    let kernel = Kernel::read(state, node, |[_, outputs]| outputs)?;
    if kernel.channels[0] != state.form(&input).channels() {
        let found = state.form(&input).channels();
        return invalid(format!("an input of {} channels", kernel.channels[0]), found.to_string());
    }
    let stride: [usize; 3] = node.sizes("strides", 1)?;
    let output_padding: [usize; 3] = node.sizes("output_padding", 0)?;
    if node.ints("output_shape").is_some_and(|shape| !shape.is_empty()) {
        return unsupported("a transposed convolution with output_shape");
    }
    let padding = match AutoPad::of(node)? {
        AutoPad::Stated => window::stated_padding(node)?,
        AutoPad::None => Padding::default(),
        AutoPad::Upper | AutoPad::Lower => return unsupported("a transposed convolution with auto_pad SAME"),
    };
    state.grow(stride)?;
    let voxels = state.voxels(&input);
    let mut output = [Dim::Unknown; 3];
    for axis in 0..3 {
        let Some(size) = voxels[axis].known() else { continue };
        let full = size.saturating_sub(1).saturating_mul(stride[axis]).saturating_add(kernel.taps[axis]);
        let whole = full.saturating_add(output_padding[axis]);
        match whole.checked_sub(padding.before[axis] + padding.after[axis]) {
            Some(size) if size > 0 => output[axis] = Dim::Known(size),
            _ => return invalid("padding smaller than the output", format!("{padding:?}")),
        }
    }
    let operation = Operation::ConvTranspose(ConvTranspose {
        weights: kernel.weights,
        bias: kernel.bias,
        kernel: kernel.taps,
        stride,
        padding,
        output_padding,
    });
    Ok(Item::Value(state.add(operation, &[&input], output)?))
}

/// Returns a number of at least 1.
pub(super) fn positive(what: &str, value: i64) -> Result<usize, Fault> {
    match usize::try_from(value) {
        Ok(value) if value > 0 => Ok(value),
        _ => invalid(format!("{what} of at least 1"), value.to_string()),
    }
}
