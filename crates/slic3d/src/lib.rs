#![doc = include_str!("../README.md")]

mod connectivity;
mod error;
mod gaussian;
mod grid;
mod kmeans;
mod labels;
mod mask_seeds;
mod pipeline;
mod prefetch;
mod random_state;
mod report;
mod rescale;
mod segment;
mod settings;
mod supervoxels;
#[cfg(test)]
mod synthetic;
mod valid;
mod widest;

pub use error::Error;
pub use report::Report;
pub use settings::{Sigma, Slic};
pub use supervoxels::Supervoxels;
pub use valid::ValidSlic;
