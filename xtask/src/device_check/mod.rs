//! `cargo xtask device-check`: whether a device computes what the CPU does, and how fast.
//!
//! Three parts against the CPU: every operation and its gradients beside its plain composition; ten steps of training, and
//! states of training that go from one to the other and back; the relevance of a phantom's regions, whole and
//! incremental. Then whether cuDNN computed every convolution, and times. Each figure is one JSON line; a part that ends
//! with an error is a figure that failed.

mod checks;
mod fallback;
mod operations;
mod relevance;
mod times;
mod training;

use anyhow::bail;
use relevox_models::Precision;

use crate::cli::DeviceCheckArgs;
use checks::Checks;
use relevox_experiment::device::DeviceOptions;
use relevox_experiment::progress::print_status;

/// Checks and times the device.
///
/// # Errors
/// A device that can't be had, which is the user's fault; a figure that is off, which is ours.
pub fn run(args: DeviceCheckArgs, options: &DeviceOptions) -> anyhow::Result<()> {
    let device = options.open()?;
    let checks = Checks::new(options);
    checks.part("operations", operations::run(&checks, &device, options.precision))?;
    checks.part("runs of cuDNN", fallback::run(&checks, &device))?;
    checks.part("training", training::run(&checks, &device, options.precision))?;
    checks.part("relevance", relevance::run(&checks, &device, options.precision))?;
    checks.part("times", times::run(&checks, &device, args.quick))?;
    let failed = checks.failed();
    if !failed.is_empty() {
        bail!("{options}: {} checks are off: {}", failed.len(), failed.join("; "));
    }
    print_status(format!("device-check: {options} computes what the CPU does"));
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
