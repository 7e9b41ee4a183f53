#![doc = include_str!("../README.md")]

pub mod commands;
pub mod config;
pub mod device;
pub mod failure;
pub mod interrupt;
pub mod memory;
mod multi_run;
mod pipeline;
pub mod program;
pub mod progress;
pub mod run;
pub mod stages;
mod place {
    pub use crate::device::batch_size_notice as say_smaller_batches;
}
