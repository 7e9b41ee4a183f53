//! Networks as graphs.

use relevox_models::graph::Graph;
use relevox_models::graph::tensor::TensorGraph;
use relevox_relevance::NetworkClassifier;

use super::any::AnyClassifier;
use super::loaded::{Loaded, Placement, RELEVOX};
use super::options::ModelOptions;
use crate::Error;

/// Creates the classifier of a graph. `notes` are the lines about how it was loaded.
///
/// # Errors
/// Returns [`Error::Model`] if the graph cannot be compiled, and [`Error::Relevance`] if it is not a classifier.
pub(super) fn loaded(
    graph: Graph,
    mut notes: Vec<String>,
    options: &ModelOptions,
    placement: Placement<'_>,
) -> Result<Loaded, Error> {
    if let Some(node) = graph.first_global().filter(|_| !options.dense) {
        notes.push(format!(
            "incremental up to {} ({}), which reads the whole scan; dense from there on",
            node.name,
            node.operation.name()
        ));
    }
    let (channels, outputs) = (graph.channels(), graph.form(graph.output()).channels());
    let engine = placement.engine(TensorGraph::new(graph, placement.device)?, options)?;
    let classifier = AnyClassifier::new(NetworkClassifier::of_engine(engine)?);
    Ok(Loaded { classifier, channels, outputs, stored: None, kind: None, runtime: RELEVOX.to_owned(), notes })
}
