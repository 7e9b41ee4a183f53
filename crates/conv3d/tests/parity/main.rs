//! The operations against PyTorch's values, which `tests/fixtures/make.py` computed.

#![allow(clippy::unwrap_used, reason = "a failed test panics")]

mod fixture;
mod operations;
