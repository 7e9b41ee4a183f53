//! What computes the network of an ONNX file: our compiled plan, or ONNX Runtime <https://onnxruntime.ai>.
//!
//! `docs/RUNTIME.md` describes when it is used, and where its library is found.

mod choice;
mod error;
#[cfg(feature = "onnxruntime")]
mod library;
#[cfg(feature = "onnxruntime")]
mod session;

use relevox_models::checkpoint::OnnxFiles;
use relevox_models::onnx::Header;
use relevox_relevance::Classifier;

pub use choice::Runtime;
pub use error::RuntimeError;

/// A network that ONNX Runtime computes.
pub(crate) struct RuntimeNetwork {
    /// Computes each image as a whole.
    pub(crate) classifier: Box<dyn Classifier + Send>,
    /// Version of the library, empty if it is not known.
    pub(crate) version: String,
}

/// Loads a network into ONNX Runtime, for images of `size` voxels `[z, y, x]` if they are known.
///
/// # Errors
/// Returns [`RuntimeError`] if the library is not found or refuses the network, if the images have another size than the file
/// states, or if the network is not a classifier.
#[cfg(feature = "onnxruntime")]
pub(crate) fn load(
    files: &OnnxFiles,
    header: &Header,
    size: Option<[usize; 3]>,
) -> Result<RuntimeNetwork, RuntimeError> {
    let library = library::load()?;
    let classifier = session::RuntimeClassifier::new(&library.environment, files, header, size)?;
    Ok(RuntimeNetwork { classifier: Box::new(classifier), version: library.version })
}

/// Refuses every network: this build has no feature `onnxruntime`.
#[cfg(not(feature = "onnxruntime"))]
pub(crate) fn load(_: &OnnxFiles, _: &Header, _: Option<[usize; 3]>) -> Result<RuntimeNetwork, RuntimeError> {
    Err(RuntimeError::NotBuilt)
}
