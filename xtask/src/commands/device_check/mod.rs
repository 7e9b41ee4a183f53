//! `cargo xtask device-check`: whether a device computes what the CPU does, and how fast.
//!
//! Four parts, each against the CPU: every operation and its gradients beside its plain composition; ten steps of
//! training, and states of training that go from one to the other and back; the relevance of a phantom's regions, whole
//! and incremental; times. Each figure is one JSON line.

mod figures;
mod operations;
mod relevance;
mod times;
mod training;

use anyhow::{Context, bail};
use relevox_models::Precision;
use relevox_models::candle_core::{DType, Device};
use relevox_models::ops::{Form, convolution_form};
use serde_json::json;

use crate::cli::DeviceCheckArgs;
use crate::place::Place;
use crate::progress::say;
use figures::Figures;

/// Checks and times the device.
///
/// # Errors
/// A device that can't be had; a figure that is off, or a convolution that another implementation computed than the
/// device's own.
pub fn run(args: DeviceCheckArgs, place: &Place) -> anyhow::Result<()> {
    let device = place.open()?;
    let figures = Figures::new(place);
    let form = convolution_form(&device, DType::F32)?;
    let expected = match &device {
        Device::Cpu => Form::Kernel,
        Device::Cuda(_) => Form::Cudnn,
        Device::Metal(_) => Form::Composed,
    };
    figures.note("convolutions are computed by", json!(format!("{form:?}")), form == expected)?;
    operations::run(&figures, &device, place.precision)?;
    training::run(&figures, &device, place.precision).context("training")?;
    relevance::run(&figures, &device, place.precision).context("relevance")?;
    times::run(&figures, &device, args.quick).context("times")?;
    let failed = figures.failed();
    if !failed.is_empty() {
        bail!("{place}: {} figures are off: {}", failed.len(), failed.join("; "));
    }
    say(format!("device-check: {place} computes what the CPU does"));
    Ok(())
}

/// How far results may be from the CPU's, as a share of the largest: of one operation, and of what many make.
#[derive(Clone, Copy, Debug)]
struct Allowed {
    operation: f64,
    network: f64,
}

impl Allowed {
    /// At a precision. Products of TF32 are rounded to 2⁻¹¹, those of bfloat16 to 2⁻⁸.
    fn at(precision: Precision) -> Self {
        match precision {
            Precision::F32 => Self { operation: 1e-4, network: 1e-3 },
            Precision::Tf32 => Self { operation: 3e-3, network: 5e-2 },
            Precision::Bf16 => Self { operation: 3e-2, network: 3e-1 },
        }
    }
}
