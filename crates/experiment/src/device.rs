//! Compute device of the networks, as selected on the command line.

use std::fmt;

use relevox_models::candle_core::Device;
use relevox_models::memory::Notice;
use relevox_models::{Error, Precision, device_with};

use crate::failure::invalid_input;
use crate::progress::print_status;

/// Device and precision of the networks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceOptions {
    /// Name of the device: `cpu`, `cuda`, `cuda:N` or `metal`.
    pub device: String,
    /// Precision of convolutions on CUDA.
    pub precision: Precision,
}

impl DeviceOptions {
    /// Requires the defaults, for a command that runs no network.
    ///
    /// # Errors
    /// Returns an [`InputError`](crate::failure::InputError) for a device other than the CPU, or a precision other than
    /// f32.
    pub fn require_cpu(&self, command: &str) -> anyhow::Result<()> {
        if *self == (Self { device: "cpu".to_owned(), precision: Precision::F32 }) {
            return Ok(());
        }
        Err(invalid_input(format!("--device and --precision: `{command}` runs on the CPU, found {self}")))
    }

    /// Opens the device.
    ///
    /// # Errors
    /// Returns an error if this build or this machine does not support the device.
    pub fn open(&self) -> Result<Device, Error> {
        device_with(&self.device, self.precision)
    }
}

impl fmt::Display for DeviceOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.device)?;
        match self.precision {
            Precision::F32 => Ok(()),
            other => write!(f, ", {other}"),
        }
    }
}

/// Returns a callback that reports a reduced batch size after the GPU ran out of memory. `task` names the work in the
/// message.
pub fn batch_size_notice(task: &'static str) -> Notice {
    Box::new(move |size| {
        print_status(format!("{task}: out of GPU memory, continuing with batches of {size}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::{ExitStatus, exit_status};

    #[test]
    fn commands_without_networks_require_the_cpu() {
        let options = |device: &str, precision| DeviceOptions { device: device.to_owned(), precision };
        assert!(options("cpu", Precision::F32).require_cpu("slic").is_ok());
        for other in [options("cuda", Precision::F32), options("cpu", Precision::Tf32)] {
            let error = other.require_cpu("slic").unwrap_err();
            assert_eq!(exit_status(&error), ExitStatus::InvalidInput);
            assert!(error.to_string().contains("`slic` runs on the CPU"), "{error}");
        }
    }

    #[test]
    fn display_omits_the_default_precision() {
        let shown =
            |device: &str, precision| DeviceOptions { device: device.to_owned(), precision }.to_string();
        assert_eq!(shown("cpu", Precision::F32), "cpu");
        assert_eq!(shown("cuda:1", Precision::F32), "cuda:1");
        assert_eq!(shown("cuda", Precision::Bf16), "cuda, bf16");
    }
}
