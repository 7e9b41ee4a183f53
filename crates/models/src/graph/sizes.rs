//! Sizes of values for images of one size.

use super::{Form, Graph, Operation, Padding};
use crate::Error;
use conv3d::ConvGeometry;

impl Graph {
    /// Returns the shape of each value for images of `size` voxels, without the batch: `[c, z, y, x]` or `[c]`; the first
    /// is the image's, the next that of the first node.
    ///
    /// # Errors
    /// Returns [`Error::Graph`] for the first node that does not take inputs of their sizes.
    pub fn sizes(&self, size: [usize; 3]) -> Result<Vec<Vec<usize>>, Error> {
        let mut shapes = vec![[&[self.channels][..], &size].concat()];
        for node in &self.nodes {
            let inputs: Vec<&[usize]> = node.inputs.iter().map(|value| &shapes[value.index()][..]).collect();
            let refuse = |expected: String| Error::Graph {
                node: node.name.clone(),
                operation: node.operation.name(),
                expected,
                found: format!("{inputs:?}"),
            };
            let channels = node.form.channels();
            let shape = match node.form {
                Form::Map(_) => {
                    let sizes: Vec<[usize; 3]> =
                        inputs.iter().filter_map(|shape| shape[1..].try_into().ok()).collect();
                    let size = output_size(&node.operation, &sizes).map_err(refuse)?;
                    [&[channels][..], &size].concat()
                }
                Form::Vector(_) => {
                    if let (Operation::Linear(linear), [shape]) = (&node.operation, &inputs[..]) {
                        let expected = linear.weights.len() / linear.bias.len();
                        let found =
                            shape.iter().try_fold(1_usize, |product, &size| product.checked_mul(size));
                        if found != Some(expected) {
                            return Err(refuse(format!("an input of {expected} values")));
                        }
                    }
                    vec![channels]
                }
            };
            shapes.push(shape);
        }
        Ok(shapes)
    }
}

/// Returns the voxels of an operation's result, or what was expected of its inputs.
fn output_size(operation: &Operation, inputs: &[[usize; 3]]) -> Result<[usize; 3], String> {
    let Some(&first) = inputs.first() else { return Err("a feature map".to_owned()) };
    match operation {
        Operation::Conv(conv) => windows(conv.geometry(), conv.padding, first),
        Operation::MaxPool(pool) | Operation::MeanPool { pool, .. } => {
            windows(pool.geometry(), pool.padding, first)
        }
        Operation::ConvTranspose(conv) => {
            let mut output = [0; 3];
            for axis in 0..3 {
                let full = (first[axis].max(1) - 1) * conv.stride[axis] + conv.kernel[axis];
                let removed = conv.padding.before[axis] + conv.padding.after[axis];
                output[axis] = (full + conv.output_padding[axis])
                    .checked_sub(removed)
                    .filter(|&size| size > 0)
                    .ok_or_else(|| format!("an input whose output is larger than its padding, {removed}"))?;
            }
            Ok(output)
        }
        Operation::Repeat(factors) => Ok(std::array::from_fn(|axis| first[axis] * factors[axis])),
        Operation::Add | Operation::Multiply | Operation::Concat => {
            match inputs.iter().all(|size| *size == first) {
                true => Ok(first),
                false => Err("inputs of one size".to_owned()),
            }
        }
        _ => Ok(first),
    }
}

/// Returns the number of windows that fit into a padded input.
pub(crate) fn windows(
    geometry: ConvGeometry,
    padding: Padding,
    input: [usize; 3],
) -> Result<[usize; 3], String> {
    let mut output = [0; 3];
    for axis in 0..3 {
        let padded = input[axis] + padding.before[axis] + padding.after[axis];
        let room = padded.checked_sub(geometry.kernel[axis]).filter(|_| input[axis] > 0);
        let room = room.ok_or_else(|| format!("an input that the kernel {:?} fits in", geometry.kernel))?;
        output[axis] = room / geometry.stride[axis] + 1;
    }
    Ok(output)
}
