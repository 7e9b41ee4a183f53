//! The architecture of a residual network or DenseNet from the shapes of its weights, and what these do not tell.

use crate::densenet::{MOST_BLOCKS, MOST_LAYERS};
use crate::resnet::STAGES;
use crate::{DenseNetConfig, Error, ResNetConfig, Shortcut};
use candle_core::{DType, Tensor};
use relevox_grid::by_name;
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::ops::Bound;

/// Properties of a classifier that are stated besides its weights.
///
/// The tensors of a residual network tell its depth, width, channels, outputs, shortcut and kernel, but not the stride of
/// its first convolution nor whether a max-pooling follows it. Weights without metadata need both; nothing is assumed.
/// A stated property that contradicts the file is an error. MONAI's `resnet` functions have `stem_stride: [1; 3]`
/// (`conv1_t_stride`) and `max_pool: true` (`no_max_pool=False`) by default, MedicalNet's networks `[2; 3]` and `true`.
///
/// A DenseNet always has stride 2 and a max-pooling, and tells everything but its activation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WeightsHints {
    /// See [`ResNetConfig::depth`] and [`DenseNetConfig::depth`].
    pub depth: Option<usize>,
    /// See [`ResNetConfig::width`] and [`DenseNetConfig::init_features`].
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

/// Activation after the batch norms of a network. Weights do not tell it (MONAI's `act`), except for a learned one; those of
/// networks with another one are not read.
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
    /// Validates that nothing that is stated contradicts a DenseNet's configuration.
    ///
    /// # Errors
    /// Returns [`Error::InvalidSetting`] with both values.
    fn check_densenet(&self, stored: &DenseNetConfig) -> Result<(), Error> {
        if let (Some(stated), None) = (self.depth, stored.depth()) {
            let expected = format!("no statement, as the weights have blocks of {:?}", stored.block_config);
            return Err(Error::InvalidSetting { setting: "depth", expected, found: stated.to_string() });
        }
        agree("depth", self.depth, stored.depth().unwrap_or_default())?;
        agree("width", self.width, stored.init_features)?;
        agree("in_channels", self.in_channels, stored.in_channels)?;
        agree("outputs", self.outputs, stored.outputs)?;
        agree("stem_stride", self.stem_stride, [2; 3])?;
        agree("max_pool", self.max_pool, true)
    }

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
    /// The file holds the weights of another network.
    Network(String),
    /// The file holds something other than the weights of a network.
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
        return Err(if tensors.is_empty() { Problem::Other(found) } else { Problem::Network(found) });
    }
    let shape = |key: &str| tensors.get(key).map(Tensor::dims);
    let &[width, in_channels, z, y, x] = shape("conv1.weight").unwrap_or_default() else {
        let found = shape("conv1.weight").map_or(String::new(), |shape| format!(" of shape {shape:?}"));
        return Err(format!("no 3D convolution as the first layer (conv1.weight{found})").into());
    };
    let &[outputs, _] = shape("fc.weight").unwrap_or_default() else {
        return Err("no classifier (fc.weight), as of a network with feed_forward=False".to_owned().into());
    };
    check_types(tensors)?;
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

/// Returns whether tensors are those of a DenseNet, of MONAI's or another.
pub(super) fn is_densenet(tensors: &BTreeMap<String, Tensor>) -> bool {
    tensors.keys().any(|key| key.starts_with("features.denseblock1.denselayer1."))
}

/// Returns the configuration of a DenseNet with these weights.
pub(super) fn densenet(
    tensors: &BTreeMap<String, Tensor>,
    hints: &WeightsHints,
) -> Result<DenseNetConfig, Problem> {
    let shape = |key: &str| tensors.get(key).map(Tensor::dims);
    let missing = |what: &str, key: &str| {
        let found = shape(key).map_or(String::new(), |shape| format!(" of shape {shape:?}"));
        Problem::Network(format!("those of a DenseNet without {what} ({key}{found})"))
    };
    let &[init_features, in_channels, z, y, x] = shape(STEM).unwrap_or_default() else {
        return Err(missing("a 3D convolution as the first layer", STEM));
    };
    let layer = |block: usize, layer: usize, conv: usize| {
        format!("features.denseblock{block}.denselayer{layer}.layers.conv{conv}.weight")
    };
    let (first, second) = (layer(1, 1, 1), layer(1, 1, 2));
    let &[bottleneck, _, 1, 1, 1] = shape(&first).unwrap_or_default() else {
        return Err(missing("a pointwise convolution in its layers, as MONAI's have", &first));
    };
    let &[growth_rate, _, 3, 3, 3] = shape(&second).unwrap_or_default() else {
        return Err(missing("a convolution of kernel 3 in its layers, as MONAI's have", &second));
    };
    if growth_rate == 0 || !bottleneck.is_multiple_of(growth_rate) {
        let found =
            format!("layers of {bottleneck} channels, which are no multiple of {growth_rate} ({first})");
        return Err(Problem::Other(found));
    }
    let &[outputs, _] = shape(OUT).unwrap_or_default() else {
        return Err(missing("a classifier", OUT));
    };
    if !tensors.contains_key("features.norm0.running_mean") {
        return Err(missing("batch norms with running statistics", "features.norm0.running_mean"));
    }
    if let Some(key) = tensors.keys().find(|key| key.contains("relu")) {
        return Err(Problem::Network(format!("those of a DenseNet with a learned activation ({key})")));
    }
    check_types(tensors)?;
    // A layer without some of its tensors counts, so that these are named as missing.
    let has = |prefix: &str| {
        tensors
            .range::<str, _>((Bound::Included(prefix), Bound::Unbounded))
            .next()
            .is_some_and(|(key, _)| key.starts_with(prefix))
    };
    let last = |part: &str, most| (1..=most).rev().find(|at| has(&format!("{part}{at}."))).unwrap_or(0);
    let layers = |block: usize| last(&format!("features.denseblock{block}.denselayer"), MOST_LAYERS);
    let config = DenseNetConfig {
        in_channels,
        init_features,
        stem_kernel: [z, y, x],
        growth_rate,
        bn_size: bottleneck / growth_rate,
        block_config: (1..=last("features.denseblock", MOST_BLOCKS)).map(layers).collect(),
        outputs,
    };
    hints.check_densenet(&config).map_err(Problem::Contradiction)?;
    Ok(config)
}

/// First and last layer of a DenseNet.
const STEM: &str = "features.conv0.weight";
const OUT: &str = "class_layers.out.weight";

fn check_types(tensors: &BTreeMap<String, Tensor>) -> Result<(), Problem> {
    match tensors.iter().find(|(_, tensor)| !is_float(tensor.dtype())) {
        Some((key, tensor)) => {
            Err(format!("values that are not floating-point ({key} of {:?})", tensor.dtype()).into())
        }
        None => Ok(()),
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
