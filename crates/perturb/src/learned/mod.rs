//! A U-Net that learns what to replace a region by.
//!
//! Rajapaksa and Khalvati (2022), section B: "a 3D U-net model with a segmented superpixel as input and a
//! perturbation mask as the output". Its input is the study with all but the region zeroed, its output, after
//! a sigmoid, one value per sequence and voxel; the region takes that, the rest of the scan stays.
//! [`train`] is how it learns.

mod loss;
mod network;
pub mod train;

pub use loss::perturbation_loss;
pub use network::LearnedFill;
