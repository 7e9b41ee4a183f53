//! Figures, and the report that contains all results in one file.

mod comparison;
mod convergence;
mod epochs;
mod pages;
mod pipeline;
mod results;
mod roc;
mod stage;

pub use stage::{REPORT, run};
