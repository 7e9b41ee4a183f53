//! Classifiers of any supported architecture, as graphs.

use super::architecture::{self, Problem, WeightsHints};
use super::{Metadata, Network, format_error, in_file, load, names, one_line, weights, wrong_network};
use crate::graph::Graph;
use crate::{Error, ResNet3d, ResNetConfig, frozen};
use candle_core::{Device, Tensor};
use std::collections::BTreeMap;
use std::path::Path;

/// Expected content, in messages.
const CLASSIFIER: &str = "the weights of a residual network (with the keys of MONAI's or torchvision's resnet) or of \
                          MONAI's DenseNet";
/// Advice for the weights of another network.
const EXPORT: &str = "export a network of another kind to ONNX (torch.onnx.export)";

/// A classifier read from a file of weights.
#[derive(Debug, Clone)]
pub struct LoadedGraph {
    /// The network in evaluation mode.
    pub graph: Graph,
    /// Name of the architecture, such as `ResNet18` or `DenseNet121`.
    pub architecture: String,
    /// Channels of its images.
    pub channels: usize,
    /// Number of outputs, `k`.
    pub outputs: usize,
    /// Metadata of the file, if it has any.
    pub metadata: Option<Metadata>,
}

/// Loads a classifier, a residual network or MONAI's DenseNet, as a graph: its architecture comes from the metadata, or
/// from the tensors and `hints`.
///
/// # Errors
/// Returns [`Error::Io`] if the file cannot be read; [`Error::Format`] if it holds something else (a network of another
/// kind can be exported to ONNX); [`Error::Unstated`] if it is a residual network's without metadata and `hints` lacks what
/// tensors do not tell; and [`Error::InFile`] if `hints` contradicts it, or with the first key if its weights do not fit.
pub fn load_graph(path: &Path, hints: &WeightsHints) -> Result<LoadedGraph, Error> {
    let (tensors, metadata) = load(path)?;
    let tensors = weights(tensors);
    let (graph, architecture) = match metadata.as_ref().map(|metadata| &metadata.network) {
        Some(Network::Resnet(config)) => {
            hints.check(config).and_then(|()| resnet(tensors, config)).map_err(in_file(path))?
        }
        Some(other) => return Err(wrong_network(path, "the weights of a classifier", Some(other))),
        None => {
            let (tensors, prefix) = names::stripped(tensors);
            let network = if architecture::is_densenet(&tensors) {
                architecture::densenet(&tensors, hints).map(|config| {
                    let graph = frozen(tensors, &Device::Cpu, |vb| config.graph(vb));
                    graph.map(|graph| (graph, config.name()))
                })
            } else {
                architecture::resnet(&tensors, &prefix, hints).map(|config| resnet(tensors, &config))
            };
            network.map_err(|problem| refused(path, problem))?.map_err(in_file(path))?
        }
    };
    let (channels, outputs) = (graph.channels(), graph.form(graph.output()).channels());
    Ok(LoadedGraph { graph, architecture, channels, outputs, metadata })
}

fn resnet(tensors: BTreeMap<String, Tensor>, config: &ResNetConfig) -> Result<(Graph, String), Error> {
    let network = frozen(tensors, &Device::Cpu, |vb| ResNet3d::new(config, vb))?;
    Ok((network.graph()?, format!("ResNet{}", config.depth)))
}

fn refused(path: &Path, problem: Problem) -> Error {
    match problem {
        Problem::Network(found) => format_error(path, CLASSIFIER, format!("{}; {EXPORT}", one_line(&found))),
        Problem::Other(found) => format_error(path, CLASSIFIER, one_line(&found)),
        Problem::Unstated(missing) => Error::Unstated { path: path.to_owned(), missing },
        Problem::Contradiction(error) => in_file(path)(error),
    }
}
