//! The backend that computes a convolution.

use candle_core::{DType, Device, Result, Tensor, bail};

/// Implementation of a convolution and its gradients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    /// This crate's kernels for the CPU.
    Cpu,
    /// cuDNN.
    Cudnn,
    /// A composition of candle's operations.
    Composed,
}

/// Returns the backend of convolutions of this type on the device.
///
/// # Errors
/// Returns an error for types other than float32 on CUDA, which no backend supports.
pub fn convolution_backend(device: &Device, dtype: DType) -> Result<Backend> {
    match (device, dtype) {
        (Device::Cpu, DType::F32) => Ok(Backend::Cpu),
        (Device::Cuda(_), DType::F32) => Ok(Backend::Cudnn),
        (Device::Cuda(_), other) => bail!("expected F32 on CUDA, found {other:?}"),
        (Device::Cpu | Device::Metal(_), _) => Ok(Backend::Composed),
    }
}

/// Returns the number of convolutions and gradients that cuDNN has computed on the device since it was opened, or `None`
/// for a device without CUDA.
///
/// # Errors
/// Returns an error if cuDNN cannot be used.
pub fn cudnn_runs(device: &Device) -> Result<Option<u64>> {
    match device {
        #[cfg(feature = "cuda")]
        Device::Cuda(device) => super::cuda::runs(device).map(Some),
        _ => Ok(None),
    }
}

/// Returns the backend for the tensors of an operation.
pub(super) fn of(op: &str, tensors: &[&Tensor]) -> Result<Backend> {
    let Some(first) = tensors.first() else { bail!("{op}: expected tensors, found none") };
    for tensor in tensors {
        if tensor.dtype() != first.dtype() {
            bail!("{op}: expected one type, found {:?} and {:?}", first.dtype(), tensor.dtype())
        }
        if !tensor.device().same_device(first.device()) {
            let [a, b] = [first, tensor].map(|tensor| tensor.device().location());
            bail!("{op}: expected one device, found {a:?} and {b:?}")
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
        assert!(error.starts_with("conv3d: expected one type, found F32 and F64"), "{error}");
    }
}
