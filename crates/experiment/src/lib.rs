#![doc = include_str!("../README.md")]

pub mod commands;
pub mod config;
pub mod device;
pub mod failure;
pub mod interrupt;
pub mod memory;
mod multi_run;
mod opening;
mod pipeline;
pub mod program;
pub mod progress;
pub mod run;
pub mod shard;
pub mod stage;
pub mod stages;
pub mod steps;
