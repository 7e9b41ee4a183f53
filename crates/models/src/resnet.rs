//! 3D residual networks: "Learning Spatio-Temporal Features with 3D Residual Networks for Action Recognition",
//! Hara, Kataoka and Satoh 2017, <https://arxiv.org/abs/1708.07632>, after He et al. 2016.
//!
//! Parameters have the names of MONAI's `resnet`, so that its state dicts load as they are.

use crate::{
    Error,
    graph::{Activation, Builder, Graph, Operation, Padding, Pool, Value},
    layers::{BatchNorm3d, Conv3d, Linear},
};
use candle_core::{Result as TensorResult, Tensor};
use candle_nn::VarBuilder;
use conv3d::{Conv3dParams, Pool3dParams};
use serde::{Deserialize, Serialize};

/// Shortcut of a block whose input and output shapes differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Shortcut {
    /// Every stride-th voxel, with zeros for the additional channels; no parameters.
    A,
    /// A convolution of kernel 1 with batch norm.
    B,
}

/// Configuration of a [`ResNet3d`].
///
/// Settings that are left out of a serialised configuration have their default; those that have it are not written,
/// except for the first five.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResNetConfig {
    /// Number of layers with weights: 10, 18 or 34 (basic blocks), 50, 101, 152 or 200 (bottlenecks).
    pub depth: usize,
    /// Input channels.
    pub in_channels: usize,
    /// Channels of the stem and of the first stage, doubled at each later stage; 64 in the literature.
    pub width: usize,
    /// Stride of the first convolution, `[z, y, x]`; written as one number if the axes agree.
    #[serde(with = "by_axis")]
    pub stem_stride: [usize; 3],
    /// Shortcut between different shapes.
    pub shortcut: Shortcut,
    /// Kernel of the first convolution, `[z, y, x]`, padded by half of it; 7 in the literature.
    #[serde(with = "by_axis", default = "stem_kernel", skip_serializing_if = "is_stem_kernel")]
    pub stem_kernel: [usize; 3],
    /// Whether a max-pooling (window 3, stride 2) follows the first convolution; MONAI's `no_max_pool` is the opposite.
    #[serde(default = "max_pool", skip_serializing_if = "Clone::clone")]
    pub max_pool: bool,
    /// Outputs of the last layer, `k`.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub outputs: usize,
}

impl Default for ResNetConfig {
    fn default() -> Self {
        Self {
            depth: 18,
            in_channels: 4,
            width: 64,
            stem_stride: [2; 3],
            shortcut: Shortcut::B,
            stem_kernel: stem_kernel(),
            max_pool: max_pool(),
            outputs: one(),
        }
    }
}

fn stem_kernel() -> [usize; 3] {
    [7; 3]
}

fn is_stem_kernel(kernel: &[usize; 3]) -> bool {
    *kernel == stem_kernel()
}

fn max_pool() -> bool {
    true
}

fn one() -> usize {
    1
}

fn is_one(outputs: &usize) -> bool {
    *outputs == one()
}

/// Sizes along z, y and x: one number if they agree, a list of three otherwise.
mod by_axis {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    #[serde(untagged, expecting = "expected a number or a list of three, [z, y, x]")]
    enum Sizes {
        All(usize),
        Each([usize; 3]),
    }

    pub fn serialize<S: Serializer>(&[z, y, x]: &[usize; 3], serializer: S) -> Result<S::Ok, S::Error> {
        let sizes = if z == y && y == x { Sizes::All(z) } else { Sizes::Each([z, y, x]) };
        sizes.serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<[usize; 3], D::Error> {
        Ok(match Sizes::deserialize(deserializer)? {
            Sizes::All(size) => [size; 3],
            Sizes::Each(sizes) => sizes,
        })
    }
}

valid! {
    /// A configuration that is in range; see [`ResNetConfig::check`].
    #[derive(Eq, Hash)]
    pub struct ValidResNetConfig(ResNetConfig);
}

impl ResNetConfig {
    /// Returns the number of blocks per stage and whether they are bottlenecks.
    fn stages(&self) -> Result<([usize; 4], bool), Error> {
        let stages = STAGES.into_iter().find(|(depth, ..)| *depth == self.depth);
        stages.map(|(_, blocks, bottleneck)| (blocks, bottleneck)).ok_or_else(|| Error::InvalidSetting {
            setting: "depth",
            expected: "10, 18, 34, 50, 101, 152 or 200".to_owned(),
            found: self.depth.to_string(),
        })
    }

    /// Validates the configuration.
    ///
    /// # Errors
    /// Returns [`Error::InvalidSetting`] for the first setting that is out of range.
    pub fn check(self) -> Result<ValidResNetConfig, Error> {
        self.stages()?;
        let sizes = [
            ("in_channels", 4096, [self.in_channels; 3]),
            ("width", 4096, [self.width; 3]),
            ("stem_stride", 4096, self.stem_stride),
            ("stem_kernel", 64, self.stem_kernel),
            ("outputs", 65536, [self.outputs; 3]),
        ];
        for (setting, most, values) in sizes {
            if let Some(value) = values.into_iter().find(|value| !(1..=most).contains(value)) {
                let expected = format!("1 to {most}");
                return Err(Error::InvalidSetting { setting, expected, found: value.to_string() });
            }
        }
        Ok(ValidResNetConfig(self))
    }
}

/// Depth, blocks per stage, and whether they are bottlenecks.
pub(crate) const STAGES: [(usize, [usize; 4], bool); 7] = [
    (10, [1, 1, 1, 1], false),
    (18, [2, 2, 2, 2], false),
    (34, [3, 4, 6, 3], false),
    (50, [3, 4, 6, 3], true),
    (101, [3, 4, 23, 3], true),
    (152, [3, 8, 36, 3], true),
    (200, [3, 24, 36, 3], true),
];

/// A residual network with `k` outputs.
#[derive(Debug, Clone)]
pub struct ResNet3d {
    pub(crate) stem: Conv3d,
    pub(crate) stem_norm: BatchNorm3d,
    /// Whether [`ResNet3d::POOL`] follows the stem.
    pub(crate) max_pool: bool,
    pub(crate) stages: Vec<Vec<Block>>,
    pub(crate) head: Linear,
}

impl ResNet3d {
    /// Window and stride of the pooling after the stem.
    pub(crate) const POOL: Pool3dParams = Pool3dParams { kernel: [3; 3], stride: [2; 3], padding: [1; 3] };

    /// Builds the network with the parameters of `vb`.
    ///
    /// # Errors
    /// Returns [`Error::InvalidSetting`] if `config` is out of range, or the error of `vb` if a parameter does not fit.
    pub fn new(config: &ResNetConfig, vb: VarBuilder) -> Result<Self, Error> {
        let config = config.clone().check()?;
        let (blocks, bottleneck) = config.stages()?;
        let (kernel, stride) = (config.stem_kernel, config.stem_stride);
        let params = Conv3dParams { stride, padding: kernel.map(|size| size / 2), dilation: [1; 3] };
        let stem = Conv3d::with_params([config.in_channels, config.width], kernel, params, vb.pp("conv1"))?;
        let stem_norm = BatchNorm3d::new(config.width, vb.pp("bn1"))?;
        let mut channels = config.width;
        let mut stages = Vec::new();
        for (stage, &count) in blocks.iter().enumerate() {
            let planes = config.width << stage;
            let vb = vb.pp(format!("layer{}", stage + 1));
            let mut layers = Vec::new();
            for index in 0..count {
                let stride = if stage > 0 && index == 0 { 2 } else { 1 };
                let block = Block::new(channels, planes, stride, bottleneck, config.shortcut, vb.pp(index))?;
                channels = if bottleneck { 4 * planes } else { planes };
                layers.push(block);
            }
            stages.push(layers);
        }
        let head = Linear::new([channels, config.outputs], vb.pp("fc"))?;
        Ok(Self { stem, stem_norm, max_pool: config.max_pool, stages, head })
    }

    /// Returns the number of outputs, `k`.
    pub fn outputs(&self) -> usize {
        self.head.parameters().1.elem_count()
    }

    /// Returns the network in evaluation mode as a graph. Its nodes have the names of MONAI's modules.
    ///
    /// # Errors
    /// Returns [`Error::Candle`] if the parameters cannot be copied from their device.
    pub fn graph(&self) -> Result<Graph, Error> {
        let mut builder = Builder::new(self.stem.weight().dim(1)?);
        let mut at = builder.add("conv1", self.stem.operation()?, &[builder.image()])?;
        at = builder.add("bn1", self.stem_norm.operation()?, &[at])?;
        at = builder.add("act", Operation::Activation(Activation::Relu), &[at])?;
        if self.max_pool {
            at = builder.add("maxpool", Operation::MaxPool(Self::POOL.into()), &[at])?;
        }
        for (stage, blocks) in self.stages.iter().enumerate() {
            for (index, block) in blocks.iter().enumerate() {
                at = block.add_to(&mut builder, &format!("layer{}.{index}", stage + 1), at)?;
            }
        }
        at = builder.add("avgpool", Operation::GlobalMean, &[at])?;
        at = builder.add("fc", self.head.operation()?, &[at])?;
        Ok(builder.finish(at))
    }

    /// Computes the outputs of the last layer: logits, or whatever the network was trained to give.
    ///
    /// # Shapes
    /// `[n, c, d, h, w]` to `[n, k]`.
    ///
    /// # Errors
    /// Returns an error if `x` does not fit the network.
    pub fn forward_t(&self, x: &Tensor, train: bool) -> TensorResult<Tensor> {
        self.head(&self.features_t(x, train)?)
    }

    /// Computes the output of the last residual stage.
    ///
    /// # Shapes
    /// `[n, c, d, h, w]` to `[n, 8·width (·4 from depth 50), d/(16·stem stride), …]`, sizes rounded up at each halving;
    /// without the max-pooling twice as large.
    ///
    /// # Errors
    /// Returns an error if `x` does not fit the network.
    pub fn features_t(&self, x: &Tensor, train: bool) -> TensorResult<Tensor> {
        let x = self.stem_norm.forward_t(&self.stem.forward(x)?, train, true)?;
        let mut x = self.pool(x)?;
        for block in self.stages.iter().flatten() {
            x = block.forward_t(&x, train)?;
        }
        Ok(x)
    }

    /// Computes the max-pooling after the stem, if the network has one.
    pub(crate) fn pool(&self, x: Tensor) -> TensorResult<Tensor> {
        if self.max_pool { conv3d::max_pool3d(&x, Self::POOL) } else { Ok(x) }
    }

    /// Computes the outputs from [`ResNet3d::features_t`]: global mean, then linear.
    ///
    /// # Shapes
    /// `[n, c, d, h, w]` to `[n, k]`.
    ///
    /// # Errors
    /// Returns an error if `features` do not fit the network.
    pub fn head(&self, features: &Tensor) -> TensorResult<Tensor> {
        self.head.forward(&conv3d::global_avg_pool3d(features)?)
    }
}

/// Convolutions with batch norm, and their shortcut.
#[derive(Debug, Clone)]
pub(crate) struct Block {
    pub(crate) layers: Vec<(Conv3d, BatchNorm3d)>,
    pub(crate) shortcut: ShortcutLayer,
}

#[derive(Debug, Clone)]
pub(crate) enum ShortcutLayer {
    Identity,
    Padded { stride: usize, channels: usize },
    Projected(Box<(Conv3d, BatchNorm3d)>),
}

impl Block {
    fn new(
        from: usize,
        planes: usize,
        stride: usize,
        bottleneck: bool,
        shortcut: Shortcut,
        vb: VarBuilder,
    ) -> TensorResult<Self> {
        let to = if bottleneck { 4 * planes } else { planes };
        // [from, to], kernel, stride
        let shapes = if bottleneck {
            vec![([from, planes], 1, 1), ([planes, planes], 3, stride), ([planes, to], 1, 1)]
        } else {
            vec![([from, planes], 3, stride), ([planes, to], 3, 1)]
        };
        let mut layers = Vec::new();
        for (index, (channels, kernel, stride)) in shapes.into_iter().enumerate() {
            let conv = vb.pp(format!("conv{}", index + 1));
            let norm = vb.pp(format!("bn{}", index + 1));
            layers.push((
                Conv3d::new(channels, kernel, stride, kernel / 2, conv)?,
                BatchNorm3d::new(channels[1], norm)?,
            ));
        }
        let shortcut = match shortcut {
            _ if stride == 1 && from == to => ShortcutLayer::Identity,
            Shortcut::A => ShortcutLayer::Padded { stride, channels: to },
            Shortcut::B => {
                let (conv_vb, norm_vb) = (vb.pp("downsample.0"), vb.pp("downsample.1"));
                let mut conv = Conv3d::new([from, to], 1, stride, 0, conv_vb.clone())?;
                // MONAI's weights have this bias; MedicalNet's do not.
                if conv_vb.contains_tensor("bias") {
                    conv = conv.with_bias(conv_vb)?;
                }
                ShortcutLayer::Projected(Box::new((conv, BatchNorm3d::new(to, norm_vb)?)))
            }
        };
        Ok(Self { layers, shortcut })
    }

    /// Adds its operations to a graph.
    fn add_to(&self, builder: &mut Builder, name: &str, input: Value) -> Result<Value, Error> {
        let named = |part: &str| format!("{name}.{part}");
        let shortcut = match &self.shortcut {
            ShortcutLayer::Identity => input,
            ShortcutLayer::Padded { stride, channels } => {
                let after = channels - builder.form(input).channels();
                let pool = Pool { kernel: [1; 3], stride: [*stride; 3], padding: Padding::default() };
                let pool = Operation::MeanPool { pool, count_padding: true };
                let kept = builder.add(named("downsample.pool"), pool, &[input])?;
                builder.add(named("downsample.pad"), Operation::PadChannels { before: 0, after }, &[kept])?
            }
            ShortcutLayer::Projected(layers) => {
                let at = builder.add(named("downsample.0"), layers.0.operation()?, &[input])?;
                builder.add(named("downsample.1"), layers.1.operation()?, &[at])?
            }
        };
        let relu = || Operation::Activation(Activation::Relu);
        let mut at = input;
        for (index, (conv, norm)) in self.layers.iter().enumerate() {
            if index > 0 {
                at = builder.add(named("act"), relu(), &[at])?;
            }
            at = builder.add(named(&format!("conv{}", index + 1)), conv.operation()?, &[at])?;
            at = builder.add(named(&format!("bn{}", index + 1)), norm.operation()?, &[at])?;
        }
        at = builder.add(named("add"), Operation::Add, &[at, shortcut])?;
        builder.add(named("act"), relu(), &[at])
    }

    fn forward_t(&self, x: &Tensor, train: bool) -> TensorResult<Tensor> {
        let shortcut = match &self.shortcut {
            ShortcutLayer::Identity => x.clone(),
            ShortcutLayer::Padded { stride, channels } => {
                let kept = conv3d::avg_pool3d(x, Pool3dParams::cubic(1, *stride, 0))?;
                let more = channels - kept.dim(1)?;
                kept.pad_with_zeros(1, 0, more)?
            }
            ShortcutLayer::Projected(layers) => layers.1.forward_t(&layers.0.forward(x)?, train, false)?,
        };
        let mut y = x.clone();
        let last = self.layers.len() - 1;
        for (index, (conv, norm)) in self.layers.iter().enumerate() {
            y = norm.forward_t(&conv.forward(&y)?, train, index < last)?;
        }
        conv3d::add_relu(&y, &shortcut)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_usual_configuration_is_written_as_before_it_had_stems_and_outputs() {
        let usual = ResNetConfig::default();
        let json = r#"{"depth":18,"in_channels":4,"width":64,"stem_stride":2,"shortcut":"B"}"#;
        assert_eq!(serde_json::to_string(&usual).unwrap(), json);
        assert_eq!(serde_json::from_str::<ResNetConfig>(json).unwrap(), usual);
    }

    #[test]
    fn other_configurations_read_as_they_were_written() {
        let config = ResNetConfig {
            stem_stride: [1, 2, 2],
            stem_kernel: [3, 7, 7],
            max_pool: false,
            outputs: 3,
            ..ResNetConfig::default()
        };
        let json = serde_json::to_string(&config).unwrap();
        assert!(json.contains(r#""stem_stride":[1,2,2]"#) && json.contains(r#""outputs":3"#), "{json}");
        assert_eq!(serde_json::from_str::<ResNetConfig>(&json).unwrap(), config);
        assert!(serde_json::from_str::<ResNetConfig>(&json.replace("[1,2,2]", "[1,2]")).is_err());
    }

    #[test]
    fn settings_out_of_range_are_named() {
        let check = |config: ResNetConfig| config.check().unwrap_err().to_string();
        let usual = ResNetConfig::default;
        assert!(check(ResNetConfig { depth: 19, ..usual() }).contains("depth: expected 10, 18"));
        assert!(check(ResNetConfig { stem_stride: [1, 0, 1], ..usual() }).contains("stem_stride"));
        assert!(check(ResNetConfig { stem_kernel: [7, 7, 65], ..usual() }).contains("stem_kernel"));
        assert!(
            check(ResNetConfig { outputs: 0, ..usual() }).contains("outputs: expected 1 to 65536, found 0")
        );
    }
}
