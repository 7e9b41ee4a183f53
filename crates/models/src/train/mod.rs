//! Training a classifier: epochs over seeded, shuffled batches, Adam, and a state from which training goes on
//! to the same bytes.

mod config;
mod parts;
mod trainer;

pub use config::{Schedule, TrainConfig};
pub use trainer::{EpochRecord, Phase, Step, Trainer};

/// Labelled images to train on or to validate with.
pub trait Examples: Sync {
    /// How many there are.
    fn len(&self) -> usize;

    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The shape of every image, `[c, z, y, x]`.
    fn shape(&self) -> [usize; 4];

    /// Whether an example is positive.
    fn label(&self, index: usize) -> bool;

    /// An image in row-major order. With an epoch (from 1) it may be augmented, by a draw that depends on
    /// nothing but index and epoch; without, it is the image itself.
    ///
    /// # Errors
    /// If the image cannot be had; the error says which.
    fn image(
        &self,
        index: usize,
        epoch: Option<usize>,
    ) -> Result<Vec<f32>, Box<dyn std::error::Error + Send + Sync>>;
}
