//! A fill that is learned: a U-Net that predicts a region's new values.
//!
//! Rajapaksa and Khalvati (2022), section B: "a 3D U-net model with a segmented superpixel as input and a perturbation
//! mask as the output". The input is the scan, zero outside the region; the output, after a sigmoid, is one value per
//! channel and voxel, of which the region takes its own. [`train`] holds the training.

mod loss;
mod network;
pub mod train;

pub use loss::perturbation_loss;
pub use network::LearnedFill;
