//! What is known of an ONNX graph's values while its nodes are lowered to operations of a [`Graph`](crate::graph::Graph).

use std::collections::HashMap;
use std::rc::Rc;

use super::dims::{self, Dim};
use super::fault::{Fault, invalid, on_one_line, unsupported};
use super::model::Node;
use super::tensor::Tensor;
use crate::graph::{Builder, Conv, Form, Operation, Padding, Value};

/// Memory that a network may take, relative to that of its file, and besides.
const LARGEST_RATIO: usize = 8;
const FIXED_MEMORY: usize = 1 << 19;
/// Memory of a node without its parameters.
const NODE_MEMORY: usize = 512;
/// Most voxels along an axis.
const LARGEST_SIZE: usize = 1 << 24;

/// A value of the graph as an ONNX tensor of this shape, which has the same elements in the same order.
#[derive(Clone, Debug)]
pub(super) struct Tracked {
    pub(super) value: Value,
    /// With the batch, which is the first axis of the shapes that operations take.
    pub(super) shape: Vec<Dim>,
}

/// What a name of the ONNX graph stands for.
#[derive(Clone, Debug)]
pub(super) enum Item<'a> {
    Constant(Rc<Tensor<'a>>),
    Value(Tracked),
    /// A map with zeros around it that no operation has taken into its own padding yet. The shape is that without them.
    Padded(Tracked, Padding),
    /// A vector that was repeated to a map of this shape.
    Expanded(Tracked, Vec<Dim>),
    /// `factor · erf(x / √2) + summand`, a part of Gelu.
    Erf {
        of: Tracked,
        factor: f64,
        summand: f64,
    },
    /// Whether values are above a threshold, a part of Softplus.
    Above {
        of: Tracked,
        threshold: f64,
    },
    /// The softmax over the classes.
    Softmax(Tracked),
    /// An output of a node other than the first.
    Secondary,
}

/// The values so far.
#[derive(Debug)]
pub(super) struct State<'a> {
    pub(super) builder: Builder,
    pub(super) opset: i64,
    /// Images of a batch in shapes.
    pub(super) batch: usize,
    items: HashMap<&'a str, Item<'a>>,
    /// Voxels of the maps, by position of the value.
    voxels: Vec<[Dim; 3]>,
    symbols: u32,
    memory: usize,
    most_memory: usize,
    /// Product of all factors by which maps grow.
    growth: usize,
    /// Name of the node that is being lowered.
    pub(super) title: String,
}

impl<'a> State<'a> {
    /// Starts with the image, of unknown size if none is given, and the initializers of a file of this many bytes.
    pub(super) fn new(
        image: &'a str,
        channels: usize,
        batch: usize,
        size: Option<[usize; 3]>,
        opset: i64,
        bytes: usize,
    ) -> Self {
        let voxels = match size {
            Some(size) => size.map(Dim::Known),
            None => [0, 1, 2].map(Dim::Symbol),
        };
        let mut state = Self {
            builder: Builder::new(channels),
            opset,
            batch,
            items: HashMap::new(),
            voxels: vec![voxels],
            symbols: 3,
            memory: 0,
            most_memory: bytes.saturating_mul(LARGEST_RATIO).saturating_add(FIXED_MEMORY),
            growth: 1,
            title: String::new(),
        };
        let tracked = state.tracked(Value::IMAGE);
        state.items.insert(image, Item::Value(tracked));
        state
    }

    /// Stores what a name stands for.
    pub(super) fn define(&mut self, name: &'a str, item: Item<'a>) -> Result<(), Fault> {
        match self.items.insert(name, item) {
            None => Ok(()),
            Some(_) => invalid("a name that no other value has", on_one_line(name)),
        }
    }

    /// Returns what a name stands for.
    pub(super) fn item(&self, name: &str) -> Option<&Item<'a>> {
        self.items.get(name)
    }

    /// Returns what an input of a node stands for, or `None` if it is left out.
    pub(super) fn optional(&self, node: &Node<'a>, at: usize) -> Result<Option<Item<'a>>, Fault> {
        let Some(name) = node.input(at) else { return Ok(None) };
        match self.item(name) {
            Some(item) => Ok(Some(item.clone())),
            None => invalid(format!("a value {} for its input {at}", on_one_line(name)), "none"),
        }
    }

    /// Returns what an input of a node stands for.
    pub(super) fn input(&self, node: &Node<'a>, at: usize) -> Result<Item<'a>, Fault> {
        match self.optional(node, at)? {
            Some(item) => Ok(item),
            None => invalid(format!("an input {at}"), "none"),
        }
    }

    /// Returns an input that is a constant, or `None` if it is left out.
    pub(super) fn optional_constant(
        &self,
        node: &Node<'a>,
        at: usize,
    ) -> Result<Option<Rc<Tensor<'a>>>, Fault> {
        match self.optional(node, at)? {
            None => Ok(None),
            Some(Item::Constant(tensor)) => Ok(Some(tensor)),
            Some(_) => unsupported(format!("its input {at} depends on the image; expected a constant")),
        }
    }

    /// Returns an input that is a constant.
    pub(super) fn constant(&self, node: &Node<'a>, at: usize) -> Result<Rc<Tensor<'a>>, Fault> {
        match self.optional_constant(node, at)? {
            Some(tensor) => Ok(tensor),
            None => invalid(format!("an input {at}"), "none"),
        }
    }

    /// Returns the floating-point numbers of a constant input.
    pub(super) fn floats(&mut self, node: &Node<'a>, at: usize) -> Result<Vec<f32>, Fault> {
        let tensor = self.constant(node, at)?;
        self.charge(tensor.memory())?;
        tensor.floats()
    }

    /// Returns the integers of a constant input, or `None` if it is left out.
    pub(super) fn optional_ints(&mut self, node: &Node<'a>, at: usize) -> Result<Option<Vec<i64>>, Fault> {
        let Some(tensor) = self.optional_constant(node, at)? else { return Ok(None) };
        self.charge(tensor.memory())?;
        tensor.ints().map(Some)
    }

    /// Returns an input that is a value of the graph.
    pub(super) fn value(&mut self, node: &Node<'a>, at: usize) -> Result<Tracked, Fault> {
        let item = self.input(node, at)?;
        self.materialise(item)
    }

    /// Returns the value of an item. Zeros around a map become a convolution with a kernel of one voxel.
    pub(super) fn materialise(&mut self, item: Item<'a>) -> Result<Tracked, Fault> {
        match item {
            Item::Value(tracked) => Ok(tracked),
            Item::Padded(tracked, padding) => {
                let channels = self.form(&tracked).channels();
                self.charge(channels.saturating_mul(8))?;
                let conv = Conv {
                    groups: channels,
                    padding,
                    ..Conv::new(vec![1.0; channels], vec![0.0; channels], [1; 3])
                };
                let voxels = padded(self.voxels(&tracked), padding);
                self.add(Operation::Conv(conv), &[&tracked], voxels)
            }
            Item::Constant(_) => unsupported("it computes with a constant where an image is expected"),
            Item::Expanded(..) => unsupported("a repeated vector, which only a product with a map takes"),
            Item::Erf { .. } => unsupported("the function erf outside of Gelu"),
            Item::Secondary => unsupported("it reads an output other than a node's first"),
            Item::Above { .. } => unsupported("a comparison outside of Softplus"),
            Item::Softmax(_) => unsupported("a softmax that is not the network's last operation"),
        }
    }

    /// Adds an operation whose result, if it is a map, has these voxels.
    pub(super) fn add(
        &mut self,
        operation: Operation,
        inputs: &[&Tracked],
        voxels: [Dim; 3],
    ) -> Result<Tracked, Fault> {
        self.charge(NODE_MEMORY)?;
        if voxels.iter().any(|size| size.known().is_some_and(|size| size == 0 || size > LARGEST_SIZE)) {
            return invalid(
                format!("a result of 1 to {LARGEST_SIZE} voxels an axis"),
                dims::describe(&voxels),
            );
        }
        let voxels = voxels.map(|size| if let Dim::Unknown = size { self.new_size() } else { size });
        let inputs: Vec<Value> = inputs.iter().map(|input| input.value).collect();
        let value = self.builder.add(self.title.clone(), operation, &inputs)?;
        self.voxels.push(voxels);
        Ok(self.tracked(value))
    }

    /// Adds an operation on one value that leaves its shape as it is.
    pub(super) fn add_elementwise(
        &mut self,
        operation: Operation,
        input: &Tracked,
    ) -> Result<Tracked, Fault> {
        let voxels = self.voxels(input);
        let result = self.add(operation, &[input], voxels)?;
        Ok(Tracked { shape: input.shape.clone(), ..result })
    }

    /// Returns a value in the shape that operations take: `[n, c, z, y, x]` or `[n, c]`.
    pub(super) fn tracked(&self, value: Value) -> Tracked {
        let form = self.builder.form(value);
        let mut shape = vec![Dim::Known(self.batch), Dim::Known(form.channels())];
        if let Form::Map(_) = form {
            shape.extend(self.voxels.get(value.index()).copied().unwrap_or([Dim::Unknown; 3]));
        }
        Tracked { value, shape }
    }

    pub(super) fn form(&self, tracked: &Tracked) -> Form {
        self.builder.form(tracked.value)
    }

    /// Returns the voxels of a map.
    pub(super) fn voxels(&self, tracked: &Tracked) -> [Dim; 3] {
        self.voxels.get(tracked.value.index()).copied().unwrap_or([Dim::Unknown; 3])
    }

    /// Returns whether a value is a feature map in the shape `[n, c, z, y, x]`.
    pub(super) fn is_map(&self, tracked: &Tracked) -> bool {
        let own = self.tracked(tracked.value).shape;
        own.len() == 5
            && tracked.shape.len() == 5
            && own.iter().zip(&tracked.shape).all(|(&one, &other)| one.is(other))
    }

    /// Returns whether a value is a vector in the shape `[n, c]` or `[n, c, 1, …]`.
    pub(super) fn is_vector(&self, tracked: &Tracked) -> bool {
        let Form::Vector(length) = self.form(tracked) else { return false };
        matches!(&tracked.shape[..], [batch, channels, rest @ ..]
            if batch.is(Dim::Known(self.batch)) && channels.is(Dim::Known(length))
                && rest.iter().all(|size| size.is(Dim::Known(1))))
    }

    /// Returns a size that is not known.
    pub(super) fn new_size(&mut self) -> Dim {
        self.symbols = self.symbols.saturating_add(1);
        if self.symbols < u32::MAX { Dim::Symbol(self.symbols) } else { Dim::Unknown }
    }

    /// Counts memory that the network takes.
    ///
    /// # Errors
    /// Returns an error if a file of its size does not need so much.
    pub(super) fn charge(&mut self, bytes: usize) -> Result<(), Fault> {
        self.memory = self.memory.saturating_add(bytes);
        match self.memory <= self.most_memory {
            true => Ok(()),
            false => invalid(
                format!(
                    "a network that takes at most {} bytes, as one of this file's size",
                    self.most_memory
                ),
                "a larger one",
            ),
        }
    }

    /// Counts the factors by which a map grows, so that sizes do not overflow.
    pub(super) fn grow(&mut self, factors: [usize; 3]) -> Result<(), Fault> {
        let factor = factors.iter().copied().max().unwrap_or(1).max(1);
        self.growth = self.growth.saturating_mul(factor);
        match self.growth <= LARGEST_SIZE {
            true => Ok(()),
            false => invalid(format!("maps that grow by at most {LARGEST_SIZE}"), self.growth.to_string()),
        }
    }
}

/// Returns the voxels of a map with its padding.
pub(super) fn padded(voxels: [Dim; 3], padding: Padding) -> [Dim; 3] {
    std::array::from_fn(|axis| match (voxels[axis], padding.before[axis] + padding.after[axis]) {
        (size, 0) => size,
        (Dim::Known(size), more) => size.checked_add(more).map_or(Dim::Unknown, Dim::Known),
        _ => Dim::Unknown,
    })
}
