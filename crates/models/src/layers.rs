//! Layers with parameters: 3D convolution, its transpose, batch normalisation, linear.

use crate::graph::{self, Operation};
use crate::init;
use candle_core::{DType, Device, Result, Tensor, Var, bail};
use candle_nn::{Init, VarBuilder};
use conv3d::{BatchNorm, Conv3dParams, ConvTranspose3dParams};

/// A 3D convolution.
#[derive(Debug, Clone)]
pub struct Conv3d {
    weight: Tensor,
    bias: Option<Tensor>,
    params: Conv3dParams,
}

impl Conv3d {
    /// Builds a convolution with a cubic kernel and without bias: `weight [o, i, k, k, k]`.
    ///
    /// # Errors
    /// Returns an error if `vb` has no such parameter.
    pub fn new(
        channels: [usize; 2],
        kernel: usize,
        stride: usize,
        padding: usize,
        vb: VarBuilder,
    ) -> Result<Self> {
        Self::with_params(channels, [kernel; 3], Conv3dParams::cubic(stride, padding), vb)
    }

    /// Builds a convolution without bias: `weight [o, i, kz, ky, kx]`.
    ///
    /// # Errors
    /// Returns an error if `vb` has no such parameter.
    pub fn with_params(
        [from, to]: [usize; 2],
        [z, y, x]: [usize; 3],
        params: Conv3dParams,
        vb: VarBuilder,
    ) -> Result<Self> {
        let weight = vb.get_with_hints((to, from, z, y, x), "weight", init::CONVOLUTION)?;
        Ok(Self { weight, bias: None, params })
    }

    /// Adds the parameter `bias [o]`.
    ///
    /// # Errors
    /// Returns an error if `vb` has no such parameter.
    pub fn with_bias(mut self, vb: VarBuilder) -> Result<Self> {
        let (to, fan_in) = (self.weight.dim(0)?, self.weight.elem_count() / self.weight.dim(0)?);
        self.bias = Some(vb.get_with_hints(to, "bias", init::uniform(fan_in))?);
        Ok(self)
    }

    /// Convolves `x`; see [`conv3d::conv3d`].
    ///
    /// # Errors
    /// Returns an error if `x` does not fit the weights.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        conv3d::conv3d(x, &self.weight, self.bias.as_ref(), self.params)
    }

    /// Returns the kernel, `[o, i, kz, ky, kx]`.
    pub fn weight(&self) -> &Tensor {
        &self.weight
    }

    /// Returns the bias, `[o]`.
    pub fn bias(&self) -> Option<&Tensor> {
        self.bias.as_ref()
    }

    /// Returns stride, padding and dilation.
    pub fn params(&self) -> Conv3dParams {
        self.params
    }

    /// Returns it as an operation of a graph.
    ///
    /// # Errors
    /// Returns an error if the parameters cannot be copied from their device.
    pub fn operation(&self) -> Result<Operation> {
        let (outputs, _, z, y, x) = self.weight.dims5()?;
        let bias = self.bias.as_ref().map_or_else(|| Ok(vec![0.0; outputs]), values)?;
        let Conv3dParams { stride, padding, dilation } = self.params;
        let conv = graph::Conv::new(values(&self.weight)?, bias, [z, y, x]);
        Ok(Operation::Conv(graph::Conv { stride, dilation, padding: padding.into(), ..conv }))
    }
}

/// A transposed 3D convolution with bias whose cubic kernel equals its stride: it upsamples by that factor.
#[derive(Debug, Clone)]
pub struct ConvTranspose3d {
    weight: Tensor,
    bias: Tensor,
    params: ConvTranspose3dParams,
}

impl ConvTranspose3d {
    /// Builds it from `weight [i, o, s, s, s]` and `bias [o]`.
    ///
    /// # Errors
    /// Returns an error if `vb` has no such parameters.
    pub fn new(channels: [usize; 2], stride: usize, vb: VarBuilder) -> Result<Self> {
        let [from, to] = channels;
        let init = init::uniform(to * stride.pow(3));
        Ok(Self {
            weight: vb.get_with_hints((from, to, stride, stride, stride), "weight", init)?,
            bias: vb.get_with_hints(to, "bias", init)?,
            params: ConvTranspose3dParams::cubic(stride),
        })
    }

    /// Upsamples `x`; see [`conv3d::conv_transpose3d`].
    ///
    /// # Errors
    /// Returns an error if `x` does not fit the weights.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        conv3d::conv_transpose3d(x, &self.weight, Some(&self.bias), self.params)
    }

    /// Returns the kernel, `[i, o, s, s, s]`.
    pub fn weight(&self) -> &Tensor {
        &self.weight
    }

    /// Returns the bias, `[o]`.
    pub fn bias(&self) -> &Tensor {
        &self.bias
    }

    /// Returns the parameters of the operation.
    pub fn params(&self) -> ConvTranspose3dParams {
        self.params
    }

    /// Returns it as an operation of a graph.
    ///
    /// # Errors
    /// Returns an error if the parameters cannot be copied from their device.
    pub fn operation(&self) -> Result<Operation> {
        let (_, _, z, y, x) = self.weight.dims5()?;
        let ConvTranspose3dParams { stride, padding, output_padding, .. } = self.params;
        Ok(Operation::ConvTranspose(graph::ConvTranspose {
            weights: values(&self.weight)?,
            bias: values(&self.bias)?,
            kernel: [z, y, x],
            stride,
            padding: padding.into(),
            output_padding,
        }))
    }
}

/// Batch normalisation by channel (Ioffe and Szegedy 2015, <https://arxiv.org/abs/1502.03167>) with running
/// statistics as in PyTorch: momentum 0.1, unbiased running variance.
#[derive(Debug, Clone)]
pub struct BatchNorm3d {
    gamma: Tensor,
    beta: Tensor,
    running_mean: Tensor,
    running_var: Tensor,
}

impl BatchNorm3d {
    /// Added to the variance before its square root.
    pub const EPSILON: f64 = 1e-5;
    /// Weight of a batch in the running statistics.
    pub const MOMENTUM: f64 = 0.1;

    /// Builds it from `weight`, `bias`, `running_mean` and `running_var`, each `[c]`.
    ///
    /// # Errors
    /// Returns an error if `vb` has no such parameters.
    pub fn new(channels: usize, vb: VarBuilder) -> Result<Self> {
        Ok(Self {
            gamma: vb.get_with_hints(channels, "weight", Init::Const(1.0))?,
            beta: vb.get_with_hints(channels, "bias", Init::Const(0.0))?,
            running_mean: vb.get_with_hints(channels, "running_mean", Init::Const(0.0))?,
            running_var: vb.get_with_hints(channels, "running_var", Init::Const(1.0))?,
        })
    }

    /// Normalises `x`, then applies ReLU if `relu`. In training it uses the statistics of the batch and updates the running
    /// ones; otherwise it uses the running ones.
    ///
    /// # Shapes
    /// `[n, c, d, h, w]` to `[n, c, d, h, w]`.
    ///
    /// # Errors
    /// Returns an error if `x` does not fit, or in training if a channel has a single value or the statistics are frozen.
    pub fn forward_t(&self, x: &Tensor, train: bool, relu: bool) -> Result<Tensor> {
        let norm = BatchNorm { gamma: &self.gamma, beta: &self.beta, epsilon: Self::EPSILON, relu };
        if !train {
            return conv3d::batch_norm_eval(x, &self.running_mean, &self.running_var, norm);
        }
        let (n, _, d, h, w) = x.dims5()?;
        let count = n * d * h * w;
        if count < 2 {
            bail!("batch norm in training: expected more than one value per channel, found {:?}", x.dims())
        }
        let (y, mean, variance) = conv3d::batch_norm_train(x, norm)?;
        update(&self.running_mean, &mean)?;
        update(&self.running_var, &(variance * (count as f64 / (count - 1) as f64))?)?;
        Ok(y)
    }

    /// Returns γ and β, `[c]` each.
    pub fn affine(&self) -> (&Tensor, &Tensor) {
        (&self.gamma, &self.beta)
    }

    /// Returns running mean and variance, `[c]` each.
    pub fn statistics(&self) -> (&Tensor, &Tensor) {
        (&self.running_mean, &self.running_var)
    }

    /// Returns it, with the running statistics, as an operation of a graph.
    ///
    /// # Errors
    /// Returns an error if the parameters cannot be copied from their device.
    pub fn operation(&self) -> Result<Operation> {
        let [gamma, beta] = [values(&self.gamma)?, values(&self.beta)?];
        let [mean, variance] = [values(&self.running_mean)?, values(&self.running_var)?];
        let factor = |c: usize| f64::from(gamma[c]) / (f64::from(variance[c]) + Self::EPSILON).sqrt();
        let shift = |c: usize| (f64::from(beta[c]) - f64::from(mean[c]) * factor(c)) as f32;
        let channels = 0..gamma.len();
        Ok(Operation::Affine {
            scale: channels.clone().map(|c| factor(c) as f32).collect(),
            shift: channels.map(shift).collect(),
        })
    }
}

fn update(running: &Tensor, batch: &Tensor) -> Result<()> {
    if !running.is_variable() {
        bail!("batch norm in training: expected trainable parameters, found frozen running statistics")
    }
    let kept = (running.detach() * (1.0 - BatchNorm3d::MOMENTUM))?;
    Var::from_tensor(running)?.set(&(kept + (batch * BatchNorm3d::MOMENTUM)?)?)
}

/// A linear layer, `x · weightᵀ + bias`.
#[derive(Debug, Clone)]
pub struct Linear {
    weight: Tensor,
    bias: Tensor,
}

impl Linear {
    /// Builds it from `weight [o, i]`, initially uniform in ±1/√i, and `bias [o]`, initially 0.
    ///
    /// # Errors
    /// Returns an error if `vb` has no such parameters.
    pub fn new(channels: [usize; 2], vb: VarBuilder) -> Result<Self> {
        let [from, to] = channels;
        Ok(Self {
            weight: vb.get_with_hints((to, from), "weight", init::uniform(from))?,
            bias: vb.get_with_hints(to, "bias", Init::Const(0.0))?,
        })
    }

    /// # Shapes
    /// `[n, i]` to `[n, o]`.
    ///
    /// # Errors
    /// Returns an error if `x` does not fit the weights.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        x.matmul(&self.weight.t()?)?.broadcast_add(&self.bias)
    }

    /// Returns weight `[o, i]` and bias `[o]`.
    pub fn parameters(&self) -> (&Tensor, &Tensor) {
        (&self.weight, &self.bias)
    }

    /// Returns it as an operation of a graph.
    ///
    /// # Errors
    /// Returns an error if the parameters cannot be copied from their device.
    pub fn operation(&self) -> Result<Operation> {
        Ok(Operation::Linear(graph::Linear::new(values(&self.weight)?, values(&self.bias)?)))
    }
}

/// Copies the values of a parameter.
fn values(tensor: &Tensor) -> Result<Vec<f32>> {
    tensor.to_device(&Device::Cpu)?.to_dtype(DType::F32)?.flatten_all()?.to_vec1()
}
