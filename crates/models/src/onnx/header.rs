//! The header of a file: inputs, outputs and metadata of any network, including those with unsupported operators.

use std::collections::{BTreeMap, HashMap};

use super::external;
use super::fault::on_one_line;
use super::last::{LastActivation, before_last};
use super::model::{Model, Network, Node, Port};
use super::order::order;
use super::tensor::{Kind, Tensor};
use super::unfaithful;
use crate::Error;

/// The versions of the operator set that are read.
const OPSETS: std::ops::RangeInclusive<i64> = 7..=23;

/// Header of an ONNX file, for runtimes that compute operators that [`Graph`](crate::graph::Graph) does not support.
#[derive(Clone, Debug, PartialEq)]
pub struct Header {
    /// Version of the operator set.
    pub opset: i64,
    /// Name of the input.
    pub input: String,
    /// `true` if the input has single precision.
    pub is_single: bool,
    /// Images of a batch, or `None` if the axis is dynamic.
    pub batch: Option<usize>,
    /// Number of channels of an image, which the first convolution tells if the axis is dynamic.
    pub channels: usize,
    /// Sizes `[z, y, x]` of an image; those of dynamic axes are `None`.
    pub size: [Option<usize>; 3],
    /// Name of the output.
    pub output: String,
    /// Number of outputs per image, if the file states it.
    pub outputs: Option<usize>,
    /// Name of the value before the last activation, from which [`with_output`](super::with_output) makes the output.
    pub logits: String,
    /// The activation between the two.
    pub last: Option<LastActivation>,
    /// The file's `metadata_props`. `relevox.input` holds an input contract.
    pub metadata: BTreeMap<String, String>,
}

/// Reads what an ONNX file states, of networks with any operators. `external` is that of [`read`](super::read).
///
/// # Errors
/// Returns the errors of [`read`](super::read) that do not depend on operators: [`Error::Onnx`] if the content is damaged,
/// contradicts itself, or does not compute the network that was exported, and the error of `external`.
pub fn read_header(
    bytes: &[u8],
    external: &mut dyn FnMut(&str) -> Result<Vec<u8>, Error>,
) -> Result<Header, Error> {
    let model = Model::read(bytes)?;
    let image = image(&model)?.clone();
    let output = output(&model.graph)?.clone();
    let (batch, shape) = stated(&image)?;
    let files = external::read(&model, external)?;
    let Model { opset, metadata, graph } = external::locate(model, &files)?;
    let nodes: Vec<&Node<'_>> =
        order(&graph.nodes, output.name)?.into_iter().map(|at| &graph.nodes[at]).collect();
    let constants = constants(&graph);
    unfaithful::check(&nodes, &constants)?;
    if nodes.is_empty() {
        return Err(uncomputed(output.name));
    }
    let channels = match shape[0] {
        Some(channels) => channels,
        None => channels_of_weights(&graph, image.name)?,
    };
    let (logits, last) = before_last(&nodes, &output, opset);
    Ok(Header {
        opset,
        input: image.name.to_owned(),
        is_single: Kind::of(image.kind) == Ok(Kind::Float),
        batch,
        channels,
        size: [shape[1], shape[2], shape[3]],
        output: output.name.to_owned(),
        outputs: match output.shape.as_deref() {
            Some([_, outputs, rest @ ..]) if rest.iter().all(|&size| size == Some(1)) => *outputs,
            _ => None,
        },
        logits: logits.to_owned(),
        last,
        metadata,
    })
}

/// Returns the initializers and the tensors of constants by name.
pub(super) fn constants<'m, 'a>(network: &'m Network<'a>) -> HashMap<&'a str, &'m Tensor<'a>> {
    let initializers = network.constants.iter().map(|(name, tensor)| (*name, tensor));
    let nodes = network.nodes.iter().filter(|node| node.operator == "Constant");
    let values = nodes.filter_map(|node| Some((*node.outputs.first()?, node.tensor("value")?)));
    initializers.chain(values).collect()
}

/// The error of an output without a node.
pub(super) fn uncomputed(output: &str) -> Error {
    Error::Onnx {
        place: format!("output {}", on_one_line(output)),
        expected: "a node that computes it".to_owned(),
        found: "none".to_owned(),
    }
}

/// Returns the single input of a network of a version that is read.
pub(super) fn image<'m, 'a>(model: &'m Model<'a>) -> Result<&'m Port<'a>, Error> {
    if !OPSETS.contains(&model.opset) {
        return Err(Error::Onnx {
            place: "operator set".to_owned(),
            expected: format!("version {} to {}", OPSETS.start(), OPSETS.end()),
            found: model.opset.to_string(),
        });
    }
    let images = model.graph.images();
    match images[..] {
        [image] => Ok(image),
        _ => Err(Error::Onnx {
            place: "graph".to_owned(),
            expected: "one input, the image".to_owned(),
            found: names(images.iter().map(|port| port.name)),
        }),
    }
}

/// Returns the single output of a network.
pub(super) fn output<'m, 'a>(network: &'m Network<'a>) -> Result<&'m Port<'a>, Error> {
    match &network.outputs[..] {
        [output] => Ok(output),
        outputs => Err(Error::Onnx {
            place: "graph".to_owned(),
            expected: "one output".to_owned(),
            found: names(outputs.iter().map(|port| port.name)),
        }),
    }
}

fn names<'n>(names: impl ExactSizeIterator<Item = &'n str>) -> String {
    const MOST: usize = 8;
    let count = names.len();
    let mut listed: Vec<String> = names.take(MOST).map(on_one_line).collect();
    if count > MOST {
        listed.push("…".to_owned());
    }
    if count == 0 { "none".to_owned() } else { format!("{count}: {}", listed.join(", ")) }
}

/// Returns the images of a batch and the sizes `[c, z, y, x]` that the input states; those of dynamic axes are `None`.
pub(super) fn stated(image: &Port<'_>) -> Result<(Option<usize>, [Option<usize>; 4]), Error> {
    let refuse = |expected: &str, found: String| {
        Err(Error::Onnx {
            place: format!("input {}", on_one_line(image.name)),
            expected: expected.to_owned(),
            found,
        })
    };
    match Kind::of(image.kind) {
        Ok(kind) if kind.is_float() => {}
        Ok(kind) => return refuse("floating-point numbers", kind.name().to_owned()),
        Err(found) => return refuse("floating-point numbers", found),
    }
    match image.shape.as_deref() {
        Some(&[batch, channels, z, y, x]) => Ok((batch, [channels, z, y, x])),
        Some(shape) => {
            let sizes: Vec<String> =
                shape.iter().map(|size| size.map_or("?".to_owned(), |size| size.to_string())).collect();
            refuse("a shape [n, c, z, y, x]", format!("[{}]", sizes.join(", ")))
        }
        None => refuse("a shape [n, c, z, y, x]", "none".to_owned()),
    }
}

/// Returns the number of channels that the first convolution of an image has weights for.
pub(super) fn channels_of_weights(network: &Network<'_>, image: &str) -> Result<usize, Error> {
    let constants: HashMap<&str, &Tensor<'_>> =
        network.constants.iter().map(|(name, tensor)| (*name, tensor)).collect();
    let weights = network.nodes.iter().find_map(|node| {
        let is_first = node.operator == "Conv" && node.input(0) == Some(image);
        let tensor = constants.get(node.input(1).filter(|_| is_first)?)?;
        tensor.shape.get(1)?.checked_mul(usize::try_from(node.int("group", 1)).ok()?)
    });
    weights.filter(|&channels| channels > 0).ok_or_else(|| Error::Onnx {
        place: format!("input {}", on_one_line(image)),
        expected: "a number of channels".to_owned(),
        found: "a dynamic axis, and no convolution of the input".to_owned(),
    })
}
