//! The experiment of the paper as a library: configuration, run folders, and the stages from cohort to report.
//!
//! - [`config`]: every key of a run, its profiles, and where values come from;
//! - [`mod@run`]: a run's folder, what it holds and when an artefact is current;
//! - [`stages`]: one file a stage: what it reads and what it writes;
//! - [`commands`]: the stages that each command of the program runs.
//!
//! The programs `relevox` and `cargo xtask` are thin layers over [`commands`].

pub mod commands;
pub mod config;
pub mod failure;
pub mod interrupt;
pub mod memory;
pub mod place;
pub mod program;
pub mod progress;
pub mod run;
mod several;
pub mod stages;
