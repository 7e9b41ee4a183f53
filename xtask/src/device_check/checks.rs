//! Results of the device check, one JSON line each.

use std::cell::RefCell;

use serde_json::{Value, json};

use relevox::cli::print_result;
use relevox_experiment::device::DeviceOptions;
use relevox_experiment::failure::{ExitStatus, exit_status, message};
use relevox_experiment::interrupt;

/// Results so far.
pub(super) struct Checks {
    device: String,
    precision: String,
    failed: RefCell<Vec<String>>,
}

impl Checks {
    /// Starts the checks of a device.
    pub(super) fn new(options: &DeviceOptions) -> Self {
        let (device, precision) = (options.device.clone(), options.precision.to_string());
        Self { device, precision, failed: RefCell::default() }
    }

    /// Reports the distance of a result from the CPU's, and the allowed distance.
    ///
    /// # Errors
    /// Returns an error if stdout is closed or the user interrupts.
    pub(super) fn off(&self, what: &str, off: f64, allowed: f64) -> anyhow::Result<()> {
        // NaN fails.
        let passed = off <= allowed;
        self.line(what, json!({ "off": finite(off), "allowed": allowed }), Some(passed))
    }

    /// Reports a finding and whether it passed.
    ///
    /// # Errors
    /// As [`Checks::off`].
    pub(super) fn note(&self, what: &str, found: Value, passed: bool) -> anyhow::Result<()> {
        self.line(what, json!({ "found": found }), Some(passed))
    }

    /// Reports the error of a part as a failed check, so that the other parts run.
    ///
    /// # Errors
    /// As [`Checks::off`].
    pub(super) fn part(&self, what: &str, ended: anyhow::Result<()>) -> anyhow::Result<()> {
        match ended {
            Err(error) if exit_status(&error) != ExitStatus::Interrupted => {
                self.note(what, json!(message(&error)), false)
            }
            other => other,
        }
    }

    /// Reports a time.
    ///
    /// # Errors
    /// As [`Checks::off`].
    pub(super) fn seconds(&self, what: &str, seconds: f64) -> anyhow::Result<()> {
        self.line(what, json!({ "seconds": seconds }), None)
    }

    /// Names of failed checks.
    pub(super) fn failed(&self) -> Vec<String> {
        self.failed.borrow().clone()
    }

    fn line(&self, what: &str, mut line: Value, passed: Option<bool>) -> anyhow::Result<()> {
        interrupt::check()?;
        line["figure"] = json!(what);
        line["device"] = json!(self.device);
        line["precision"] = json!(self.precision);
        if let Some(passed) = passed {
            line["passed"] = json!(passed);
            if !passed {
                self.failed.borrow_mut().push(what.to_owned());
            }
        }
        print_result(&line)
    }
}

/// JSON has no NaN.
fn finite(value: f64) -> Value {
    if value.is_finite() { json!(value) } else { json!(value.to_string()) }
}

/// Largest difference between two lists, as a share of the largest magnitude of the second, or of `least`.
pub(super) fn distance(found: &[f32], expected: &[f32], least: f64) -> f64 {
    if found.len() != expected.len() {
        return f64::INFINITY;
    }
    let scale = expected.iter().fold(least, |most, value| most.max(f64::from(value.abs())));
    let mut off = 0.0f64;
    for (&found, &expected) in found.iter().zip(expected) {
        let this = f64::from(found - expected).abs();
        // `max` would ignore NaN.
        off = if this <= off { off } else { this };
        if off.is_nan() {
            return off;
        }
    }
    off / scale
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_a_failed_check_and_an_interrupt_is_not() {
        let precision = relevox_models::Precision::F32;
        let options = DeviceOptions { device: "cpu".to_owned(), precision, portable: false };
        let checks = Checks::new(&options);
        let diverged = relevox_models::Error::Diverged { epoch: 1, batch: 2, loss: f32::NAN };
        checks.part("fine", Ok(())).unwrap();
        checks.part("training", Err(diverged.into())).unwrap();
        assert_eq!(checks.failed(), ["training"]);
        let stopped = checks.part("times", Err(relevox_experiment::failure::Interrupted.into())).unwrap_err();
        assert_eq!(exit_status(&stopped), ExitStatus::Interrupted);
        assert_eq!(checks.failed(), ["training"]);
    }

    #[test]
    fn distances_are_shares_and_nan_is_not_close() {
        assert_eq!(distance(&[1.0, 6.0], &[1.0, 8.0], 1.0), 0.25);
        assert_eq!(distance(&[0.5], &[0.0], 1.0), 0.5);
        assert!(distance(&[f32::NAN, 1.0], &[1.0, 1.0], 1.0).is_nan());
        assert!(distance(&[1.0], &[], 1.0).is_infinite());
    }
}
