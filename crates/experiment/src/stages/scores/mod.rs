//! Region scores: a CSV for each case, partition and fill.
//!
//! Source: Rajapaksa and Khalvati (2022), section B.

pub mod fill_record;
mod make;
mod read;

pub use make::{ScoreRequest, Scorer, constant_fill, run};
pub use read::read_csv;
