//! A U-Net of volumes: "3D U-Net: Learning Dense Volumetric Segmentation from Sparse Annotation", Çiçek et al.
//! 2016, <https://doi.org/10.1007/978-3-319-46723-8_49>.
//!
//! Each level has two convolutions of kernel 3 with batch norm and ReLU. Levels are connected by max-pooling on the way
//! down and by transposed convolutions on the way up, where the skipped features are concatenated.

use crate::{
    Error,
    graph::{Activation, Builder, Graph, Operation, Value},
    layers::{BatchNorm3d, Conv3d, ConvTranspose3d},
};
use candle_core::{Result as TensorResult, Tensor};
use candle_nn::VarBuilder;
use conv3d::Pool3dParams;
use serde::{Deserialize, Serialize};

/// Configuration of a [`UNet3d`].
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UNetConfig {
    /// Input channels.
    pub in_channels: usize,
    /// Output channels.
    pub out_channels: usize,
    /// Channels per level, finest first.
    pub widths: Vec<usize>,
}

impl Default for UNetConfig {
    fn default() -> Self {
        Self { in_channels: 4, out_channels: 4, widths: vec![16, 32, 64, 128] }
    }
}

valid! {
    /// A configuration that is in range; see [`UNetConfig::check`].
    #[derive(Eq, Hash)]
    pub struct ValidUNetConfig(UNetConfig);
}

impl UNetConfig {
    /// Validates the configuration.
    ///
    /// # Errors
    /// Returns [`Error::InvalidSetting`] for the first setting that is out of range.
    pub fn check(self) -> Result<ValidUNetConfig, Error> {
        let refuse = |key, expected: &str, found: String| {
            Err(Error::InvalidSetting { setting: key, expected: expected.to_owned(), found })
        };
        if !(1..=8).contains(&self.widths.len()) {
            return refuse("widths", "1 to 8 levels", format!("{}", self.widths.len()));
        }
        if let Some(width) = self.widths.iter().find(|width| !(1..=4096).contains(*width)) {
            return refuse("widths", "1 to 4096 channels by level", width.to_string());
        }
        for (key, value) in [("in_channels", self.in_channels), ("out_channels", self.out_channels)] {
            if !(1..=4096).contains(&value) {
                return refuse(key, "1 to 4096", value.to_string());
            }
        }
        Ok(ValidUNetConfig(self))
    }
}

/// A U-Net, without an activation after its last convolution.
#[derive(Debug, Clone)]
pub struct UNet3d {
    pub(crate) down: Vec<Level>,
    pub(crate) up: Vec<(ConvTranspose3d, Level)>,
    pub(crate) last: Conv3d,
}

impl UNet3d {
    /// Window and stride of the pooling between levels.
    pub(crate) const POOL: Pool3dParams = Pool3dParams { kernel: [2; 3], stride: [2; 3], padding: [0; 3] };

    /// Builds the network with the parameters of `vb`: `down.L.{conv1,bn1,conv2,bn2}`, `up.L.…` likewise with
    /// `up.L.transposed`, L the level from 0, the finest, and `last`.
    ///
    /// # Errors
    /// Returns [`Error::InvalidSetting`] if `config` is out of range, or the error of `vb` if a parameter does not fit.
    pub fn new(config: &UNetConfig, vb: VarBuilder) -> Result<Self, Error> {
        let config = config.clone().check()?;
        let mut down = Vec::new();
        let mut channels = config.in_channels;
        for (level, &width) in config.widths.iter().enumerate() {
            down.push(Level::new([channels, width], vb.pp("down").pp(level))?);
            channels = width;
        }
        let mut up = Vec::new();
        for (level, widths) in config.widths.windows(2).enumerate().rev() {
            let [fine, coarse] = [widths[0], widths[1]];
            let vb = vb.pp("up").pp(level);
            let transposed = ConvTranspose3d::new([coarse, fine], 2, vb.pp("transposed"))?;
            up.push((transposed, Level::new([2 * fine, fine], vb)?));
        }
        let vb = vb.pp("last");
        let last =
            Conv3d::new([config.widths[0], config.out_channels], 1, 1, 0, vb.clone())?.with_bias(vb)?;
        Ok(Self { down, up, last })
    }

    /// Returns the network in evaluation mode as a graph.
    ///
    /// Unlike [`UNet3d::forward_t`] the graph does not pad: it takes images whose sizes are divisible by 2 at every level.
    ///
    /// # Errors
    /// Returns [`Error::Candle`] if the parameters cannot be copied from their device.
    pub fn graph(&self) -> Result<Graph, Error> {
        let mut builder = Builder::new(self.down[0].layers[0].0.weight().dim(1)?);
        let mut at = builder.image();
        let mut skipped = Vec::new();
        for (index, level) in self.down.iter().enumerate() {
            let name = format!("down.{index}");
            if index > 0 {
                at = builder.add(format!("{name}.pool"), Operation::MaxPool(Self::POOL.into()), &[at])?;
            }
            at = level.add_to(&mut builder, &name, at)?;
            skipped.push(at);
        }
        skipped.pop();
        for ((index, (transposed, level)), beside) in
            (0..self.up.len()).rev().zip(&self.up).zip(skipped.into_iter().rev())
        {
            let name = format!("up.{index}");
            let enlarged = builder.add(format!("{name}.transposed"), transposed.operation()?, &[at])?;
            at = builder.add(format!("{name}.concatenation"), Operation::Concat, &[beside, enlarged])?;
            at = level.add_to(&mut builder, &name, at)?;
        }
        at = builder.add("last", self.last.operation()?, &[at])?;
        Ok(builder.finish(at))
    }

    /// Computes the output, before any activation.
    ///
    /// Sizes that are not divisible by 2 at every level are padded with zeros at their far ends, and the output is cropped
    /// to the input's size.
    ///
    /// # Shapes
    /// `[n, in, d, h, w]` to `[n, out, d, h, w]`.
    ///
    /// # Errors
    /// Returns an error if `x` does not fit the network.
    pub fn forward_t(&self, x: &Tensor, train: bool) -> TensorResult<Tensor> {
        let (_, _, d, h, w) = x.dims5()?;
        let multiple = 1usize << self.up.len();
        let mut x = x.clone();
        for (dim, size) in [(2, d), (3, h), (4, w)] {
            x = x.pad_with_zeros(dim, 0, size.next_multiple_of(multiple) - size)?;
        }
        let mut skipped = Vec::new();
        for (index, level) in self.down.iter().enumerate() {
            if index > 0 {
                x = conv3d::max_pool3d(&x, Self::POOL)?;
            }
            x = level.forward_t(&x, train)?;
            skipped.push(x.clone());
        }
        skipped.pop();
        for (transposed, level) in &self.up {
            let enlarged = transposed.forward(&x)?;
            let beside = match skipped.pop() {
                Some(beside) => beside,
                None => candle_core::bail!("u-net: expected as many levels up as down"),
            };
            x = level.forward_t(&Tensor::cat(&[&beside, &enlarged], 1)?, train)?;
        }
        let y = self.last.forward(&x)?;
        if y.dims()[2..] == [d, h, w] {
            return Ok(y);
        }
        y.narrow(2, 0, d)?.narrow(3, 0, h)?.narrow(4, 0, w)?.contiguous()
    }
}

/// Two convolutions of kernel 3, each with batch norm and ReLU.
#[derive(Debug, Clone)]
pub(crate) struct Level {
    pub(crate) layers: [(Conv3d, BatchNorm3d); 2],
}

impl Level {
    fn new(channels: [usize; 2], vb: VarBuilder) -> TensorResult<Self> {
        let [from, to] = channels;
        let layer = |from: usize, index: usize| -> TensorResult<(Conv3d, BatchNorm3d)> {
            let conv = Conv3d::new([from, to], 3, 1, 1, vb.pp(format!("conv{index}")))?;
            Ok((conv, BatchNorm3d::new(to, vb.pp(format!("bn{index}")))?))
        };
        Ok(Self { layers: [layer(from, 1)?, layer(to, 2)?] })
    }

    /// Adds its operations to a graph.
    fn add_to(&self, builder: &mut Builder, name: &str, input: Value) -> Result<Value, Error> {
        let mut at = input;
        for (index, (conv, norm)) in (1..).zip(&self.layers) {
            at = builder.add(format!("{name}.conv{index}"), conv.operation()?, &[at])?;
            at = builder.add(format!("{name}.bn{index}"), norm.operation()?, &[at])?;
            at =
                builder.add(format!("{name}.relu{index}"), Operation::Activation(Activation::Relu), &[at])?;
        }
        Ok(at)
    }

    fn forward_t(&self, x: &Tensor, train: bool) -> TensorResult<Tensor> {
        let mut x = x.clone();
        for (conv, norm) in &self.layers {
            x = norm.forward_t(&conv.forward(&x)?, train, true)?;
        }
        Ok(x)
    }
}
