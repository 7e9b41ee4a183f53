//! Devices by name, and the precision of convolutions on them.

#[cfg(feature = "cuda")]
mod cuda;

use crate::Error;
use candle_core::Device;
use std::fmt;
use std::str::FromStr;

/// How a GPU computes the products of a convolution. Sums, and everything but convolutions, are float32.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Precision {
    /// float32 by fused multiply-adds, as on the CPU.
    #[default]
    F32,
    /// float32 whose products the tensor cores round to 10 bits.
    Tf32,
    /// bfloat16: inputs, weights and outputs of a convolution have 7 bits.
    Bf16,
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::F32 => "f32",
            Self::Tf32 => "tf32",
            Self::Bf16 => "bf16",
        })
    }
}

impl FromStr for Precision {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        [Self::F32, Self::Tf32, Self::Bf16]
            .into_iter()
            .find(|precision| precision.to_string() == name)
            .ok_or_else(|| format!("expected f32, tf32 or bf16, found {name:?}"))
    }
}

/// The device called `spec`, with convolutions in float32; see [`device_with`].
///
/// # Errors
/// As [`device_with`].
pub fn device(spec: &str) -> Result<Device, Error> {
    device_with(spec, Precision::F32)
}

/// The device called `spec`: `cpu`, `cuda`, `cuda:N` (N from 0) or `metal`.
///
/// # Errors
/// If the name is unknown, the build lacks the device's feature, the machine lacks the device or a driver that is new
/// enough, or convolutions on it know no such precision.
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
        return Err(refuse(format!("it computes in f32 alone, {precision} is for cuda")));
    }
    match kind {
        "cpu" if !spec.contains(':') => Ok(Device::Cpu),
        "cuda" => open_cuda(index, precision).map_err(refuse),
        // candle takes Metal's devices by number, and panics at one that is not there.
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
    fn precisions_are_named_and_belong_to_devices_that_have_them() {
        for precision in [Precision::F32, Precision::Tf32, Precision::Bf16] {
            assert_eq!(precision.to_string().parse(), Ok(precision));
        }
        assert!("f16".parse::<Precision>().is_err());
        assert!(device_with("cpu", Precision::F32).is_ok());
        assert!(device_with("cpu", Precision::Tf32).unwrap_err().to_string().contains("f32 alone"));
    }
}
