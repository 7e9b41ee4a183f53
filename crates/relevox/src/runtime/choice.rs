//! The choice of a runtime.

use crate::Error;

/// What computes the networks of ONNX files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Runtime {
    /// Relevox, and ONNX Runtime for networks with operators that Relevox does not have.
    #[default]
    Auto,
    /// Relevox only.
    Relevox,
    /// ONNX Runtime only, where each region takes a whole forward pass.
    OnnxRuntime,
}

impl Runtime {
    /// All choices.
    pub const ALL: [Self; 3] = [Self::Auto, Self::Relevox, Self::OnnxRuntime];

    /// Name of the option's value.
    pub fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Relevox => "relevox",
            Self::OnnxRuntime => "onnxruntime",
        }
    }
}

relevox_grid::by_name!(Runtime, "runtime", Error);
