//! What can go wrong: which operation or file, what was expected, what was found.

use std::path::PathBuf;

/// Failures of networks, checkpoints and training.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A tensor operation failed.
    #[error("tensor operation failed: {0}")]
    Candle(#[from] candle_core::Error),
    /// A configuration value is outside what is possible.
    #[error("{key}: expected {expected}, found {found}")]
    Config {
        /// The key of the configuration.
        key: &'static str,
        /// What is possible.
        expected: String,
        /// What was given.
        found: String,
    },
    /// A parameter has another shape than the network needs.
    #[error("weights do not fit the network: {key} should have shape {expected:?}, found {found:?}")]
    Shape {
        /// The parameter's name.
        key: String,
        /// The shape the network needs.
        expected: Vec<usize>,
        /// The shape that was found.
        found: Vec<usize>,
    },
    /// A parameter that the network needs is not there.
    #[error("weights do not fit the network: {key} of shape {expected:?} is missing")]
    MissingKey {
        /// The parameter's name.
        key: String,
        /// The shape the network needs.
        expected: Vec<usize>,
    },
    /// A parameter is there that the network does not have.
    #[error("weights do not fit the network: it has no parameter {key} (found with shape {found:?})")]
    UnexpectedKey {
        /// The parameter's name.
        key: String,
        /// The shape that was found.
        found: Vec<usize>,
    },
    /// A weights file, with what is wrong about its content.
    #[error("{}: {source}", path.display())]
    InFile {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        #[source]
        source: Box<Error>,
    },
    /// A file could not be read or written.
    #[error("{}: could not {action}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// The system's answer.
        source: std::io::Error,
    },
    /// A file is not what it should be.
    #[error("{}: expected {expected}, found {found}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What it should hold.
        expected: &'static str,
        /// What it holds.
        found: String,
    },
    /// The device asked for is unknown or not in this build.
    #[error("device {spec}: {why}")]
    Device {
        /// What was asked for.
        spec: String,
        /// Why it cannot be had.
        why: String,
    },
    /// A compiled plan was handed a batch that its network does not take.
    #[error("inference plan: expected {expected}, found {found}")]
    Batch {
        /// What the network takes.
        expected: String,
        /// What was handed in.
        found: String,
    },
    /// Training examples do not fit the training.
    #[error("training: expected {expected}, found {found}")]
    Examples {
        /// What training needs.
        expected: String,
        /// What the examples are.
        found: String,
    },
    /// The loss is no longer a number.
    #[error("training diverged: the loss of epoch {epoch}, batch {batch} is {loss}")]
    Diverged {
        /// The epoch, from 1.
        epoch: usize,
        /// The batch of that epoch, from 1.
        batch: usize,
        /// The loss.
        loss: f32,
    },
    /// The progress callback asked to stop.
    #[error("training was interrupted in epoch {epoch}")]
    Interrupted {
        /// The epoch that was not finished, from 1.
        epoch: usize,
    },
    /// An example could not be made; the source says which.
    #[error("{0}")]
    Example(Box<dyn std::error::Error + Send + Sync>),
}
