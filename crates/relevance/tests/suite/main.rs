//! Tests of explainers, by subject. One program: each further one would be linked with all dependencies.

#![allow(clippy::unwrap_used, reason = "a failed test panics")]

mod analytic;
mod control;
mod explainers;
mod graphs;
mod hierarchical;
mod incremental;
mod minimal_sets;
mod names;
mod region_tree;
mod softmax;
