//! ONNX files: PyTorch's outputs for networks of many kinds (`tests/fixtures/onnx/make_onnx.py` made them), and files that
//! must be refused.

#![allow(clippy::unwrap_used, reason = "a failed test panics")]

mod build;
mod header;
mod hostile;
mod interpreter;
mod networks;
mod operators;
#[allow(dead_code, reason = "other tests use more of it")]
#[path = "../../../conv3d/tests/parity/fixture.rs"]
mod peers;
