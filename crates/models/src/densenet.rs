//! 3D DenseNets: "Densely Connected Convolutional Networks", Huang et al. 2017, <https://arxiv.org/abs/1608.06993>, in
//! evaluation mode, as MONAI builds them.
//!
//! Parameters have the names of MONAI's `DenseNet`, so that its state dicts load as they are. These do not tell the
//! activation: networks of `act` other than ReLU give other values, and only a comparison with a known output shows it.

use crate::Error;
use crate::graph::{Activation, Builder, Graph, Operation, Padding, Pool, Value};
use crate::layers::{BatchNorm3d, Conv3d, Linear};
use candle_nn::VarBuilder;
use conv3d::Conv3dParams;

/// Configuration of a DenseNet.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DenseNetConfig {
    /// Input channels.
    pub in_channels: usize,
    /// Channels of the first convolution; 64 in the literature.
    pub init_features: usize,
    /// Kernel of the first convolution, `[z, y, x]`; 7 in the literature. Its stride is 2 and its padding half of it.
    pub stem_kernel: [usize; 3],
    /// Channels that each layer adds; 32 in the literature.
    pub growth_rate: usize,
    /// Channels between the two convolutions of a layer, as a multiple of the growth rate; 4 in the literature.
    pub bn_size: usize,
    /// Layers of each block.
    pub block_config: Vec<usize>,
    /// Outputs of the last layer, `k`.
    pub outputs: usize,
}

impl Default for DenseNetConfig {
    /// DenseNet121 of images of one channel with two outputs.
    fn default() -> Self {
        Self {
            in_channels: 1,
            init_features: 64,
            stem_kernel: [7; 3],
            growth_rate: 32,
            bn_size: 4,
            block_config: DEPTHS[0].1.to_vec(),
            outputs: 2,
        }
    }
}

/// Most blocks of a network.
pub(crate) const MOST_BLOCKS: usize = 8;
/// Most layers of a block.
pub(crate) const MOST_LAYERS: usize = 256;
/// Depths of the literature, with the layers of their blocks.
const DEPTHS: [(usize, [usize; 4]); 4] =
    [(121, [6, 12, 24, 16]), (169, [6, 12, 32, 32]), (201, [6, 12, 48, 32]), (264, [6, 12, 64, 48])];

valid! {
    /// A configuration that is in range; see [`DenseNetConfig::check`].
    #[derive(Eq, Hash)]
    pub struct ValidDenseNetConfig(DenseNetConfig);
}

impl DenseNetConfig {
    /// Validates the configuration.
    ///
    /// # Errors
    /// Returns [`Error::InvalidSetting`] for the first setting that is out of range.
    pub fn check(self) -> Result<ValidDenseNetConfig, Error> {
        let refuse = |setting, expected: String, found: String| {
            Err(Error::InvalidSetting { setting, expected, found })
        };
        if !(1..=MOST_BLOCKS).contains(&self.block_config.len()) {
            let found = self.block_config.len().to_string();
            return refuse("block_config", format!("1 to {MOST_BLOCKS} blocks"), found);
        }
        let largest_kernel = self.stem_kernel.into_iter().max().unwrap_or_default();
        let smallest_kernel = self.stem_kernel.into_iter().min().unwrap_or_default();
        let sizes = [
            ("in_channels", 4096, self.in_channels),
            ("init_features", 4096, self.init_features),
            ("stem_kernel", 64, smallest_kernel),
            ("stem_kernel", 64, largest_kernel),
            ("growth_rate", 1024, self.growth_rate),
            ("bn_size", 64, self.bn_size),
            ("outputs", 65536, self.outputs),
        ];
        let layers = self.block_config.iter().map(|&layers| ("block_config", MOST_LAYERS, layers));
        for (setting, most, value) in sizes.into_iter().chain(layers) {
            if !(1..=most).contains(&value) {
                return refuse(setting, format!("1 to {most}"), value.to_string());
            }
        }
        Ok(ValidDenseNetConfig(self))
    }

    /// Returns the depth by which the literature calls a network of these blocks, if it does.
    pub fn depth(&self) -> Option<usize> {
        DEPTHS.into_iter().find(|(_, blocks)| blocks[..] == self.block_config).map(|(depth, _)| depth)
    }

    /// Returns the name of the architecture, such as `DenseNet121`.
    pub fn name(&self) -> String {
        match self.depth() {
            Some(depth) => format!("DenseNet{depth}"),
            None => format!("DenseNet with blocks of {:?} layers", self.block_config),
        }
    }

    /// Returns the network with the parameters of `vb` as a graph. Its nodes have the names of MONAI's modules.
    ///
    /// # Errors
    /// Returns [`Error::InvalidSetting`] if the configuration is out of range, or the error of `vb` if a parameter does not
    /// fit.
    pub fn graph(&self, vb: VarBuilder) -> Result<Graph, Error> {
        let config = self.clone().check()?;
        let mut network = Network { builder: Builder::new(config.in_channels), vb };
        let padding = config.stem_kernel.map(|size| size / 2);
        let stem = Conv3dParams { stride: [2; 3], padding, dilation: [1; 3] };
        let channels = [config.in_channels, config.init_features];
        let mut at = Value::IMAGE;
        at = network.conv("features.conv0", at, channels, config.stem_kernel, stem)?;
        at = network.norm("features.norm0", at)?;
        at = network.relu("features.relu0", at)?;
        let pool = Pool { kernel: [3; 3], stride: [2; 3], padding: [1; 3].into() };
        at = network.builder.add("features.pool0", Operation::MaxPool(pool), &[at])?;
        for (index, &layers) in (1..).zip(&config.block_config) {
            for layer in 1..=layers {
                let name = format!("features.denseblock{index}.denselayer{layer}");
                at = network.dense_layer(
                    &name,
                    at,
                    config.bn_size * config.growth_rate,
                    config.growth_rate,
                )?;
            }
            if index < config.block_config.len() {
                at = network.transition(&format!("features.transition{index}"), at)?;
            }
        }
        at = network.norm("features.norm5", at)?;
        at = network.relu("class_layers.relu", at)?;
        at = network.builder.add("class_layers.pool", Operation::GlobalMean, &[at])?;
        let channels = [network.channels(at), config.outputs];
        let out = Linear::new(channels, network.vb.pp("class_layers.out"))?;
        at = network.builder.add("class_layers.out", out.operation()?, &[at])?;
        Ok(network.builder.finish(at))
    }
}

/// A graph that is built with the parameters of `vb`.
struct Network<'a> {
    builder: Builder,
    vb: VarBuilder<'a>,
}

impl Network<'_> {
    fn channels(&self, value: Value) -> usize {
        self.builder.form(value).channels()
    }

    fn conv(
        &mut self,
        name: &str,
        input: Value,
        channels: [usize; 2],
        kernel: [usize; 3],
        params: Conv3dParams,
    ) -> Result<Value, Error> {
        let conv = Conv3d::with_params(channels, kernel, params, self.vb.pp(name))?;
        self.builder.add(name, conv.operation()?, &[input])
    }

    fn norm(&mut self, name: &str, input: Value) -> Result<Value, Error> {
        let norm = BatchNorm3d::new(self.channels(input), self.vb.pp(name))?;
        self.builder.add(name, norm.operation()?, &[input])
    }

    fn relu(&mut self, name: &str, input: Value) -> Result<Value, Error> {
        self.builder.add(name, Operation::Activation(Activation::Relu), &[input])
    }

    /// Adds norm, ReLU and a pointwise convolution, then norm, ReLU and a convolution of kernel 3, whose result is
    /// concatenated to the input.
    fn dense_layer(
        &mut self,
        name: &str,
        input: Value,
        bottleneck: usize,
        growth: usize,
    ) -> Result<Value, Error> {
        let named = |part: &str| format!("{name}.layers.{part}");
        let mut at = self.norm(&named("norm1"), input)?;
        at = self.relu(&named("relu1"), at)?;
        let channels = [self.channels(input), bottleneck];
        at = self.conv(&named("conv1"), at, channels, [1; 3], Conv3dParams::cubic(1, 0))?;
        at = self.norm(&named("norm2"), at)?;
        at = self.relu(&named("relu2"), at)?;
        at = self.conv(&named("conv2"), at, [bottleneck, growth], [3; 3], Conv3dParams::cubic(1, 1))?;
        self.builder.add(format!("{name}.concatenation"), Operation::Concat, &[input, at])
    }

    /// Adds norm, ReLU, a pointwise convolution to half of the channels and a mean-pooling.
    fn transition(&mut self, name: &str, input: Value) -> Result<Value, Error> {
        let named = |part: &str| format!("{name}.{part}");
        let mut at = self.norm(&named("norm"), input)?;
        at = self.relu(&named("relu"), at)?;
        let channels = [self.channels(input), self.channels(input) / 2];
        at = self.conv(&named("conv"), at, channels, [1; 3], Conv3dParams::cubic(1, 0))?;
        let pool = Pool { kernel: [2; 3], stride: [2; 3], padding: Padding::default() };
        self.builder.add(named("pool"), Operation::MeanPool { pool, count_padding: true }, &[at])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Parameters;
    use candle_core::Device;

    #[test]
    fn settings_out_of_range_are_named() {
        let check = |config: DenseNetConfig| config.check().unwrap_err().to_string();
        let usual = DenseNetConfig::default;
        assert!(check(DenseNetConfig { block_config: vec![], ..usual() }).contains("1 to 8 blocks, found 0"));
        assert!(check(DenseNetConfig { block_config: vec![2, 0], ..usual() }).contains("block_config"));
        assert!(check(DenseNetConfig { growth_rate: 0, ..usual() }).contains("growth_rate"));
        assert!(check(DenseNetConfig { stem_kernel: [7, 0, 7], ..usual() }).contains("stem_kernel"));
        assert!(check(DenseNetConfig { outputs: 0, ..usual() }).contains("outputs: expected 1 to 65536"));
    }

    #[test]
    fn the_depths_of_the_literature_have_their_name_and_channels() {
        for (depth, last) in [(121, 1024), (169, 1664), (201, 1920), (264, 2688)] {
            let blocks = DEPTHS.into_iter().find(|(known, _)| *known == depth).unwrap().1;
            let config = DenseNetConfig { block_config: blocks.to_vec(), ..DenseNetConfig::default() };
            assert_eq!(config.name(), format!("DenseNet{depth}"));
            let small = DenseNetConfig { init_features: 2, growth_rate: 1, bn_size: 1, ..config };
            let graph = small.graph(Parameters::seeded(0, &Device::Cpu).builder()).unwrap();
            // The channels before the last layer, of networks 32 times as wide.
            let before = graph.nodes()[graph.nodes().len() - 2].form.channels();
            assert_eq!(32 * before, last);
            assert_eq!(graph.sizes([64; 3]).unwrap().last(), Some(&vec![2]));
        }
        let other = DenseNetConfig { block_config: vec![2, 3], ..DenseNetConfig::default() };
        assert_eq!(other.name(), "DenseNet with blocks of [2, 3] layers");
    }
}
