//! Compute device of the networks, as selected on the command line.

use std::fmt;

use relevox_models::candle_core::Device;
use relevox_models::conv3d::Isa;
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
    /// Selects AVX2 and FMA on every x86-64 processor: results then do not depend on the processor.
    pub portable: bool,
}

impl DeviceOptions {
    /// Requires the defaults, for a command that runs no network.
    ///
    /// # Errors
    /// Returns an [`InputError`](crate::failure::InputError) for a device other than the CPU, or a precision other than
    /// f32.
    pub fn require_cpu(&self, command: &str) -> anyhow::Result<()> {
        if self.device == "cpu" && self.precision == Precision::F32 {
            return Ok(());
        }
        Err(invalid_input(format!("--device and --precision: `{command}` runs on the CPU, found {self}")))
    }

    /// Chooses the instruction set of this process, before anything is computed.
    ///
    /// # Errors
    /// Returns an [`InputError`](crate::failure::InputError) if results are to be portable, and the processor lacks AVX2 or FMA or
    /// the networks run on another device.
    pub fn choose_instruction_set(&self) -> anyhow::Result<()> {
        if !self.portable {
            return Ok(());
        }
        if self.device != "cpu" {
            return Err(invalid_input(format!("--portable: expected --device cpu, found {}", self.device)));
        }
        let Some(portable) = Isa::portable() else {
            return Err(invalid_input(format!(
                "--portable: expected an x86-64 processor with AVX2 and FMA, found one with {}",
                Isa::current().name()
            )));
        };
        portable
            .choose()
            .map_err(|found| anyhow::anyhow!("--portable: convolutions already use {}", found.name()))
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

    fn options(device: &str, precision: Precision) -> DeviceOptions {
        DeviceOptions { device: device.to_owned(), precision, portable: true }
    }

    #[test]
    fn other_devices_have_no_portable_results() {
        let error = options("cuda", Precision::F32).choose_instruction_set().unwrap_err();
        assert_eq!(exit_status(&error), ExitStatus::InvalidInput);
        assert!(error.to_string().contains("expected --device cpu, found cuda"), "{error}");
    }

    #[test]
    fn commands_without_networks_require_the_cpu() {
        assert!(options("cpu", Precision::F32).require_cpu("slic").is_ok());
        for other in [options("cuda", Precision::F32), options("cpu", Precision::Tf32)] {
            let error = other.require_cpu("slic").unwrap_err();
            assert_eq!(exit_status(&error), ExitStatus::InvalidInput);
            assert!(error.to_string().contains("`slic` runs on the CPU"), "{error}");
        }
    }

    #[test]
    fn display_omits_the_default_precision() {
        let shown = |device: &str, precision| options(device, precision).to_string();
        assert_eq!(shown("cpu", Precision::F32), "cpu");
        assert_eq!(shown("cuda:1", Precision::F32), "cuda:1");
        assert_eq!(shown("cuda", Precision::Bf16), "cuda, bf16");
    }
}
