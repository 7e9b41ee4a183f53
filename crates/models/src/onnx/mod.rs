//! Networks in ONNX files: <https://onnx.ai/onnx/operators/>.
//!
//! [`read`] turns the content of a file into a [`Graph`]. It reads what PyTorch's exporters write, the one that traces
//! (`dynamo=False`) and the one that exports programs (`dynamo=True`), of operator sets 7 to 23, with weights of single,
//! double or half precision inside the file or in files next to it. Nothing but the caller touches files.
//!
//! | operators | become |
//! |---|---|
//! | Conv (three spatial axes; strides, dilations, groups, any padding, `auto_pad`) | [`Operation::Conv`](crate::graph::Operation::Conv); of a pooled vector, `Linear` |
//! | ConvTranspose without groups or dilation | `ConvTranspose` |
//! | BatchNormalization; Add, Sub, Mul, Div with constants by channel; Neg | `Affine`, or a part of the norm or layer before |
//! | InstanceNormalization, GroupNormalization, and the reshaped InstanceNormalization that exporters write for it | `Norm` |
//! | Relu, LeakyRelu, PRelu, Elu, Selu, Sigmoid, HardSigmoid, HardSwish, Mish, Gelu, Tanh, Softplus, Clip, Max and Min with a number | `Activation` |
//! | `x · sigmoid(x)`, `x · tanh(softplus(x))`, `x · clip(x + 3, 0, 6) / 6`, both forms of Gelu | the activation that they are |
//! | Add, Sub, Sum of values; Mul of values of one shape, or of a map and a vector; Pow by 2 or 3 | `Add`, `Multiply` |
//! | Concat along the channels; Pad with zeros | `Concat`, `PadChannels`; padding of voxels becomes a part of the next convolution or pool |
//! | MaxPool, AveragePool, GlobalAveragePool, GlobalMaxPool, ReduceMean and ReduceMax over voxels | `MaxPool`, `MeanPool`, `GlobalMean` |
//! | Gemm, MatMul with constant weights | `Linear` |
//! | Resize, Upsample: nearest neighbour by whole factors | `Repeat` |
//! | Reshape, Flatten, Squeeze, Unsqueeze, Transpose, Expand that leave the order of elements as it is; Identity, Cast, Dropout | nothing |
//! | Constant, Shape, and arithmetic on constants and shapes | folded |
//! | Softmax, LogSoftmax, Sigmoid at the very end | left out, and returned as [`Onnx::last`] |
//!
//! Any other operator, and any of these in a form that a graph cannot describe, is refused with
//! [`Error::UnsupportedOperator`], so that another runtime can take over: [`read_header`] reads what it needs to know,
//! [`with_output`] leaves out the last activation, and [`external_files`] names the files with weights.
//!
//! Operations whose form depends on the size of the images (`Reshape` to numbers, `auto_pad`, `ceil_mode`) are read for
//! the size that the file states or the caller gives. The first axis is the batch; each image is computed separately.

mod dims;
mod external;
mod fault;
mod fold;
mod header;
mod last;
mod lower;
mod model;
mod order;
mod output;
mod shape;
mod state;
mod tensor;
mod unfaithful;
mod wire;

use std::collections::BTreeMap;
use std::rc::Rc;

pub use external::{external_files, is_inside_folder};
pub use header::{Header, read_header};
pub use last::LastActivation;
pub use output::with_output;

use crate::Error;
use crate::graph::Graph;
use fault::{Fault, on_one_line};
use model::{Model, Network, Node};
use state::{Item, State};

/// Most voxels of an image along an axis.
const LARGEST_SIZE: usize = 1 << 16;

/// A network that was read from an ONNX file.
#[derive(Clone, Debug)]
pub struct Onnx {
    /// The network, which returns logits.
    pub graph: Graph,
    /// Name of the input.
    pub input: String,
    /// Name of the output.
    pub output: String,
    /// Sizes `[c, z, y, x]` of the image as the file states them; those of dynamic axes are `None`.
    pub shape: [Option<usize>; 4],
    /// The activation after the logits, which the graph leaves out.
    pub last: Option<LastActivation>,
    /// The file's `metadata_props`. `relevox.input` holds an input contract.
    pub metadata: BTreeMap<String, String>,
}

/// Reads the content of an ONNX file, for images of `size` voxels `[z, y, x]` where the file leaves them open.
///
/// `external` returns the content of a file of weights; it is called with locations for which [`is_inside_folder`]
/// holds, relative to the folder of the ONNX file.
///
/// # Errors
/// Returns [`Error::UnsupportedOperator`] if the network has an operation that a graph cannot describe: another runtime
/// may run it. Returns [`Error::Onnx`] if the content is damaged, contradicts itself, has several inputs or outputs, an
/// input other than `[n, c, z, y, x]` or weights other than floating-point numbers, or if it depends on another size of
/// the images: the message tells what to change. Returns [`Error::Graph`] if operations do not fit together, and the
/// error of `external`.
pub fn read(
    bytes: &[u8],
    size: Option<[usize; 3]>,
    external: &mut dyn FnMut(&str) -> Result<Vec<u8>, Error>,
) -> Result<Onnx, Error> {
    let model = Model::read(bytes)?;
    let image = header::image(&model)?.clone();
    let output = header::output(&model.graph)?.name;
    let (batch, shape) = header::stated(&image)?;
    let files = external::read(&model, external)?;
    let model = external::locate(model, &files)?;
    let order = order::order(&model.graph.nodes, output)?;
    let needed: Vec<&Node<'_>> = order.iter().map(|&at| &model.graph.nodes[at]).collect();
    unfaithful::check(&needed, &header::constants(&model.graph))?;
    let images = Images::of(shape, size)?;
    let channels = match shape[0] {
        Some(channels) => channels,
        None => header::channels_of_weights(&model.graph, image.name)?,
    };
    let Model { opset, metadata, graph: Network { nodes, constants, .. } } = model;
    let size_of_files = files.values().fold(bytes.len(), |sum, file| sum.saturating_add(file.len()));
    let mut state =
        State::new(image.name, channels, batch.unwrap_or(1), images.known(), opset, size_of_files);
    for (name, tensor) in constants {
        let defined = state.define(name, Item::Constant(Rc::new(tensor)));
        defined.map_err(|fault| at(fault, &on_one_line(name), "initializer", &images))?;
    }
    for index in order {
        let node = &nodes[index];
        lower::lower(&mut state, node)
            .and_then(|item| define(&mut state, node, item))
            .map_err(|fault| at(fault, &node.title(), &on_one_line(node.operator), &images))?;
    }
    let Some(item) = state.item(output).cloned() else {
        return Err(header::uncomputed(output));
    };
    let (value, last) =
        last::logits(&mut state, item).map_err(|fault| at(fault, &on_one_line(output), "output", &images))?;
    let graph = state.builder.finish(value).fold_affine();
    if let Some(size) = images.size() {
        graph.sizes(size)?;
    }
    let (input, output) = (image.name.to_owned(), output.to_owned());
    Ok(Onnx { graph, input, output, shape, last, metadata })
}

/// Stores the outputs of a node, of which the first is `item`.
fn define<'a>(state: &mut State<'a>, node: &Node<'a>, item: Item<'a>) -> Result<(), Fault> {
    let mut item = Some(item);
    for &name in &node.outputs {
        let item = item.take().unwrap_or(Item::Secondary);
        if !name.is_empty() {
            state.define(name, item)?;
        }
    }
    Ok(())
}

/// The size of the images that a network is read for.
#[derive(Debug)]
enum Images {
    /// Of any size: none is stated or given.
    Any,
    Known([usize; 3]),
    /// Of another size than the file states.
    Other {
        stated: [Option<usize>; 3],
        given: [usize; 3],
    },
}

impl Images {
    fn of(shape: [Option<usize>; 4], given: Option<[usize; 3]>) -> Result<Self, Error> {
        let [_, z, y, x] = shape;
        let stated = [z, y, x];
        let is_contradicted = |given: [usize; 3]| {
            stated.iter().zip(given).any(|(&stated, given)| stated.is_some_and(|stated| stated != given))
        };
        let sizes = match given {
            Some(given) if is_contradicted(given) => Self::Other { stated, given },
            Some(given) => Self::Known(given),
            None => match (z, y, x) {
                (Some(z), Some(y), Some(x)) => Self::Known([z, y, x]),
                _ => Self::Any,
            },
        };
        match sizes.size() {
            Some(size) if size.iter().any(|&size| size == 0 || size > LARGEST_SIZE) => Err(Error::Onnx {
                place: "image".to_owned(),
                expected: format!("1 to {LARGEST_SIZE} voxels an axis"),
                found: format!("{size:?}"),
            }),
            _ => Ok(sizes),
        }
    }

    fn size(&self) -> Option<[usize; 3]> {
        match self {
            Self::Any => None,
            Self::Known(size) | Self::Other { given: size, .. } => Some(*size),
        }
    }

    /// Returns the size that nodes may depend on.
    fn known(&self) -> Option<[usize; 3]> {
        match self {
            Self::Known(size) => Some(*size),
            _ => None,
        }
    }
}

/// Returns the error of a node.
fn at(fault: Fault, name: &str, operator: &str, images: &Images) -> Error {
    match (fault, images) {
        (Fault::Size, Images::Other { stated, given }) => {
            let stated: Vec<String> =
                stated.iter().map(|size| size.map_or("any".to_owned(), |size| size.to_string())).collect();
            Error::Onnx {
                place: format!("{name} ({operator})"),
                expected: format!("images of [{}] voxels, on which its result depends", stated.join(", ")),
                found: format!("{given:?}"),
            }
        }
        (fault, _) => fault.at(name, operator),
    }
}
