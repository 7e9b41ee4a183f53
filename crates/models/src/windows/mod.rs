//! Incremental inference on a GPU: windows of equal size around many patches are computed as one batch per layer.
//!
//! `cache` computes the unperturbed image and caches every layer on the device. In each layer, a patch reaches a box of
//! outputs (`boxes`). A window around it, as large as the largest of the batch, is cut out of the cached inputs with the
//! patch's recomputed values pasted in (`cut`), and the layer is computed on all windows at once (`step`). Windows of early
//! layers are small, so a batch of many fills the GPU; in late layers a window is the whole layer. A classifier
//! ([`ResNetWindows`]) returns its outputs; a U-Net ([`UNetWindows`]) the values in the patch's box, so that on its way up
//! only their receptive field is computed.
//!
//! Windows run on any device. Tests on the CPU compare them to whole forward passes, which they equal to rounding. On the
//! CPU the compiled [`crate::plan`] is faster.

mod boxes;
mod cut;
mod image;
mod resnet;
mod step;
#[cfg(test)]
mod tests;
mod unet;

pub use image::TOGETHER;
pub use resnet::{ResNetCache, ResNetWindows};
pub use unet::{UNetCache, UNetWindows};
