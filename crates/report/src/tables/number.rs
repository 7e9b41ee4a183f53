//! A number with its confidence interval and the paper's counterpart.

use relevox_eval::Interval;
use serde::{Deserialize, Serialize};

/// A mean with its interval over cases and the paper's counterpart.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Number {
    /// Mean; `null` if it could not be computed.
    pub mean: Option<f64>,
    /// 95 % bootstrap interval; `null` for fewer than two cases.
    pub ci95: Option<[f64; 2]>,
    /// Number of cases.
    pub n: usize,
    /// The paper's number.
    pub paper: Option<f64>,
    /// Reason for a missing mean.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

impl Number {
    /// A computed number. One case has no interval: all of its resamples are the same.
    pub fn new(interval: Interval, paper: Option<f64>) -> Self {
        let ci95 = (interval.n > 1).then_some(interval.ci95);
        Self { mean: Some(interval.mean), ci95, n: interval.n, paper, why: None }
    }

    /// A missing number with the reason.
    pub fn none(why: impl Into<String>, paper: Option<f64>) -> Self {
        Self { mean: None, ci95: None, n: 0, paper, why: Some(why.into()) }
    }

    /// A computed number, or a missing one whose reason is the error.
    pub fn of(interval: Result<Interval, relevox_eval::Error>, paper: Option<f64>) -> Self {
        match interval {
            Ok(interval) => Self::new(interval, paper),
            Err(error) => Self::none(error.to_string(), paper),
        }
    }

    /// Returns whether the interval excludes 0.
    pub fn excludes_zero(&self) -> bool {
        self.ci95.is_some_and(|ci| ci[0] > 0.0 || ci[1] < 0.0)
    }
}
