//! Tests of fills, by subject. One program: each further one would be linked with all dependencies.

#![allow(clippy::unwrap_used, reason = "a failed test panics")]

mod constant;
mod learned;
mod variants;
