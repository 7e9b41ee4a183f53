//! The messages of an ONNX file: <https://github.com/onnx/onnx/blob/main/onnx/onnx.proto>.

use std::collections::BTreeMap;

use super::fault::{Fault, invalid, on_one_line};
use super::tensor::Tensor;
use super::wire::Message;
use crate::Error;

/// Most axes of a declared shape.
const MOST_AXES: usize = 16;

/// `ModelProto`.
#[derive(Debug)]
pub(super) struct Model<'a> {
    pub(super) opset: i64,
    pub(super) metadata: BTreeMap<String, String>,
    pub(super) graph: Network<'a>,
}

/// `GraphProto`.
#[derive(Debug, Default)]
pub(super) struct Network<'a> {
    pub(super) nodes: Vec<Node<'a>>,
    pub(super) constants: Vec<(&'a str, Tensor<'a>)>,
    pub(super) inputs: Vec<Port<'a>>,
    pub(super) outputs: Vec<Port<'a>>,
}

/// `ValueInfoProto`: an input or output.
#[derive(Clone, Debug, Default)]
pub(super) struct Port<'a> {
    pub(super) name: &'a str,
    /// Number of `TensorProto.DataType`; 0 if it is no tensor or has no type.
    pub(super) kind: i64,
    /// The declared sizes of its axes, each unless it is dynamic.
    pub(super) shape: Option<Vec<Option<usize>>>,
}

/// `NodeProto`.
#[derive(Clone, Debug, Default)]
pub(super) struct Node<'a> {
    pub(super) name: &'a str,
    pub(super) operator: &'a str,
    pub(super) domain: &'a str,
    pub(super) inputs: Vec<&'a str>,
    pub(super) outputs: Vec<&'a str>,
    pub(super) attributes: Vec<(&'a str, Attribute<'a>)>,
}

/// `AttributeProto`.
#[derive(Clone, Debug, Default)]
pub(super) struct Attribute<'a> {
    float: Option<f32>,
    int: Option<i64>,
    text: Option<&'a [u8]>,
    tensor: Option<Tensor<'a>>,
    ints: Vec<i64>,
    floats: Vec<f32>,
}

impl<'a> Model<'a> {
    /// Reads a whole file.
    pub(super) fn read(bytes: &'a [u8]) -> Result<Self, Error> {
        let mut message = Message::new(bytes, "ONNX file");
        let (mut opset, mut metadata, mut graph) = (None, BTreeMap::new(), None);
        while let Some((field, value)) = message.next()? {
            match field {
                7 => graph = Some(Network::read(message.bytes(value)?)?),
                8 => {
                    let (domain, version) = operator_set(message.bytes(value)?)?;
                    if is_standard(domain) {
                        opset = Some(version);
                    }
                }
                14 => {
                    let (key, text) = property(message.bytes(value)?)?;
                    metadata.insert(key.to_owned(), text.to_owned());
                }
                _ => {}
            }
        }
        let graph = graph.ok_or_else(|| message.error("a graph", "none".to_owned()))?;
        let opset = opset.ok_or_else(|| message.error("a version of the operator set", "none".to_owned()))?;
        Ok(Self { opset, metadata, graph })
    }

    /// Returns the initializers and the tensors of constants.
    pub(super) fn tensors(&self) -> impl Iterator<Item = &Tensor<'a>> {
        let constants = self.graph.constants.iter().map(|(_, tensor)| tensor);
        let attributes = self.graph.nodes.iter().flat_map(|node| &node.attributes);
        constants.chain(attributes.filter_map(|(_, attribute)| attribute.tensor.as_ref()))
    }

    /// Returns the initializers and the tensors of constants, with the name of what they belong to.
    pub(super) fn tensors_mut(&mut self) -> impl Iterator<Item = (&'a str, &mut Tensor<'a>)> {
        let constants = self.graph.constants.iter_mut().map(|(name, tensor)| (*name, tensor));
        let attributes = self.graph.nodes.iter_mut().flat_map(|node| {
            let name = node.outputs.first().copied().unwrap_or("");
            let tensors = node.attributes.iter_mut().filter_map(|(_, attribute)| attribute.tensor.as_mut());
            tensors.map(move |tensor| (name, tensor))
        });
        constants.chain(attributes)
    }
}

/// Returns whether this is the domain of the operators of the ONNX specification.
pub(super) fn is_standard(domain: &str) -> bool {
    matches!(domain, "" | "ai.onnx")
}

impl<'a> Network<'a> {
    fn read(bytes: &'a [u8]) -> Result<Self, Error> {
        let mut message = Message::new(bytes, "graph");
        let mut network = Self::default();
        while let Some((field, value)) = message.next()? {
            match field {
                1 => network.nodes.push(Node::read(message.bytes(value)?)?),
                5 => {
                    let (name, tensor) = Tensor::read(message.bytes(value)?)?;
                    network.constants.push((name, tensor));
                }
                11 => network.inputs.push(Port::read(message.bytes(value)?)?),
                12 => network.outputs.push(Port::read(message.bytes(value)?)?),
                15 => return Err(message.error("dense initializers", "a sparse one".to_owned())),
                _ => {}
            }
        }
        Ok(network)
    }

    /// Returns the inputs that are not initializers.
    pub(super) fn images(&self) -> Vec<&Port<'a>> {
        let constants: std::collections::HashSet<&str> =
            self.constants.iter().map(|(name, _)| *name).collect();
        self.inputs.iter().filter(|port| !constants.contains(port.name)).collect()
    }
}

impl<'a> Port<'a> {
    fn read(bytes: &'a [u8]) -> Result<Self, Error> {
        let mut message = Message::new(bytes, "input or output");
        let mut port = Self::default();
        while let Some((field, value)) = message.next()? {
            match field {
                1 => port.name = message.text(value)?,
                2 => port.read_type(message.bytes(value)?)?,
                _ => {}
            }
        }
        Ok(port)
    }

    fn read_type(&mut self, bytes: &'a [u8]) -> Result<(), Error> {
        let mut message = Message::new(bytes, "type");
        while let Some((field, value)) = message.next()? {
            if field != 1 {
                continue;
            }
            let mut tensor = Message::new(message.bytes(value)?, "tensor type");
            while let Some((field, value)) = tensor.next()? {
                match field {
                    1 => self.kind = tensor.int(value)?,
                    2 => self.shape = Some(shape(tensor.bytes(value)?)?),
                    _ => {}
                }
            }
        }
        Ok(())
    }
}

fn shape(bytes: &[u8]) -> Result<Vec<Option<usize>>, Error> {
    let mut message = Message::new(bytes, "shape");
    let mut shape = Vec::new();
    while let Some((field, value)) = message.next()? {
        if field != 1 {
            continue;
        }
        let mut axis = Message::new(message.bytes(value)?, "axis");
        let mut size = None;
        while let Some((field, value)) = axis.next()? {
            if field == 1 {
                let stated = axis.int(value)?;
                // Some exporters write a dynamic axis as 0 or -1.
                size = usize::try_from(stated).ok().filter(|&size| size > 0);
            }
        }
        shape.push(size);
        if shape.len() > MOST_AXES {
            return Err(message.error("at most 16 axes", "more".to_owned()));
        }
    }
    Ok(shape)
}

fn operator_set(bytes: &[u8]) -> Result<(&str, i64), Error> {
    let mut message = Message::new(bytes, "operator set");
    let (mut domain, mut version) = ("", 0);
    while let Some((field, value)) = message.next()? {
        match field {
            1 => domain = message.text(value)?,
            2 => version = message.int(value)?,
            _ => {}
        }
    }
    Ok((domain, version))
}

fn property(bytes: &[u8]) -> Result<(&str, &str), Error> {
    let mut message = Message::new(bytes, "metadata");
    let (mut key, mut text) = ("", "");
    while let Some((field, value)) = message.next()? {
        match field {
            1 => key = message.text(value)?,
            2 => text = message.text(value)?,
            _ => {}
        }
    }
    Ok((key, text))
}

impl<'a> Node<'a> {
    fn read(bytes: &'a [u8]) -> Result<Self, Error> {
        let mut message = Message::new(bytes, "node");
        let mut node = Self::default();
        while let Some((field, value)) = message.next()? {
            match field {
                1 => node.inputs.push(message.text(value)?),
                2 => node.outputs.push(message.text(value)?),
                3 => node.name = message.text(value)?,
                4 => node.operator = message.text(value)?,
                5 => node.attributes.push(Attribute::read(message.bytes(value)?)?),
                7 => node.domain = message.text(value)?,
                _ => {}
            }
        }
        if node.operator.is_empty() || node.outputs.is_empty() {
            return Err(message.error("an operator and an output", "none".to_owned()));
        }
        Ok(node)
    }

    /// Returns the name for messages: that of the first output if it has none.
    pub(super) fn title(&self) -> String {
        let name = if self.name.is_empty() { self.outputs.first().copied().unwrap_or("") } else { self.name };
        on_one_line(name)
    }

    /// Returns the name of an input, unless it is left out.
    pub(super) fn input(&self, at: usize) -> Option<&'a str> {
        self.inputs.get(at).copied().filter(|name| !name.is_empty())
    }

    fn attribute(&self, name: &str) -> Option<&Attribute<'a>> {
        self.attributes.iter().find(|(other, _)| *other == name).map(|(_, attribute)| attribute)
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.attribute(name).is_some()
    }

    pub(super) fn int(&self, name: &str, default: i64) -> i64 {
        self.attribute(name).map_or(default, |attribute| attribute.int.unwrap_or(0))
    }

    pub(super) fn float(&self, name: &str, default: f32) -> f32 {
        self.attribute(name).map_or(default, |attribute| attribute.float.unwrap_or(0.0))
    }

    pub(super) fn text(&self, name: &str, default: &'static str) -> String {
        self.attribute(name).map_or(default.to_owned(), |attribute| {
            String::from_utf8_lossy(attribute.text.unwrap_or(&[])).into_owned()
        })
    }

    pub(super) fn ints(&self, name: &str) -> Option<&[i64]> {
        self.attribute(name).map(|attribute| &attribute.ints[..])
    }

    pub(super) fn floats(&self, name: &str) -> Option<&[f32]> {
        self.attribute(name).map(|attribute| &attribute.floats[..])
    }

    pub(super) fn tensor(&self, name: &str) -> Option<&Tensor<'a>> {
        self.attribute(name)?.tensor.as_ref()
    }

    /// Returns a row of non-negative numbers, one per spatial axis, or a default.
    pub(super) fn sizes<const N: usize>(&self, name: &str, default: usize) -> Result<[usize; N], Fault> {
        let Some(values) = self.ints(name).filter(|values| !values.is_empty()) else {
            return Ok([default; N]);
        };
        let sizes: Option<Vec<usize>> = values
            .iter()
            .map(|&value| usize::try_from(value).ok().filter(|&size| size <= LARGEST_SETTING))
            .collect();
        match sizes.and_then(|sizes| sizes.try_into().ok()) {
            Some(sizes) => Ok(sizes),
            None => {
                let count = values.len();
                let found = if count <= 2 * N { format!("{values:?}") } else { format!("{count} numbers") };
                invalid(format!("{name} of {N} numbers from 0 to {LARGEST_SETTING}"), found)
            }
        }
    }
}

/// Largest kernel, stride, dilation or padding, which sums and products of sizes stay far below overflow with.
pub(super) const LARGEST_SETTING: usize = 1 << 16;

impl<'a> Attribute<'a> {
    fn read(bytes: &'a [u8]) -> Result<(&'a str, Self), Error> {
        let mut message = Message::new(bytes, "attribute");
        let mut name = "";
        let mut attribute = Self::default();
        while let Some((field, value)) = message.next()? {
            match field {
                1 => name = message.text(value)?,
                2 => attribute.float = Some(message.float(value)?),
                3 => attribute.int = Some(message.int(value)?),
                4 => attribute.text = Some(message.bytes(value)?),
                5 => attribute.tensor = Some(Tensor::read(message.bytes(value)?)?.1),
                7 => message.floats(value, &mut attribute.floats)?,
                8 => message.ints(value, &mut attribute.ints)?,
                _ => {}
            }
        }
        Ok((name, attribute))
    }
}
