//! The architecture of a residual network from the shapes of its weights, and what these do not tell.

use crate::resnet::STAGES;
use crate::{Error, ResNetConfig, Shortcut};
use candle_core::{DType, Tensor};
use relevox_grid::by_name;
use std::collections::BTreeMap;
use std::fmt::Debug;

/// Properties of a classifier that are stated besides its weights.
///
/// The tensors of a residual network tell its depth, width, channels, outputs, shortcut and kernel, but not the stride of
/// its first convolution nor whether a max-pooling follows it. Weights without metadata need both; nothing is assumed.
/// A stated property that contradicts the file is an error. MONAI's `resnet` functions have `stem_stride: [1; 3]`
/// (`conv1_t_stride`) and `max_pool: true` (`no_max_pool=False`) by default, MedicalNet's networks `[2; 3]` and `true`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WeightsHints {
    /// See [`ResNetConfig::depth`].
    pub depth: Option<usize>,
    /// See [`ResNetConfig::width`].
    pub width: Option<usize>,
    /// See [`ResNetConfig::in_channels`].
    pub in_channels: Option<usize>,
    /// See [`ResNetConfig::outputs`].
    pub outputs: Option<usize>,
    /// See [`ResNetConfig::stem_stride`].
    pub stem_stride: Option<[usize; 3]>,
    /// See [`ResNetConfig::max_pool`].
    pub max_pool: Option<bool>,
    /// The activation; ReLU if it is not stated.
    pub activation: Option<Activation>,
}

/// Activation after the batch norms of a residual network. Weights of networks with another one are not read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Activation {
    /// The larger of the value and 0.
    #[default]
    Relu,
}

impl Activation {
    /// All activations.
    pub const ALL: [Self; 1] = [Self::Relu];

    /// Returns the name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Relu => "relu",
        }
    }
}

by_name!(Activation, "activation", Error);

impl From<&ResNetConfig> for WeightsHints {
    /// States everything.
    fn from(config: &ResNetConfig) -> Self {
        Self {
            depth: Some(config.depth),
            width: Some(config.width),
            in_channels: Some(config.in_channels),
            outputs: Some(config.outputs),
            stem_stride: Some(config.stem_stride),
            max_pool: Some(config.max_pool),
            activation: Some(Activation::Relu),
        }
    }
}

impl WeightsHints {
    /// Validates that nothing that is stated contradicts a file's configuration.
    ///
    /// # Errors
    /// Returns [`Error::InvalidSetting`] with both values.
    pub(super) fn check(&self, stored: &ResNetConfig) -> Result<(), Error> {
        agree("depth", self.depth, stored.depth)?;
        agree("width", self.width, stored.width)?;
        agree("in_channels", self.in_channels, stored.in_channels)?;
        agree("outputs", self.outputs, stored.outputs)?;
        agree("stem_stride", self.stem_stride, stored.stem_stride)?;
        agree("max_pool", self.max_pool, stored.max_pool)
    }
}

fn agree<T: PartialEq + Debug>(setting: &'static str, stated: Option<T>, stored: T) -> Result<(), Error> {
    match stated.filter(|stated| *stated != stored) {
        None => Ok(()),
        Some(stated) => {
            let expected = format!("{stored:?}, as the weights have");
            Err(Error::InvalidSetting { setting, expected, found: format!("{stated:?}") })
        }
    }
}

/// Why weights do not give a configuration.
#[derive(Debug)]
pub(super) enum Problem {
    /// The file holds something other than the weights of a residual network.
    Other(String),
    /// Settings that weights do not tell and that were not stated.
    Unstated(Vec<&'static str>),
    /// A stated property contradicts the weights.
    Contradiction(Error),
}

impl From<String> for Problem {
    fn from(found: String) -> Self {
        Self::Other(found)
    }
}

/// Returns the configuration of a residual network with these weights, whose names had a `prefix`.
pub(super) fn resnet(
    tensors: &BTreeMap<String, Tensor>,
    prefix: &str,
    hints: &WeightsHints,
) -> Result<ResNetConfig, Problem> {
    if let Some(found) = other_network(tensors, prefix) {
        return Err(found.into());
    }
    let shape = |key: &str| tensors.get(key).map(Tensor::dims);
    let &[width, in_channels, z, y, x] = shape("conv1.weight").unwrap_or_default() else {
        let found = shape("conv1.weight").map_or(String::new(), |shape| format!(" of shape {shape:?}"));
        return Err(format!("no 3D convolution as the first layer (conv1.weight{found})").into());
    };
    let &[outputs, _] = shape("fc.weight").unwrap_or_default() else {
        return Err("no classifier (fc.weight), as of a network with feed_forward=False".to_owned().into());
    };
    if let Some((key, tensor)) = tensors.iter().find(|(_, tensor)| !is_float(tensor.dtype())) {
        return Err(format!("values that are not floating-point ({key} of {:?})", tensor.dtype()).into());
    }
    if !tensors.contains_key("bn1.running_mean") {
        return Err("no batch norm with running statistics (bn1.running_mean)".to_owned().into());
    }
    let (depth, _, _) = stages(tensors)?;
    let is_projected = tensors.keys().any(|key| key.contains(".downsample."));
    let shortcut = if is_projected { Shortcut::B } else { Shortcut::A };
    let mut config = ResNetConfig {
        depth,
        in_channels,
        width,
        shortcut,
        stem_kernel: [z, y, x],
        outputs,
        stem_stride: hints.stem_stride.unwrap_or([1; 3]),
        max_pool: hints.max_pool.unwrap_or(true),
    };
    hints.check(&config).map_err(Problem::Contradiction)?;
    match (hints.stem_stride, hints.max_pool) {
        (Some(stem_stride), Some(max_pool)) => {
            (config.stem_stride, config.max_pool) = (stem_stride, max_pool);
            Ok(config)
        }
        (stride, pool) => {
            let missing = [("stem_stride", stride.is_none()), ("max_pool", pool.is_none())];
            let missing = missing.into_iter().filter(|(_, is_missing)| *is_missing);
            Err(Problem::Unstated(missing.map(|(setting, _)| setting).collect()))
        }
    }
}

fn is_float(dtype: DType) -> bool {
    matches!(dtype, DType::F32 | DType::F64 | DType::F16 | DType::BF16)
}

/// Returns the depth whose blocks the tensors have.
fn stages(tensors: &BTreeMap<String, Tensor>) -> Result<(usize, [usize; 4], bool), String> {
    let has = |key: String| tensors.contains_key(&key);
    let count =
        |stage: usize| (0..).take_while(|block| has(format!("layer{stage}.{block}.conv1.weight"))).count();
    let blocks = [1, 2, 3, 4].map(count);
    let bottleneck = has("layer1.0.conv3.weight".to_owned());
    let known = STAGES.into_iter().find(|stage| (stage.1, stage.2) == (blocks, bottleneck));
    known.ok_or_else(|| {
        let kind = if bottleneck { "bottlenecks" } else { "basic blocks" };
        format!("{blocks:?} {kind} in layer1 to layer4, which no ResNet-10 to 200 has")
    })
}

/// Returns what the tensors are if they are not a residual network's.
fn other_network(tensors: &BTreeMap<String, Tensor>, prefix: &str) -> Option<String> {
    let unexpected: Vec<&String> = tensors.keys().filter(|key| !is_resnet_key(key)).collect();
    let Some(first) = unexpected.first() else {
        return tensors.is_empty().then(|| "no tensors".to_owned());
    };
    let named = KINDS.iter().find_map(|(part, kind)| {
        let key = tensors.keys().find(|key| key.contains(part))?;
        Some(format!("those of {kind} (it has the key {prefix}{key})"))
    });
    // A residual network with a few more parameters.
    let is_resnet = tensors.contains_key("conv1.weight") && tensors.contains_key("layer1.0.conv1.weight");
    Some(match named {
        Some(named) => named,
        None if is_resnet => format!("a parameter that no such network has ({prefix}{first})"),
        None => format!("those of another network (it has the key {prefix}{first})"),
    })
}

/// Parts of keys that give a network away.
const KINDS: [(&str, &str); 10] = [
    ("denseblock", "a DenseNet"),
    ("_conv_stem", "an EfficientNet"),
    ("se_layer", "an SENet"),
    ("patch_embed", "a vision transformer"),
    ("cls_token", "a vision transformer"),
    ("relative_position_bias", "a Swin transformer"),
    ("conv_seg", "MedicalNet's segmentation network"),
    ("conv1.conv.weight", "a network of MONAI's convolution blocks"),
    ("stem.0.weight", "torchvision's video network"),
    ("unit0", "a U-Net"),
];

/// Returns whether a residual network may have a parameter of this name.
fn is_resnet_key(key: &str) -> bool {
    let is_layer = |rest: &str| {
        let mut parts = rest.split('.');
        let (Some(stage), Some(block), Some(part)) = (parts.next(), parts.next(), parts.next()) else {
            return false;
        };
        let is_part = ["conv1", "conv2", "conv3", "bn1", "bn2", "bn3", "downsample"].contains(&part);
        ["1", "2", "3", "4"].contains(&stage)
            && block.parse::<usize>().is_ok()
            && is_part
            && !rest.contains(".conv.")
    };
    let is_end = |rest: &str| ["weight", "bias", "running_mean", "running_var"].contains(&rest);
    ["conv1.", "bn1.", "fc."].iter().filter_map(|part| key.strip_prefix(part)).any(is_end)
        || key.strip_prefix("layer").is_some_and(is_layer)
}
