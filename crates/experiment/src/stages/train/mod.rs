//! Training of the classifier: a checkpoint after each epoch, a state to resume from, and the selected epoch.
//!
//! Source: Rajapaksa and Khalvati (2022), section B: Adam, binary cross-entropy, the epoch with the highest validation
//! accuracy, ties broken by the lower validation loss, then by the earlier epoch. Alternatively the last epoch.

mod epochs;
mod former;
mod history;
mod images;
mod member;
mod stage;
pub mod weights;

pub use history::{HistoryRow, history, selected_epoch};
pub use member::Member;
pub use stage::{require, require_started, run};
