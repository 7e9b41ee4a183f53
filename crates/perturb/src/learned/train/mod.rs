//! Training of the learned fill: passes over the regions of a few scans, with a frozen classifier.
//!
//! Rajapaksa and Khalvati (2022), section B: "trained on superpixels generated with four randomly selected
//! samples from the training set", with Adam. Each step isolates a few regions, fills them with the output of the
//! U-Net (in training mode), computes the classifier's probability (in evaluation mode), and propagates the gradient of
//! [`perturbation_loss`](super::perturbation_loss) through the classifier into the U-Net. Another
//! [`Variant`](super::Variant) has the gradient of [`signed_loss`](super::signed_loss).

mod batch;
mod config;
mod trainer;

pub use batch::FillCase;
pub use config::{FillConfig, ValidFillConfig};
pub use trainer::{FillStep, FillTrainer, Logits, PassRecord};
