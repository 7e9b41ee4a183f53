//! 3D residual networks and U-Nets on candle: operations, training, checkpoints, inference.
//!
//! candle has no convolution, transposed convolution or pooling of volumes; [`conv3d`] adds them, with gradients,
//! on every device (`cuda`, with cuDNN, and `metal` are features). On them stand [`ResNet3d`] (Hara et al. 2018, the key names of MONAI's `resnet`, so that
//! its weights load as they are) and [`UNet3d`] (Çiçek et al. 2016), their seeded initialisation ([`init`]),
//! [`train`]ing with Adam, [`checkpoint`]s in safetensors, and the inference [`plan`] that either network compiles to
//! on the CPU.
//!
//! Batches are `[n, c, z, y, x]`, float32. A classifier returns one logit per example.
//!
//! ```
//! use relevox_models::{Parameters, ResNet3d, ResNetConfig, candle_core::Tensor, checkpoint, device};
//!
//! let device = device("cpu")?;
//! let config = ResNetConfig { depth: 10, width: 4, ..ResNetConfig::default() };
//! let parameters = Parameters::seeded(7, &device);
//! let network = ResNet3d::new(&config, parameters.builder())?;
//! let study = Tensor::zeros((1, 4, 20, 24, 20), candle_core::DType::F32, &device)?;
//! let logit = network.forward_t(&study, false)?.to_vec1::<f32>()?[0];
//! let metadata = checkpoint::Metadata::new(checkpoint::Network::Resnet(config), "my scans".into());
//! let folder = tempfile::tempdir()?;
//! checkpoint::save(&folder.path().join("net.safetensors"), &parameters.tensors(), &metadata)?;
//! let again = checkpoint::load_resnet(&folder.path().join("net.safetensors"), None, &device)?;
//! assert_eq!(again.network.forward_t(&study, false)?.to_vec1::<f32>()?[0], logit);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Threads
//! candle's matrix products and convolutions divide rows and columns among threads, never a sum, and this crate's
//! kernels cut their work by shape alone: on one machine a result is the same bytes whatever the number of threads
//! (`tests/training.rs` trains in processes with 1, 2 and 3).

pub mod adam;
pub mod checkpoint;
mod device;
pub mod engine;
mod error;
pub mod init;
pub mod layers;
pub mod loss;
pub mod memory;
mod parameters;
pub mod plan;
mod resnet;
pub mod train;
mod unet;
pub mod windows;

pub use conv3d::Precision;
pub use device::{device, device_with};
pub use error::Error;
pub use parameters::{Parameters, frozen};
pub use resnet::{ResNet3d, ResNetConfig, Shortcut};
pub use unet::{UNet3d, UNetConfig};

/// The tensor library this crate stands on, for callers that hand tensors in.
pub use candle_core;
/// Where networks take their parameters from.
pub use candle_nn::VarBuilder;
/// The operations that networks are made of.
pub use conv3d;
