//! Description of a network: operations on feature maps, in the order in which they run.
//!
//! A [`Graph`] is what every network is before something runs it: [`Plan`](crate::plan::Plan) compiles it for the CPU,
//! [`TensorGraph`](tensor::TensorGraph) runs it on candle. It is made by [`Builder`], which validates the channels of each operation, so that a
//! graph that exists is consistent for any size of image; sizes are checked by [`Graph::sizes`].
//!
//! A value is a feature map `[c, z, y, x]` or a vector `[c]`, by image. Value 0 is the image.
//!
//! ```
//! use relevox_models::graph::{Activation, Builder, Conv, Linear, Operation};
//!
//! let mut builder = Builder::new(4);
//! let image = builder.image();
//! let conv = Conv { padding: [1; 3].into(), ..Conv::new(vec![0.1; 8 * 4 * 27], vec![0.0; 8], [3; 3]) };
//! let at = builder.add("conv1", Operation::Conv(conv), &[image])?;
//! let at = builder.add("relu1", Operation::Activation(Activation::Relu), &[at])?;
//! let at = builder.add("pool", Operation::GlobalMean, &[at])?;
//! let at = builder.add("fc", Operation::Linear(Linear::new(vec![0.1; 2 * 8], vec![0.0; 2])), &[at])?;
//! let graph = builder.finish(at);
//! assert_eq!(graph.sizes([16; 3])?.last(), Some(&vec![2]));
//! # Ok::<(), relevox_models::Error>(())
//! ```

mod builder;
mod cut;
mod fold;
mod operation;
#[cfg(test)]
pub(crate) mod random;
mod sizes;
pub mod tensor;

pub use builder::Builder;
pub use operation::{Activation, Conv, ConvTranspose, Linear, Norm, Operation, Padding, Pool};

/// A value of a graph: the image, or the result of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Value(usize);

impl Value {
    /// The image.
    pub const IMAGE: Self = Self(0);

    /// Returns the result of a node, by its position in [`Graph::nodes`].
    pub fn of_node(node: usize) -> Self {
        Self(node + 1)
    }

    /// Returns the position in the order of computation: 0 is the image, `i + 1` the result of node `i`.
    pub fn index(self) -> usize {
        self.0
    }
}

/// The form of a value, by image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A feature map `[c, z, y, x]` of this many channels.
    Map(usize),
    /// A vector of this length.
    Vector(usize),
}

impl Form {
    /// Returns the number of channels.
    pub fn channels(self) -> usize {
        match self {
            Self::Map(channels) | Self::Vector(channels) => channels,
        }
    }
}

/// An operation with its inputs.
#[derive(Clone, Debug)]
pub struct Node {
    /// Name in the source of the network, for messages.
    pub name: String,
    /// The operation.
    pub operation: Operation,
    /// Values that it reads, each computed earlier.
    pub inputs: Vec<Value>,
    /// Form of the result.
    pub form: Form,
}

/// A network in evaluation mode.
#[derive(Clone, Debug)]
pub struct Graph {
    channels: usize,
    nodes: Vec<Node>,
    output: Value,
}

impl Graph {
    /// Returns the number of channels of the image.
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// Returns the nodes in the order of computation.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// Returns the value that the network returns.
    pub fn output(&self) -> Value {
        self.output
    }

    /// Returns the node that computes a value, or `None` for the image.
    pub fn node(&self, value: Value) -> Option<&Node> {
        self.nodes.get(value.0.checked_sub(1)?)
    }

    /// Returns the form of a value.
    pub fn form(&self, value: Value) -> Form {
        self.node(value).map_or(Form::Map(self.channels), |node| node.form)
    }

    /// Returns whether the network returns a vector, as a classifier does, and not a feature map.
    pub fn is_classifier(&self) -> bool {
        matches!(self.form(self.output), Form::Vector(_))
    }

    /// Returns the graph without the weights of its convolutions, which [`Graph::sizes`] does not read.
    pub(crate) fn without_convolution_weights(mut self) -> Self {
        for node in &mut self.nodes {
            match &mut node.operation {
                Operation::Conv(Conv { weights, .. })
                | Operation::ConvTranspose(ConvTranspose { weights, .. }) => *weights = Vec::new(),
                _ => {}
            }
        }
        self
    }

    /// Returns the first operation that makes a map depend on every voxel of the image: a gate, or a normalisation by the
    /// image's own statistics. Up to there a change is followed incrementally.
    pub fn first_global(&self) -> Option<&Node> {
        self.nodes.iter().find(|node| {
            let gated = || node.inputs.iter().any(|&input| matches!(self.form(input), Form::Vector(_)));
            matches!(node.form, Form::Map(_)) && (!node.operation.is_local() || gated())
        })
    }
}
