//! Fills that are learned: a U-Net that predicts a region's new values.
//!
//! Rajapaksa and Khalvati (2022), section B: "a 3D U-net model with a segmented superpixel as input and a perturbation
//! mask as the output". The input is the scan, zero outside the region; the output, after a sigmoid, is one value per
//! channel and voxel, of which the region takes its own. [`train`] holds the training.
//!
//! The other [`Variant`]s are ours. The paper's loss rewards any change, also of a region that means nothing to the
//! classifier, into which the U-Net may put whatever does. They reward only what takes the predicted class away, and one of
//! them can put nothing into a region that the scan does not hold elsewhere.

mod isolate;
mod loss;
mod network;
mod tissues;
pub mod train;
mod variant;

pub use loss::{perturbation_loss, signed_loss};
pub use network::LearnedFill;
pub use tissues::Tissues;
pub use variant::Variant;
