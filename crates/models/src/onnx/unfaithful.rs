//! Files that do not compute the network that was exported. No runtime may run them.

use std::collections::{HashMap, HashSet};

use super::fault::on_one_line;
use super::model::Node;
use super::tensor::Tensor;
use crate::Error;

/// Operators that draw random numbers.
const RANDOM: [&str; 6] =
    ["Bernoulli", "Multinomial", "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike"];
/// Axes of feature maps.
const MAP_AXES: usize = 5;

/// Refuses nodes in training mode, and activations of an exporter's example image that were stored as constants.
///
/// # Errors
/// Returns [`Error::Onnx`] with the node.
pub(super) fn check(nodes: &[&Node<'_>], constants: &HashMap<&str, &Tensor<'_>>) -> Result<(), Error> {
    let zeros = nodes.iter().filter(|node| node.operator == "ConstantOfShape");
    let zeros: HashSet<&str> = zeros.filter_map(|node| node.outputs.first().copied()).collect();
    for node in nodes {
        let constant = |at| node.input(at).and_then(|name| constants.get(name).copied());
        let is_training = match node.operator {
            "Dropout" => constant(2).is_some_and(|training: &Tensor<'_>| !training.is_zero()),
            "BatchNormalization" => node.int("training_mode", 0) != 0,
            operator => RANDOM.contains(&operator),
        };
        if is_training {
            return refuse(
                node,
                "a network in evaluation mode (net.eval() before the export)",
                "training mode",
            );
        }
        let is_traced = match node.operator {
            "Add" => [0, 1].into_iter().filter_map(constant).any(has_added_channels),
            "Concat" => {
                let is_zeros = |at| {
                    node.input(at).is_some_and(|name| zeros.contains(name))
                        || constant(at).is_some_and(Tensor::is_zero)
                };
                node.int("axis", 0) == 1
                    && constant(0).is_some_and(|tensor| is_map(tensor) && !tensor.is_zero())
                    && node.inputs.len() > 1
                    && (1..node.inputs.len()).all(is_zeros)
            }
            _ => false,
        };
        if is_traced {
            return refuse(
                node,
                "a shortcut that depends on the image (MONAI's ResNets of shortcut type A load from their state dict, .pth)",
                "activations of the exporter's example image as a constant, which tracing stores of `.data`",
            );
        }
    }
    Ok(())
}

fn refuse(node: &Node<'_>, expected: &str, found: &str) -> Result<(), Error> {
    Err(Error::Onnx {
        place: format!("{} ({})", node.title(), on_one_line(node.operator)),
        expected: expected.to_owned(),
        found: found.to_owned(),
    })
}

/// Returns whether a constant is a feature map of several voxels.
fn is_map(tensor: &Tensor<'_>) -> bool {
    tensor.kind.is_float() && tensor.shape.len() == MAP_AXES && tensor.shape[2..].iter().any(|&size| size > 1)
}

/// Returns whether a constant is a feature map, not zero, with channels of zeros at its end.
fn has_added_channels(tensor: &Tensor<'_>) -> bool {
    if !is_map(tensor) || tensor.is_zero() {
        return false;
    }
    let Ok(values) = tensor.floats() else { return false };
    let [batch, channels] = [tensor.shape[0], tensor.shape[1]];
    let voxels = tensor.shape[2..].iter().product::<usize>();
    let is_added = |image: &[f32]| {
        let last = image.rchunks(voxels).take_while(|channel| channel.iter().all(|&value| value == 0.0));
        last.count() > 0
    };
    channels > 1 && batch > 0 && values.chunks(channels * voxels).all(is_added)
}
