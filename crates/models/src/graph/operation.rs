//! The operations of networks.

use conv3d::{ConvGeometry, Pool3dParams};

/// Zeros around a feature map, `[z, y, x]`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Padding {
    /// Voxels before the first.
    pub before: [usize; 3],
    /// Voxels after the last.
    pub after: [usize; 3],
}

impl From<[usize; 3]> for Padding {
    /// The same padding before and after.
    fn from(padding: [usize; 3]) -> Self {
        Self { before: padding, after: padding }
    }
}

/// A convolution.
#[derive(Clone, Debug, PartialEq)]
pub struct Conv {
    /// Weights `[o, i / groups, kz, ky, kx]`.
    pub weights: Vec<f32>,
    /// One value per output channel.
    pub bias: Vec<f32>,
    /// Taps along each axis.
    pub kernel: [usize; 3],
    /// Step between outputs, in input voxels.
    pub stride: [usize; 3],
    /// Step between taps, in input voxels.
    pub dilation: [usize; 3],
    /// Zeros around the input.
    pub padding: Padding,
    /// Groups of channels that are convolved separately.
    pub groups: usize,
}

impl Conv {
    /// Creates a convolution of stride 1 without padding, dilation or groups.
    pub fn new(weights: Vec<f32>, bias: Vec<f32>, kernel: [usize; 3]) -> Self {
        Self {
            weights,
            bias,
            kernel,
            stride: [1; 3],
            dilation: [1; 3],
            padding: Padding::default(),
            groups: 1,
        }
    }

    /// Returns kernel, stride and padding; a dilated kernel counts with the voxels that it spans.
    pub fn geometry(&self) -> ConvGeometry {
        let span = |axis: usize| self.dilation[axis] * (self.kernel[axis].max(1) - 1) + 1;
        ConvGeometry { kernel: std::array::from_fn(span), stride: self.stride, padding: self.padding.before }
    }
}

/// A transposed convolution.
#[derive(Clone, Debug, PartialEq)]
pub struct ConvTranspose {
    /// Weights `[i, o, kz, ky, kx]`.
    pub weights: Vec<f32>,
    /// One value per output channel.
    pub bias: Vec<f32>,
    /// Taps along each axis.
    pub kernel: [usize; 3],
    /// Step between the outputs of neighbouring inputs.
    pub stride: [usize; 3],
    /// Voxels removed from the output before and after.
    pub padding: Padding,
    /// Voxels added to the far side of the output.
    pub output_padding: [usize; 3],
}

/// A window that is pooled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Pool {
    /// Voxels of the window.
    pub kernel: [usize; 3],
    /// Step between windows.
    pub stride: [usize; 3],
    /// Voxels around the input.
    pub padding: Padding,
}

impl From<Pool3dParams> for Pool {
    fn from(params: Pool3dParams) -> Self {
        let Pool3dParams { kernel, stride, padding } = params;
        Self { kernel, stride, padding: padding.into() }
    }
}

impl Pool {
    /// Returns kernel, stride and padding.
    pub fn geometry(&self) -> ConvGeometry {
        ConvGeometry { kernel: self.kernel, stride: self.stride, padding: self.padding.before }
    }
}

/// Normalisation by the statistics of the image itself: over groups of channels and all voxels.
#[derive(Clone, Debug, PartialEq)]
pub struct Norm {
    /// Number of groups: the number of channels for instance normalisation.
    pub groups: usize,
    /// Added to the variance before its square root.
    pub epsilon: f64,
    /// Factor of each channel.
    pub scale: Vec<f32>,
    /// Summand of each channel.
    pub shift: Vec<f32>,
}

/// A fully connected layer. A feature map is read in C order, `[c, z, y, x]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Linear {
    /// Weights `[o, i]`.
    pub weights: Vec<f32>,
    /// One value per output.
    pub bias: Vec<f32>,
}

impl Linear {
    /// Creates a layer from weights `[o, i]` and bias `[o]`.
    pub fn new(weights: Vec<f32>, bias: Vec<f32>) -> Self {
        Self { weights, bias }
    }
}

/// A function of single values.
#[derive(Clone, Debug, PartialEq)]
pub enum Activation {
    /// `max(x, 0)`.
    Relu,
    /// `x` if positive, else `slope · x`.
    LeakyRelu(f32),
    /// As [`Activation::LeakyRelu`], with one slope per channel.
    PRelu(Vec<f32>),
    /// `x` if positive, else `alpha · (exp x − 1)`.
    Elu(f32),
    /// `1 / (1 + exp −x)`.
    Sigmoid,
    /// `alpha · x + beta`, limited to 0..1.
    HardSigmoid {
        /// The slope.
        alpha: f32,
        /// The value at 0.
        beta: f32,
    },
    /// `x · sigmoid(x)`, also called Swish.
    Silu,
    /// `x · hardsigmoid(x)` with slope 1/6 and value 1/2 at 0.
    HardSwish,
    /// `x · tanh(softplus(x))`.
    Mish,
    /// `x · Φ(x)` with the normal distribution's Φ.
    Gelu,
    /// Gelu with Φ approximated by a tanh.
    GeluTanh,
    /// `tanh x`.
    Tanh,
    /// `log(1 + exp x)`.
    Softplus,
    /// Limited to a range.
    Clip {
        /// The smallest value.
        low: f32,
        /// The largest value.
        high: f32,
    },
}

impl Activation {
    /// Computes the function for a value of a channel.
    pub fn apply(&self, channel: usize, x: f32) -> f32 {
        let sigmoid = |x: f32| 1.0 / (1.0 + (-x).exp());
        let softplus = |x: f32| if x > 20.0 { x } else { x.exp().ln_1p() };
        match self {
            // NaN is propagated.
            Self::Relu => {
                if x < 0.0 {
                    0.0
                } else {
                    x
                }
            }
            Self::LeakyRelu(slope) => leaky(x, *slope),
            Self::PRelu(slopes) => leaky(x, slopes[channel]),
            Self::Elu(alpha) => {
                if x > 0.0 {
                    x
                } else {
                    alpha * x.exp_m1()
                }
            }
            Self::Sigmoid => sigmoid(x),
            Self::HardSigmoid { alpha, beta } => (alpha * x + beta).clamp(0.0, 1.0),
            Self::Silu => x * sigmoid(x),
            Self::HardSwish => x * (x / 6.0 + 0.5).clamp(0.0, 1.0),
            Self::Mish => x * softplus(x).tanh(),
            Self::Gelu => {
                let x = f64::from(x);
                (0.5 * x * (1.0 + candle_core::cpu::erf::erf_f64(x * std::f64::consts::FRAC_1_SQRT_2))) as f32
            }
            Self::GeluTanh => {
                let inner = (2.0 / std::f32::consts::PI).sqrt() * (x + 0.044_715 * x * x * x);
                0.5 * x * (1.0 + inner.tanh())
            }
            Self::Tanh => x.tanh(),
            Self::Softplus => softplus(x),
            Self::Clip { low, high } => x.clamp(*low, *high),
        }
    }
}

fn leaky(x: f32, slope: f32) -> f32 {
    if x > 0.0 { x } else { slope * x }
}

/// The operation of a node.
#[derive(Clone, Debug, PartialEq)]
pub enum Operation {
    /// Convolution of a map.
    Conv(Conv),
    /// Transposed convolution of a map.
    ConvTranspose(ConvTranspose),
    /// `scale · x + shift` by channel: a batch normalisation in evaluation mode.
    Affine {
        /// Factor of each channel.
        scale: Vec<f32>,
        /// Summand of each channel.
        shift: Vec<f32>,
    },
    /// A function of single values.
    Activation(Activation),
    /// Maximum of a window; padding is excluded.
    MaxPool(Pool),
    /// Mean of a window.
    MeanPool {
        /// The window.
        pool: Pool,
        /// `true` if padding counts as zeros, `false` if it is excluded.
        count_padding: bool,
    },
    /// Sum of two or more values of one form.
    Add,
    /// Product of two values: of one form, or a map and a vector of its channels (a gate).
    Multiply,
    /// Concatenation along the channels.
    Concat,
    /// Channels of zeros before and after the channels of a map.
    PadChannels {
        /// Channels before the first.
        before: usize,
        /// Channels after the last.
        after: usize,
    },
    /// Instance or group normalisation.
    Norm(Norm),
    /// Mean over all voxels: a map becomes a vector.
    GlobalMean,
    /// A fully connected layer of a vector, or of a whole map of one size; the result is a vector.
    Linear(Linear),
    /// Repeats each voxel: nearest-neighbour upsampling.
    Repeat([usize; 3]),
}

impl Operation {
    /// Returns the operation's name, for messages.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Conv(_) => "convolution",
            Self::ConvTranspose(_) => "transposed convolution",
            Self::Affine { .. } => "affine",
            Self::Activation(_) => "activation",
            Self::MaxPool(_) => "max-pool",
            Self::MeanPool { .. } => "mean-pool",
            Self::Add => "add",
            Self::Multiply => "multiply",
            Self::Concat => "concatenation",
            Self::PadChannels { .. } => "channel padding",
            Self::Norm(_) => "instance or group normalisation",
            Self::GlobalMean => "global mean",
            Self::Linear(_) => "linear",
            Self::Repeat(_) => "nearest-neighbour upsampling",
        }
    }

    /// Returns whether a voxel of the result depends only on inputs near it. A product with a vector is as local as its
    /// map; what computed the vector is not.
    pub fn is_local(&self) -> bool {
        !matches!(self, Self::Norm(_) | Self::GlobalMean | Self::Linear(_))
    }
}
