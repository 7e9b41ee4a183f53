//! Devices by name.

use crate::Error;
use candle_core::Device;

/// The device called `spec`: `cpu`, `cuda`, `cuda:N` (N from 0) or `metal`.
///
/// # Errors
/// If the name is unknown, the build lacks the device's feature, or the machine lacks the device.
pub fn device(spec: &str) -> Result<Device, Error> {
    let refuse = |why: String| Error::Device { spec: spec.to_owned(), why };
    let (kind, index) = match spec.split_once(':') {
        None => (spec, 0),
        Some((kind, index)) => (
            kind,
            index.parse().map_err(|_| refuse(format!("expected a number after ':', found {index:?}")))?,
        ),
    };
    match kind {
        "cpu" if !spec.contains(':') => Ok(Device::Cpu),
        "cuda" if !cfg!(feature = "cuda") => {
            Err(refuse("this build has no CUDA; build with --features cuda".to_owned()))
        }
        "cuda" => Device::new_cuda(index).map_err(|error| refuse(error.to_string())),
        "metal" if !cfg!(feature = "metal") => {
            Err(refuse("this build has no Metal; build with --features metal".to_owned()))
        }
        "metal" => Device::new_metal(index).map_err(|error| refuse(error.to_string())),
        _ => Err(refuse("expected cpu, cuda, cuda:N or metal".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::device;

    #[test]
    fn names_are_checked() {
        assert!(device("cpu").unwrap().is_cpu());
        for unknown in ["", "gpu", "cpu:0", "cuda:x", "cuda:-1"] {
            let message = device(unknown).unwrap_err().to_string();
            assert!(message.starts_with(&format!("device {unknown}: ")), "{message}");
        }
    }

    #[test]
    #[cfg(not(feature = "cuda"))]
    fn a_build_without_cuda_says_how_to_get_it() {
        assert!(device("cuda:1").unwrap_err().to_string().contains("--features cuda"));
    }
}
