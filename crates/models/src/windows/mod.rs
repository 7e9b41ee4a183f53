//! What a change of an image changes in a network's answer, on a GPU: windows of equal size around many changes go
//! through each layer as one batch.
//!
//! `keep` computes the image as it is and keeps every layer on the device. What follows each change from layer to layer is
//! the box of outputs that it reaches (`boxes`), a window around that as large as the batch's largest, its inputs cut out of
//! the kept layer with the change's own values in it (`cut`), and the layer's own operation on all windows together
//! (`step`). A window of an early layer is small, and so there are many to fill the chip; in late layers it is the whole
//! layer. A classifier ([`Windows`]) is asked for its logit; a U-Net ([`UNetWindows`]) for the values of the change's own
//! voxels, so that on its way up only what these look back at is computed.
//!
//! Everything is candle's and this crate's operations, so that it runs on any device and is tested on the CPU against
//! whole forward passes, with which it agrees to rounding. On the CPU itself the compiled [`crate::plan`] is faster.

mod boxes;
mod cut;
mod image;
mod resnet;
mod step;
#[cfg(test)]
mod tests;
mod unet;

pub use image::TOGETHER;
pub use resnet::{Kept, Windows};
pub use unet::{UNetKept, UNetWindows};
