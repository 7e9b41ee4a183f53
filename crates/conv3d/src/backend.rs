//! Which implementation computes a convolution.

use candle_core::{DType, Device, Result, Tensor, bail};

/// What computes a convolution and its gradients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    /// This crate's kernels for the CPU.
    Cpu,
    /// cuDNN.
    Cudnn,
    /// Operations of candle's, composed.
    Composed,
}

/// What computes convolutions of this type on the device.
///
/// # Errors
/// If nothing does.
pub fn convolution_backend(device: &Device, dtype: DType) -> Result<Backend> {
    match (device, dtype) {
        (Device::Cpu, DType::F32) => Ok(Backend::Cpu),
        (Device::Cuda(_), DType::F32) => Ok(Backend::Cudnn),
        (Device::Cuda(_), other) => bail!("it has no CUDA form for {other:?}, only for F32"),
        (Device::Cpu | Device::Metal(_), _) => Ok(Backend::Composed),
    }
}

/// How many convolutions and gradients cuDNN has computed on the device since it was opened; none where it is no CUDA
/// device.
///
/// # Errors
/// If cuDNN can't be used.
pub fn cudnn_runs(device: &Device) -> Result<Option<u64>> {
    match device {
        #[cfg(feature = "cuda")]
        Device::Cuda(device) => super::cuda::runs(device).map(Some),
        _ => Ok(None),
    }
}

/// That of an operation's tensors.
pub(super) fn of(op: &str, tensors: &[&Tensor]) -> Result<Backend> {
    let Some(first) = tensors.first() else { bail!("{op}: it takes tensors") };
    for tensor in tensors {
        if tensor.dtype() != first.dtype() {
            bail!("{op}: types {:?} and {:?} differ", first.dtype(), tensor.dtype())
        }
        if !tensor.device().same_device(first.device()) {
            bail!("{op}: tensors lie on {:?} and {:?}", first.device().location(), tensor.device().location())
        }
    }
    convolution_backend(first.device(), first.dtype())
        .map_err(|error| candle_core::Error::msg(format!("{op}: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_must_agree() {
        let one = Tensor::zeros(1, DType::F32, &Device::Cpu).unwrap();
        let two = Tensor::zeros(1, DType::F64, &Device::Cpu).unwrap();
        assert_eq!(of("conv3d", &[&one, &one]).unwrap(), Backend::Cpu);
        assert_eq!(of("conv3d", &[&two]).unwrap(), Backend::Composed);
        let error = of("conv3d", &[&one, &two]).unwrap_err().to_string();
        assert!(error.starts_with("conv3d: types F32 and F64 differ"), "{error}");
    }
}
