//! The convolutions as candle operations with gradients.
//!
//! A backward pass computes only the gradients of arguments that depend on a variable: those of an image and of frozen
//! weights are skipped.

use super::layer::Layer;
use super::shape::{Axis, Gather};
use super::{algorithm, conv};
use crate::simd::Isa;
use crate::{Conv3dParams, ConvTranspose3dParams};
use candle_core::{CpuStorage, CustomOp2, CustomOp3, Layout, Result, Shape, Storage, Tensor, bail};

/// [`crate::conv3d`] of `f32` tensors on the CPU.
pub(crate) fn conv3d(
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    params: Conv3dParams,
) -> Result<Tensor> {
    apply(Convolution::Direct(params), x, weight, bias)
}

/// [`crate::conv_transpose3d`] of `f32` tensors on the CPU.
pub(crate) fn conv_transpose3d(
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    params: ConvTranspose3dParams,
) -> Result<Tensor> {
    apply(Convolution::Transposed(params), x, weight, bias)
}

fn apply(op: Convolution, x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
    let (x, weight) = (x.contiguous()?, weight.contiguous()?);
    match bias {
        None => x.apply_op2(&weight, op),
        Some(bias) => x.apply_op3(&weight, &bias.contiguous()?, op),
    }
}

/// A convolution, or the transpose of one.
#[derive(Clone, Copy, Debug)]
enum Convolution {
    Direct(Conv3dParams),
    Transposed(ConvTranspose3dParams),
}

impl Convolution {
    /// Returns the gather of this convolution, or of the one that it transposes: its input is then this one's output.
    fn gather(&self, x: &[usize], weight: &[usize]) -> Result<Gather> {
        let (&[batch, channels, d, h, w], &[first, second, kd, kh, kw]) = (x, weight) else {
            bail!("{}: input {x:?} and weight {weight:?} should be of rank 5", self.label())
        };
        let (sizes, kernel) = ([d, h, w], [kd, kh, kw]);
        match self {
            Convolution::Direct(params) => {
                let Some(output) = params.output_size(sizes, kernel) else {
                    bail!("conv3d: kernel {weight:?} does not fit input {x:?} with {params:?}")
                };
                let axes = Axis::all(sizes, output, kernel, params.stride, params.padding, params.dilation);
                Ok(Gather { batch, inputs: channels, outputs: first, axes })
            }
            Convolution::Transposed(params) => {
                let Some(output) = params.output_size(sizes, kernel) else {
                    bail!("conv_transpose3d: nothing is left of {x:?} with {weight:?} and {params:?}")
                };
                let axes = Axis::all(output, sizes, kernel, params.stride, params.padding, params.dilation);
                Ok(Gather { batch, inputs: second, outputs: channels, axes })
            }
        }
    }

    fn label(&self) -> &'static str {
        match self {
            Convolution::Direct(_) => "conv3d",
            Convolution::Transposed(_) => "conv_transpose3d",
        }
    }

    fn forward(
        &self,
        x: (&CpuStorage, &Layout),
        weight: (&CpuStorage, &Layout),
        bias: Option<(&CpuStorage, &Layout)>,
    ) -> Result<(CpuStorage, Shape)> {
        let gather = self.gather(x.1.dims(), weight.1.dims())?;
        let (input, weight) = (values(x.0, x.1)?, values(weight.0, weight.1)?);
        let bias = bias.map(|(storage, layout)| values(storage, layout)).transpose()?;
        let (channels, [d, h, w]) = match self {
            Convolution::Direct(_) => (gather.outputs, gather.axes.map(|axis| axis.output)),
            Convolution::Transposed(_) => (gather.inputs, gather.axes.map(|axis| axis.input)),
        };
        let mut output = vec![0.0; gather.batch * channels * d * h * w];
        let layer = Layer { isa: Isa::current(), gather: &gather, weight, bias };
        match self {
            Convolution::Direct(_) => algorithm::forward(&layer, input, &mut output),
            Convolution::Transposed(_) => algorithm::input_gradient(&layer, input, &mut output),
        }
        Ok((CpuStorage::F32(output), Shape::from((gather.batch, channels, d, h, w))))
    }

    /// Computes the requested gradients of input, weight and bias.
    fn backward(&self, x: &Tensor, weight: &Tensor, gradient: &Tensor, wanted: Wanted) -> Result<Gradients> {
        let gather = self.gather(x.dims(), weight.dims())?;
        let gradient = gradient.contiguous()?;
        let isa = Isa::current();
        let input_gradient = |weight: &[f32], gradient: &[f32]| {
            let mut to = vec![0.0; x.elem_count()];
            let layer = Layer { isa, gather: &gather, weight, bias: None };
            match self {
                Convolution::Direct(_) => algorithm::input_gradient(&layer, gradient, &mut to),
                Convolution::Transposed(_) => algorithm::forward(&layer, gradient, &mut to),
            }
            to
        };
        let weight_gradient = |x: &[f32], gradient: &[f32]| {
            let mut to = vec![0.0; weight.elem_count()];
            match self {
                Convolution::Direct(_) => algorithm::weight_gradient(isa, &gather, x, gradient, &mut to),
                Convolution::Transposed(_) => algorithm::weight_gradient(isa, &gather, gradient, x, &mut to),
            }
            to
        };
        let mut found = Gradients { input: None, weight: None, bias: None };
        if wanted.input {
            let values =
                with_values([weight, &gradient], |[weight, gradient]| input_gradient(weight, gradient))?;
            found.input = Some(Tensor::from_vec(values, x.shape(), x.device())?);
        }
        if wanted.weight {
            let values = with_values([x, &gradient], |[x, gradient]| weight_gradient(x, gradient))?;
            found.weight = Some(Tensor::from_vec(values, weight.shape(), x.device())?);
        }
        if wanted.bias {
            let [batch, channels] = [gradient.dim(0)?, gradient.dim(1)?];
            let values =
                with_values([&gradient], |[gradient]| conv::channel_sums(batch, channels, gradient))?;
            found.bias = Some(Tensor::from_vec(values, channels, x.device())?);
        }
        Ok(found)
    }
}

#[derive(Clone, Copy)]
struct Wanted {
    input: bool,
    weight: bool,
    bias: bool,
}

struct Gradients {
    input: Option<Tensor>,
    weight: Option<Tensor>,
    bias: Option<Tensor>,
}

impl CustomOp2 for Convolution {
    fn name(&self) -> &'static str {
        self.label()
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        self.forward((x, x_layout), (weight, weight_layout), None)
    }

    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        _: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let wanted = Wanted { input: x.track_op(), weight: weight.track_op(), bias: false };
        let found = self.backward(x, weight, gradient, wanted)?;
        Ok((found.input, found.weight))
    }
}

impl CustomOp3 for Convolution {
    fn name(&self) -> &'static str {
        self.label()
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
        bias: &CpuStorage,
        bias_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        self.forward((x, x_layout), (weight, weight_layout), Some((bias, bias_layout)))
    }

    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        bias: &Tensor,
        _: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let wanted = Wanted { input: x.track_op(), weight: weight.track_op(), bias: bias.track_op() };
        let found = self.backward(x, weight, gradient, wanted)?;
        Ok((found.input, found.weight, found.bias))
    }
}

/// Returns the elements of a contiguous `f32` storage.
pub(super) fn values<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    match (storage, layout.contiguous_offsets()) {
        (CpuStorage::F32(values), Some((start, end))) => Ok(&values[start..end]),
        _ => bail!("expected a contiguous f32 tensor on the CPU, found {layout:?}"),
    }
}

/// Calls `work` with the elements of contiguous `f32` tensors on the CPU.
pub(super) fn with_values<const N: usize, R>(
    tensors: [&Tensor; N],
    work: impl FnOnce([&[f32]; N]) -> R,
) -> Result<R> {
    let held = tensors.map(Tensor::storage_and_layout);
    let mut slices: [&[f32]; N] = [&[]; N];
    for (slice, (storage, layout)) in slices.iter_mut().zip(&held) {
        *slice = match &**storage {
            Storage::Cpu(storage) => values(storage, layout)?,
            _ => bail!("expected a tensor on the CPU"),
        };
    }
    Ok(work(slices))
}
