//! Devices by name, and the precision of convolutions on them.

#[cfg(feature = "cuda")]
mod cuda;

use crate::Error;
use candle_core::Device;
use conv3d::Precision;

/// Opens the device `spec` with convolutions in float32; see [`device_with`].
///
/// # Errors
/// Returns the errors of [`device_with`].
pub fn device(spec: &str) -> Result<Device, Error> {
    device_with(spec, Precision::F32)
}

/// Opens the device `spec`: `cpu`, `cuda`, `cuda:N` (N from 0) or `metal`.
///
/// # Errors
/// Returns [`Error::Device`] if the name is unknown, the build lacks the device's feature, the machine lacks the device or a
/// recent driver, or the device does not support the precision.
pub fn device_with(spec: &str, precision: Precision) -> Result<Device, Error> {
    let refuse = |why: String| Error::Device { spec: spec.to_owned(), why };
    let (kind, index) = match spec.split_once(':') {
        None => (spec, 0),
        Some((kind, index)) => (
            kind,
            index.parse().map_err(|_| refuse(format!("expected a number after ':', found {index:?}")))?,
        ),
    };
    if precision != Precision::F32 && ["cpu", "metal"].contains(&kind) {
        return Err(refuse(format!("expected precision f32, found {precision}, which only cuda supports")));
    }
    match kind {
        "cpu" if !spec.contains(':') => Ok(Device::Cpu),
        "cuda" => open_cuda(index, precision).map_err(refuse),
        // candle panics for a Metal device that does not exist.
        "metal" if spec.contains(':') => Err(refuse("expected cpu, cuda, cuda:N or metal".to_owned())),
        "metal" if !cfg!(feature = "metal") => {
            Err(refuse("this build has no Metal; build with --features metal".to_owned()))
        }
        "metal" => Device::new_metal(0).map_err(|error| refuse(error.to_string())),
        _ => Err(refuse("expected cpu, cuda, cuda:N or metal".to_owned())),
    }
}

#[cfg(feature = "cuda")]
fn open_cuda(index: usize, precision: Precision) -> Result<Device, String> {
    cuda::open(index, precision)
}

#[cfg(not(feature = "cuda"))]
fn open_cuda(_: usize, _: Precision) -> Result<Device, String> {
    Err("this build has no CUDA; build with --features cuda".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked() {
        assert!(device("cpu").unwrap().is_cpu());
        for unknown in ["", "gpu", "cpu:0", "cuda:x", "cuda:-1", "metal:1"] {
            let message = device(unknown).unwrap_err().to_string();
            assert!(message.starts_with(&format!("device {unknown}: ")), "{message}");
        }
    }

    #[test]
    #[cfg(not(feature = "cuda"))]
    fn a_build_without_cuda_says_how_to_get_it() {
        assert!(device("cuda:1").unwrap_err().to_string().contains("--features cuda"));
    }

    #[test]
    fn a_precision_belongs_to_devices_that_have_it() {
        assert!(device_with("cpu", Precision::F32).is_ok());
        assert!(
            device_with("cpu", Precision::Tf32)
                .unwrap_err()
                .to_string()
                .contains("expected precision f32, found tf32")
        );
    }
}
