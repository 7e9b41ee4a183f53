//! Training, validation and test splits: seeded, stratified by class, and without dividing a patient.

mod assign;
mod sizes;

pub use assign::{assign, draw, draw_validation, folds};
pub use sizes::{Counts, Fractions, Sizes, ValidSizes};
