//! Errors of ONNX Runtime.

use std::path::PathBuf;

/// Why ONNX Runtime could not compute a network.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RuntimeError {
    /// The library was not found.
    #[error(
        "ONNX Runtime: expected its library, found none ({searched}); `pip install onnxruntime` installs it, or the \
         variable ORT_DYLIB_PATH names it"
    )]
    NotFound {
        /// Where it was looked for.
        searched: String,
    },
    /// The library cannot be used.
    #[error("ONNX Runtime: {}: expected its library, of version 1.18 or newer, found {found}", path.display())]
    Library {
        /// The file.
        path: PathBuf,
        /// The reason.
        found: String,
    },
    /// This program was built without it.
    #[error("ONNX Runtime: expected a build of Relevox with the feature `onnxruntime`, found one without")]
    NotBuilt,
    /// The runtime cannot load the network.
    #[error("{}: ONNX Runtime cannot load the network: {message}", path.display())]
    Network {
        /// The ONNX file.
        path: PathBuf,
        /// The runtime's message, on one line.
        message: String,
    },
    /// The network, its images or its outputs do not fit.
    #[error("{}: {what}: expected {expected}, found {found}", path.display())]
    Unfit {
        /// The ONNX file.
        path: PathBuf,
        /// What was compared.
        what: &'static str,
        /// What the file states, or what can be used.
        expected: String,
        /// What was given.
        found: String,
    },
    /// A forward pass failed.
    #[error("{}: ONNX Runtime: {message}", path.display())]
    Pass {
        /// The ONNX file.
        path: PathBuf,
        /// The runtime's message, on one line.
        message: String,
    },
}
