//! Graphs on candle: dense, on any device, with gradients.
//!
//! What compiled plans are tested against, and what runs a network on a GPU. Every operation is one of `conv3d`'s or a
//! composition of candle's.

mod activation;
mod conv;
#[cfg(test)]
mod naive;
mod norm;
mod padding;
mod pool;
#[cfg(test)]
mod tests;

use super::{Activation, Graph, Node, Operation, Value};
use crate::Error;
use candle_core::{Device, Result as TensorResult, Tensor, bail};
use conv3d::Mode;

/// A [`Graph`] with its parameters on a device.
///
/// ```
/// use relevox_models::candle_core::{DType, Device, Tensor};
/// use relevox_models::graph::{Builder, Linear, Operation, tensor::TensorGraph};
///
/// let mut builder = Builder::new(3);
/// let at = builder.add("pool", Operation::GlobalMean, &[builder.image()])?;
/// let at = builder.add("fc", Operation::Linear(Linear::new(vec![1.0; 3], vec![0.5])), &[at])?;
/// let network = TensorGraph::new(builder.finish(at), &Device::Cpu)?;
/// let images = Tensor::ones((2, 3, 4, 4, 4), DType::F32, &Device::Cpu)?;
/// assert_eq!(network.forward(&images)?.to_vec2::<f32>()?, [[3.5], [3.5]]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct TensorGraph {
    graph: Graph,
    /// The parameters of each node, shaped as its operation uses them.
    parameters: Vec<Vec<Tensor>>,
    /// By value, the last node that reads it; none reads the output after the last.
    last_use: Vec<usize>,
}

impl TensorGraph {
    /// Copies the parameters of a graph to a device.
    ///
    /// # Errors
    /// Returns [`Error::Candle`] if the device has no room for them.
    pub fn new(graph: Graph, device: &Device) -> Result<Self, Error> {
        let parameters = graph.nodes().iter().map(|node| parameters(node, device));
        let parameters = parameters.collect::<TensorResult<_>>()?;
        let mut last_use = vec![0; graph.nodes().len() + 1];
        for (at, node) in graph.nodes().iter().enumerate() {
            node.inputs.iter().for_each(|input| last_use[input.index()] = at);
        }
        last_use[graph.output().index()] = usize::MAX;
        Ok(Self { graph, parameters, last_use })
    }

    /// Returns the graph.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// Computes the output of the network.
    ///
    /// # Shapes
    /// `[n, c, z, y, x]` to `[n, k]` of a classifier, otherwise to `[n, c', z', y', x']`.
    ///
    /// # Errors
    /// Returns an error if the images have other channels than the network, if an operation does not take inputs of their
    /// size (see [`Graph::sizes`]), or if a tensor operation fails: images must be float32 and on the network's device.
    pub fn forward(&self, images: &Tensor) -> TensorResult<Tensor> {
        let (n, channels, z, y, x) = images.dims5()?;
        if channels != self.graph.channels() || [z, y, x].contains(&0) {
            let expected = self.graph.channels();
            bail!(
                "network: expected images [n, {expected}, z, y, x] of at least one voxel, found {:?}",
                images.dims()
            )
        }
        let mut shapes = self.graph.sizes([z, y, x]).map_err(candle_core::Error::wrap)?;
        if n == 0 {
            let shape = shapes.swap_remove(self.graph.output().index());
            return Tensor::zeros([&[0][..], &shape].concat(), images.dtype(), images.device());
        }
        let mut values: Vec<Option<Tensor>> = vec![None; shapes.len()];
        values[Value::IMAGE.index()] = Some(images.clone());
        for (at, (node, parameters)) in self.graph.nodes().iter().zip(&self.parameters).enumerate() {
            let inputs = node.inputs.iter().map(|input| read(&values, *input));
            let result = compute(&node.operation, parameters, &inputs.collect::<TensorResult<Vec<_>>>()?)?;
            values[at + 1] = Some(result);
            for input in node.inputs.iter().map(|input| input.index()) {
                if self.last_use[input] == at {
                    values[input] = None;
                }
            }
        }
        read(&values, self.graph.output())
    }
}

fn read(values: &[Option<Tensor>], value: Value) -> TensorResult<Tensor> {
    match values.get(value.index()) {
        Some(Some(tensor)) => Ok(tensor.clone()),
        _ => bail!("network: value {} is read before it is computed", value.index()),
    }
}

/// Copies a node's parameters to a device: weight and bias, scale and shift, or slopes.
fn parameters(node: &Node, device: &Device) -> TensorResult<Vec<Tensor>> {
    let vector = |values: &[f32]| Tensor::from_slice(values, values.len(), device);
    match &node.operation {
        Operation::Conv(conv) => {
            let [z, y, x] = conv.kernel;
            let outputs = conv.bias.len();
            let inputs = conv.weights.len() / (outputs * z * y * x);
            Ok(vec![
                Tensor::from_slice(&conv.weights, (outputs, inputs, z, y, x), device)?,
                vector(&conv.bias)?,
            ])
        }
        Operation::ConvTranspose(conv) => {
            let [z, y, x] = conv.kernel;
            let outputs = conv.bias.len();
            let inputs = conv.weights.len() / (outputs * z * y * x);
            Ok(vec![
                Tensor::from_slice(&conv.weights, (inputs, outputs, z, y, x), device)?,
                vector(&conv.bias)?,
            ])
        }
        Operation::Affine { scale, shift } => Ok(vec![vector(scale)?, vector(shift)?]),
        Operation::Norm(norm) => Ok(vec![vector(&norm.scale)?, vector(&norm.shift)?]),
        Operation::Activation(Activation::PRelu(slopes)) => Ok(vec![vector(slopes)?]),
        Operation::Linear(linear) => {
            let outputs = linear.bias.len();
            let shape = (outputs, linear.weights.len() / outputs);
            Ok(vec![Tensor::from_slice(&linear.weights, shape, device)?, vector(&linear.bias)?])
        }
        _ => Ok(Vec::new()),
    }
}

/// Computes an operation of a batch.
fn compute(operation: &Operation, parameters: &[Tensor], inputs: &[Tensor]) -> TensorResult<Tensor> {
    let [first, others @ ..] = inputs else { bail!("{}: expected an input", operation.name()) };
    match (operation, parameters) {
        (Operation::Conv(conv), [weight, bias]) => conv::conv(first, weight, bias, conv),
        (Operation::ConvTranspose(conv), [weight, bias]) => conv::transposed(first, weight, bias, conv),
        (Operation::Affine { .. }, [scale, shift]) => norm::affine(first, scale, shift),
        (Operation::Activation(activation), slopes) => activation::apply(first, activation, slopes.first()),
        (Operation::MaxPool(pool), _) => pool::max(first, *pool),
        (Operation::MeanPool { pool, count_padding }, _) => pool::mean(first, *pool, *count_padding),
        (Operation::Add, _) => others.iter().try_fold(first.clone(), |sum, other| sum + other),
        (Operation::Multiply, _) => multiply(first, others),
        (Operation::Concat, _) => Tensor::cat(inputs, 1),
        (Operation::PadChannels { before, after }, _) => first.pad_with_zeros(1, *before, *after),
        (Operation::Norm(parameters), [scale, shift]) => norm::normalise(first, parameters, scale, shift),
        (Operation::GlobalMean, _) => conv3d::global_avg_pool3d(first),
        (Operation::Linear(_), [weight, bias]) => {
            first.flatten_from(1)?.matmul(&weight.t()?)?.broadcast_add(bias)
        }
        (Operation::Repeat(factors), _) => {
            let (_, _, z, y, x) = first.dims5()?;
            conv3d::upsample3d(first, [z * factors[0], y * factors[1], x * factors[2]], Mode::Nearest)
        }
        _ => bail!("{}: its parameters are missing", operation.name()),
    }
}

/// Multiplies two values of one form, or a map by a vector of its channels.
fn multiply(a: &Tensor, others: &[Tensor]) -> TensorResult<Tensor> {
    match others {
        [b] if a.rank() == b.rank() => a * b,
        [b] => a.broadcast_mul(&b.reshape((b.dim(0)?, b.dim(1)?, 1, 1, 1))?),
        _ => bail!("multiply: expected two values, found {}", others.len() + 1),
    }
}
