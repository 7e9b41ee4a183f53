//! This crate beside PyTorch and MONAI, on their own values; `tests/fixtures/make.py` made them.

#![allow(clippy::unwrap_used, reason = "a test that can't go on has failed")]

mod adam;
mod fixture;
mod loss;
mod plan;
mod resnet;
mod unet;
