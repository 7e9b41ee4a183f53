//! Tests across crates are in `tests/tests`; this library compiles and runs the examples of the README.

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
