//! A convolution, its transpose and their gradients as one candle operation.

use super::algorithms::Addresses;
use super::context::{Context, Fault};
use super::problem::{Pass, Problem};
use candle_core::backend::{BackendDevice, BackendStorage};
use candle_core::cuda_backend::cudarc::driver::{CudaStream, DevicePtr, DevicePtrMut, SyncOnDrop};
use candle_core::cuda_backend::{CudaStorage, CudaStorageSlice};
use candle_core::{CpuStorage, CustomOp2, Error, Layout, Result, Shape, Tensor, bail};
use std::ffi::c_void;

/// One pass of a convolution; the others are its gradients.
#[derive(Clone, Copy)]
pub(super) struct Convolve {
    pub problem: Problem,
    pub pass: Pass,
    /// Name in errors.
    pub name: &'static str,
}

/// Error of a convolution.
#[derive(Debug, thiserror::Error)]
#[error("{name} on CUDA, from {from:?} to {to:?}: {fault}")]
struct Failure {
    name: &'static str,
    from: [[usize; 5]; 2],
    to: [usize; 5],
    fault: Fault,
}

impl Convolve {
    /// Computes the pass and records it for gradients.
    pub(super) fn record(self, a: &Tensor, b: &Tensor) -> Result<Tensor> {
        aligned(a)?.apply_op2(&aligned(b)?, self)
    }

    /// Computes another pass of the same convolution, without gradients.
    fn gradient(&self, pass: Pass, a: &Tensor, b: &Tensor) -> Result<Tensor> {
        aligned(a)?.apply_op2_no_bwd(&aligned(b)?, &Self { pass, ..*self })
    }

    fn failed(&self, fault: Fault) -> Error {
        let (from, to) = (self.problem.read(self.pass), self.problem.computed(self.pass));
        Error::Cuda(Box::new(Failure { name: self.name, from, to, fault }))
    }
}

impl CustomOp2 for Convolve {
    fn name(&self) -> &'static str {
        self.name
    }

    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout, _: &CpuStorage, _: &Layout) -> Result<(CpuStorage, Shape)> {
        bail!("{}: this form is for CUDA", self.name)
    }

    fn cuda_fwd(
        &self,
        a: &CudaStorage,
        a_layout: &Layout,
        b: &CudaStorage,
        b_layout: &Layout,
    ) -> Result<(CudaStorage, Shape)> {
        let (device, dtype) = (a.device(), self.problem.dtype);
        let fail = |fault: Fault| self.failed(fault);
        let read = self.problem.read(self.pass);
        for ((storage, layout), shape) in [(a, a_layout), (b, b_layout)].into_iter().zip(read) {
            if layout.dims() != shape || !layout.is_contiguous() || storage.dtype() != dtype {
                bail!("{}: expected contiguous {dtype:?} of shape {shape:?}, found {layout:?}", self.name)
            }
            if storage.device().id() != device.id() {
                bail!("{}: its tensors lie on different devices", self.name)
            }
        }
        let context = Context::of(device).map_err(fail)?;
        let shape = Shape::from(self.problem.computed(self.pass).to_vec());
        // SAFETY: the pass writes every element, and before it has run nobody has the storage.
        let mut computed = unsafe { device.alloc_uninit(&shape, dtype) }?;
        let stream = device.cuda_stream();
        {
            let (first, _first) = address(a, a_layout, &stream)?;
            let (second, _second) = address(b, b_layout, &stream)?;
            let (target, _target) = address_mut(&mut computed, &stream)?;
            let nothing = std::ptr::null_mut();
            let at = |input, output, weight| Addresses { input, output, weight, workspace: nothing, room: 0 };
            let tensors = match self.pass {
                Pass::Output => at(first, target, second),
                Pass::Input => at(target, first, second),
                Pass::Weight => at(first, second, target),
            };
            // SAFETY: all three are contiguous, of the shapes and the type that were compared with the problem's
            // above, on the context's device, and alive until the guards drop; the target is this call's own.
            unsafe { context.run(&self.problem, self.pass, tensors) }.map_err(fail)?;
        }
        Ok((computed, shape))
    }

    fn bwd(
        &self,
        a: &Tensor,
        b: &Tensor,
        _: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        // Compute only the gradients of arguments that depend on a variable.
        let wanted = |x: &Tensor, pass, first: &Tensor, second: &Tensor| {
            x.track_op().then(|| self.gradient(pass, first, second)).transpose()
        };
        match self.pass {
            Pass::Output => Ok((wanted(a, Pass::Input, gradient, b)?, wanted(b, Pass::Weight, a, gradient)?)),
            Pass::Input => Ok((wanted(a, Pass::Output, gradient, b)?, wanted(b, Pass::Weight, gradient, a)?)),
            Pass::Weight => Err(Error::BackwardNotSupported { op: self.name }),
        }
    }
}

/// Alignment of cuDNN's loads, in bytes.
const ALIGNMENT: usize = 16;

/// Returns the tensor in row-major order at an aligned address. A part of a batch may begin anywhere in its memory.
fn aligned(x: &Tensor) -> Result<Tensor> {
    let x = x.contiguous()?;
    let start = x.layout().start_offset() * x.dtype().size_in_bytes();
    // Copying only the storage would keep the offset.
    if start.is_multiple_of(ALIGNMENT) { Ok(x) } else { x.force_contiguous() }
}

/// Returns the address of a contiguous tensor and a guard that orders the stream.
fn address<'a>(
    storage: &'a CudaStorage,
    layout: &Layout,
    stream: &'a CudaStream,
) -> Result<(*mut c_void, SyncOnDrop<'a>)> {
    let (start, (address, guard)) = match &storage.slice {
        CudaStorageSlice::F32(slice) => (layout.start_offset() * size_of::<f32>(), slice.device_ptr(stream)),
        CudaStorageSlice::BF16(slice) => (layout.start_offset() * 2, slice.device_ptr(stream)),
        _ => bail!("convolutions on CUDA take float32 and bfloat16, found {:?}", storage.dtype()),
    };
    Ok(((address as usize + start) as *mut c_void, guard))
}

fn address_mut<'a>(
    storage: &'a mut CudaStorage,
    stream: &'a CudaStream,
) -> Result<(*mut c_void, SyncOnDrop<'a>)> {
    let (address, guard) = match &mut storage.slice {
        CudaStorageSlice::F32(slice) => slice.device_ptr_mut(stream),
        CudaStorageSlice::BF16(slice) => slice.device_ptr_mut(stream),
        _ => bail!("convolutions on CUDA give float32 and bfloat16"),
    };
    Ok((address as *mut c_void, guard))
}
