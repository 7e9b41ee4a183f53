//! Where networks run, as the command line says it.

use std::fmt;

use relevox_models::candle_core::Device;
use relevox_models::memory::Notice;
use relevox_models::{Error, Precision, device_with};

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

    #[test]
    fn a_place_says_what_is_unusual_about_it() {
        let shown = |device: &str, precision| Place { device: device.to_owned(), precision }.to_string();
        assert_eq!(shown("cpu", Precision::F32), "cpu");
        assert_eq!(shown("cuda:1", Precision::F32), "cuda:1");
        assert_eq!(shown("cuda", Precision::Bf16), "cuda, bf16");
    }
}
