//! Options of loading a model.

use std::sync::Arc;

use crate::{ContractKeys, Runtime};

/// Called with the new batch size when a batch did not fit into a GPU's memory.
pub type OnSmallerBatches = Arc<dyn Fn(usize) + Send + Sync>;

/// Options of [`Model::load_with`](crate::Model::load_with).
///
/// The contract of a network's input is that of the options, else of the file `MODEL.input.toml` beside the weights, else
/// of the checkpoint's metadata. Weights without any are refused.
#[derive(Clone, Default)]
pub struct ModelOptions {
    /// The contract.
    pub contract: Option<ContractKeys>,
    /// Keys of the contract to replace, each as `key=value`.
    pub input_set: Vec<String>,
    /// Depth of the residual network. Must agree with the weights.
    pub depth: Option<usize>,
    /// Stride of the first convolution. Must agree with the contract.
    pub stem_stride: Option<usize>,
    /// Whether a max pool follows the first convolution. Must agree with the contract.
    pub max_pool: Option<bool>,
    /// Number of channels of the first residual stage. Must agree with the weights.
    pub width: Option<usize>,
    /// Centre crop in the order of the contract's axes. Must agree with the contract.
    pub crop: Option<[usize; 3]>,
    /// Downsampling factor. Must agree with the contract.
    pub downsample: Option<usize>,
    /// Size of the network's images `[z, y, x]`, in the network's own order of the axes, for ONNX files that leave it open.
    /// Without it the contract's crop is taken.
    pub image_size: Option<[usize; 3]>,
    /// What computes the networks of ONNX files. Weights of other files take [`Runtime::Auto`] or [`Runtime::Relevox`].
    pub runtime: Runtime,
    /// Runs a full forward pass per region instead of incremental inference.
    pub dense: bool,
    /// Memory limit in bytes, shared by all networks, for cached activations and the patches processed together.
    pub memory_bytes: Option<usize>,
    /// Called when a batch did not fit into a GPU's memory.
    pub on_smaller_batches: Option<OnSmallerBatches>,
}
