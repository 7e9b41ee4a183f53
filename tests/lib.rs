//! Tests that cross crates stand in `tests/tests`; this library holds what the README's examples must do: compile and run.

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
