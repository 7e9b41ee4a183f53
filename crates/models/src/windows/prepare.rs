//! A graph as steps on tensors.

use super::reach::Reach;
use crate::graph::tensor::Kernel;
use crate::graph::{Activation, Form, Graph, Operation, Value};
use candle_core::{Device, Result as TensorResult};

/// An operation of a graph. Values are numbered as in the graph.
#[derive(Debug)]
pub(super) struct Step {
    /// The operation on whole layers.
    pub kernel: Kernel,
    /// The operation on everything that its outputs read, without padding; `None` if that is the output.
    pub unpadded: Option<Kernel>,
    pub reach: Reach,
    /// Value of padding voxels outside a layer.
    pub outside: f32,
    /// Values that it reads. Several inputs of [`Reach::Window`] are concatenated along the channels.
    pub inputs: Vec<usize>,
    pub output: usize,
    /// `true` if the result is one vector per image, `false` if it is a map.
    pub is_vector: bool,
}

impl Step {
    /// Returns whether the operation takes its inputs concatenated along the channels.
    pub(super) fn joins_inputs(&self) -> bool {
        matches!(self.reach, Reach::Window(_))
    }
}

/// Properties of a value of a graph that do not depend on the size of the image.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Traits {
    /// Channels of a map, or length of a vector.
    pub channels: usize,
    pub is_vector: bool,
    /// The last step that reads it.
    pub last_use: Option<usize>,
    /// The value whose windows it is computed in, because only that value's step reads it, voxel by voxel.
    pub joins: Option<usize>,
    /// `true` if it depends on every voxel of the image.
    pub is_global: bool,
    /// Whether windows of it are cut.
    pub is_cached: bool,
}

/// The steps of a graph.
#[derive(Debug)]
pub(super) struct Program {
    pub steps: Vec<Step>,
    /// By value.
    pub traits: Vec<Traits>,
    pub output: usize,
    /// By step, whether it is computed for the unperturbed image: what only the result of a network of maps depends on is
    /// not.
    pub of_image: Vec<bool>,
}

impl Program {
    /// Prepares a graph, with its parameters on a device.
    ///
    /// # Errors
    /// Returns an error if the device has no room for the parameters.
    pub(super) fn new(graph: &Graph, device: &Device) -> TensorResult<Self> {
        let steps = steps(graph, device)?;
        let forms = (0..=graph.nodes().len()).map(|value| form(graph, value));
        let mut traits: Vec<Traits> = forms
            .map(|form| Traits {
                channels: form.channels(),
                is_vector: matches!(form, Form::Vector(_)),
                ..Traits::default()
            })
            .collect();
        let output = graph.output().index();
        let mut readers: Vec<Vec<usize>> = vec![Vec::new(); traits.len()];
        for (at, step) in steps.iter().enumerate() {
            let is_global = step.inputs.iter().any(|&input| traits[input].is_global);
            traits[step.output].is_global = is_global || step.reach == Reach::Whole;
            for &input in &step.inputs {
                traits[input].last_use = Some(at);
                if readers[input].last() != Some(&at) {
                    readers[input].push(at);
                }
            }
        }
        for step in &steps {
            let own = matches!(step.reach, Reach::Pointwise | Reach::Window(_)) && step.output != output;
            if let ([reader], true) = (&readers[step.output][..], own && !step.is_vector) {
                let reader = &steps[*reader];
                traits[step.output].joins =
                    (reader.reach == Reach::Pointwise && !reader.is_vector).then_some(reader.output);
            }
        }
        for (value, readers) in readers.iter().enumerate() {
            let traits = &mut traits[value];
            let is_cut = traits.joins.is_none() && !readers.is_empty();
            traits.is_cached = is_cut && !traits.is_vector && !traits.is_global;
        }
        let mut wanted: Vec<bool> = traits.iter().map(|traits| traits.is_cached).collect();
        wanted[output] |= traits[output].is_vector;
        let mut of_image = vec![false; steps.len()];
        for (at, step) in steps.iter().enumerate().rev() {
            of_image[at] = wanted[step.output];
            if of_image[at] {
                step.inputs.iter().for_each(|&input| wanted[input] = true);
            }
        }
        Ok(Self { steps, traits, output, of_image })
    }
}

fn form(graph: &Graph, value: usize) -> Form {
    value
        .checked_sub(1)
        .and_then(|node| graph.nodes().get(node))
        .map_or(Form::Map(graph.channels()), |node| node.form)
}

/// Returns a step for each node except for ReLUs, which become a part of the operation before them, and concatenations of
/// which only windows are read: their parts are cut one by one.
fn steps(graph: &Graph, device: &Device) -> TensorResult<Vec<Step>> {
    let nodes = graph.nodes();
    let reaches: Vec<Reach> = nodes
        .iter()
        .map(|node| {
            let forms: Vec<Form> = node.inputs.iter().map(|&input| graph.form(input)).collect();
            Reach::of(node, &forms)
        })
        .collect();
    let mut readers: Vec<Vec<usize>> = vec![Vec::new(); nodes.len() + 1];
    for (at, node) in nodes.iter().enumerate() {
        node.inputs.iter().for_each(|input| readers[input.index()].push(at));
    }
    let is_output = |node: usize| Value::of_node(node) == graph.output();
    let relu_after = |node: usize| -> Option<usize> {
        let takes_it = matches!(
            nodes[node].operation,
            Operation::Conv(_) | Operation::ConvTranspose(_) | Operation::Affine { .. } | Operation::Add
        );
        match readers[node + 1][..] {
            [reader] if takes_it && !is_output(node) => {
                let relu = Operation::Activation(Activation::Relu);
                (nodes[reader].operation == relu).then_some(reader)
            }
            _ => None,
        }
    };
    let is_joined = |node: usize| {
        let of_windows = |&reader: &usize| matches!(reaches[reader], Reach::Window(_));
        let is_map = matches!(nodes[node].form, Form::Map(_));
        nodes[node].operation == Operation::Concat
            && is_map
            && !is_output(node)
            && readers[node + 1].iter().all(of_windows)
    };
    let mut steps = Vec::with_capacity(nodes.len());
    let mut is_part = vec![false; nodes.len()];
    for (at, node) in nodes.iter().enumerate() {
        if is_part[at] || is_joined(at) {
            continue;
        }
        let mut kernel = Kernel::new(&node.operation, device)?;
        let mut output = at;
        if let Some(relu) = relu_after(at) {
            kernel = kernel.with_relu();
            is_part[relu] = true;
            output = relu;
        }
        let inputs = node.inputs.iter().flat_map(|&input| match input.index().checked_sub(1) {
            Some(source) if is_joined(source) => nodes[source].inputs.clone(),
            _ => vec![input],
        });
        let outside = if matches!(node.operation, Operation::MaxPool(_)) { f32::NEG_INFINITY } else { 0.0 };
        steps.push(Step {
            unpadded: (!kernel.is_identity_once_cut()).then(|| kernel.unpadded()),
            kernel,
            reach: reaches[at],
            outside,
            inputs: inputs.map(Value::index).collect(),
            output: Value::of_node(output).index(),
            is_vector: matches!(node.form, Form::Vector(_)),
        });
    }
    Ok(steps)
}
