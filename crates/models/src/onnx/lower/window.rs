//! Geometry of the windows of convolutions and pools: padding as a node states it, and sizes of results.

use super::super::dims::Dim;
use super::super::fault::{Fault, invalid};
use super::super::model::Node;
use crate::graph::Padding;

/// The attribute `auto_pad`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AutoPad {
    /// The padding is stated.
    Stated,
    /// No padding.
    None,
    /// As many outputs as strides fit into the input; an odd voxel of padding is after it.
    Upper,
    /// The same; an odd voxel is before it.
    Lower,
}

impl AutoPad {
    pub(super) fn of(node: &Node<'_>) -> Result<Self, Fault> {
        Ok(match &node.text("auto_pad", "NOTSET")[..] {
            "NOTSET" | "" => Self::Stated,
            "VALID" => Self::None,
            "SAME_UPPER" => Self::Upper,
            "SAME_LOWER" => Self::Lower,
            other => {
                let found: String = other.chars().take(20).flat_map(char::escape_debug).collect();
                return invalid("auto_pad NOTSET, VALID, SAME_UPPER or SAME_LOWER", found);
            }
        })
    }
}

/// Returns the attribute `pads`.
pub(super) fn stated_padding(node: &Node<'_>) -> Result<Padding, Fault> {
    let [z, y, x, after_z, after_y, after_x] = node.sizes("pads", 0)?;
    Ok(Padding { before: [z, y, x], after: [after_z, after_y, after_x] })
}

/// Returns the padding of a node for an input of these voxels.
pub(super) fn padding(
    node: &Node<'_>,
    voxels: [Dim; 3],
    kernel: [usize; 3],
    stride: [usize; 3],
) -> Result<Padding, Fault> {
    let auto = AutoPad::of(node)?;
    match auto {
        AutoPad::Stated => return stated_padding(node),
        AutoPad::None => return Ok(Padding::default()),
        AutoPad::Upper | AutoPad::Lower => {}
    }
    let mut padding = Padding::default();
    for axis in 0..3 {
        let total = match (stride[axis], voxels[axis].known()) {
            (1, _) => kernel[axis].saturating_sub(1),
            (0, _) => return invalid("strides of at least 1", "0"),
            (stride, Some(size)) => {
                ((size.div_ceil(stride).max(1) - 1) * stride + kernel[axis]).saturating_sub(size)
            }
            (_, None) => return Err(Fault::Size),
        };
        let (less, more) = (total / 2, total - total / 2);
        let (before, after) = if auto == AutoPad::Upper { (less, more) } else { (more, less) };
        padding.before[axis] = before;
        padding.after[axis] = after;
    }
    Ok(padding)
}

/// Returns the voxels of the result.
pub(super) fn output(
    voxels: [Dim; 3],
    padding: Padding,
    kernel: [usize; 3],
    stride: [usize; 3],
) -> Result<[Dim; 3], Fault> {
    let mut output = [Dim::Unknown; 3];
    for axis in 0..3 {
        let stride = stride[axis];
        let around = padding.before[axis] + padding.after[axis];
        output[axis] = match voxels[axis] {
            _ if stride == 0 => return invalid("strides of at least 1", "0"),
            Dim::Known(size) => match (size + around).checked_sub(kernel[axis]) {
                Some(room) => Dim::Known(room / stride + 1),
                None => {
                    let found = format!("{size} and padding of {around} voxels");
                    return invalid(format!("an input that the kernel {kernel:?} fits in"), found);
                }
            },
            size if stride == 1 && around + 1 == kernel[axis] => size,
            _ => Dim::Unknown,
        };
    }
    Ok(output)
}
