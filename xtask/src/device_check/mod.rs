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
use relevox_experiment::place::Place;
use relevox_experiment::progress::say;

/// Checks and times the device.
///
/// # Errors
/// Returns an input error if the device is not available, or an internal error if a check fails.
pub fn run(args: DeviceCheckArgs, place: &Place) -> anyhow::Result<()> {
    let device = place.open()?;
    let checks = Checks::new(place);
    checks.part("operations", operations::run(&checks, &device, place.precision))?;
    checks.part("runs of cuDNN", fallback::run(&checks, &device))?;
    checks.part("training", training::run(&checks, &device, place.precision))?;
    checks.part("relevance", relevance::run(&checks, &device, place.precision))?;
    checks.part("times", times::run(&checks, &device, args.quick))?;
    let failed = checks.failed();
    if !failed.is_empty() {
        bail!("{place}: {} checks failed: {}", failed.len(), failed.join("; "));
    }
    say(format!("device-check: {place} agrees with the CPU"));
    Ok(())
}
