//! Graphs on candle: dense, on any device, with gradients.
//!
//! What compiled plans are tested against, and what runs a network on a GPU. Every operation is one of `conv3d`'s or a
//! composition of candle's.

mod activation;
mod conv;
mod kernel;
#[cfg(test)]
mod naive;
mod norm;
mod padding;
mod pool;
#[cfg(test)]
mod tests;

use super::{Graph, Value};
use crate::Error;
use candle_core::{Device, Result as TensorResult, Tensor, bail};
pub(crate) use kernel::Kernel;

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
    /// The operation of each node.
    kernels: Vec<Kernel>,
    /// By value, the last node that reads it; none reads the output after the last.
    last_use: Vec<usize>,
}

impl TensorGraph {
    /// Copies the parameters of a graph to a device.
    ///
    /// # Errors
    /// Returns [`Error::Candle`] if the device has no room for them.
    pub fn new(graph: Graph, device: &Device) -> Result<Self, Error> {
        let kernels = graph.nodes().iter().map(|node| Kernel::new(&node.operation, device));
        let kernels = kernels.collect::<TensorResult<_>>()?;
        let mut last_use = vec![0; graph.nodes().len() + 1];
        for (at, node) in graph.nodes().iter().enumerate() {
            node.inputs.iter().for_each(|input| last_use[input.index()] = at);
        }
        last_use[graph.output().index()] = usize::MAX;
        Ok(Self { graph, kernels, last_use })
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
        for (at, (node, kernel)) in self.graph.nodes().iter().zip(&self.kernels).enumerate() {
            let inputs = node.inputs.iter().map(|input| read(&values, *input));
            values[at + 1] = Some(kernel.compute(&inputs.collect::<TensorResult<Vec<_>>>()?)?);
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
