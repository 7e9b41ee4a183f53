//! Evaluation of scores and maps: `summary.json`, `cases.json` and `tables/*.csv`.

mod aggregate;
mod cases;
mod controls;
mod correlation;
mod differences;
mod evidence;
mod files;
mod fill;
pub mod pool;
pub mod spread;
mod stage;
mod summarise;

pub use cases::CaseDice;
pub use files::{CASES, FOCUS, FOUND, SUMMARY};
pub use stage::{require, run, summary};
