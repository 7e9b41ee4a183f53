//! How the learned fill learns: passes over the regions of a few scans, the classifier frozen.
//!
//! Rajapaksa and Khalvati (2022), section B: "trained on superpixels generated with four randomly selected
//! samples from the training set", with Adam. Each step isolates a few regions, fills them with what the U-Net
//! (in training mode) makes of them, asks the classifier (in evaluation mode) for the probability, and follows
//! the gradient of [`perturbation_loss`](super::perturbation_loss) through the classifier into the U-Net.

mod batch;
mod config;
mod trainer;

pub use batch::FillCase;
pub use config::{FillConfig, ValidFillConfig};
pub use trainer::{FillStep, FillTrainer, Logits, PassRecord};
