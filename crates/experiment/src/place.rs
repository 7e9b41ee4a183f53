//! Where networks run, as the command line says it.

use std::fmt;

use relevox_models::candle_core::Device;
use relevox_models::memory::Notice;
use relevox_models::{Error, Precision, device_with};

use crate::failure::input;
use crate::progress::say;

/// A device, and how it computes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Its name: cpu, cuda, cuda:N or metal.
    pub device: String,
    /// How CUDA computes the products of convolutions.
    pub precision: Precision,
}

impl Place {
    /// Refuses what a command that runs no network has no use for.
    ///
    /// # Errors
    /// Another device than the CPU, or another precision than its own.
    pub fn refuse(&self, command: &str) -> anyhow::Result<()> {
        if *self == (Self { device: "cpu".to_owned(), precision: Precision::F32 }) {
            return Ok(());
        }
        Err(input(format!("--device and --precision: `{command}` runs on the CPU, found {self}")))
    }

    /// The device, ready.
    ///
    /// # Errors
    /// A device that this build or this machine does not have.
    pub fn open(&self) -> Result<Device, Error> {
        device_with(&self.device, self.precision)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.device)?;
        match self.precision {
            Precision::F32 => Ok(()),
            other => write!(f, ", {other}"),
        }
    }
}

/// Says that batches are smaller from now on.
pub fn say_smaller_batches(what: &'static str) -> Notice {
    Box::new(move |most| say(format!("{what}: out of GPU memory, going on with batches of {most}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::{Ending, ending};

    #[test]
    fn a_command_of_the_cpu_s_refuses_another_device() {
        let place = |device: &str, precision| Place { device: device.to_owned(), precision };
        assert!(place("cpu", Precision::F32).refuse("slic").is_ok());
        for other in [place("cuda", Precision::F32), place("cpu", Precision::Tf32)] {
            let error = other.refuse("slic").unwrap_err();
            assert_eq!(ending(&error), Ending::Input);
            assert!(error.to_string().contains("`slic` runs on the CPU"), "{error}");
        }
    }

    #[test]
    fn a_place_says_what_is_unusual_about_it() {
        let shown = |device: &str, precision| Place { device: device.to_owned(), precision }.to_string();
        assert_eq!(shown("cpu", Precision::F32), "cpu");
        assert_eq!(shown("cuda:1", Precision::F32), "cuda:1");
        assert_eq!(shown("cuda", Precision::Bf16), "cuda, bf16");
    }
}
