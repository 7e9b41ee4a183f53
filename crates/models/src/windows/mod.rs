//! Incremental inference on a GPU: windows of equal size around many patches are computed as one batch per layer.
//!
//! [`GraphWindows`] runs any [`Graph`](crate::graph::Graph), as steps on tensors (`prepare`). [`GraphWindows::cache`]
//! computes the unperturbed image and caches its layers on the device. In each layer, a patch reaches a box of outputs
//! (`reach`), of which only those in the receptive field of the result are needed: of a network that returns a map, the
//! values in the patch's box (`targets`). A window around this box, as large as the largest of the batch (`boxes`), is cut
//! out of the cached inputs with the patch's recomputed values pasted in (`cut`), and the layer is computed on all windows
//! at once (`pass`). Voxels outside a layer are its padding, as in a whole pass. Windows of early layers are small, so a
//! batch of many fills the GPU; in late layers a window is the whole layer. From the first operation on that reads the whole
//! layer (a global mean, a gate, a normalisation by the image's own statistics), every patch takes whole layers.
//!
//! A layer is computed in the windows of the sum, product or concatenation that reads it, if nothing else does, and an
//! operation of single voxels in those of its input: these read their inputs as they are. A batch normalisation is folded
//! into the weights of the convolution before it.
//!
//! Whole images ([`GraphWindows::forward`]) take the same steps. Windows run on any device. Tests on the CPU compare them
//! to whole forward passes, which they equal to rounding. On the CPU the compiled [`crate::plan`] is faster.

mod boxes;
mod cut;
mod graph;
mod image;
mod pass;
mod prepare;
mod reach;
mod targets;
#[cfg(test)]
mod tests;

pub use graph::{GraphCache, GraphWindows};
pub use image::TOGETHER;
