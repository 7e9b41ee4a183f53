#![doc = include_str!("../README.md")]

#[macro_use]
mod valid;

pub mod adam;
pub mod checkpoint;
mod densenet;
mod device;
pub mod engine;
mod error;
pub mod graph;
pub mod init;
pub mod layers;
pub mod loss;
pub mod memory;
pub mod onnx;
mod parameters;
pub mod plan;
mod resnet;
pub mod train;
mod unet;
pub mod windows;

pub use conv3d::Precision;
pub use densenet::{DenseNetConfig, ValidDenseNetConfig};
pub use device::{device, device_with};
pub use error::Error;
pub use parameters::{Parameters, frozen};
pub use resnet::{ResNet3d, ResNetConfig, Shortcut, ValidResNetConfig};
pub use unet::{UNet3d, UNetConfig, ValidUNetConfig};

/// The tensor library of this crate.
pub use candle_core;
/// Source of a network's parameters.
pub use candle_nn::VarBuilder;
/// The operations of the networks.
pub use conv3d;
