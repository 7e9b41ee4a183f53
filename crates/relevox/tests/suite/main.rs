//! Tests of the program and its library, by subject. One program: each further one would be linked with all dependencies.

#![allow(clippy::unwrap_used, reason = "a failed test panics")]

mod averaged;
mod bad_input;
mod cases;
mod command;
mod contract;
mod difficulty;
mod explain;
mod faults;
mod folders;
mod for_label;
mod harness;
mod inspect;
mod left_out;
mod library;
mod methods;
mod networks;
mod orientations;
mod portable;
mod program;
mod recomputed;
mod report;
mod resume;
mod runtime;
mod scans;
mod several;
mod shards;
mod targets;
mod tensor;
mod training;
mod verify;
mod view;
