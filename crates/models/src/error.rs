//! Errors of networks, checkpoints and training.

use std::path::PathBuf;

/// Why a network, a checkpoint or a training failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A tensor operation failed.
    #[error("tensor operation failed: {0}")]
    Candle(#[from] candle_core::Error),
    /// A setting is out of range.
    #[error("{setting}: expected {expected}, found {found}")]
    InvalidSetting {
        /// The setting.
        setting: &'static str,
        /// The valid values.
        expected: String,
        /// The given value.
        found: String,
    },
    /// A parameter does not have the shape that the network needs.
    #[error("weights do not fit the network: {key}: expected shape {expected:?}, found {found:?}")]
    Shape {
        /// The parameter's name.
        key: String,
        /// The shape the network needs.
        expected: Vec<usize>,
        /// The shape that was found.
        found: Vec<usize>,
    },
    /// A parameter of the network is missing.
    #[error("weights do not fit the network: {key}: expected shape {expected:?}, found no such parameter")]
    MissingKey {
        /// The parameter's name.
        key: String,
        /// The shape the network needs.
        expected: Vec<usize>,
    },
    /// The network does not have this parameter.
    #[error("weights do not fit the network: it has no parameter {key} (found with shape {found:?})")]
    UnexpectedKey {
        /// The parameter's name.
        key: String,
        /// The shape that was found.
        found: Vec<usize>,
    },
    /// The content of a weights file is invalid.
    #[error("{}: {source}", path.display())]
    InFile {
        /// The file.
        path: PathBuf,
        /// The error.
        #[source]
        source: Box<Error>,
    },
    /// A file could not be read or written.
    #[error("{}: could not {action}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The attempted action.
        action: &'static str,
        /// The system's error.
        source: std::io::Error,
    },
    /// A file does not have the expected content.
    #[error("{}: expected {expected}, found {found}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// The expected content.
        expected: &'static str,
        /// The actual content.
        found: String,
    },
    /// Weights without metadata need settings that tensors do not tell.
    #[error(
        "{}: expected {} to be stated, which cannot be read from weights, found nothing; MONAI's resnet has stem_stride 1 and max_pool true by default (conv1_t_stride=1, no_max_pool=False), MedicalNet's and \
        torchvision's have stem_stride 2 and max_pool true",
        path.display(), missing.join(" and ")
    )]
    Unstated {
        /// The file.
        path: PathBuf,
        /// The settings.
        missing: Vec<&'static str>,
    },
    /// A name that is not in its table.
    #[error("{what}: expected {expected}, found {found}")]
    UnknownName {
        /// What was to be chosen.
        what: &'static str,
        /// The names there are.
        expected: String,
        /// The given name.
        found: String,
    },
    /// The device is unknown or not available.
    #[error("device {spec}: {why}")]
    Device {
        /// The device.
        spec: String,
        /// The reason.
        why: String,
    },
    /// An operation of a network does not take its inputs.
    #[error("{node} ({operation}): expected {expected}, found {found}")]
    Graph {
        /// The node, as its source names it.
        node: String,
        /// The operation.
        operation: &'static str,
        /// The inputs or parameters that it takes.
        expected: String,
        /// Those it was given.
        found: String,
    },
    /// An ONNX file is damaged, contradicts itself, or is of a kind that is not read.
    #[error("{place}: expected {expected}, found {found}")]
    Onnx {
        /// The part of the file, or the node and its operator.
        place: String,
        /// The content that is read.
        expected: String,
        /// The actual content.
        found: String,
    },
    /// A network has an operation that a graph cannot describe. Another runtime may run it.
    #[error("node {node} ({operator}) is not supported: {why}")]
    UnsupportedOperator {
        /// The node.
        node: String,
        /// Its operator.
        operator: String,
        /// The part that is not supported.
        why: String,
    },
    /// A batch or patch does not fit the network.
    #[error("inference plan: expected {expected}, found {found}")]
    Batch {
        /// What the network supports.
        expected: String,
        /// What was given.
        found: String,
    },
    /// Training examples are missing or have different shapes.
    #[error("training: expected {expected}, found {found}")]
    Examples {
        /// The expected examples.
        expected: String,
        /// The actual examples.
        found: String,
    },
    /// The loss is not finite.
    #[error("training diverged: the loss of epoch {epoch}, batch {batch} is {loss}")]
    Diverged {
        /// The epoch, from 1.
        epoch: usize,
        /// The batch of that epoch, from 1.
        batch: usize,
        /// The loss.
        loss: f32,
    },
    /// The progress callback broke off.
    #[error("training was interrupted in epoch {epoch}")]
    Interrupted {
        /// The epoch that was not finished, from 1.
        epoch: usize,
    },
    /// An example could not be loaded; the source names it.
    #[error("{0}")]
    Example(Box<dyn std::error::Error + Send + Sync>),
}

impl Error {
    /// Returns the [`Error::UnsupportedOperator`] that this error is, in a file or not. Another runtime may run such a network;
    /// no other error is one that it could help with.
    pub fn unsupported_operator(&self) -> Option<&Self> {
        match self {
            Self::UnsupportedOperator { .. } => Some(self),
            Self::InFile { source, .. } => source.unsupported_operator(),
            _ => None,
        }
    }
}
