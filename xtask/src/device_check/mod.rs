//! `cargo xtask device-check`: compares a device with the CPU, and times it.
//!
//! Three parts are compared with the CPU: every operation and its gradients; ten training steps, also with the training
//! state moved between devices; the relevance of a phantom's regions, dense and incremental. Then the number of cuDNN's
//! runs is checked, and times are measured. Each check is one JSON line; a part that ends with an error is a failed check.

mod checks;
mod fallback;
mod operations;
mod relevance;
mod times;
mod tolerance;
mod training;

use anyhow::bail;

use crate::cli::DeviceCheckArgs;
use checks::Checks;
use relevox_experiment::device::DeviceOptions;
use relevox_experiment::progress::print_status;

/// Checks and times the device.
///
/// # Errors
/// Returns an input error if the device is not available, or an internal error if a check fails.
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
        bail!("{options}: {} checks failed: {}", failed.len(), failed.join("; "));
    }
    print_status(format!("device-check: {options} agrees with the CPU"));
    Ok(())
}
