//! Opens a CUDA device, or names what is missing.
#![allow(unsafe_code, reason = "calls of the CUDA driver; each block says why it holds")]

use candle_core::cuda_backend::cudarc::driver::{result, sys};
use candle_core::{CudaDevice, DType, Device, Tensor};
use conv3d::{Precision, is_exhausted, open_cuda};
use std::sync::{Mutex, PoisonError};

/// The open devices, by number. candle treats a device that is opened twice as two: their tensors could not be combined, and
/// each would have a workspace.
static OPEN: Mutex<Vec<(usize, Precision, Device)>> = Mutex::new(Vec::new());

/// Opens device `index`, once per process.
pub(super) fn open(index: usize, precision: Precision) -> Result<Device, String> {
    let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
    match open.iter().find(|(number, ..)| *number == index) {
        Some((_, known, device)) if *known == precision => Ok(device.clone()),
        Some((_, known, _)) => {
            Err(format!("expected {known}, for which this process has opened it, found {precision}"))
        }
        None => {
            let device = prepare(index, precision)?;
            open.push((index, precision, device.clone()));
            Ok(device)
        }
    }
}

fn prepare(index: usize, precision: Precision) -> Result<Device, String> {
    driver()?;
    let count = result::device::get_count().map_err(|error| error.to_string())?.max(0) as usize;
    if index >= count {
        let these =
            if count == 1 { "one GPU, cuda:0".to_owned() } else { format!("{count} GPUs, counted from 0") };
        return Err(format!("there is no such device: this machine has {these}"));
    }
    // One stream for all threads, so that work is done in the order of the calls.
    let device = Device::new_cuda_with_stream(index).map_err(|error| error.to_string())?;
    let cuda = device.as_cuda_device().map_err(|error| error.to_string())?;
    // SAFETY: the device was just made and has no tensor yet; all of its work, allocations included, goes to its one
    // stream, so that nothing has to wait for anything by events.
    unsafe { cuda.disable_event_tracking() };
    keep_freed_memory(index)?;
    try_kernels(&device)?;
    open_cuda(cuda, precision).map_err(|error| format!("cuDNN can't be used: {error}"))?;
    Ok(device)
}

/// Validates that the driver is recent enough for this build.
fn driver() -> Result<(), String> {
    use sys::cudaError_enum as Code;
    // SAFETY: the driver's first call; it may be made as often as one likes.
    let code = unsafe { sys::cuInit(0) };
    let needs = version(sys::CUDA_VERSION);
    match code {
        Code::CUDA_SUCCESS => {}
        Code::CUDA_ERROR_STUB_LIBRARY => {
            return Err("found no NVIDIA driver (libcuda.so.1) on this machine".to_owned());
        }
        Code::CUDA_ERROR_NO_DEVICE => return Err("the NVIDIA driver sees no GPU".to_owned()),
        Code::CUDA_ERROR_SYSTEM_DRIVER_MISMATCH => {
            return Err("the NVIDIA driver's library and kernel module are of different versions".to_owned());
        }
        other => {
            return Err(format!(
                "the NVIDIA driver does not start ({other:?}); this build needs one for {needs}"
            ));
        }
    }
    let mut found = 0;
    // SAFETY: `found` takes the one number that is written.
    let code = unsafe { sys::cuDriverGetVersion(&raw mut found) };
    if code != Code::CUDA_SUCCESS {
        return Err(format!("the NVIDIA driver does not say its version ({code:?})"));
    }
    if found < sys::CUDA_VERSION as i32 {
        let found = version(found.max(0) as u32);
        return Err(format!(
            "the NVIDIA driver is too old: it is for {found}, this build needs {needs} or later"
        ));
    }
    Ok(())
}

/// Formats a version: 13000 is CUDA 13.0.
fn version(number: u32) -> String {
    format!("CUDA {}.{}", number / 1000, number % 1000 / 10)
}

/// Lets the process keep the memory of freed tensors: by default it is returned to the system at every synchronisation, of
/// which a training step has one.
fn keep_freed_memory(index: usize) -> Result<(), String> {
    let keep = || {
        let device = result::device::get(index as i32)?;
        let mut pool = std::ptr::null_mut();
        let mut threshold = u64::MAX;
        // SAFETY: the device exists, `pool` takes the one handle that is written, and the attribute is a 64-bit number.
        unsafe {
            sys::cuDeviceGetDefaultMemPool(&raw mut pool, device).result()?;
            sys::cuMemPoolSetAttribute(
                pool,
                sys::CUmemPool_attribute::CU_MEMPOOL_ATTR_RELEASE_THRESHOLD,
                (&raw mut threshold).cast(),
            )
            .result()
        }
    };
    match keep() {
        // A device without memory pools needs no setting.
        Ok(()) | Err(result::DriverError(sys::cudaError_enum::CUDA_ERROR_NOT_SUPPORTED)) => Ok(()),
        Err(error) => Err(error.to_string()),
    }
}

/// Validates that the GPU runs the kernels of this build.
fn try_kernels(device: &Device) -> Result<(), String> {
    let sum = || Tensor::ones(3, DType::F32, device)?.affine(2.0, 0.0)?.sum_all()?.to_scalar::<f32>();
    match sum() {
        Ok(6.0) => Ok(()),
        Ok(other) => Err(format!("it sums 2, 2 and 2 to {other}")),
        Err(error) if is_exhausted(&error) => Err(format!("its memory is full ({error})")),
        Err(error) => {
            let major = capability(device.as_cuda_device().map_err(|error| error.to_string())?);
            Err(format!(
                "it does not run this build's kernels ({error}); its compute capability is {major}: build with \
                 CUDA_COMPUTE_CAP set to that, or to a lower one"
            ))
        }
    }
}

/// Returns the compute capability in the format of CUDA_COMPUTE_CAP: 90 is 9.0.
fn capability(device: &CudaDevice) -> String {
    use sys::CUdevice_attribute_enum as Attribute;
    let stream = device.cuda_stream();
    let ask = |attribute| stream.context().attribute(attribute).map_or("?".to_owned(), |n| n.to_string());
    let major = ask(Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR);
    major + &ask(Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR)
}
