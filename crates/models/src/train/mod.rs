//! Training: epochs over seeded, shuffled batches, Adam, and a state to resume from.
//!
//! [`Trainer`] holds the loop, the optimiser and the state of whatever is [`Trainable`]; [`ClassifierTrainer`]
//! trains a residual network.

mod classification;
mod config;
mod gradients;
mod part;
mod trainer;

pub use classification::{Classification, ClassifierTrainer, EpochRecord, Phase, Step};
pub use config::{Schedule, TrainConfig, ValidTrainConfig};
pub use part::{Measured, Part};
pub use trainer::{Done, Stop, Trainable, Trainer, TrainerConfig};

/// Labelled images to train on or to validate with.
pub trait Examples: Sync {
    /// Returns the number of examples.
    fn len(&self) -> usize;

    /// Returns whether there are no examples.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the shape of every image, `[c, z, y, x]`.
    fn shape(&self) -> [usize; 4];

    /// Returns whether an example is positive.
    fn label(&self, index: usize) -> bool;

    /// Returns an image in row-major order. With an epoch (from 1) it may be augmented, by a draw that depends on index
    /// and epoch only; without one it is the image itself.
    ///
    /// # Errors
    /// Returns an error that names the example if it cannot be loaded.
    fn image(
        &self,
        index: usize,
        epoch: Option<usize>,
    ) -> Result<Vec<f32>, Box<dyn std::error::Error + Send + Sync>>;
}
