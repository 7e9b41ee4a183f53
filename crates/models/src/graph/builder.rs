//! Construction of graphs, with the checks that do not depend on the image's size.

use super::{Activation, Form, Graph, Node, Operation, Padding, Value};
use crate::Error;

/// Most channels of a value.
const MOST_CHANNELS: usize = 1 << 20;
/// Largest kernel, stride, dilation, padding or factor along an axis.
const MOST_VOXELS: usize = 1 << 16;

/// Builds a [`Graph`], node by node.
#[derive(Clone, Debug)]
pub struct Builder {
    pub(super) channels: usize,
    pub(super) nodes: Vec<Node>,
}

impl Builder {
    /// Starts a network of images with this number of channels.
    pub fn new(channels: usize) -> Self {
        Self { channels, nodes: Vec::new() }
    }

    /// Returns the image.
    pub fn image(&self) -> Value {
        Value::IMAGE
    }

    /// Returns the form of a value.
    pub fn form(&self, value: Value) -> Form {
        value.0.checked_sub(1).map_or(Form::Map(self.channels), |node| self.nodes[node].form)
    }

    /// Returns the node that computes a value, or `None` for the image.
    pub fn node(&self, value: Value) -> Option<&Node> {
        self.nodes.get(value.0.checked_sub(1)?)
    }

    /// Adds an operation.
    ///
    /// # Errors
    /// Returns [`Error::Graph`] if the operation does not take inputs of these forms, or its parameters do not fit their
    /// channels.
    ///
    /// # Panics
    /// If an input is a value of another graph.
    pub fn add(
        &mut self,
        name: impl Into<String>,
        operation: Operation,
        inputs: &[Value],
    ) -> Result<Value, Error> {
        let name = name.into();
        let forms: Vec<Form> = inputs.iter().map(|&value| self.form(value)).collect();
        let form = form(&operation, &forms).map_err(|(expected, found)| Error::Graph {
            node: name.clone(),
            operation: operation.name(),
            expected,
            found,
        })?;
        self.nodes.push(Node { name, operation, inputs: inputs.to_vec(), form });
        Ok(Value(self.nodes.len()))
    }

    /// Returns the network that returns this value. Nodes that it does not need are removed.
    pub fn finish(self, output: Value) -> Graph {
        let mut needed = vec![false; self.nodes.len() + 1];
        needed[output.0] = true;
        for (at, node) in self.nodes.iter().enumerate().rev() {
            if needed[at + 1] {
                node.inputs.iter().for_each(|input| needed[input.0] = true);
            }
        }
        let mut place = vec![Value::IMAGE; needed.len()];
        let mut nodes: Vec<Node> = Vec::new();
        for (at, mut node) in self.nodes.into_iter().enumerate() {
            if needed[at + 1] {
                node.inputs.iter_mut().for_each(|input| *input = place[input.0]);
                nodes.push(node);
                place[at + 1] = Value(nodes.len());
            }
        }
        Graph { channels: self.channels, nodes, output: place[output.0] }
    }
}

/// Returns the form of an operation's result, or what was expected and found.
fn form(operation: &Operation, inputs: &[Form]) -> Result<Form, (String, String)> {
    let found = || inputs.iter().map(|&form| describe(form)).collect::<Vec<_>>().join(" and ");
    let refuse = |expected: String| Err((expected, found()));
    let one = || match inputs {
        [form] => Ok(*form),
        _ => Err(("one input".to_owned(), inputs.len().to_string())),
    };
    let map = || match one()? {
        Form::Map(channels) => Ok(channels),
        Form::Vector(_) => Err(("a feature map".to_owned(), found())),
    };
    let same = |what: &str, expected: usize, found: usize| match expected == found {
        true => Ok(()),
        false => Err((format!("{what} {expected}"), found.to_string())),
    };
    match operation {
        Operation::Conv(conv) => {
            let (channels, outputs) = (map()?, conv.bias.len());
            positive("kernel", conv.kernel)?;
            positive("stride", conv.stride)?;
            positive("dilation", conv.dilation)?;
            padding(&conv.padding)?;
            let groups = conv.groups;
            if groups == 0 || !channels.is_multiple_of(groups) || !outputs.is_multiple_of(groups) {
                let expected = format!("groups that divide {channels} inputs and {outputs} outputs");
                return Err((expected, groups.to_string()));
            }
            let weights = product(&[outputs, channels / groups, product(&conv.kernel)]);
            same("a number of weights of", weights, conv.weights.len())?;
            bounded(Form::Map(outputs))
        }
        Operation::ConvTranspose(conv) => {
            let (channels, outputs) = (map()?, conv.bias.len());
            positive("kernel", conv.kernel)?;
            positive("stride", conv.stride)?;
            padding(&conv.padding)?;
            padding(&conv.output_padding.into())?;
            let weights = product(&[outputs, channels, product(&conv.kernel)]);
            same("a number of weights of", weights, conv.weights.len())?;
            bounded(Form::Map(outputs))
        }
        Operation::Affine { scale, shift } => {
            let form = one()?;
            same("a number of factors of", form.channels(), scale.len())?;
            same("a number of summands of", form.channels(), shift.len())?;
            Ok(form)
        }
        Operation::Activation(activation) => {
            let form = one()?;
            match activation {
                Activation::PRelu(slopes) => {
                    same("a number of slopes of", form.channels(), slopes.len())?;
                    Ok(form)
                }
                Activation::Clip { low, high } if low.is_nan() || high.is_nan() || low > high => {
                    Err(("a range".to_owned(), format!("{low} to {high}")))
                }
                _ => Ok(form),
            }
        }
        Operation::MaxPool(pool) | Operation::MeanPool { pool, .. } => {
            let channels = map()?;
            positive("kernel", pool.kernel)?;
            positive("stride", pool.stride)?;
            let padding = &pool.padding;
            if (0..3).any(|axis| padding.before[axis].max(padding.after[axis]) >= pool.kernel[axis]) {
                let found = format!("{padding:?}");
                return Err((format!("padding smaller than the window {:?}", pool.kernel), found));
            }
            Ok(Form::Map(channels))
        }
        Operation::Add => match inputs {
            [first, others @ ..] if !others.is_empty() && others.iter().all(|form| form == first) => {
                Ok(*first)
            }
            _ => refuse("two or more values of one form".to_owned()),
        },
        Operation::Multiply => match *inputs {
            [a, b] if a == b => Ok(a),
            [Form::Map(channels), Form::Vector(length)] if channels == length => Ok(Form::Map(channels)),
            _ => refuse("two values of one form, or a map and a vector of its channels".to_owned()),
        },
        Operation::Concat => {
            let channels = inputs.iter().map(|form| form.channels()).sum();
            match inputs {
                [Form::Map(_), ..] if inputs.iter().all(|form| matches!(form, Form::Map(_))) => {
                    bounded(Form::Map(channels))
                }
                [Form::Vector(_), ..] if inputs.iter().all(|form| matches!(form, Form::Vector(_))) => {
                    bounded(Form::Vector(channels))
                }
                _ => refuse("maps only or vectors only".to_owned()),
            }
        }
        Operation::PadChannels { before, after } => {
            bounded(Form::Map(map()?.saturating_add(*before).saturating_add(*after)))
        }
        Operation::Norm(norm) => {
            let channels = map()?;
            same("a number of factors of", channels, norm.scale.len())?;
            same("a number of summands of", channels, norm.shift.len())?;
            if norm.groups == 0 || !channels.is_multiple_of(norm.groups) {
                return Err((format!("groups that divide {channels} channels"), norm.groups.to_string()));
            }
            Ok(Form::Map(channels))
        }
        Operation::GlobalMean => Ok(Form::Vector(map()?)),
        Operation::Linear(linear) => {
            let outputs = linear.bias.len();
            let weights = linear.weights.len();
            let fits = match one()? {
                Form::Vector(length) => weights == product(&[outputs, length]),
                Form::Map(channels) => outputs > 0 && weights.is_multiple_of(product(&[outputs, channels])),
            };
            match fits {
                true => bounded(Form::Vector(outputs)),
                false => refuse(format!("an input of {} values", weights / outputs.max(1))),
            }
        }
        Operation::Repeat(factors) => {
            positive("factor", *factors)?;
            Ok(Form::Map(map()?))
        }
    }
}

fn describe(form: Form) -> String {
    match form {
        Form::Map(channels) => format!("a map of {channels} channels"),
        Form::Vector(length) => format!("a vector of {length}"),
    }
}

fn bounded(form: Form) -> Result<Form, (String, String)> {
    match form.channels() {
        1..=MOST_CHANNELS => Ok(form),
        channels => Err((format!("1 to {MOST_CHANNELS} channels"), channels.to_string())),
    }
}

fn positive(what: &str, values: [usize; 3]) -> Result<(), (String, String)> {
    if values.iter().all(|value| (1..=MOST_VOXELS).contains(value)) {
        return Ok(());
    }
    Err((format!("a {what} of 1 to {MOST_VOXELS}"), format!("{values:?}")))
}

fn padding(padding: &Padding) -> Result<(), (String, String)> {
    let ends = padding.before.iter().chain(&padding.after);
    match ends.max() {
        Some(&most) if most > MOST_VOXELS => {
            Err((format!("a padding of at most {MOST_VOXELS}"), most.to_string()))
        }
        _ => Ok(()),
    }
}

/// A product that stays at the largest number if it overflows, which no slice is as long as.
fn product(factors: &[usize]) -> usize {
    factors.iter().fold(1, |product: usize, &factor| product.saturating_mul(factor))
}
