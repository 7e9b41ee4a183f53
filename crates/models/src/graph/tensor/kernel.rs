//! An operation with its parameters on a device.

use super::{activation, conv, norm, pool};
use crate::graph::{Activation, Conv, ConvTranspose, Linear, Norm, Operation, Padding};
use candle_core::{Device, Result, Tensor, bail};
use conv3d::Mode;

/// An operation of a graph, ready to run.
#[derive(Clone, Debug)]
pub(crate) struct Kernel {
    /// The operation without its parameters.
    operation: Operation,
    /// The parameters, shaped as the operation uses them.
    parameters: Vec<Tensor>,
    /// `true` to apply a ReLU to the result.
    relu: bool,
}

impl Kernel {
    /// Copies the parameters of an operation to a device.
    ///
    /// # Errors
    /// Returns an error if the device has no room for them.
    pub(crate) fn new(operation: &Operation, device: &Device) -> Result<Self> {
        let parameters = parameters(operation, device)?;
        Ok(Self { operation: without_parameters(operation), parameters, relu: false })
    }

    /// Adds a ReLU after the operation, in one pass over memory where the operation allows it.
    #[must_use]
    pub(crate) fn with_relu(self) -> Self {
        Self { relu: true, ..self }
    }

    /// Returns the operation without its parameters.
    pub(crate) fn operation(&self) -> &Operation {
        &self.operation
    }

    /// Returns the same kernel for inputs that already contain everything that the outputs read: a convolution or pooling
    /// without padding, at a stride of 1 if each output reads one voxel; a transposed convolution that removes nothing and
    /// whose output covers at least the stride of its last input.
    #[must_use]
    pub(crate) fn unpadded(&self) -> Self {
        let mut kernel = self.clone();
        match &mut kernel.operation {
            Operation::Conv(conv) => {
                conv.padding = Padding::default();
                if conv.geometry().kernel == [1; 3] {
                    conv.stride = [1; 3];
                }
            }
            Operation::MaxPool(pool) | Operation::MeanPool { pool, .. } => {
                pool.padding = Padding::default();
                if pool.kernel == [1; 3] {
                    pool.stride = [1; 3];
                }
            }
            Operation::ConvTranspose(conv) => {
                conv.padding = Padding::default();
                conv.output_padding =
                    std::array::from_fn(|axis| conv.stride[axis].saturating_sub(conv.kernel[axis]));
            }
            _ => {}
        }
        kernel
    }

    /// Returns whether the outputs are their inputs: a pooling of single voxels, once those that it skips are left out.
    pub(crate) fn is_identity_once_cut(&self) -> bool {
        match &self.operation {
            Operation::MaxPool(pool) | Operation::MeanPool { pool, .. } => pool.kernel == [1; 3],
            _ => false,
        }
    }

    /// Computes the operation for a batch.
    ///
    /// # Errors
    /// Returns an error if the inputs are not those of the operation, or if a tensor operation fails.
    pub(crate) fn compute(&self, inputs: &[Tensor]) -> Result<Tensor> {
        let [first, others @ ..] = inputs else { bail!("{}: expected an input", self.operation.name()) };
        match (&self.operation, &self.parameters[..], others) {
            (Operation::Affine { .. }, [scale, shift], _) => norm::affine(first, scale, shift, self.relu),
            (Operation::Add, _, [second]) if self.relu => conv3d::add_relu(first, second),
            _ if self.relu => conv3d::relu(&self.plain(inputs, first, others)?),
            _ => self.plain(inputs, first, others),
        }
    }

    fn plain(&self, inputs: &[Tensor], first: &Tensor, others: &[Tensor]) -> Result<Tensor> {
        match (&self.operation, &self.parameters[..]) {
            (Operation::Conv(conv), [weight, bias @ ..]) => conv::conv(first, weight, bias.first(), conv),
            (Operation::ConvTranspose(conv), [weight, bias]) => conv::transposed(first, weight, bias, conv),
            (Operation::Activation(activation), slopes) => {
                activation::apply(first, activation, slopes.first())
            }
            (Operation::MaxPool(pool), _) => pool::max(first, *pool),
            (Operation::MeanPool { pool, count_padding }, _) => pool::mean(first, *pool, *count_padding),
            (Operation::Add, _) => others.iter().try_fold(first.clone(), |sum, other| sum + other),
            (Operation::Multiply, _) => multiply(first, others),
            (Operation::Concat, _) => Tensor::cat(inputs, 1),
            (Operation::PadChannels { before, after }, _) => first.pad_with_zeros(1, *before, *after),
            (Operation::Norm(parameters), [scale, shift]) => norm::normalise(first, parameters, scale, shift),
            (Operation::GlobalMean, _) => conv3d::global_avg_pool3d(first),
            (Operation::Linear(_), [weight, bias]) => {
                first.flatten_from(1)?.matmul(&weight.t()?)?.broadcast_add(bias)
            }
            (Operation::Repeat(factors), _) => {
                let (_, _, z, y, x) = first.dims5()?;
                conv3d::upsample3d(first, [z * factors[0], y * factors[1], x * factors[2]], Mode::Nearest)
            }
            _ => bail!("{}: its parameters are missing", self.operation.name()),
        }
    }
}

/// Copies an operation's parameters to a device: weight and bias, scale and shift, or slopes.
fn parameters(operation: &Operation, device: &Device) -> Result<Vec<Tensor>> {
    let vector = |values: &[f32]| Tensor::from_slice(values, values.len(), device);
    match operation {
        Operation::Conv(conv) => {
            let [z, y, x] = conv.kernel;
            let outputs = conv.bias.len();
            let inputs = conv.weights.len() / (outputs * z * y * x);
            let weight = Tensor::from_slice(&conv.weights, (outputs, inputs, z, y, x), device)?;
            // On a GPU a bias is a pass over memory of its own.
            let has_bias = conv.bias.iter().any(|&value| value != 0.0);
            Ok(if has_bias { vec![weight, vector(&conv.bias)?] } else { vec![weight] })
        }
        Operation::ConvTranspose(conv) => {
            let [z, y, x] = conv.kernel;
            let outputs = conv.bias.len();
            let inputs = conv.weights.len() / (outputs * z * y * x);
            let weight = Tensor::from_slice(&conv.weights, (inputs, outputs, z, y, x), device)?;
            Ok(vec![weight, vector(&conv.bias)?])
        }
        Operation::Affine { scale, shift } => Ok(vec![vector(scale)?, vector(shift)?]),
        Operation::Norm(norm) => Ok(vec![vector(&norm.scale)?, vector(&norm.shift)?]),
        Operation::Activation(Activation::PRelu(slopes)) => Ok(vec![vector(slopes)?]),
        Operation::Linear(linear) => {
            let outputs = linear.bias.len();
            let shape = (outputs, linear.weights.len() / outputs);
            Ok(vec![Tensor::from_slice(&linear.weights, shape, device)?, vector(&linear.bias)?])
        }
        _ => Ok(Vec::new()),
    }
}

fn without_parameters(operation: &Operation) -> Operation {
    let empty = Vec::new;
    match operation {
        Operation::Conv(conv) => {
            let &Conv { kernel, stride, dilation, padding, groups, .. } = conv;
            Operation::Conv(Conv {
                weights: empty(),
                bias: empty(),
                kernel,
                stride,
                dilation,
                padding,
                groups,
            })
        }
        Operation::ConvTranspose(conv) => {
            let &ConvTranspose { kernel, stride, padding, output_padding, .. } = conv;
            Operation::ConvTranspose(ConvTranspose {
                weights: empty(),
                bias: empty(),
                kernel,
                stride,
                padding,
                output_padding,
            })
        }
        Operation::Affine { .. } => Operation::Affine { scale: empty(), shift: empty() },
        Operation::Norm(norm) => Operation::Norm(Norm {
            scale: empty(),
            shift: empty(),
            groups: norm.groups,
            epsilon: norm.epsilon,
        }),
        Operation::Activation(Activation::PRelu(_)) => Operation::Activation(Activation::PRelu(empty())),
        Operation::Linear(_) => Operation::Linear(Linear::new(empty(), empty())),
        other => other.clone(),
    }
}

/// Multiplies two values of one form, or a map by a vector of its channels.
fn multiply(a: &Tensor, others: &[Tensor]) -> Result<Tensor> {
    match others {
        [b] if a.rank() == b.rank() => a * b,
        [b] => a.broadcast_mul(&b.reshape((b.dim(0)?, b.dim(1)?, 1, 1, 1))?),
        _ => bail!("multiply: expected two values, found {}", others.len() + 1),
    }
}
